"""Runs side by side: what is worse, what cannot be compared, and where the report of it is written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from helpers.commands import refused
from helpers.run_example import HOSTILE, N, read, write, write_data, write_run, write_scores

from textapp import comparing
from textapp.errors import UserError
from textapp.evaluation.changes import changes, generator_changes
from textapp.evaluation.significance import holm
from textapp.reports import schema

OLD = {"majority": None, "tfidf": 4, "nbsvm": 2, "lstm": 0}
NEW = {"majority": None, "tfidf": 4, "nbsvm": 1, "lstm": 7}
NATS = [20.0 + number for number in range(N)]


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "data")


@pytest.fixture
def old(tmp_path, data):
    return write_run(tmp_path / "old", data, OLD, nats=NATS)


@pytest.fixture
def new(tmp_path, data):
    return write_run(tmp_path / "new", data, NEW, nats=NATS)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def report_of(folder):
    assert names(folder) == ["index.html", "report.json", "report.md"]
    return read(folder / "report.json")


def test_a_report_over_two_runs(textapp, old, new, tmp_path):
    result = textapp("compare", old, new)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    folder = tmp_path / "compare-old-new"
    report = report_of(folder)
    # Those of a model together, the old first; the majority, which is the same in both, once.
    rows = ["old/majority", "old/tfidf", "new/tfidf", "old/nbsvm", "new/nbsvm", "old/lstm", "new/lstm"]
    assert [row["name"] for row in report["classifiers"]] == rows
    assert report["classifiers"][0]["notes"] == ["It answers the same in new."]
    assert [row["name"] for row in report["generators"]] == ["old/decoder", "new/decoder"]
    assert [row["metrics"]["accuracy"] for row in report["classifiers"]] == [
        0.5,
        *[pytest.approx(1 - wrong / N) for wrong in (4, 4, 2, 1, 0, 7)],
    ]
    assert len(report["comparisons"]["pairs"]) == 21
    assert (report["verdict"]["best"], report["verdict"]["runner_up"]) == ("old/lstm", "new/nbsvm")
    assert [run["name"] for run in report["runs"]] == ["old", "new"]
    assert report["runs"][0] == {
        "name": "old",
        "command": "python train.py --run 'old'",
        "seed": 3,
        "versions": {"python": "3.11.2"},
        "device": "2 cores of a test, tensorflow",
        "created": "2026-11-22T02:10:04+00:00",
        "folder": str(old),
    }
    assert report["dataset"]["sizes"] == {"train": 6, "validation": 2, "test": N}
    assert report["config"]["new"] == read(new / "run.json")["config"]
    definition = read(Path(schema.__file__).parent / "schema.json")
    del definition["properties"]["dataset"]  # taken over from the last run
    jsonschema.validate(report, definition)
    for change in report["changes"]:
        assert change["sentence"] in result.stdout.replace("\n", " ").replace("  ", " ")
        assert change["sentence"] in report["verdict"]["sentences"]
    assert f"The comparison is in {folder / 'index.html'}" in result.stdout.replace("\n", "")
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in rows)
    assert "new/lstm" in (folder / "report.md").read_text(encoding="utf-8")


def test_accuracy_with_fewer_labelled_texts_is_shown_side_by_side(textapp, old, new, tmp_path):
    for folder, accuracy in ((old, 0.5), (new, 0.75)):
        path = folder / "report" / "report.json"
        points = [{"labels": 4, "accuracy": accuracy, "interval": [0.4, 0.8]}]
        rows = [{"name": name, "pretrained": False, "points": points} for name in ("lstm", "nbsvm")]
        write(path, read(path) | {"few_labels": rows})
    assert textapp("compare", old, new, "--models", "lstm").exit_code == 0
    folder = tmp_path / "compare-old-new"
    found = [(row["name"], row["points"][0]["accuracy"]) for row in report_of(folder)["few_labels"]]
    assert found == [("old/lstm", 0.5), ("new/lstm", 0.75)]
    assert "| old/lstm | 0.500 [0.400, 0.800] |" in (folder / "report.md").read_text(encoding="utf-8")


def test_changes_from_the_first_to_the_last_run(textapp, old, new, tmp_path):
    assert textapp("compare", old, new).exit_code == 0
    found = {change["model"]: change for change in report_of(tmp_path / "compare-old-new")["changes"]}
    assert list(found) == [*OLD, "decoder"]
    # Of 7 texts that are wrong now none was; nbsvm's one went the other way. Only these two are tested.
    assert found["lstm"] == {
        "model": "lstm",
        "old": 1.0,
        "new": pytest.approx(5 / 12),
        "difference": pytest.approx(-7 / 12),
        "p_value": pytest.approx(1 / 2**7),
        "p_value_holm": pytest.approx(2 / 2**7),
        "worse": True,
        "sentence": "Worse: lstm, accuracy 0.417 in new and 1.000 in old; of the 12 test texts 7 that were right are "
        "wrong now and 0 that were wrong are right (McNemar, one-sided, exact, Holm-corrected p = 0.016).",
    }
    assert (found["nbsvm"]["p_value"], found["nbsvm"]["worse"]) == (1, False)
    assert found["nbsvm"]["sentence"].startswith("Not shown to be worse: nbsvm, accuracy 0.917 in new and 0.833 in old")
    for model in ("majority", "tfidf"):
        assert (found[model]["difference"], found[model]["p_value_holm"], found[model]["worse"]) == (0, 1, False)
    assert found["tfidf"]["sentence"] == (
        "No difference shown: tfidf, accuracy 0.667, is right on the same of the 12 test texts in new as in old."
    )


def test_changes_are_corrected_over_the_models_that_changed():
    labels = np.zeros(12, int)
    right, five, six = (np.arange(12) < wrong for wrong in (0, 5, 6))
    both = changes(labels, {"a": right, "b": right}, {"a": five, "b": five})
    assert [change["p_value"] for change in both] == [1 / 32, 1 / 32]
    assert [change["p_value_holm"] for change in both] == holm([1 / 32, 1 / 32]) == [1 / 16, 1 / 16]
    assert [change["worse"] for change in both] == [False, False]
    assert both[0]["sentence"].startswith("No difference shown: a, accuracy 0.583 in the new run and 1.000 in the old")
    # What is right on the same texts cannot be called worse and costs the other nothing; a is in one run only.
    one = changes(labels, {"b": right, "same": six, "a": right}, {"same": six, "c": six, "b": five})
    assert [(change["model"], change["p_value_holm"], change["worse"]) for change in one] == [
        ("b", 1 / 32, True),
        ("same", 1, False),
    ]
    assert "(McNemar, one-sided, exact, p = 0.031)" in one[0]["sentence"]
    assert changes(labels, {"a": right}, {"b": right}) == []
    with pytest.raises(ValueError, match=r"predictions of a, new have shape \(3,\)"):
        changes(labels, {"a": right}, {"a": right[:3]})


def test_fail_if_worse(textapp, old, new, tmp_path):
    result = textapp("compare", old, new, "--fail-if-worse")
    refused(
        result, f"worse by more than chance in new than in old: lstm; see {tmp_path / 'compare-old-new'}", exit_code=3
    )
    assert report_of(tmp_path / "compare-old-new")["changes"][3]["worse"]
    assert "Worse: lstm, accuracy 0.417" in result.stdout
    # The other way round nothing is worse, nor is it without the one that is.
    for arguments in ([new, old], [old, new, "--models", "nbsvm,tfidf"]):
        assert textapp("compare", *arguments, "--fail-if-worse").exit_code == 0


def test_a_run_against_its_copy(textapp, old, tmp_path):
    copy = shutil.copytree(old, tmp_path / "copy")
    result = textapp("compare", old, copy, "--fail-if-worse")
    assert result.exit_code == 0
    assert result.stdout.count("No difference shown: ") == len(OLD) + 1  # and the decoder
    assert "Not shown to be worse" not in result.stdout
    # Only the dummy's copy is left out: another model's may be quicker.
    assert len(report_of(tmp_path / "compare-old-copy")["classifiers"]) == 2 * len(OLD) - 1


def test_chosen_models(textapp, old, new, tmp_path):
    assert textapp("compare", old, new, "--models", "lstm, decoder", "--output", tmp_path / "to").exit_code == 0
    report = report_of(tmp_path / "to")
    assert [row["name"] for row in report["classifiers"]] == ["old/lstm", "new/lstm"]
    assert len(report["generators"]) == 2
    assert [change["model"] for change in report["changes"]] == ["lstm", "decoder"]
    assert textapp("compare", old, new, "--models", "lstm", "--output", tmp_path / "to").exit_code == 0
    assert report_of(tmp_path / "to")["generators"] == []


def test_three_runs_two_of_one_name(textapp, old, new, data, tmp_path):
    other = write_run(tmp_path / "elsewhere" / "old", data, {"lstm": 1, "cnn": 3})
    last = write_run(tmp_path / "elsewhere" / "old-2", data, {"lstm": 0, "tfidf": 12})
    assert textapp("compare", old, other, last).exit_code == 0
    report = report_of(tmp_path / "elsewhere" / "compare-old-old-2")
    assert [run["name"] for run in report["runs"]] == ["old", "old-3", "old-2"]
    assert {"old/lstm", "old-3/lstm", "old-2/lstm", "old-3/cnn"} <= {row["name"] for row in report["classifiers"]}
    # From the first to the last, whatever lies between.
    assert {change["model"]: change["worse"] for change in report["changes"]} == {"tfidf": True, "lstm": False}


def test_disagreements_show_what_has_changed(textapp, old, new, tmp_path):
    assert textapp("compare", old, new).exit_code == 0
    found = {item["a"]: item for item in report_of(tmp_path / "compare-old-new")["disagreements"]}
    assert [(item["a"], item["b"], item["counts"]) for item in found.values()] == [
        ("old/tfidf", "new/tfidf", [0, 0]),
        ("old/nbsvm", "new/nbsvm", [1, 0]),
        ("old/lstm", "new/lstm", [0, 7]),
    ]
    assert found["old/lstm"]["only_b_wrong"][1] == {
        "row": 1,
        "text": "test text 1",
        "label": "good",
        "answers": {"old/lstm": "good", "new/lstm": "bad"},
    }


def test_texts_of_which_only_one_run_still_knows(textapp, old, tmp_path):
    data = write_data(tmp_path / "moved")
    new = write_run(tmp_path / "new", data, NEW)
    shutil.rmtree(tmp_path / "moved")
    assert textapp("compare", old, new).exit_code == 0
    report = report_of(tmp_path / "compare-old-new")
    assert report["disagreements"][2]["counts"] == [0, 7]
    assert not any("left out" in note for note in report["dataset"]["notes"])
    shutil.rmtree(tmp_path / "data")
    assert textapp("compare", old, new).exit_code == 0
    report = report_of(tmp_path / "compare-old-new")
    assert report["disagreements"] == []
    assert f"are left out: the texts of {new} cannot be read: there is no file" in report["dataset"]["notes"][-1]
    assert report["changes"][3]["worse"]


def test_notes_on_what_makes_runs_differ(textapp, old, tmp_path):
    write_data(tmp_path / "more")
    with (tmp_path / "more" / "train.csv").open("a", encoding="utf-8") as file:
        file.write("another,bad\nand another,good\n")
    data = write_data(tmp_path / "data")
    data = type(data)(data=tmp_path / "more" / "train.csv", test=data.test)
    new = write_run(tmp_path / "new", data, NEW, device="1 x GPU, jax")
    assert textapp("compare", old, new).exit_code == 0
    notes = report_of(tmp_path / "compare-old-new")["dataset"]["notes"]
    assert "The runs had other texts to train on or to validate with; the facts here are those of new." in notes
    assert "Times are from different devices (old: 2 cores of a test, tensorflow; new: 1 x GPU, jax)." in notes


@pytest.mark.filterwarnings("error")
def test_texts_and_names_that_could_do_harm(textapp, tmp_path):
    data = write_data(tmp_path / "data", label_names=("<script>bad", "[red]good|*"))
    evil = "1. <script>alert(1)<|script> [red]*x* \x1b[2J\u202e"
    old = write_run(tmp_path / "run one" / evil, data, {"tfidf": 1, "[bold]lstm": 0})
    new = write_run(tmp_path / "run two" / evil, data, {"tfidf": 7, "[bold]lstm": 7})
    result = textapp("compare", old, new)
    assert result.exit_code == 0, result.stderr
    folder = tmp_path / "run two" / f"compare-{evil}-{evil}-2"
    report = report_of(folder)
    assert report["disagreements"][1]["only_b_wrong"][0]["text"] == HOSTILE
    page, short = ((folder / name).read_text(encoding="utf-8") for name in ("index.html", "report.md"))
    assert "<script>" not in page + short
    assert "<img src=x" not in page + short
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for written in (page, short, result.stdout):
        assert not re.search("[\x1b\u202e]", written)
    assert "Worse: [bold]lstm, accuracy" in result.stdout


def test_a_name_too_long_for_the_folder_of_two(textapp, data, tmp_path):
    long = ["ü" * 100 + end for end in "ab"]
    runs = [write_run(tmp_path / name, data, {"tfidf": 1}) for name in long]
    assert textapp("compare", *runs).exit_code == 0
    assert report_of(tmp_path / f"compare-{'ü' * 40}-{'ü' * 40}")["runs"][1]["name"] == long[1]


def test_many_pairs_take_more_resamples(textapp, data, tmp_path):
    models = {f"m{number}": number for number in range(5)}
    runs = [write_run(tmp_path / name, data, models) for name in ("a", "b")]
    assert textapp("compare", *runs).exit_code == 0
    # 45 pairs: 2 * 45 / 3,601 can be below 0.05, which 2 * 45 / 1,001 cannot.
    comparisons = report_of(tmp_path / "compare-a-b")["comparisons"]
    assert "3,600 paired bootstrap resamples" in comparisons["method"]


def test_changes_of_generators_are_corrected_over_those_that_changed():
    random = np.random.default_rng(0)
    old = random.gamma(9, 20, 40)
    slightly, sizes = old + random.normal(1.4, 5.0, 40), [50] * 40
    (alone,) = generator_changes({"a": old, "gone": old}, {"a": slightly, "came": old}, sizes)
    assert alone["model"] == "a"
    assert alone["worse"]
    assert 0.025 < alone["p_value"] == alone["p_value_holm"] < 0.05
    assert alone["old"] == pytest.approx(old.sum() / np.log(2) / 2000)
    with_same = generator_changes({"a": old, "same": old}, {"a": slightly, "same": old}, sizes)
    assert with_same[0] == alone
    assert (with_same[1]["p_value_holm"], with_same[1]["worse"]) == (1.0, False)
    both = generator_changes({"a": old, "b": old}, {"a": slightly, "b": slightly}, sizes)
    assert [change["p_value_holm"] for change in both] == [2 * alone["p_value"]] * 2
    assert not any(change["worse"] for change in both)
    assert "Holm-corrected p = " in both[0]["sentence"]
    assert generator_changes({"a": old}, {"a": slightly}, [0] * 40) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "compare takes the folders of two runs or more, the oldest first, and got none"),
        (["OLD"], "the oldest first, and got only "),
        (["OLD", "NEW", "OLD/"], "is named twice; compare takes different runs"),
        (["OLD", "OLD/../old"], "is named twice"),
        (["OLD", "NOWHERE"], "nowhere; it looks like saved_models/imdb"),
        (["OLD", "OLD/report"], "report is no finished run: it has no run.json"),
        (["OLD", "NEW", "--models", "lstm,cnn"], "unknown model 'cnn'; the runs have ['majority', 'tfidf', 'nbsvm'"),
        (["OLD", "NEW", "--models", ""], "unknown model ''"),
    ],
)
def test_what_cannot_be_compared(textapp, old, new, tmp_path, arguments, message):
    places = {"OLD": str(old), "NEW": str(new), "NOWHERE": str(tmp_path / "nowhere")}
    for place, path in places.items():
        arguments = [argument.replace(place, path) for argument in arguments]
    before = names(tmp_path)
    refused(textapp("compare", *arguments), message)
    assert names(tmp_path) == before


def test_runs_without_a_common_model(textapp, data, old, tmp_path):
    for name, wrong, told in (("cnn", {"cnn": 1}, "'cnn'"), ("none", {}, "none")):
        other = write_run(tmp_path / name, data, wrong)
        message = f"{old} and {other} have no model in common: the first has 'majority', 'tfidf', 'nbsvm', 'lstm',"
        refused(textapp("compare", old, other), f"{message} 'decoder', the last has {told}")
    message = "have no model in common of these: the first has 'decoder', the last has none"
    refused(textapp("compare", old, tmp_path / "cnn", "--models", "decoder"), message)


def test_runs_of_generators_alone(textapp, data, tmp_path):
    """The paired bootstrap finds what is worse on nearly all texts, and McNemar has nothing to say."""
    one, two = (
        write_run(tmp_path / name, data, {}, nats=nats)
        for name, nats in (("one", NATS), ("two", [value + 1 + number % 3 for number, value in enumerate(NATS)]))
    )
    result = textapp("compare", one, two, "--fail-if-worse")
    refused(
        result,
        f"worse by more than chance in two than in one: decoder; see {tmp_path / 'compare-one-two'}",
        exit_code=3,
    )
    bits = {run: read(run / "report" / "report.json")["generators"][0]["bits_per_byte"] for run in (one, two)}
    told = f"Worse: decoder needs {bits[two]:.3f} bits per byte in two and {bits[one]:.3f} in one, for 12 test texts"
    assert f"{told} (paired bootstrap, p = 0.0" in " ".join(result.stdout.split())
    report = report_of(tmp_path / "compare-one-two")
    (pair,), (change,) = report["generator_comparisons"], report["changes"]
    assert (pair["a"], pair["b"], pair["better"]) == ("one/decoder", "two/decoder", "one/decoder")
    assert change["difference"] == pytest.approx(bits[two] - bits[one]) == pytest.approx(-pair["difference"])
    assert report["classifiers"] == []
    assert report["comparisons"] is None
    page = (tmp_path / "compare-one-two" / "index.html").read_text(encoding="utf-8")
    assert change["sentence"].removeprefix("Worse: ") in page
    # The other way round nothing is worse.
    result = textapp("compare", two, one, "--fail-if-worse")
    assert result.exit_code == 0
    assert "Not shown to be worse: decoder needs" in result.stdout


def test_a_generator_that_cannot_be_tested(textapp, data, old, new):
    """Of a run before there were scores, or scored on other texts: shown, with a note; alone it is refused."""
    scores = old / "decoder" / "scores.csv"
    write_scores(old / "decoder", NATS, size=11)
    for why in ("was scored on other texts", "kept no scores of single texts"):
        assert textapp("compare", old, new).exit_code == 0
        report = report_of(old.parent / "compare-old-new")
        assert [row["notes"] for row in report["generators"]] == [[f"Shown and not tested: its run {why}."], []]
        assert [change["model"] for change in report["changes"]] == list(OLD)
        assert report["generator_comparisons"] == []
        message = "have no model in common that can be tested: generators such as decoder need the scores.csv"
        refused(textapp("compare", old, new, "--models", "decoder"), message)
        scores.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("row,bytes,nats\n", "it has no texts"),
        ("row,bytes\n0,10\n", "it lacks 'nats'"),
        ("row,bytes,nats\n0,10,nan\n", "numbers that no text can have"),
        ("row,bytes,nats\n0,-10,1\n", "numbers that no text can have"),
        ("row,bytes,nats\n0,ten,1\n", "invalid literal"),
        ("row,bytes,nats\n0,10,1\n", "has 1 texts, but the run's report tells of 12; one of them is damaged"),
    ],
)
def test_damaged_scores(textapp, old, new, content, message):
    (new / "decoder" / "scores.csv").write_text(content, encoding="utf-8")
    result = textapp("compare", old, new)
    refused(result, message)
    assert "scores.csv" in result.stderr


def test_runs_on_other_texts(textapp, old, tmp_path):
    other = write_run(tmp_path / "other", write_data(tmp_path / "other data", extra="!"), NEW)
    refused(textapp("compare", old, other), f"{old} and {other} cannot be compared: their test texts differ; train")
    names_differ = write_data(tmp_path / "third data", label_names=("bad", "ugly"))
    third = write_run(tmp_path / "third", names_differ, NEW)
    message = f"{old} and {third} cannot be compared: their label names or the order of these differ, 'bad', 'good'"
    refused(textapp("compare", old, third), f"{message} and 'bad', 'ugly'")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("run.json", "is no finished run: it has no run.json"),
        ("report/report.json", "report.json is missing"),
        ("lstm/predictions.csv", "has no predictions of lstm: "),
    ],
)
def test_a_run_with_a_file_missing_or_damaged(textapp, old, new, tmp_path, file, message):
    content = (new / file).read_bytes()
    (new / file).write_bytes(content[: len(content) // 2])
    refused(textapp("compare", old, new), "damaged")
    (new / file).unlink()
    refused(textapp("compare", old, new), message)
    assert names(tmp_path) == ["data", "new", "old"]


def test_predictions_that_do_not_fit_the_others(textapp, old, new):
    path = new / "nbsvm" / "predictions.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[2], lines[1], *lines[3:]]), encoding="utf-8")
    refused(textapp("compare", old, new), "do not have the same labels in the same order; one of them is damaged")
    path.write_text("".join(lines), encoding="utf-8")
    report = read(new / "report" / "report.json")
    report["classifiers"][0]["metrics"]["n"] = 13
    write(new / "report" / "report.json", report)
    refused(textapp("compare", old, new), "predictions.csv has 12 texts, but the run's report tells of 13")


def test_where_it_is_written(textapp, old, new, tmp_path):
    compare = ["compare", old, new, "--output"]
    target = tmp_path / "deep" / "er" / "to"
    assert textapp(*compare, target).exit_code == 0
    first = report_of(target)
    # An empty folder and an earlier comparison are replaced, by a link, too.
    (tmp_path / "empty").mkdir()
    assert textapp(*compare, tmp_path / "empty").exit_code == 0
    (tmp_path / "link").symlink_to(target)
    assert textapp("compare", new, old, "--output", tmp_path / "link").exit_code == 0
    assert report_of(target)["changes"] != first["changes"]
    assert names(target.parent) == ["to"]
    assert names(tmp_path) == ["data", "deep", "empty", "link", "new", "old"]


def test_where_it_is_not_written(textapp, old, new, tmp_path):
    compare = ["compare", old, new, "--output"]
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "report.json").write_text("{")
    before = sorted(tmp_path.rglob("*"))
    for name in ("full", "old", "old/report", "data", "broken"):
        refused(textapp(*compare, tmp_path / name), f"{name} holds something else than an earlier comparison; choose")
    refused(textapp(*compare, tmp_path / "file"), "file is no folder; choose another with --output")
    refused(textapp(*compare, tmp_path / "file" / "to"), f"cannot write {tmp_path / 'file' / 'to'}: ")
    refused(textapp(*compare, "/proc/textapp"), "cannot write /proc/textapp: ")
    assert sorted(tmp_path.rglob("*")) == before
    assert textapp(*compare, tmp_path / "to").exit_code == 0
    (tmp_path / "to" / "notes.txt").write_text("mine")
    refused(textapp(*compare, tmp_path / "to"), "holds notes.txt, which is no part of a comparison; move it away")
    assert names(tmp_path / "to") == ["index.html", "notes.txt", "report.json", "report.md"]
    assert not [name for name in names(tmp_path) if name.endswith((".unfinished", ".replaced"))]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_comparison_that_is_broken_off_leaves_the_earlier_one(textapp, old, new, tmp_path, monkeypatch, error):
    assert textapp("compare", old, new).exit_code == 0
    before = (tmp_path / "compare-old-new" / "report.json").read_bytes()

    def write_half(report, folder):
        folder.mkdir()
        (folder / "report.json").write_text("{")
        raise error

    monkeypatch.setattr(comparing, "write_report", write_half)
    for output in ([], ["--output", tmp_path / "another"]):
        assert textapp("compare", old, new, *output).exit_code != 0
    assert (tmp_path / "compare-old-new" / "report.json").read_bytes() == before
    assert names(tmp_path) == ["compare-old-new", "data", "new", "old"]


def test_a_swap_that_fails_puts_the_earlier_one_back(old, new, tmp_path, monkeypatch):
    target = comparing.compare([old, new])
    before = (target / "report.json").read_bytes()
    rename = Path.rename

    def fails(self, to):
        if self.name.endswith(".unfinished"):
            raise OSError(5, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(UserError, match=r"cannot write .*: Input/output error"):
        comparing.compare([new, old], output=target)
    assert (target / "report.json").read_bytes() == before
    assert names(tmp_path) == ["compare-old-new", "data", "new", "old"]


def test_comparing_takes_no_keras():
    code = "import sys, textapp.comparing; print({'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    repo = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, env={**os.environ})
    assert done.stdout == "set()\n", done.stderr
