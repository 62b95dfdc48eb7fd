"""What every registered model promises, and README's own; a new model is tested by its line in the dict."""

import math
import re
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import tiny

import textapp as library
from textapp.models import CLASSIFIERS, GENERATORS, load
from textapp.models.network import NetworkClassifier

README = Path(__file__).parents[2] / "README.md"
CLASSIFYING = list({**CLASSIFIERS, "bag": None})
MODELS = [*CLASSIFYING, *GENERATORS]
WRITING_NETWORKS = [name for name, known in GENERATORS.items() if known.kind == "network"]
NETWORKS = [name for name in CLASSIFYING if name == "bag" or issubclass(CLASSIFIERS[name], NetworkClassifier)]
LONG = "not a good film at all " * 1_667  # 10,000 words and 2
UNUSUAL = ["", " \n", "the of it is", "zzyzzx qwrtpl", "<br />", "good\x00", "caf\u00e9 👍🏽 ½", LONG]


def some_slow(names, *slow):
    return [
        pytest.param(name, marks=[pytest.mark.slow, pytest.mark.compiled] if name in slow else []) for name in names
    ]


@pytest.fixture(scope="module", autouse=True)
def bag():
    """The model that README adds, as it says: its file, and its line in the dict."""
    if "bag" in CLASSIFIERS:  # somebody is adding it
        yield
        return
    code = re.search(r"\*\*Add a model\*\*.*?```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1]
    module = types.ModuleType("textapp.models.bag")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(code, module.__dict__)
        monkeypatch.setitem(CLASSIFIERS, "bag", module.BagOfWords)
        yield


def answers(model, texts=tiny.TEXTS):
    """Return numbers that tell whether two models are the same: one row a text."""
    if isinstance(model, tuple(GENERATORS.values())):
        return model.negative_log_likelihoods(texts)[:, None]
    return model.predict_proba(texts)


def one_step(network, batch) -> list[str]:
    """Train on a batch and return the names of the trainable weights that stayed as they were."""
    before = [keras.ops.convert_to_numpy(weight) for weight in network.trainable_weights]
    network.compile(
        optimizer=keras.optimizers.Adam(0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    network.train_on_batch(*batch)
    return [
        weight.path
        for weight, old in zip(network.trainable_weights, before, strict=True)
        if np.array_equal(keras.ops.convert_to_numpy(weight), old)
    ]


@pytest.mark.parametrize("name", CLASSIFYING)
def test_probabilities(trained, name):
    probabilities = trained(name).predict_proba([*tiny.TEXTS, *UNUSUAL])
    assert probabilities.shape == (16, 3)
    assert probabilities.dtype == np.float32
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert trained(name).predict_proba([]).shape == (0, 3)


@pytest.mark.parametrize("name", CLASSIFYING)
def test_labels_are_those_of_the_highest_probability(trained, name):
    model = trained(name)
    indexes = model.predict_proba(tiny.TEXTS).argmax(axis=1)
    assert model.predict(tiny.TEXTS) == [tiny.LABEL_NAMES[index] for index in indexes]


@pytest.mark.parametrize("name", MODELS)
def test_a_text_alone_and_in_a_batch(trained, name):
    texts = [*tiny.TEXTS, *UNUSUAL[:-1]]
    alone = np.concatenate([answers(trained(name), [text]) for text in texts])
    np.testing.assert_allclose(answers(trained(name), texts), alone, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(answers(trained(name), texts[::-1])[::-1], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_unusual_texts_have_finite_answers(trained, name):
    assert np.isfinite(answers(trained(name), UNUSUAL)).all()
    assert trained(name).parameters > 0


def padded(rows, width):
    token_ids = np.array([[*row, *[0] * (width - len(row))] for row in rows], np.int32)
    return {"token_ids": token_ids, "padding_mask": token_ids > 0}


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_does_not_matter(trained, name):
    rows = [np.array([3, 2, 5], np.int32), np.array([4], np.int32)]
    logits = [keras.ops.convert_to_numpy(trained(name).network(padded(rows, width))) for width in (3, 5, 7)]
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-5)
    np.testing.assert_allclose(logits[2], logits[0], atol=1e-5)
    assert logits[0].shape == (2, 3)
    assert np.abs(logits[0][0] - logits[0][1]).max() > 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_what_stands_on_padding_does_not_matter(trained, name):
    inputs = padded([np.array([3, 2, 5], np.int32), np.array([4], np.int32)], 7)
    expected = keras.ops.convert_to_numpy(trained(name).network(inputs))
    inputs["token_ids"][~inputs["padding_mask"]] = 6
    found = keras.ops.convert_to_numpy(trained(name).network(inputs))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_step_changes_every_trainable_weight_of_a_network(trained, name):
    model = tiny.make(name, token_dropout=0.0, dropout=0.0)
    model.vocabulary = trained(name).vocabulary
    network = model.build()
    assert network.layers[-1].name == "logits"
    token_ids = np.arange(21, dtype=np.int32).reshape(3, 7) % len(model.vocabulary)
    inputs = {"token_ids": token_ids, "padding_mask": np.ones((3, 7), bool)}
    unchanged = one_step(network, (inputs, np.array([0, 1, 2])))
    # A key's bias adds the same to all of a query's scores, so softmax takes it out again.
    assert [path for path in unchanged if not path.endswith("key/bias")] == []
    assert len(network.trainable_weights) >= 3  # of an embedding and of the last layer


@pytest.mark.parametrize("name", WRITING_NETWORKS)
def test_one_step_changes_every_trainable_weight_of_a_generator(trained, name):
    model = tiny.make(name)
    model.subwords = trained(name).subwords
    if name == "causal-lm":
        model.architecture = trained(name).architecture
    built = model.build()
    token_ids = np.arange(3 * 71).reshape(3, 71) % len(model.subwords)
    inputs = {"token_ids": token_ids[:, :-1], "padding_mask": np.ones((3, 70), bool)}
    unchanged = one_step(keras.Model(built.input, built.output), (inputs, token_ids[:, 1:]))
    assert [path for path in unchanged if not path.endswith("key/bias")] == []


@pytest.mark.parametrize("name", WRITING_NETWORKS)
def test_a_later_token_does_not_change_an_earlier_position(trained, name):
    network = trained(name).network
    token_ids = np.array([[0, 70, 71, 72, 73, 74, 75]], np.int32)
    inputs = {"token_ids": token_ids, "padding_mask": np.ones((1, 7), bool)}
    before = keras.ops.convert_to_numpy(network(inputs))
    changed = {**inputs, "token_ids": np.where(np.arange(7) == 4, 99, token_ids)}
    after = keras.ops.convert_to_numpy(network(changed))
    assert before.shape == (1, 7, len(trained(name).subwords))
    np.testing.assert_allclose(after[:, :4], before[:, :4], atol=1e-6)
    assert (np.abs(after[:, 4:] - before[:, 4:]).max(axis=-1) > 1e-6).all()
    shorter = keras.ops.convert_to_numpy(network({key: value[:, :4] for key, value in inputs.items()}))
    np.testing.assert_allclose(shorter, before[:, :4], atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_saved_and_loaded_it_answers_the_same(trained, folder_of, name):
    again = load(folder_of(name))
    np.testing.assert_allclose(answers(again), answers(trained(name)), rtol=1e-6, atol=1e-6)
    assert again.parameters == trained(name).parameters
    if name in CLASSIFYING:
        assert library.load(str(folder_of(name))).predict(tiny.TEXTS) == trained(name).predict(tiny.TEXTS)
        assert again.label_names == tiny.LABEL_NAMES
        assert again.cleaning == tiny.CLEANING


@pytest.mark.parametrize("name", some_slow(MODELS, "lstm", "minilm", "causal-lm", "lstm-lm"))
def test_same_seed_same_model(trained, name):
    again = tiny.make(name)
    with tiny.compiling(False):  # as the other was
        again.fit(tiny.split(), tiny.split())
    assert np.array_equal(answers(again), answers(trained(name)))


@pytest.mark.parametrize("name", some_slow(CLASSIFYING[1:], "lstm", "encoder", "minilm"))
def test_it_overfits_eight_texts(name):
    options = {}
    if name in NETWORKS:
        options = {"vocabulary_size": 40, "embedding_dim": 16, "epochs": 25, "learning_rate": 0.03}
        options |= {"token_dropout": 0.0, "dropout": 0.0, "batch_size": 8, "patience": 25}
    if name == "bag":
        options |= {"learning_rate": 0.1, "epochs": 20}
    if name == "minilm":
        options = {"preset": str(tiny.preset(hidden_dim=16)), "epochs": 60, "learning_rate": 0.02}
        options |= {"encoder_dropout": 0.0, "dropout": 0.0, "batch_size": 8, "layer_decay": 1.0, "patience": 60}
    model = tiny.make(name, **options)
    history = model.fit(tiny.split(), tiny.split())
    right = model.predict_proba(tiny.TEXTS)[np.arange(8), tiny.LABELS]
    assert model.predict(tiny.TEXTS) == [tiny.LABEL_NAMES[label] for label in tiny.LABELS]
    assert right.mean() > 0.4
    assert all(math.isfinite(value) for row in history for value in row.values())


def test_majority_answers_with_the_shares_of_the_classes(trained):
    probabilities = trained("majority").predict_proba(["anything", ""])
    np.testing.assert_allclose(probabilities, [[3 / 8, 3 / 8, 2 / 8]] * 2, atol=1e-7)
