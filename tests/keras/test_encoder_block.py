"""The encoder's block against KerasHub's own."""

import keras
import keras_hub
import numpy as np
import pytest

from textapp.models.layers import EncoderBlock

OPTIONS = {"intermediate_dim": 6, "num_heads": 2}
HIDDEN = np.random.default_rng(0).normal(size=(3, 7, 4)).astype(np.float32)
MASK = np.arange(7) < np.array([[7], [4], [1]])


def answer(block, *, training=False):
    return keras.ops.convert_to_numpy(block(HIDDEN, padding_mask=MASK, training=training))


def test_it_answers_as_kerashubs_does():
    theirs, ours = keras_hub.layers.TransformerEncoder(**OPTIONS, dropout=0.3), EncoderBlock(**OPTIONS, dropout=0.3)
    expected = answer(theirs)
    answer(ours)
    assert [weight.name for weight in ours.weights] == [weight.name for weight in theirs.weights]
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(answer(ours), expected, atol=1e-5)


@pytest.mark.parametrize(("dropout", "attention_dropout", "same"), [(0.0, 0.0, True), (0.3, 0.0, False)])
def test_scores_and_outputs_are_left_out_each_at_its_rate(dropout, attention_dropout, same):
    keras.utils.set_random_seed(0)
    block = EncoderBlock(**OPTIONS, dropout=dropout, attention_dropout=attention_dropout)
    block.build(HIDDEN.shape)
    assert np.allclose(answer(block, training=True), answer(block), atol=1e-5) == same


def test_attention_scores_are_left_out_where_that_is_wanted():
    """With the outputs' dropout switched off, what is left is that of the scores."""
    keras.utils.set_random_seed(0)
    block = EncoderBlock(**OPTIONS, dropout=0.2, attention_dropout=0.5)
    block.build(HIDDEN.shape)
    for layer in (block._self_attention_dropout, block._feedforward_dropout):
        layer.rate = 0.0
    assert not np.allclose(answer(block, training=True), answer(block), atol=1e-3)
    block = EncoderBlock.from_config(block.get_config())
    assert (block.dropout, block.attention_dropout) == (0.2, 0.5)
