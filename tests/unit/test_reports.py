"""A report keeps its numbers, its order and its shape, whatever texts it holds."""

import io
import json
import re

import pytest
from helpers.report_example import full_report
from helpers.reports import HOSTILE, classifier, generator, small_report
from markdown_it import MarkdownIt
from rich.console import Console

from textapp.reports.markdown import escape, to_markdown
from textapp.reports.page import to_html
from textapp.reports.schema import build_report
from textapp.reports.terminal import print_report
from textapp.reports.write import write_report

GOLDEN = """\
# Report: toy

[The whole report](index.html) has charts, errors and much more.

## Verdict

- Best on the 5 test texts: nbsvm.

## Data and run

- Dataset: toy
- Texts: 20,000 train, 5 test
- Note: Labels are \\*guessed\\*.
- Command: python train.py --limit 5
- Seed: 7
- Device: cpu
- Versions: python 3.11.2, numpy 2.4

## Classifiers

| Classifier | Accuracy [95 % interval] | Macro F1 | Log loss | Train s | Params | Size | ms per text \
| Texts per s |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| nbsvm | 0.912 [0.901, 0.923] | 0.911 | 0.245 | 41 | 1.3 M | 5.1 MB | 0.41 | 12,345 |

Intervals are 95 % percentile bootstrap over the test texts, Wilson's where all answers or none are right. \
Train s: seconds of training. ms per text: one text at a time. Texts per s: in batches of 64. \
Both are medians after warm-up.

- nbsvm: not exported as a SavedModel.
- nbsvm: Stopped early.

## Confusion matrices

Rows are true classes.

### nbsvm

| true \\\\ predicted | bad | good |
| --- | ---: | ---: |
| bad | 2 | 1 |
| good | 0 | 2 |

## Generators

| Generator | Bits per byte | Test texts | Train s | Params | Size |
| --- | ---: | ---: | ---: | ---: | ---: |
| bigram, Kneser-Ney | 2.600 | 300 | – | – | – |
| decoder | 2.100 | 300 | 3.2 | 812 K | 3.3 MB |

Bits per byte of the test texts: lower is better.

### Continuations by decoder

| Prompt | Continuation | Drawn with |
| --- | --- | --- |
| The film | was ⏎good | seed 7, temperature 0.8 |
"""


def printed(report, width=80, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    print_report(report, console)
    return console.file.getvalue()


def test_markdown_is_the_golden_one():
    assert to_markdown(small_report()) == GOLDEN


def test_rows_are_ordered_by_kind_then_as_given():
    given = [
        ("cnn", "network"),
        ("tfidf", "linear"),
        ("bert", "network"),
        ("majority", "dummy"),
        ("nb", "linear"),
    ]
    report = small_report(classifiers=[classifier(*row) for row in given], verdict=None)
    names = ["majority", "tfidf", "nb", "cnn", "bert"]
    assert [row["name"] for row in report["classifiers"]] == names
    for page in (to_markdown(report), printed(report)):
        assert sorted(names, key=page.index) == names


def test_written_report_reads_back(tmp_path):
    report = small_report()
    report["generators"][0]["samples"][0]["text"] += "é \udc80"
    folder = tmp_path / "run" / "report"
    write_report(report, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "report.json", "report.md"]
    raw = (folder / "report.json").read_bytes()
    assert json.loads(raw) == report
    assert report["schema_version"] == 2
    assert "é".encode() in raw
    assert b"\r" not in raw
    assert (folder / "report.md").read_text(encoding="utf-8") == to_markdown(report)
    assert (folder / "index.html").read_text(encoding="utf-8") == to_html(report)


def test_a_report_that_cannot_be_drawn_leaves_nothing(tmp_path):
    report = small_report()
    report["generators"][0]["cost"]["parameters"] = "many"
    with pytest.raises(ValueError, match="many"):
        write_report(report, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_are_unknown_are_null_and_a_dash():
    row = classifier()
    row["metrics"]["log_loss"] = float("nan")
    row["cost"]["parameters"] = None
    report = small_report(classifiers=[row])
    assert report["classifiers"][0]["metrics"]["log_loss"] is None
    assert "| 0.911 | – | 41 | – | 5.1 MB |" in to_markdown(report)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classifiers": [classifier(kind="deep")]}, r"unknown kind 'deep' of nbsvm; choose from \('dummy'"),
        ({"classifiers": [{"name": "cnn"}]}, r"classifier lacks \['kind', 'metrics', 'cost'\]"),
        ({"classifiers": [classifier(metrics={})]}, r"metrics of nbsvm lacks \['accuracy'"),
        ({"classifiers": [classifier(cost={})]}, r"cost of nbsvm lacks \['training_seconds'"),
        (
            {"generators": [{**generator(), "samples": [{"text": "a"}]}]},
            r"sample of decoder lacks \['prompt'\]",
        ),
        ({"generators": [{"name": "decoder"}]}, r"generator lacks \['bits_per_byte'"),
        ({"verdict": {"best": "cnn"}}, r"verdict lacks \['sentence'\]"),
        ({"classifiers": [classifier(notes={"a"})]}, "cannot hold {'a'} of type set"),
    ],
)
def test_report_refuses_what_it_cannot_show(change, message):
    with pytest.raises(ValueError, match=message):
        small_report(**change)


def test_report_refuses_a_run_without_its_facts():
    with pytest.raises(ValueError, match=r"run lacks \['device', 'dataset'\]"):
        build_report({"command": "", "seed": 1, "versions": {}})


def test_hostile_texts_stay_texts_in_markdown():
    row = classifier(HOSTILE, label_names=(HOSTILE, "good"), notes=[HOSTILE], exported=False)
    sentence = {"sentence": f"Best: {HOSTILE}"}
    report = small_report(classifiers=[row], generators=[generator(HOSTILE, HOSTILE * 2)], verdict=sentence)
    page = to_markdown(report)
    assert len(page.splitlines()) == len(GOLDEN.splitlines())
    assert "\x1b" not in page
    assert "<script" not in page
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)
    kinds = [token.type for token in rendered] + [t.type for token in rendered for t in token.children or ()]
    assert not {"html_block", "html_inline", "image", "strong_open", "code_inline"} & set(kinds)
    assert kinds.count("link_open") == 1  # to the page
    golden = [token.type for token in MarkdownIt("commonmark").enable("table").parse(GOLDEN)]
    assert [token.type for token in rendered] == golden


def test_markdown_has_significance_worst_groups_and_calibration():
    page = to_markdown(full_report())
    order = ["Verdict", "Data and run", "Classifiers", "Significance", "Worst groups of texts"]
    order += ["Accuracy against seconds", "Distillation", "Labelled texts", "Confusion matrices", "Generators"]
    order += ["What generators write"]
    assert re.findall("^## (.*)$", page, re.MULTILINE) == order
    assert "- Most accurate under 20 MB: nbsvm" in page
    assert "| Log loss | ECE | Train s |" in page
    assert "| majority − nbsvm | −44.8 | 18 | 197 | <0.001 | <0.001 |".replace("<", "&lt;") in page
    assert "| nbsvm: length, up to 120 words | 104 | 0.809 [0.750, 0.868] | −9.1 |" in page
    said = "With 80 % probability this test set shows a difference in accuracy of 3.1 points between the best two."
    assert f"- {said}" in page
    assert "two fitted models on these test texts, not two methods" in page


def test_terminal_ends_with_every_verdict():
    lines = [line for line in printed(full_report(), width=300).splitlines() if line]
    assert [line.split(":")[0] for line in lines[-3:]] == [
        "Most accurate under 5 ms per text",
        "Most accurate under 20 MB",
        "Best on the 400 test texts",
    ]


def test_escape_leaves_plain_names_alone():
    assert escape("tf_idf [0.9, 1.0] p = 0.03: é, Sci/Tech") == "tf_idf [0.9, 1.0] p = 0.03: é, Sci/Tech"
    assert escape("_a_ http://b www.c d@e") == "\\_a\\_ http\\://b www\\.c d\\@e"


def test_hostile_texts_stay_texts_in_the_terminal():
    row = classifier(HOSTILE, label_names=(HOSTILE, "good"), notes=[HOSTILE])
    report = small_report(classifiers=[row], generators=[generator(HOSTILE, HOSTILE * 2)])
    page = printed(report, width=200)
    assert "[red]x[/red]" in page
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(page)
    in_colour = printed(report, width=200, force_terminal=True)
    assert "\x1b[2J" not in in_colour


def test_terminal_fits_80_columns_and_ends_with_the_verdict():
    names = [("majority", "dummy"), ("kerashub_bert_tiny", "network"), ("transformer", "network")]
    page = printed(small_report(classifiers=[classifier(*row) for row in names]))
    lines = page.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "Best on the 5 test texts: nbsvm."
    numbers = "0.912 [0.901, 0.923] 0.911 0.245    41  1.3 M 5.1 MB 0.41 12,345"
    assert [line.split()[0] for line in lines if line.endswith(numbers)] == [
        "majority",
        "kerashub_bert_t",
        "transformer",
    ]
    assert "> The film was ⏎good  (seed 7, temperature 0.8)" in lines


def test_terminal_leaves_large_matrices_to_the_file():
    row = classifier(label_names=[f"class {i}" for i in range(11)])
    page = printed(small_report(classifiers=[row]))
    assert "11 classes are too many for a terminal; see report.md." in page
    assert "class 3" not in page


def test_report_of_a_generator_alone():
    report = small_report(classifiers=[], verdict=None)
    assert report["verdict"] is None
    for page in (to_markdown(report), printed(report)):
        assert "decoder" in page
        assert "Classifier" not in page


def test_what_networks_were_trained_in_is_told_of_generators_too():
    report = full_report()
    rows = [next(row for row in report[kind] if row["name"] == name)
            for kind, name in (("classifiers", "encoder"), ("generators", "decoder"))]  # fmt: skip
    for row in rows:
        row["cost"]["computation"] = f"float32, path of {row['name']}"
    for page in (to_markdown(report), to_html(report)):
        assert "Trained: encoder in float32, path of encoder." in page
        assert "Trained: decoder in float32, path of decoder." in page
