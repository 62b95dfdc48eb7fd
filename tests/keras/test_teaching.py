"""Students: what they are to answer, where the teacher's answers lie, and what the report says."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import numpy as np
import pytest
from helpers import run_example, tiny

from textapp import teaching
from textapp.datasets import Split
from textapp.datasets.unlabelled import read_unlabelled
from textapp.errors import UserError
from textapp.evaluation.distillation import gap_closed
from textapp.models import Encoder
from textapp.text import cache as cache_module
from textapp.training.progress import Progress


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTAPP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "answers"


def test_targets_are_mixed_where_there_is_a_label():
    probabilities = np.array([[0.8, 0.2], [0.5, 0.5], [0.9, 0.1]])
    targets = teaching.soft_targets(probabilities, np.array([1, 0]), teacher_weight=0.25, temperature=1.0)
    np.testing.assert_allclose(targets, [[0.2, 0.8], [0.875, 0.125], [0.9, 0.1]], rtol=1e-6)
    assert targets.dtype == np.float32
    softer = teaching.soft_targets(probabilities, np.array([], int), teacher_weight=1, temperature=2.0)
    np.testing.assert_allclose(softer[0], [2 / 3, 1 / 3], rtol=1e-6)  # sqrt(0.8) / sqrt(0.2) = 2


@pytest.mark.slow
def test_certain_answers_are_learned_as_labels_are():
    """Probabilities of 0 and 1 are the labels again, but for their smoothing."""
    plain = tiny.make("encoder", label_smoothing=0.0, class_weight="balanced", epochs=1)
    expected = plain.fit(tiny.split(), tiny.split())
    certain = np.eye(3, dtype=np.float32)[tiny.LABELS]
    taught = tiny.make("encoder", class_weight="balanced", epochs=1)
    history = taught.fit(Split(tiny.TEXTS, certain, np.arange(8)), tiny.split())
    np.testing.assert_allclose(taught.predict_proba(tiny.TEXTS), plain.predict_proba(tiny.TEXTS), atol=1e-5)
    for key in ("accuracy", "val_accuracy"):
        assert [row[key] for row in history] == pytest.approx([row[key] for row in expected])


@pytest.mark.slow
@pytest.mark.compiled
def test_a_student_learns_what_its_teacher_says():
    """Whatever the labels are."""
    said = np.roll(np.array(tiny.LABELS), 3)
    options = {"vocabulary_size": 40, "embedding_dim": 16, "epochs": 25, "learning_rate": 0.03, "batch_size": 8}
    student = tiny.make("encoder", **options, patience=25, token_dropout=0.0, dropout=0.0)
    student.fit(Split(tiny.TEXTS, np.eye(3, dtype=np.float32)[said] * 0.7 + 0.1, np.arange(8)), tiny.split(labels=said))
    assert student.predict_proba(tiny.TEXTS).argmax(axis=1).tolist() == said.tolist()


def test_what_was_answered_is_not_asked_again(trained, folder_of, cache, monkeypatch):
    teacher, folder, texts = trained("nbsvm"), folder_of("nbsvm"), [f"good film {n}" for n in range(7)]
    asked = []

    class Counting:
        label_names, cleaning = teacher.label_names, teacher.cleaning

        def __init__(self, most):
            self.most = most

        def predict_proba(self, block):
            asked.append(len(block))
            if len(asked) > self.most:
                raise KeyboardInterrupt
            return teacher.predict_proba(block)

    monkeypatch.setattr(teaching, "BLOCK", 3)
    with pytest.raises(KeyboardInterrupt):
        teaching.answers(Counting(2), folder, texts, Progress())
    assert [path.suffix for path in cache.glob("*.npy*")] == [".part"]
    asked.clear()
    found = teaching.answers(Counting(9), folder, texts, Progress())
    assert asked == [1]  # the last of seven
    np.testing.assert_allclose(found, teacher.predict_proba(texts), rtol=1e-5)
    asked.clear()
    assert np.array_equal(teaching.answers(Counting(0), folder, texts, Progress()), found)
    assert asked == []
    (kept,) = cache.glob("*.npy")
    kept.write_bytes(kept.read_bytes()[:50])  # damaged
    assert np.array_equal(teaching.answers(Counting(9), folder, texts, Progress()), found)
    with pytest.raises(KeyboardInterrupt):
        teaching.answers(Counting(0), folder, [*texts, "another"], Progress())


def test_two_runs_at_once_ask_a_teacher_once(trained, folder_of, cache):
    teacher, folder = trained("nbsvm"), folder_of("nbsvm")
    path = cache / f"{teaching._key(folder, teacher, tiny.TEXTS)}.npy"
    waits = threading.Event()

    class Asked:
        label_names, cleaning = teacher.label_names, teacher.cleaning  # nothing that could answer

    class Told(Progress):
        def line(self, what, metrics=None):
            assert what == "waits for another process that asks the teacher the same"
            waits.set()

    cache.mkdir(parents=True)
    expected = teacher.predict_proba(tiny.TEXTS)
    with ThreadPoolExecutor() as threads:
        part = path.with_suffix(".npy.part")
        with filelock.FileLock(path.with_suffix(".lock")), part.open("w+b") as file:  # of the other one
            found = threads.submit(teaching.answers, Asked(), folder, tiny.TEXTS, Told())
            assert waits.wait(60)
            np.save(file, expected)
            file.flush()
            os.replace(part, path)
        assert np.array_equal(found.result(60), expected)
    assert list(cache.glob("*.npy*")) == [path]


def test_answers_are_kept_where_there_are_no_locks(trained, folder_of, cache, monkeypatch):
    teacher, folder = trained("nbsvm"), folder_of("nbsvm")

    def acquire(self, *, blocking=True):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    found = teaching.answers(teacher, folder, tiny.TEXTS, Progress())
    np.testing.assert_allclose(found, teacher.predict_proba(tiny.TEXTS), rtol=1e-5)
    assert len(list(cache.glob("*.npy"))) == 1


def test_the_answers_unused_longest_are_removed(trained, folder_of, cache, monkeypatch):
    teacher, folder = trained("nbsvm"), folder_of("nbsvm")

    def kept(count):
        teaching.answers(teacher, folder, tiny.TEXTS[:count], Progress())
        return {path.name for path in cache.glob("*.npy")}

    (first,) = kept(4)
    os.utime(cache / first, (1, 1))
    (second,) = kept(5) - {first}
    os.utime(cache / second, (2, 2))
    kept(4)  # used again
    killed = cache / "x.npy.part"
    killed.touch()
    os.utime(killed, (1, 1))
    monkeypatch.setattr(cache_module, "MOST_BYTES", 2.5 * (cache / second).stat().st_size)
    found = kept(6)
    assert len(found) == 2
    assert first in found


def test_unlabelled_texts_are_none_that_is_measured_on(tmp_path):
    path = tmp_path / "more.csv"
    path.write_text('text\none text\n""\nONE  text\nheld out\nin the test\ntwo\n')
    texts, counts = read_unlabelled(path, held_out=(["held OUT"], ["in the  test", "else"]))
    assert list(texts) == ["one text", "two"]
    assert counts == {"rows_read": 6, "empty_text": 1, "duplicates": 1, "held_out": 2, "texts": 2}
    with pytest.raises(UserError, match=r"more\.csv has no text to learn from"):
        read_unlabelled(path, held_out=(["one text", "two", "held out", "in the test"],))


def test_gap_closed():
    labels = np.zeros(10, int)
    answers = [np.array([0] * right + [1] * (10 - right)) for right in (6, 7, 8)]
    found = gap_closed(labels, *answers)
    assert found == {"plain_accuracy": 0.6, "accuracy": 0.7, "teacher_accuracy": 0.8, "gap_closed": pytest.approx(0.5)}
    assert gap_closed(labels, answers[2], answers[0], answers[1])["gap_closed"] is None


@pytest.mark.slow
def test_the_main_job(textapp, tiny_models, csv_file, tmp_path, monkeypatch):
    learned, fit = [], Encoder.fit

    def noted(self, train, *rest, **named):
        learned.append((len(train), self.seed))
        return fit(self, train, *rest, **named)

    monkeypatch.setattr(Encoder, "fit", noted)
    train = ["train", "--data", csv_file, "--output", tmp_path, "--epochs", 1]
    assert textapp(*train, "--models", "nbsvm", "--run", "first").exit_code == 0
    more = tmp_path / "more.csv"
    more.write_text("text\n" + "".join(f"a good film without number {n}\n" for n in range(9)))
    teacher = ["--teacher", tmp_path / "first" / "nbsvm", "--unlabelled", more]
    result = textapp(*train, "--models", "majority,encoder", *teacher, "--run", "second", "--seeds", 2)
    assert result.exit_code == 0, result.output
    report = run_example.read(tmp_path / "second" / "report" / "report.json")
    assert [row["name"] for row in report["classifiers"]] == ["majority", "encoder", "encoder-distilled"]
    assert learned == [(48, 0), (48, 1), (57, 0), (57, 1)]
    for row in report["classifiers"][1:]:
        assert row["seeds"]["seeds"] == [0, 1]
        assert row["seeds"]["accuracies"][0] == row["metrics"]["accuracy"]
    found = report["distillation"]
    assert (found["teacher"], found["labelled_texts"], found["unlabelled"]["texts"]) == ("first/nbsvm", 48, 9)
    (student,) = found["students"]
    assert student["name"] == "encoder-distilled"
    assert student["speed_ratio"] > 0
    first = run_example.read(tmp_path / "first" / "report" / "report.json")
    assert student["teacher_accuracy"] == first["classifiers"][0]["metrics"]["accuracy"]
    folder = tmp_path / "second"
    page = (folder / "report" / "report.md").read_text()
    assert "## Distillation" in page
    assert "Students learn the answers of first/nbsvm to the 48 training texts and to 9 without labels" in page
    assert (folder / "encoder-distilled" / "history.csv").exists()
    assert json.loads((folder / "run.json").read_text())["config"]["teacher"].endswith("nbsvm")
    refused = textapp(*train, "--models", "encoder", "--teacher", tmp_path / "second" / "majority", "--seed", 1)
    assert "which has learned from" in refused.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--unlabelled", "more.csv"], "--unlabelled FILE goes with --teacher RUN/MODEL"),
        (["--teacher-weight", 0.5], "--teacher-weight 0.5 goes with --teacher RUN/MODEL, which is not given"),
        (["--teacher-temperature", 2], "--teacher-temperature 2.0 goes with --teacher RUN/MODEL, which is not given"),
        (["--teacher", "a/b", "--models", "tfidf"], "none of ['tfidf'] learns from a teacher; add one of ['lstm',"),
        (["--teacher", "a/b", "--teacher-weight", 2], "--teacher-weight is 2.0; it must be from 0 to 1"),
        (["--teacher", "a/b", "--teacher-temperature", 0], "--teacher-temperature is 0.0; it must be from 0.1 to 20"),
        (["--teacher", "nowhere/b"], f"no model folder {Path.cwd() / 'nowhere' / 'b'}"),
    ],
)
def test_what_train_refuses(textapp, csv_file, tmp_path, options, message):
    result = textapp("train", "--data", csv_file, "--output", tmp_path / "runs", *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_teacher_answers_quickly_in_what_it_was_trained_in():
    model = tiny.make("encoder", precision="bfloat16", epochs=1)
    model.fit(tiny.split(), tiny.split())
    quick = model.quick()
    assert quick.network.get_layer("block_0").compute_dtype == "bfloat16"
    assert model.network.get_layer("block_0").compute_dtype == "float32"  # as it answers everybody else
    found, expected = quick.predict_proba(tiny.TEXTS), model.predict_proba(tiny.TEXTS)
    np.testing.assert_allclose(found, expected, atol=0.02)
    model.precision = "float32"
    assert model.quick() is model
