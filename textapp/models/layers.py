"""The layers that Keras and KerasHub have not."""

from __future__ import annotations

import keras
import keras_hub
from keras import ops

LOWEST = -1e9  # below every output of a layer
FIRST_FACTOR, SECOND_FACTOR = 7_919, 31  # primes; with ids below 200,000 no product passes int32


@keras.saving.register_keras_serializable(package="textapp")
class MaskedPooling(keras.layers.Layer):
    """The mean and the maximum over a text's tokens, padding left out: (B, T, D) to (B, 2 D)."""

    def call(self, inputs, padding_mask):
        inputs = ops.cast(inputs, "float32")  # a sum of bfloat16 numbers loses the last ones
        mask = ops.expand_dims(ops.cast(padding_mask, "float32"), axis=-1)  # (B, T, 1)
        mean = ops.sum(inputs * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)
        maximum = ops.max(inputs + (1 - mask) * LOWEST, axis=1)  # a sum: its gradient is cheaper than a choice's
        return ops.concatenate([mean, maximum], axis=-1)

    def compute_output_shape(self, inputs_shape, padding_mask_shape=None):
        return (inputs_shape[0], 2 * inputs_shape[-1])


@keras.saving.register_keras_serializable(package="textapp")
class ReverseTokens(keras.layers.Layer):
    """Each text's tokens in the opposite order, its padding still on the right: (B, T) to (B, T).

    A plain backward LSTM would read the padding first, and its answer would hang on the width of the batch.
    """

    def call(self, token_ids, padding_mask):
        lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=1, keepdims=True)  # (B, 1)
        positions = ops.expand_dims(ops.arange(ops.shape(token_ids)[1], dtype="int32"), axis=0)  # (1, T)
        source = ops.where(positions < lengths, lengths - 1 - positions, positions)
        return ops.take_along_axis(token_ids, source, axis=1)

    def compute_output_shape(self, token_ids_shape, padding_mask_shape=None):
        return token_ids_shape


@keras.saving.register_keras_serializable(package="textapp")
class EncoderBlock(keras_hub.layers.TransformerEncoder):
    """KerasHub's block with a dropout of its own for the attention's scores: (B, T, D) to (B, T, D).

    KerasHub takes one rate for all. Random numbers for each pair of tokens, (B, heads, T, T), are a large part of a
    step of a narrow network, and `python -m benchmarks.choices encoder` shows no accuracy for them.
    """

    def __init__(self, *, attention_dropout: float = 0.0, **options):
        super().__init__(**options)
        self.attention_dropout = attention_dropout

    def build(self, inputs_shape):
        super().build(inputs_shape)
        # Keras decides by this number how it attends, each time.
        self._self_attention_layer._dropout = self.attention_dropout
        self._self_attention_layer._dropout_layer.rate = self.attention_dropout

    def get_config(self):
        return {**super().get_config(), "attention_dropout": self.attention_dropout}


@keras.saving.register_keras_serializable(package="textapp")
class BigramBag(keras.layers.Layer):
    """The sum of the vectors of a text's pairs of tokens over the root of their number: (B, T) to (B, D).

    A pair has the vector of its hash, which some others share (fastText, Joulin et al. 2017). All begin as 0, so that
    pairs that no training text has say nothing.

    Args:
        buckets: how many vectors there are.
        width: of each, D.
    """

    def __init__(self, buckets: int, width: int, **options):
        super().__init__(**options)
        self.buckets, self.width = buckets, width
        self.embedding = keras.layers.Embedding(buckets, width, embeddings_initializer="zeros")

    def build(self, token_ids_shape, padding_mask_shape=None):
        self.embedding.build(token_ids_shape)

    def call(self, token_ids, padding_mask):
        first, second = token_ids[:, :-1], token_ids[:, 1:]
        hashes = ops.mod(first * FIRST_FACTOR + second * SECOND_FACTOR, self.buckets)  # (B, T - 1)
        mask = ops.expand_dims(ops.cast(padding_mask[:, 1:], "float32"), axis=-1)
        pairs = ops.cast(self.embedding(hashes), "float32") * mask
        return ops.sum(pairs, axis=1) / ops.sqrt(ops.maximum(ops.sum(mask, axis=1), 1))

    def compute_output_shape(self, token_ids_shape, padding_mask_shape=None):
        return (token_ids_shape[0], self.width)

    def get_config(self):
        return {**super().get_config(), "buckets": self.buckets, "width": self.width}


def drop_no_attention(backbone: keras.Model) -> None:
    """Let a backbone of KerasHub's, which has one option for all dropouts, keep all scores of its attention.

    Random numbers for each pair of tokens take a sixth of a training step, and no fused attention drops any.
    """
    for layer in backbone._flatten_layers():
        if isinstance(layer, keras.layers.MultiHeadAttention):
            layer._dropout = 0.0
