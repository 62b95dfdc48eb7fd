"""New versions of the models of a finished run: beside the old, proven, whole or not at all."""

import json
import os
import re
import shutil

import keras
import numpy as np
import pytest
from helpers.commands import refused

import textapp as library
from textapp import shipping
from textapp.errors import UserError
from textapp.export import parity
from textapp.run import bytes_on_disk

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="SavedModels are made on the TensorFlow backend"
)


def files(folder):
    """Return what lies below a folder and when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def certificate(version):
    return json.loads((version / "parity.json").read_text(encoding="utf-8"))


@pytest.fixture
def served(tmp_path):
    """A folder with a version that must stay as it is."""
    (tmp_path / "served" / "1").mkdir(parents=True)
    (tmp_path / "served" / "1" / "saved_model.pb").write_bytes(b"old")
    return tmp_path / "served"


def test_a_new_version_stands_beside_the_old_with_its_proof(textapp, finished, served):
    result = textapp("export", "--model", finished.folder / "nbsvm", "--to", served, "--version", 2)
    assert result.exit_code == 0, result.stderr
    assert f"Wrote {served / '2'} (" in result.stdout
    assert "asked for 200 texts, the largest difference of a probability is " in result.stdout
    assert sorted(path.name for path in served.iterdir()) == ["1", "2"]
    assert (served / "1" / "saved_model.pb").read_bytes() == b"old"
    proof = certificate(served / "2")
    assert proof["texts"] == 200
    assert proof["labels_that_differ"] == 0
    assert proof["quantization"] is None
    assert (served / "2" / "saved_model.pb").is_file()
    before = files(served)
    refused(
        textapp("export", "--model", finished.folder / "nbsvm", "--to", served, "--version", 2),
        f"{served / '2'} exists; choose another version",
    )
    assert files(served) == before


@pytest.mark.slow
def test_a_quantized_version(textapp, finished, served, csv_file):
    arguments = ["--model", finished.folder / "encoder", "--to", served, "--quantize", "int8", "--version", 7]
    result = textapp("export", *arguments, "--data", csv_file)
    assert result.exit_code == 0, result.stderr
    proof = certificate(served / "7")
    assert proof["quantization"] == "int8"
    assert proof["texts"] == 60
    assert proof["bytes"] == bytes_on_disk(served / "7") - (served / "7" / "parity.json").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "encoder"])
def test_onnx_takes_ids_and_gives_probabilities(textapp, finished, served, name):
    onnxruntime = pytest.importorskip("onnxruntime")
    result = textapp("export", "--model", finished.folder / name, "--to", served, "--format", "onnx", "--version", 3)
    assert result.exit_code == 0, result.stderr
    names = {path.name for path in (served / "3").iterdir()}
    assert names == {"model.onnx", "vocabulary.txt", "cleaning.json", "labels.json", "model.json", "parity.json"}
    assert certificate(served / "3")["texts"] == 200
    model = library.load(finished.folder / name)
    texts = ["a good film", "", "boring and bad and far too long for me"]
    session = onnxruntime.InferenceSession(str(served / "3" / "model.onnx"))
    # As a client has it: words to line numbers of vocabulary.txt, 1 for what is not in it, one width for all.
    lines = (served / "3" / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    token_ids = np.zeros((3, 7), np.int32)
    mask = np.zeros((3, 7), bool)
    for row, tokens in enumerate(model.cleaning(texts)):
        ids = [lines.index(token) if token in lines else 1 for token in tokens] or [1]
        ids = ids if len(ids) <= 7 else ids[:3] + ids[-4:]  # the tiny networks read 7 tokens
        token_ids[row, : len(ids)], mask[row, : len(ids)] = ids, True
    (found,) = session.run(["probabilities"], {"token_ids": token_ids, "padding_mask": mask})
    np.testing.assert_allclose(found, model.predict_proba(texts), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("majority", [], "majority is there to be compared with only"),
        ("lstm", ["--quantize", "int8"], "lstm cannot be quantized: Keras has no int8 for recurrent layers"),
        ("nbsvm", ["--quantize", "int8"], "nbsvm cannot be quantized"),
        ("nbsvm", ["--format", "onnx"], "cannot become ONNX: it is no network that classifies cleaned tokens"),
        ("decoder", ["--format", "onnx"], "cannot become ONNX: it is no network that classifies cleaned tokens"),
        ("encoder", ["--format", "onnx", "--quantize", "int8"], "Keras exports float32 networks only"),
        ("nbsvm", ["--format", "tflite"], "unknown format 'tflite'; choose from ['savedmodel', 'onnx']"),
        ("nowhere", [], "no model folder"),
        ("nbsvm", ["--data", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_cannot_be_done_leaves_everything_as_it_was(textapp, finished, served, name, options, message):
    before = files(served)
    result = textapp("export", "--model", finished.folder / name, "--to", served, "--version", 2, *options)
    refused(result, message)
    assert files(served) == before


@pytest.mark.parametrize("damage", ["vocabulary.txt", "model.skops", "labels.json", "cleaning.json", "model.json"])
def test_a_damaged_model_is_not_exported(textapp, finished, served, tmp_path, damage):
    copy = shutil.copytree(finished.folder / "tfidf", tmp_path / "run" / "tfidf")
    (copy / damage).write_bytes((copy / damage).read_bytes()[:40])
    before = files(served)
    refused(textapp("export", "--model", copy, "--to", served, "--version", 2), str(copy))
    assert files(served) == before


@pytest.mark.parametrize(
    "damage",
    [
        "saved_model.pb",
        *(pytest.param(f, marks=pytest.mark.slow) for f in ("variables/variables.index", "assets/vocabulary.txt")),
    ],
)
def test_a_damaged_savedmodel_is_one_sentence(finished, tmp_path, damage):
    copy = shutil.copytree(finished.folder / "tfidf" / "1", tmp_path / "1")
    (copy / damage).write_bytes((copy / damage).read_bytes()[:20])
    with pytest.raises(UserError, match=rf"asking the SavedModel {re.escape(str(copy))} failed: [^\n]+$"):
        parity.ask(copy, [parity.question([b"good film"])])


def test_a_model_outside_of_a_run_needs_texts(textapp, finished, served, tmp_path):
    copy = shutil.copytree(finished.folder / "tfidf", tmp_path / "tfidf")
    result = textapp("export", "--model", copy, "--to", served, "--version", 2)
    refused(result, "are not to be had, so give texts with --data FILE")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": {"fingerprint": "0", "test_fingerprint": "0", "label_names": []}}, "have changed since"),
        ({"config": {"data": {"data": "gone.csv"}}}, "cannot be read: "),
        ({"config": {}}, "is damaged or of another version"),
        ({"config": {"data": {"colour": 1}}}, "is damaged or of another version"),
    ],
)
def test_a_run_whose_texts_are_not_the_same(textapp, finished, served, tmp_path, change, message):
    copy = shutil.copytree(finished.folder / "tfidf", tmp_path / "run" / "tfidf")
    run = json.loads((finished.folder / "run.json").read_text(encoding="utf-8"))
    (copy.parent / "run.json").write_text(json.dumps(run | change), encoding="utf-8")
    refused(textapp("export", "--model", copy, "--to", served, "--version", 2), message)


@pytest.mark.parametrize("to", ["file", "/proc/textapp"])
def test_a_target_that_cannot_be_written(textapp, finished, tmp_path, csv_file, to):
    (tmp_path / "file").write_text("not a folder")
    arguments = ["--model", finished.folder / "tfidf", "--data", csv_file, "--to", tmp_path / to]
    refused(textapp("export", *arguments), f"cannot write {tmp_path / to / '1'}: ")
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.mark.parametrize("error", [UserError("it does not answer as the model"), KeyboardInterrupt()])
def test_a_version_that_is_refused_leaves_nothing(textapp, finished, tmp_path, csv_file, monkeypatch, error):
    def write(pairs, **_):
        pairs[0][1].mkdir()

    def prove(proofs):
        if isinstance(error, UserError):
            return [error]
        raise error

    monkeypatch.setattr(shipping, "export_models", write)
    monkeypatch.setattr(shipping, "prove", prove)
    arguments = ["--model", finished.folder / "tfidf", "--data", csv_file, "--to", tmp_path / "new" / "served"]
    result = textapp("export", *arguments)
    assert result.exit_code != 0
    assert not (tmp_path / "new" / "served").exists()


def test_another_process_that_was_quicker_wins(finished, tmp_path, csv_file, monkeypatch):
    target = tmp_path / "served" / "1"

    def write(pairs, **_):
        pairs[0][1].mkdir()
        target.mkdir()
        (target / "theirs").write_text("")

    monkeypatch.setattr(shipping, "export_models", write)
    monkeypatch.setattr(shipping, "prove", lambda proofs: [{}])
    with pytest.raises(UserError, match="cannot write"):
        shipping.export_version(finished.folder / "tfidf", target, data=csv_file)
    assert os.listdir(target) == ["theirs"]
    assert os.listdir(target.parent) == ["1"]
