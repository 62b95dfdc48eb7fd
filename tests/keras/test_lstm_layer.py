"""The LSTM layer against Keras's own: outputs, gradients and files."""

import keras
import numpy as np
import pytest

from textapp.models import lstm_layer
from textapp.models.lstm_layer import COMPILED, LOOP, LSTMLayer, lstm_path

TEXTS, TOKENS, WIDTH, UNITS = 3, 7, 4, 5


@pytest.fixture
def layers():
    """Return Keras's layer and ours with the same weights, none of them zero."""
    random = np.random.default_rng(0)
    made = [kind(UNITS, return_sequences=True) for kind in (keras.layers.LSTM, LSTMLayer)]
    for layer in made:
        layer.build((None, None, WIDTH))
    weights = [random.normal(size=weight.shape) for weight in made[0].weights]
    for layer in made:
        layer.set_weights(weights)
    return made


@pytest.fixture
def inputs():
    return np.random.default_rng(1).normal(size=(TEXTS, TOKENS, WIDTH)).astype(np.float32)


def test_the_path_follows_from_the_backend():
    assert lstm_path() == (COMPILED if keras.backend.backend() == "tensorflow" else LOOP)


def test_outputs_are_those_of_keras(layers, inputs):
    theirs, ours = (keras.ops.convert_to_numpy(layer(inputs)) for layer in layers)
    assert ours.shape == (TEXTS, TOKENS, UNITS)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("path", [COMPILED, LOOP])
def test_a_training_step_is_that_of_keras(layers, inputs, path, monkeypatch):
    """Plain gradient descent, so that a step is the gradient: of the inputs, through a layer before, and of weights."""
    if path == COMPILED and keras.backend.backend() != "tensorflow":
        pytest.skip("a TensorFlow path")
    monkeypatch.setattr(lstm_layer, "lstm_path", lambda: path)
    before = np.random.default_rng(2).normal(size=(WIDTH, WIDTH))
    steps = []
    for layer in layers:
        first = keras.layers.Dense(WIDTH, use_bias=False)
        network = keras.Sequential([keras.Input((None, WIDTH)), first, layer])
        first.set_weights([before])
        given = network.get_weights()
        network.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse", jit_compile=False)
        network.train_on_batch(inputs, np.ones((TEXTS, TOKENS, UNITS), np.float32))
        steps.append([new - old for new, old in zip(network.get_weights(), given, strict=True)])
    for theirs, ours in zip(*steps, strict=True):
        assert np.abs(theirs).max() > 1e-4
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_it_comes_back_from_a_file(layers, inputs, tmp_path):
    network = keras.Sequential([keras.Input((None, WIDTH)), layers[1]])
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    assert isinstance(again.layers[0], LSTMLayer)
    np.testing.assert_array_equal(again.predict_on_batch(inputs), network.predict_on_batch(inputs))


def test_the_op_that_answers_refuses_to_be_trained(inputs):
    """It would learn from a wrong gradient without a word."""
    if lstm_path() != COMPILED:
        pytest.skip("a TensorFlow path")
    import tensorflow as tf

    layer, given = LSTMLayer(UNITS), tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(given)
        answer = layer(given, training=False)
    with pytest.raises(NotImplementedError, match="training=True"):
        tape.gradient(answer, given)
