"""A model card has its nine sections, filled from the report, for models of every sort."""

import re

import pytest
from helpers.report_example import full_report
from helpers.reports import HOSTILE, classifier, generator, small_report
from markdown_it import MarkdownIt

from textapp.reports.model_card import model_card
from textapp.reports.write import write_model_cards

# Mitchell et al. 2019, figure 1.
SECTIONS = [
    "Model Details",
    "Intended Use",
    "Factors",
    "Metrics",
    "Evaluation Data",
    "Training Data",
    "Quantitative Analyses",
    "Ethical Considerations",
    "Caveats and Recommendations",
]


@pytest.fixture(scope="module")
def report():
    return full_report()


def card(report, name):
    (row,) = [row for row in [*report["classifiers"], *report["generators"]] if row["name"] == name]
    return model_card(report, row)


def sections(page):
    return re.findall("^## (.*)$", page, re.MULTILINE)


@pytest.mark.parametrize("name", ["majority", "nbsvm", "lstm", "decoder"])
def test_card_has_the_nine_sections_with_something_in_each(report, name):
    page = card(report, name)
    assert page.startswith(f"# Model card: {name}\n")
    assert sections(page) == SECTIONS
    assert all(part.partition("\n")[2].strip() for part in page.split("\n## ")[1:])
    assert "None" not in page


def test_card_of_a_classifier_is_filled_from_the_report(report):
    page = card(report, "lstm")
    row = next(row for row in report["classifiers"] if row["name"] == "lstm")
    assert "- Sort: a neural network classifier" in page
    assert "- Command: python train.py --data 'reviews of films.csv' --seed 7 --seeds 5" in page
    assert "one of the labels negative, positive." in page
    assert "| Accuracy | 0.850 [0.826, 0.872] |" in page
    assert f"| {row['slices'][0]['slice']}: {row['slices'][0]['group']} | 104 |" in page
    assert "| typos | " in page
    assert "400 texts that it was not trained on here." in page
    assert "- 11 texts of the split (2.8 %) have a near duplicate in training." in page
    assert "- Labels: 9,973 negative, 9,949 positive." in page
    assert "- Licence: free for research, Maas et al. 2011" in page
    assert "- Stopped after epoch 6, the best was epoch 4." in page
    assert "Weakest on unknown words: more than 5 %, accuracy 0.808" in page
    assert "another seed or other training texts may give other models" in page


def test_card_says_how_to_load_and_what_to_import(report):
    page = card(report, "nbsvm")
    assert 'import tensorflow as tf\n\nclassify = tf.saved_model.load("1").signatures["serving_default"]' in page
    assert "tensorflow_text" not in page
    page = card(report, "decoder")
    assert "It needs tensorflow, tensorflow_text and nothing of this project:" in page
    assert "import tensorflow_text  # registers ops" in page
    assert 'print(write(prompt=tf.constant(["The"])))' in page
    assert "| decoder | 1.903 |\n| bigram, Kneser-Ney | 2.021 |" in page
    assert "There is no SavedModel of it" in card(report, "majority")


def test_card_of_rows_without_the_new_parts():
    report = small_report()
    for name in ("nbsvm", "decoder"):
        assert sections(card(report, name)) == SECTIONS
    assert "- No groups were measured." in card(report, "nbsvm")
    assert "- The licence of the texts is not known to this report." in card(report, "nbsvm")
    assert "Calibration" not in card(report, "nbsvm")


def test_hostile_texts_stay_texts_in_cards():
    needs = ["tensorflow", "os; import evil", "tensorflow_text"]
    row = classifier(HOSTILE, label_names=(HOSTILE, "good"), notes=[HOSTILE], export={"needs": needs})
    report = small_report(classifiers=[row], generators=[generator(HOSTILE, HOSTILE)])
    clean = small_report(classifiers=[classifier(export={"needs": needs}, notes=["a"])])
    tokens = MarkdownIt("commonmark").enable("table").parse(model_card(report, report["classifiers"][0]))
    expected = MarkdownIt("commonmark").enable("table").parse(model_card(clean, clean["classifiers"][0]))
    assert [token.type for token in tokens] == [token.type for token in expected]
    inline = {child.type for token in tokens for child in token.children or ()}
    assert inline <= {"text", "text_special", "code_inline", "softbreak"}
    (code,) = [token.content for token in tokens if token.type == "fence"]
    assert [line for line in code.splitlines() if line.startswith("import")] == [
        "import tensorflow as tf",
        "import tensorflow_text  # registers ops that the SavedModel needs",
    ]


def test_cards_lie_beside_the_models_that_have_a_folder(tmp_path, report):
    run = tmp_path / "run"
    for name in ("nbsvm", "decoder", "report"):
        (run / name).mkdir(parents=True)
    written = write_model_cards(report, run)
    assert written == [run / "nbsvm" / "MODEL_CARD.md", run / "decoder" / "MODEL_CARD.md"]
    assert written[0].read_text(encoding="utf-8") == card(report, "nbsvm")
    assert list((run / "report").iterdir()) == []


@pytest.mark.parametrize("name", ["..", ".", "", "../other", "nbsvm/..", "nbsvm/1"])
def test_no_card_is_written_outside_of_the_models_folders(tmp_path, name):
    run, other = tmp_path / "run", tmp_path / "other"
    (run / "nbsvm" / "1").mkdir(parents=True)
    other.mkdir()
    report = small_report(classifiers=[classifier(name), classifier(str(other))], generators=[])
    assert write_model_cards(report, run) == []
    assert not list(tmp_path.rglob("MODEL_CARD.md"))
