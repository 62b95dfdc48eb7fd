"""A model's folder that is damaged, foreign or of another version: one sentence, and no code is run."""

import json
import os
import re
import shutil
from pathlib import Path

import keras
import pytest
import skops.io
from helpers import tiny

from textapp.errors import UserError
from textapp.models import CLASSIFIERS, GENERATORS, load
from textapp.models.network import NetworkClassifier

MODELS = [*CLASSIFIERS, *GENERATORS]
NETWORKS = [name for name, known in CLASSIFIERS.items() if issubclass(known, NetworkClassifier)]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "foreign"])
def test_a_damaged_folder_is_one_sentence(folder_of, tmp_path, name, damage):
    """Whatever file of a model's folder it is."""
    files = [path for path in folder_of(name).rglob("*") if path.is_file()]
    for number, path in enumerate(files):
        copy = shutil.copytree(folder_of(name), tmp_path / str(number))
        damaged = copy / path.relative_to(folder_of(name))
        content = path.read_bytes()
        damaged.write_bytes({"cut": content[: len(content) // 2], "foreign": b"[1, 2]\n"}.get(damage, b""))
        if damage == "missing":
            damaged.unlink()
        with pytest.raises(UserError, match=re.escape(str(copy))):
            pytest.fail(f"{load(copy)} was loaded without {path}")


@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_byte_in_a_file_of_weights_is_one_sentence(folder_of, tmp_path, name):
    copy = shutil.copytree(folder_of(name), tmp_path / "copy")
    (path,) = copy.glob("model.[!j]*")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(byte ^ 0x55 for byte in content[middle : middle + 40])
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load(copy)


@pytest.mark.parametrize("labels", [["bad"], ["bad", "good"], ["bad", "good", "odd", "more"]])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_another_number_of_labels(folder_of, tmp_path, name, labels):
    copy = shutil.copytree(folder_of(name), tmp_path / "copy")
    (copy / "labels.json").write_text(json.dumps(labels))
    tiny.sign(copy)
    with pytest.raises(UserError, match=f"{re.escape(str(copy))}.* is damaged"):
        load(copy)


@pytest.mark.parametrize("change", [{"patterns": ["("]}, {"rules": [["a", "\\9"]]}, {"stopwords": [["the"]]}])
def test_a_cleaning_that_cannot_clean(folder_of, tmp_path, change):
    copy = shutil.copytree(folder_of("nbsvm"), tmp_path / "copy")
    settings = json.loads((copy / "cleaning.json").read_text())
    (copy / "cleaning.json").write_text(json.dumps(settings | change))
    tiny.sign(copy)
    with pytest.raises(UserError, match=r"cleaning\.json is damaged: "):
        load(copy)


def test_an_ngram_that_stands_twice(folder_of, tmp_path):
    copy = shutil.copytree(folder_of("tfidf"), tmp_path / "copy")
    ngrams = (copy / "vocabulary.txt").read_text().split("\n")
    (copy / "vocabulary.txt").write_text("\n".join([ngrams[1], *ngrams[1:]]))
    tiny.sign(copy)
    with pytest.raises(UserError, match=r"is damaged: an n-gram stands twice in vocabulary\.txt"):
        load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "has format 99; this version of textapp reads format 3"),
        ({"model": "oracle"}, r"holds a model 'oracle'; this version of textapp knows \['bigram', 'causal-lm', 'dec"),
        ({"options": {"depth": 3}}, r"this tfidf has no options \['depth'\]"),
        ({"options": {"min_documents": "2"}}, r"model\.json is damaged: min_documents is '2'"),
        ({"options": {"min_documents": 10**30}}, r"model\.json is damaged: min_documents is 1000"),
        ({"options": {"temperature": float("nan")}}, r"model\.json is damaged"),
        ({"files": {"../../etc/passwd": "0"}}, r"names a file '../../etc/passwd' outside of its folder"),
        ({"files": {"/etc/passwd": "0"}}, "names a file '/etc/passwd' outside of its folder"),
        ({"options": None}, r"model\.json is damaged"),
        ({"model": 5}, r"model\.json is damaged"),
    ],
)
def test_a_folder_of_another_version(folder_of, tmp_path, changes, message):
    copy = shutil.copytree(folder_of("tfidf"), tmp_path / "copy")
    description = json.loads((copy / "model.json").read_text())
    assert description["model"] == "tfidf"
    (copy / "model.json").write_text(json.dumps({**description, **changes}))
    with pytest.raises(UserError, match=message):
        load(copy)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"no model folder .*nowhere; it looks like saved_models/imdb/lstm"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["majority", "tfidf", "nbsvm"])
def test_a_skops_file_runs_no_code(folder_of, tmp_path, name):
    """A type that is not trusted is refused; a pickle would run what it says."""
    copy = shutil.copytree(folder_of(name), tmp_path / "copy")
    skops.io.dump({"features": Path(tmp_path), "call": os.system}, copy / "model.skops")
    tiny.sign(copy)
    with pytest.raises(UserError, match=r"refused, since it holds types that are not trusted: .*system"):
        load(copy)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_file_runs_no_code(folder_of, tmp_path, monkeypatch, name):
    copy = shutil.copytree(folder_of(name), tmp_path / "copy")
    inputs = keras.Input((3,))
    outputs = keras.layers.Lambda(lambda x: os.environ.update(RAN="1") or x)(inputs)
    keras.Model(inputs, outputs).save(copy / "model.keras")
    tiny.sign(copy)
    monkeypatch.delenv("RAN")  # the line above ran it, too
    with pytest.raises(UserError, match=r"damaged or of another Keras version: .*Lambda"):
        load(copy)
    assert "RAN" not in os.environ


def test_a_bug_is_not_called_a_damaged_folder(folder_of, monkeypatch):
    monkeypatch.setattr(CLASSIFIERS["tfidf"], "_load", lambda self, folder: {}["bug"])
    with pytest.raises(KeyError, match="bug"):
        load(folder_of("tfidf"))
