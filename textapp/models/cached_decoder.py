"""KerasHub's GPT-2 token by token, with the fewest and largest operations."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

NEVER = -1e9  # the score of a token that is not looked at


class CachedDecoder:
    """A `GPT2Backbone` that reads a few tokens at a time and keeps the keys and values of those before.

    The same numbers as the backbone's, in a third of the operations: queries, keys and values of a layer are one
    matrix, and each layer's cache is an array of its own, which XLA changes in place. To be made where the graph is
    traced, outside its loop.

    Args:
        backbone: trained; its layers may be quantized.
    """

    def __init__(self, backbone: keras.Model):
        self._heads, self._width = backbone.num_heads, backbone.hidden_dim
        self._embeddings = backbone.token_embedding(ops.arange(backbone.vocabulary_size))  # (V, D)
        self._positions = ops.convert_to_tensor(backbone.position_embedding.position_embeddings)
        self._norm = backbone.layer_norm
        self._layers = [self._layer(layer) for layer in backbone.transformer_layers]

    def _layer(self, layer: keras.layers.Layer) -> dict[str, Any]:
        attention, width = layer._self_attention_layer, self._width
        parts = (attention._query_dense, attention._key_dense, attention._value_dense)
        output, inner, last = (
            attention._output_dense,
            layer._feedforward_intermediate_dense,
            layer._feedforward_output_dense,
        )
        return {
            "attention_norm": layer._self_attention_layer_norm,
            "qkv": ops.concatenate([_matrix(part, width, width) for part in parts], axis=1),
            "qkv_bias": ops.concatenate([ops.reshape(part.bias, (width,)) for part in parts], axis=0),
            "output": _matrix(output, width, self._heads, width // self._heads),
            "output_bias": ops.convert_to_tensor(output.bias),
            "norm": layer._feedforward_layer_norm,
            "inner": _matrix(inner, width),
            "inner_bias": ops.convert_to_tensor(inner.bias),
            "activation": inner.activation,
            "last": _matrix(last, layer.intermediate_dim),
            "last_bias": ops.convert_to_tensor(last.bias),
        }

    def empty_caches(self, batch_size: Any, length: Any) -> list[tuple[Any, Any]]:
        """Return the keys and values of each layer, (B, heads, T, D / heads), for B rows of at most T tokens."""
        shape = (batch_size, self._heads, length, self._width // self._heads)
        return [(ops.zeros(shape), ops.zeros(shape)) for _ in self._layers]

    def __call__(self, token_ids: Any, caches: list[tuple[Any, Any]], start: Any) -> tuple[Any, list]:
        """Read tokens.

        Args:
            token_ids: int32 (B, S).
            caches: of the tokens before.
            start: int scalar, the position of the first of these.

        Returns:
            What the last layer says of each token, float32 (B, S, D), and the caches with these tokens.
        """
        count, length = ops.shape(token_ids)[1], ops.shape(caches[0][0])[2]
        hidden = ops.take(self._embeddings, token_ids, axis=0)
        hidden = hidden + ops.slice(self._positions, [start, 0], [count, self._width])
        seen = ops.expand_dims(ops.arange(length), 0) <= ops.expand_dims(start + ops.arange(count), 1)
        unseen = ops.where(seen, 0.0, NEVER)  # (S, T)
        kept = []
        for layer, cache in zip(self._layers, caches, strict=True):
            attended, cache = self._attend(layer, layer["attention_norm"](hidden), cache, start, unseen)
            hidden = hidden + attended
            inner = ops.matmul(layer["norm"](hidden), layer["inner"]) + layer["inner_bias"]
            hidden = hidden + ops.matmul(layer["activation"](inner), layer["last"]) + layer["last_bias"]
            kept.append(cache)
        return self._norm(hidden), kept

    def _attend(self, layer: dict[str, Any], inputs: Any, cache: tuple[Any, Any], start: Any, unseen: Any) -> tuple:
        count, each = ops.shape(inputs)[1], self._width // self._heads
        projected = ops.matmul(inputs, layer["qkv"]) + layer["qkv_bias"]
        projected = ops.reshape(projected, (-1, count, 3, self._heads, each))
        query, key, value = ops.unstack(ops.transpose(projected, (2, 0, 3, 1, 4)), 3)  # (B, heads, S, D / heads)
        keys, values = (
            ops.slice_update(part, [0, 0, start, 0], new) for part, new in zip(cache, (key, value), strict=True)
        )
        scores = ops.matmul(query / math.sqrt(each), ops.transpose(keys, (0, 1, 3, 2))) + unseen
        attended = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), values), (0, 2, 1, 3))
        attended = ops.reshape(attended, (-1, count, self._width))
        return ops.matmul(attended, layer["output"]) + layer["output_bias"], (keys, values)

    def logits(self, hidden: Any) -> Any:
        """Return the logits (B, V) of the token after each of (B, D)."""
        return ops.matmul(hidden, ops.transpose(self._embeddings))


def _matrix(layer: keras.layers.Layer, inputs: int, *parts: int) -> Any:
    """Return a dense layer's weights as a float32 matrix, whether they are quantized or not.

    Args:
        layer: Dense, or EinsumDense as attention has it.
        inputs: how many rows the matrix has.
        parts: the shape of an EinsumDense's inputs.
    """
    if layer.quantization_mode is None:
        return ops.reshape(layer.kernel, (inputs, -1))
    if isinstance(layer, keras.layers.Dense):
        return ops.cast(layer.kernel, "float32") / layer.kernel_scale
    # An EinsumDense keeps its scales as its equation wants them; what it makes of the identity is its matrix.
    answers = layer(np.eye(inputs, dtype=np.float32).reshape(1, inputs, *parts)) - layer.bias
    return ops.reshape(answers, (inputs, -1))
