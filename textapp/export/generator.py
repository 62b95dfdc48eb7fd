"""The generator as a TensorFlow module: prompt in, text out, made of core TensorFlow ops alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import keras
import tensorflow as tf

from textapp.export.subword_ops import joined, token_ops, valid
from textapp.models.decoder import Decoder
from textapp.models.decoding import generate_ids
from textapp.text.subwords import END_ID


class GeneratorModule(tf.Module):
    """`Decoder` again: the same seed gives the same text."""

    def __init__(self, model: Decoder, folder: Path):
        super().__init__()
        self.network = model.network
        self.context, self.size = model.context, len(model.subwords)
        self.subwords = token_ops(model.subwords)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="prompt")])
    def serving_default(self, prompt):
        settings = {"max_new_tokens": 60, "temperature": 0.8, "top_k": 0, "top_p": 0.95, "seed": 0}
        return {"text": self._generate(prompt, **settings)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="prompt"),
            tf.TensorSpec([], tf.int32, name="max_new_tokens"),
            tf.TensorSpec([], tf.float32, name="temperature"),
            tf.TensorSpec([], tf.int32, name="top_k"),
            tf.TensorSpec([], tf.float32, name="top_p"),
            tf.TensorSpec([], tf.int32, name="seed"),
        ]
    )
    def generate(self, prompt, max_new_tokens, temperature, top_k, top_p, seed):
        return {"text": self._generate(prompt, max_new_tokens, temperature, top_k, top_p, seed)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def score(self, text):
        # As `Decoder.bits_per_byte`: each text in windows of `context` tokens, each token a target once.
        targets = self.subwords.encode(text)
        inputs = joined([self._starts(text), targets])[:, :-1]
        lengths = targets.row_lengths()
        windows = -(-lengths // self.context)
        missing = windows * self.context - lengths
        padding = tf.RaggedTensor.from_row_lengths(  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
            tf.fill([tf.reduce_sum(missing)], END_ID), missing
        )
        inputs, targets = (
            tf.reshape(joined([part, padding]).flat_values, [-1, self.context]) for part in (inputs, targets)
        )
        logits = self.network({"token_ids": inputs, "padding_mask": tf.ones_like(inputs, tf.bool)}, training=False)
        logits = tf.cast(logits, tf.float32)[:, :, : self.size]
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        nats = tf.RaggedTensor.from_row_lengths(  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
            tf.reshape(nats, [-1]), windows * self.context
        ).to_tensor()
        nats *= tf.sequence_mask(lengths, tf.shape(nats)[1], tf.float32)
        size = tf.strings.length(text, unit="BYTE")
        bits = tf.reduce_sum(nats, axis=1) / tf.math.log(2.0)
        return {
            "bits_per_byte": bits / tf.cast(tf.maximum(size, 1), tf.float32),
            "bytes": tf.cast(size, tf.int64),
            "nats": nats,
            "tokens": tf.cast(lengths, tf.int32),
        }

    def signatures(self) -> dict:
        """Return the functions to export by name."""
        return {"serving_default": self.serving_default, "generate": self.generate, "score": self.score}

    def _starts(self, text: tf.Tensor) -> tf.Tensor:
        return tf.fill([tf.shape(text)[0], 1], END_ID)

    def _generate(self, prompt, max_new_tokens, temperature, top_k, top_p, seed) -> tf.Tensor:
        max_new_tokens = tf.clip_by_value(max_new_tokens, 1, self.context - 1)
        ids = self.subwords.encode(prompt)
        ids = joined([self._starts(prompt), ids])[:, -(self.context - max_new_tokens) :]
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        length = tf.reduce_max(tf.concat([lengths, [1]], axis=0)) + max_new_tokens
        token_ids = ids.to_tensor(END_ID)
        missing = [[0, 0], [0, length - tf.shape(token_ids)[1]]]
        token_ids = tf.pad(token_ids, missing, constant_values=END_ID)  # pyright: ignore[reportArgumentType] - not only int
        inputs = {
            "token_ids": token_ids,
            "padding_mask": tf.sequence_mask(lengths, length),
            "uniform": _uniform_numbers(seed, tf.shape(prompt)[0], length),
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "until": length,
        }
        with _updates_in_core_ops():
            generated = generate_ids(self.network, inputs, end_id=END_ID)
        positions = tf.range(length)[tf.newaxis]
        added = (positions >= lengths[:, tf.newaxis]) & (positions < lengths[:, tf.newaxis] + max_new_tokens)
        added = tf.ragged.boolean_mask(generated, added & (generated != END_ID))
        return tf.strings.join([valid(prompt), self.subwords.decode(added)])


@contextlib.contextmanager
def _updates_in_core_ops() -> Iterator[None]:
    """Let Keras write to caches with TensorFlow's own ops while a graph is traced.

    Keras takes XlaDynamicUpdateSlice, which TensorFlow Serving on a GPU cannot run
    (https://github.com/tensorflow/serving/issues/2217) and other runtimes do not know.
    """

    def slice_update(inputs, start_indices, updates):
        # Positions are the one axis that is ever written to in part; where all is written, no start is a tensor.
        axes = [axis for axis, start in enumerate(start_indices) if tf.is_tensor(start)]
        if not axes:
            return updates
        (axis,) = axes
        start = start_indices[axis]
        count, length = tf.shape(updates)[axis], tf.shape(inputs)[axis]
        before, _, after = tf.split(inputs, [start, count, length - start - count], axis=axis)
        updated = tf.concat([before, updates, after], axis=axis)
        updated.set_shape(inputs.shape)
        return updated

    with mock.patch.object(keras.src.backend.core, "slice_update", slice_update):
        yield


def _uniform_numbers(seed, rows, columns) -> tf.Tensor:
    """Return what `textapp.models.decoding.uniform_numbers` returns, in a graph."""
    row = _lowbias32(tf.cast(tf.range(rows), tf.uint32) + _lowbias32(tf.cast(seed, tf.uint32)))
    mixed = _lowbias32(row[:, tf.newaxis] + tf.cast(tf.range(columns), tf.uint32))
    return tf.cast(tf.bitwise.right_shift(mixed, tf.constant(8, tf.uint32)), tf.float32) / 2.0**24


def _lowbias32(value: tf.Tensor) -> tf.Tensor:
    def mix(value, shift):
        return tf.bitwise.bitwise_xor(value, tf.bitwise.right_shift(value, tf.constant(shift, tf.uint32)))

    value = mix(value, 16) * tf.constant(0x7FEB352D, tf.uint32)
    value = mix(value, 15) * tf.constant(0x846CA68B, tf.uint32)
    return mix(value, 16)
