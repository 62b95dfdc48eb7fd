"""The two layers that Keras and KerasHub have not."""

from __future__ import annotations

import keras
from keras import ops

LOWEST = -1e9  # below every output of a layer


@keras.saving.register_keras_serializable(package="textapp")
class MaskedPooling(keras.layers.Layer):
    """The mean and the maximum over a text's tokens, padding left out: (B, T, D) to (B, 2 D)."""

    def call(self, inputs, padding_mask):
        inputs = ops.cast(inputs, "float32")  # a sum of bfloat16 numbers loses the last ones
        mask = ops.expand_dims(ops.cast(padding_mask, "float32"), axis=-1)  # (B, T, 1)
        mean = ops.sum(inputs * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)
        maximum = ops.max(ops.where(mask > 0, inputs, LOWEST), axis=1)
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
