"""A run's folder read back: its facts, its report, its answers, its texts, and what is wrong with any of them."""

import numpy as np
import pytest
from helpers.run_example import N, read, write, write_data, write_run

from textapp.errors import UserError
from textapp.finished import FinishedRun


@pytest.fixture
def folder(tmp_path):
    return write_run(tmp_path / "run", write_data(tmp_path), {"majority": None, "tfidf": 2}, nats=[20.0] * N)


def test_a_run_is_read_back(folder, tmp_path):
    run = FinishedRun(folder)
    assert (run.name, run.label_names) == ("run", ("bad", "good"))
    assert run.data == write_data(tmp_path)
    assert [row["name"] for row in run.report["classifiers"]] == ["majority", "tfidf"]
    assert run.report["generators"][0]["bits_per_byte"] == pytest.approx(2 / np.log(2))
    scores = run.scores("decoder")
    assert scores.rows.tolist() == list(range(N))
    assert scores.sizes.tolist() == [10] * N
    assert scores.nats.tolist() == [20.0] * N
    assert run.scores("tfidf") is run.scores("..") is run.scores("../run/decoder") is None
    found = run.predictions("tfidf")
    assert found.rows.tolist() == list(range(N))
    assert found.labels.tolist() == [0, 1] * 6
    assert found.probabilities.dtype == np.float32
    assert found.probabilities[:3].tolist() == np.float32([[0.1, 0.9], [0.9, 0.1], [0.9, 0.1]]).tolist()
    dataset = run.dataset()
    assert dataset.test.labels.tolist() == found.labels.tolist()
    assert dataset.facts["test_fingerprint"] == run.test_fingerprint


def test_labels_that_a_csv_has_to_quote(tmp_path):
    names = ('a, "quoted" label', "ünï |*")
    run = FinishedRun(write_run(tmp_path / "run", write_data(tmp_path, label_names=names), {"tfidf": 3}))
    assert run.label_names == names
    assert run.predictions("tfidf").labels.tolist() == [0, 1] * 6


def test_a_report_of_an_older_version_is_filled_in(folder):
    path = folder / "report" / "report.json"
    report = read(path)
    old = {key: report[key] for key in ("command", "seed", "versions", "device", "dataset", "verdict", "generators")}
    for row in report["classifiers"]:
        del row["slices"], row["metrics"]["intervals"]
    write(path, old | {"schema_version": 1, "classifiers": report["classifiers"]})
    found = FinishedRun(folder).report
    assert (found["runs"], found["comparisons"]) == ([], None)
    assert found["classifiers"][0]["slices"] == []
    # The interval of accuracy stood alone.
    assert found["classifiers"][1]["metrics"]["intervals"]["accuracy"] == row["metrics"]["accuracy_interval"]


def test_no_run(tmp_path):
    with pytest.raises(UserError, match=r"no run .*nowhere; it looks like saved_models/imdb"):
        FinishedRun(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"is no finished run: it has no run\.json"):
        FinishedRun(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"dataset": ', "run.json is damaged: Expecting value"),
        ("[]", "run.json is damaged or of another version: "),
        ("{}", "run.json is damaged or of another version: it lacks 'dataset'"),
        ("[" * 100_000, "run.json is damaged: "),
        ("\udcff", "run.json is damaged: 'utf-8' codec"),
    ],
)
def test_a_damaged_run_json(folder, content, message):
    (folder / "run.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UserError, match=message):
        FinishedRun(folder)


@pytest.mark.parametrize("names", ["ab", [["bad"], ["good"]], None])
def test_a_run_json_with_other_label_names(folder, names):
    facts = read(folder / "run.json")
    facts["dataset"]["label_names"] = names
    write(folder / "run.json", facts)
    with pytest.raises(UserError, match=r"damaged or of another version: its label names are .*, not a list of words"):
        FinishedRun(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda report: report.pop("classifiers"), "it lacks 'classifiers'"),
        (lambda report: report["classifiers"][0].pop("metrics"), "classifier lacks .'metrics'."),
        (lambda report: report["classifiers"][0].update(kind="oracle"), "unknown kind 'oracle'"),
        (lambda report: report["classifiers"].append(report["classifiers"][0]), "the name 'majority' does not tell"),
        (lambda report: report["classifiers"][1].update(name=7), r"classifiers\[1\].name: 7 is not of type 'string'"),
        (lambda report: report["classifiers"][1]["cost"].update(parameters=[9]), r"cost.parameters: \[9\] is not of"),
        (lambda report: report["classifiers"][1].update(slices={"length": 1}), r"classifiers\[1\].slices: "),
        (lambda report: report.update(classifiers=3), "is damaged: 'int' object is not iterable"),
        (lambda report: report.update(dataset=None), "report.json is damaged: "),
    ],
)
def test_a_damaged_report(folder, change, message):
    path = folder / "report" / "report.json"
    report = read(path)
    change(report)
    write(path, report)
    with pytest.raises(UserError, match=message):
        FinishedRun(folder).report  # noqa: B018


def test_a_report_that_is_missing_or_cut_off(folder):
    path = folder / "report" / "report.json"
    content = path.read_text(encoding="utf-8")
    for damaged in (content[:-9], "[]"):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(UserError, match=r"report\.json is damaged"):
            FinishedRun(folder).report  # noqa: B018
    path.unlink()
    with pytest.raises(UserError, match=r"report\.json is missing"):
        FinishedRun(folder).report  # noqa: B018


HEAD = "row,label,predicted,probability_bad,probability_good\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "labels is int32 of shape"),
        (HEAD, "labels is int32 of shape"),
        ("row,label\n0,bad\n", "it lacks 'probability_bad'"),
        (HEAD + "0,bad,bad,0.9\n", "must be a string or a real number, not 'NoneType'"),
        (HEAD + "0,ugly,bad,0.9,0.1\n", "it lacks 'ugly'"),
        (HEAD + "zero,bad,bad,0.9,0.1\n", "invalid literal"),
        (HEAD + f"{10**30},bad,bad,0.9,0.1\n", "int too (large|big)"),
        (HEAD + "0,bad,bad,high,low\n", "could not convert"),
        (HEAD + "0,bad,bad,nan,nan\n", "a value that is not between 0 and 1"),
        (HEAD + "0,bad,bad,0.9,0.9\n", "rows of probabilities sum to 1.8"),
        (HEAD + '0,"' + 200_000 * "x", "field larger than field limit"),
    ],
)
def test_damaged_predictions(folder, content, message):
    (folder / "tfidf" / "predictions.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=rf"predictions\.csv is damaged: .*{message}"):
        FinishedRun(folder).predictions("tfidf")


@pytest.mark.parametrize("model", ["lstm", "report/../tfidf", "..", "", "/etc"])
def test_predictions_of_a_model_that_is_none_of_the_run(folder, model):
    (folder.parent / "predictions.csv").write_bytes((folder / "tfidf" / "predictions.csv").read_bytes())
    with pytest.raises(UserError, match="has no predictions of"):
        FinishedRun(folder).predictions(model)


def test_texts_that_are_gone_or_have_changed(folder, tmp_path):
    write_data(tmp_path, extra="!")
    with pytest.raises(UserError, match=r"the texts of .* have changed since"):
        FinishedRun(folder).dataset()
    (tmp_path / "test.csv").unlink()
    with pytest.raises(UserError, match=r"the texts of .* cannot be read: there is no file"):
        FinishedRun(folder).dataset()


def test_a_run_from_before_there_were_more_options(folder):
    facts = read(folder / "run.json")
    facts["config"]["data"] = {
        "dataset": "imdb",
        "data": facts["config"]["data"]["data"],
        "test": facts["config"]["data"]["test"],
    }
    write(folder / "run.json", facts)
    assert len(FinishedRun(folder).dataset().test) == N
