"""Networks with weights of 8 bits answer nearly as before, are smaller, and come back from the disk as they were."""

import re
import shutil

import keras
import numpy as np
import pytest
from helpers import tiny

from textapp.errors import UserError
from textapp.models import CLASSIFIERS, GENERATORS, load
from textapp.models.keras_file import NETWORK_FILE, QUANTIZED_FILE
from textapp.text.vocabulary import Vocabulary

QUANTIZED = [name for name, known in {**CLASSIFIERS, **GENERATORS}.items() if known.quantizes]
TEXTS = [*tiny.TEXTS, "", "zzyzzx"]


def answers(model) -> np.ndarray:
    return model.predict_proba(TEXTS) if model.name in CLASSIFIERS else model.negative_log_likelihoods(TEXTS)


@pytest.fixture(scope="module")
def smaller(trained, tmp_path_factory):
    """Return a quantized tiny model and its folder, made once."""
    made = {}

    def get(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name) / "model"
            made[name] = trained(name).quantized("int8"), folder
            made[name][0].save(folder)
        return made[name]

    return get


@pytest.fixture
def folder(smaller, tmp_path):
    """A copy of the quantized encoder's folder, to be damaged."""
    return shutil.copytree(smaller("encoder")[1], tmp_path / "copy")


def test_transformers_are_quantized():
    assert QUANTIZED == ["encoder", "minilm", "decoder"]


@pytest.mark.parametrize("name", QUANTIZED)
def test_saved_and_loaded_it_answers_the_same(trained, smaller, name):
    model, (quantized, folder) = trained(name), smaller(name)
    assert model.quantization is None
    assert quantized.quantization == "int8"
    assert any(keras.backend.standardize_dtype(weight.dtype) == "int8" for weight in quantized.network.weights)
    before, found = answers(model), answers(quantized)
    np.testing.assert_allclose(found, before, rtol=0.05, atol=0.03)
    assert (found != before).any()
    assert (folder / QUANTIZED_FILE).is_file()
    assert not (folder / NETWORK_FILE).exists()
    np.testing.assert_allclose(answers(load(folder)), found, rtol=1e-6, atol=1e-6)


def test_it_is_a_third_of_the_size():
    """At the width of the models that people train; at the tests' own the scales take more than is saved."""
    model = tiny.make("encoder", embedding_dim=64, intermediate_dim=128, vocabulary_size=2_000)
    model.vocabulary = Vocabulary([f"word{number}" for number in range(1_998)])
    model.network = model.build()
    sizes = [
        sum(weight.nbytes for weight in network.get_weights())
        for network in (model.network, model.quantized("int8").network)
    ]
    assert sizes[1] < sizes[0] / 3


@pytest.mark.parametrize("damage", ["missing", "empty", "foreign", "cut", "flip", "fewer"])
def test_a_damaged_file_is_one_sentence(folder, damage):
    path = folder / QUANTIZED_FILE
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    flipped = content[:middle] + bytes(byte ^ 0x55 for byte in content[middle : middle + 40]) + content[middle + 40 :]
    path.write_bytes({"foreign": b"[1, 2]\n", "cut": content[:middle], "flip": flipped}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    elif damage == "fewer":
        np.savez_compressed(path, only=np.zeros(3))
    with pytest.raises(UserError, match=rf"{re.escape(str(folder))}.* (is damaged|model\.npz is missing)"):
        load(folder)


def test_a_file_of_objects_is_not_unpickled(folder):
    np.savez(folder / QUANTIZED_FILE, **{"0000": np.array([{"a": 1}], dtype=object)})
    tiny.sign(folder)
    with pytest.raises(UserError, match=r"model\.npz is damaged .*allow_pickle=False"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "quantization", "message"),
    [
        ("lstm", "int8", "lstm cannot be quantized: Keras has no int8 for recurrent layers"),
        ("tfidf", "int8", "tfidf cannot be quantized: int8 is for Keras networks"),
        ("encoder", "int3", r"unknown quantization 'int3'; choose from \['int8'\]"),
    ],
)
def test_what_cannot_be_quantized(trained, name, quantization, message):
    with pytest.raises(UserError, match=message):
        trained(name).quantized(quantization)


def test_a_quantized_model_is_not_quantized_again(smaller):
    with pytest.raises(UserError, match="encoder is quantized to int8 already"):
        smaller("encoder")[0].quantized("int8")


def test_train_refuses_where_nothing_can_be_quantized(textapp, csv_file, tmp_path):
    train = ["train", "--data", csv_file, "--output", tmp_path / "runs", "--models", "tfidf,lstm"]
    for quantization, message in (("int8", "none of ['tfidf', 'lstm'] can be quantized; add"), ("int2", "unknown")):
        result = textapp(*train, "--quantize", quantization)
        assert result.exit_code == 1
        assert message in result.stderr
    assert not (tmp_path / "runs").exists()
