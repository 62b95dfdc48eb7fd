"""LSTMs by cuDNN, with JAX's own definition of what it computes in its place."""

import keras
import numpy as np
import pytest
from jax.experimental import rnn

from textapp.models import lstm_layer
from textapp.models.layers import ReverseTokens
from textapp.models.lstm_layer import CUDNN, LSTMLayer, PooledLSTM

TEXTS, TOKENS, WIDTH, UNITS, VOCABULARY = 3, 7, 4, 5, 10
LENGTHS = np.array([7, 1, 4])


@pytest.fixture
def by_definition(monkeypatch):
    """Return what makes this process take the GPU's path, computed by JAX's reference."""

    def lstm(x, h, c, weights, lengths, *, input_size, hidden_size, num_layers, dropout, bidirectional):
        sizes = (input_size, hidden_size, num_layers)
        parts = rnn.unpack_lstm_weights(weights, *sizes, bidirectional)
        return rnn.lstm_ref(x, h, c, *parts, lengths, *sizes, dropout, bidirectional)

    def patch():
        monkeypatch.setattr(rnn, "lstm", lstm)
        monkeypatch.setattr(lstm_layer, "lstm_path", lambda: CUDNN)

    return patch


def weigh(layer):
    random = np.random.default_rng(0)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])


def given():
    """Return what an embedding makes of texts and of the same texts reversed, and the padding mask."""
    random = np.random.default_rng(1)
    mask = np.arange(TOKENS) < LENGTHS[:, None]
    ids = np.where(mask, random.integers(1, VOCABULARY, mask.shape), 0).astype(np.int32)
    table = random.normal(size=(VOCABULARY, WIDTH)).astype(np.float32)
    reversed_ids = keras.ops.convert_to_numpy(ReverseTokens()(ids, mask))
    return table[ids], table[reversed_ids], mask


def test_both_directions_in_one_call_are_those_of_two_layers(by_definition):
    layer, inputs = PooledLSTM(UNITS), given()
    layer(*inputs)
    weigh(layer)
    expected = keras.ops.convert_to_numpy(layer(*inputs))
    by_definition()
    found = keras.ops.convert_to_numpy(layer(*inputs))
    assert found.shape == (TEXTS, 4 * UNITS)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_direction_is_that_of_keras(by_definition):
    layer, (inputs, _, _) = LSTMLayer(UNITS, return_sequences=True), given()
    layer.build(inputs.shape)
    weigh(layer)
    expected = keras.ops.convert_to_numpy(layer(inputs))
    by_definition()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(inputs)), expected, atol=1e-6)
