"""Classifiers as TensorFlow modules that take raw strings, made of core TensorFlow ops alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from textapp.errors import UserError
from textapp.export.cleaning_ops import CleaningOps
from textapp.export.subword_ops import SubwordOps, joined, valid
from textapp.export.wordpiece_ops import WordPieceOps
from textapp.models.classifier import Classifier
from textapp.models.ensemble import Ensemble
from textapp.models.linear import NGRAMS_FILE, NgramClassifier
from textapp.models.lstm_layer import tensorflow_loop
from textapp.models.network import VOCABULARY_FILE, NetworkClassifier
from textapp.models.pretrained import MiniLM
from textapp.text.cleaning import Cleaning
from textapp.text.pretrained_tokens import RULES, BytePieces, WordPieces
from textapp.text.vocabulary import PADDING_ID, UNKNOWN_ID

TEXTS = tf.TensorSpec([None], tf.string, name="text")


class ClassifierModule(tf.Module):
    """Raw strings to label, score and probabilities. Everything that lives in tables is an attribute.

    Args:
        model: the trained model.
    """

    def __init__(self, model: Classifier):
        super().__init__()
        self.label_names = tf.constant(model.label_names)
        self.temperature = model.temperature

    def logits(self, text: tf.Tensor) -> tf.Tensor:
        """Return float32 logits of shape (N, C) for strings of shape (N,)."""
        raise NotImplementedError

    def probabilities(self, text: tf.Tensor) -> tf.Tensor:
        """Return float32 probabilities of shape (N, C) for strings of shape (N,)."""
        return tf.nn.softmax(tf.cast(self.logits(text), tf.float32) / self.temperature)

    @tf.function(input_signature=[TEXTS])
    def serving_default(self, text):
        probabilities = self.probabilities(text)
        return {
            "label": tf.gather(self.label_names, tf.argmax(probabilities, axis=1)),
            "score": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
        }

    def signatures(self) -> dict:
        """Return the functions to export by name."""
        return {"serving_default": self.serving_default}


class TokensModule(ClassifierModule):
    """A classifier that reads cleaned tokens.

    Args:
        model: the trained model.
        lines: a file of the model's folder; a line's number is the id of the n-gram or token on it.
        unknown: the id of everything else.
    """

    def __init__(self, model: Classifier, *, lines: Path, unknown: int):
        super().__init__(model)
        assert isinstance(model.cleaning, Cleaning)  # from the disk
        self.cleaning = CleaningOps(model.cleaning)
        # The file becomes an asset of the SavedModel, so the folder can be moved.
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(lines),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
                vocab_size=lines.read_bytes().count(b"\n"),  # so that a file with lines missing is refused
            ),
            default_value=unknown,
        )


def _fixed(values: np.ndarray) -> tf.Variable:
    """Return weights that nobody trains."""
    return tf.Variable(values, dtype=tf.float32, trainable=False)  # pyright: ignore[reportArgumentType] - takes arrays


class NgramModule(TokensModule):
    """`NgramClassifier` again: count the n-grams, weight them, add up."""

    def __init__(self, model: NgramClassifier, folder: Path):
        super().__init__(model, lines=folder / NGRAMS_FILE, unknown=-1)
        weights, bias = model.class_weights_and_bias
        self.weights, self.bias = _fixed(weights), _fixed(bias)
        self.feature_weights = _fixed(model.feature_weights)
        self.settings = model  # plain flags; nothing of it that tf.Module would track

    def logits(self, text: tf.Tensor) -> tf.Tensor:
        texts = tf.size(text, out_type=tf.int64)
        size = tf.size(self.feature_weights, out_type=tf.int64)
        ngrams = tf.strings.ngrams(self.cleaning(text), tuple(range(1, self.settings.longest_ngram + 1)))
        ids, rows = self.table.lookup(ngrams.flat_values), ngrams.value_rowids()
        known = ids >= 0
        keys, _, counts = tf.unique_with_counts(tf.boolean_mask(rows, known) * size + tf.boolean_mask(ids, known))
        rows, ids = keys // size, keys % size
        values = tf.gather(self.feature_weights, ids)
        if self.settings.sublinear_counts:
            values *= 1 + tf.math.log(tf.cast(counts, tf.float32))
        if self.settings.unit_length:
            squares = tf.math.unsorted_segment_sum(values**2, rows, texts)
            values /= tf.gather(tf.sqrt(squares), rows)
        votes = values[:, tf.newaxis] * tf.gather(self.weights, ids)
        logits = tf.math.unsorted_segment_sum(votes, rows, texts) + self.bias
        return tf.math.log_sigmoid(logits) if self.settings.one_vs_rest else logits


def _in_one_op(layer: keras.layers.LSTM, sequences, initial_state, mask, training=False):
    # Whatever this process has: CudnnRNN, which Keras takes where it finds a GPU, needs one to serve, and a loop in
    # the graph takes six times as long at batch 1.
    return tensorflow_loop(layer, sequences, initial_state, training=False)


class NetworkModule(TokensModule):
    """`NetworkClassifier` again: look the tokens up, cut and pad, ask the network."""

    def __init__(self, model: NetworkClassifier, folder: Path):
        super().__init__(model, lines=folder / VOCABULARY_FILE, unknown=UNKNOWN_ID)
        self.sequence_length = model.sequence_length
        self.network = model.network
        for layer in self.network._flatten_layers():
            if isinstance(layer, keras.layers.LSTM):
                layer.inner_loop = functools.partial(_in_one_op, layer)

    def logits(self, text: tf.Tensor) -> tf.Tensor:
        token_ids = shortened(self.table.lookup(self.cleaning(text)), self.sequence_length)
        is_empty = token_ids.row_lengths() == 0
        unknown = tf.RaggedTensor.from_row_lengths(  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
            tf.fill([tf.math.count_nonzero(is_empty)], tf.constant(UNKNOWN_ID, tf.int64)),
            tf.cast(is_empty, tf.int64),
        )
        return self.network(padded(tf.concat([token_ids, unknown], axis=1)), training=False)


class MiniLMModule(ClassifierModule):
    """`MiniLM` again: cut the text into pieces, shorten and pad, ask the network.

    Raises:
        UserError: there is no twin of the tokenizer.
    """

    def __init__(self, model: MiniLM, folder: Path):
        super().__init__(model)
        tokenizer = model.tokenizer
        if isinstance(tokenizer, WordPieces):
            self.pieces = WordPieceOps(tokenizer)
        elif isinstance(tokenizer, BytePieces):
            self.pieces = SubwordOps(tokenizer.subwords)
        else:
            raise UserError(
                f"{folder} cannot be exported: there is no SavedModel of {tokenizer.kind} tokens; those of BERT, "
                "DistilBERT and RoBERTa can be"
            )
        self.around = [[tokenizer.start_id]], [[tokenizer.end_id]]
        self.sequence_length = model.sequence_length
        self.network = model.network

    def logits(self, text: tf.Tensor) -> tf.Tensor:
        text = valid(text)
        for pattern, replacement in RULES:
            text = tf.strings.regex_replace(text, pattern, replacement)
        start, end = (tf.tile(tf.constant(ids, tf.int32), [tf.size(text), 1]) for ids in self.around)
        token_ids = joined([start, self.pieces.encode(text), end])
        return self.network(padded(shortened(token_ids, self.sequence_length)), training=False)


def shortened(token_ids: tf.RaggedTensor, sequence_length: int) -> tf.RaggedTensor:
    """Keep the first and the last half of long texts, as `textapp.training.batches.shorten` does."""
    lengths = token_ids.row_lengths()
    positions = tf.ragged.range(lengths).flat_values
    lengths = tf.gather(lengths, token_ids.value_rowids())
    head = sequence_length // 2
    kept = (lengths <= sequence_length) | (positions < head)
    kept |= positions >= lengths - (sequence_length - head)
    return tf.ragged.boolean_mask(token_ids, token_ids.with_flat_values(kept))


def padded(token_ids: tf.RaggedTensor) -> dict[str, tf.Tensor]:
    """Return what a network reads of the ids of texts."""
    padding_mask = tf.sequence_mask(token_ids.row_lengths())
    filled = tf.cast(token_ids.to_tensor(PADDING_ID), tf.int32)
    # No texts at all make an array of width 0, which the networks cannot read.
    missing = [[0, 0], [0, tf.maximum(1 - tf.shape(filled)[1], 0)]]
    return {"token_ids": tf.pad(filled, missing), "padding_mask": tf.pad(padding_mask, missing)}


class EnsembleModule(ClassifierModule):
    """`Ensemble` again: ask the members, add up.

    Args:
        model: the ensemble.
        members: the modules of its members, in the order of its weights.
    """

    def __init__(self, model: Ensemble, members: Sequence[ClassifierModule]):
        super().__init__(model)
        self.members = list(members)
        self.weights = tf.constant(list(model.weights.values()), tf.float32)

    def logits(self, text: tf.Tensor) -> tf.Tensor:
        answers = tf.stack([member.probabilities(text) for member in self.members], axis=-1)  # (N, C, members)
        return tf.math.log(tf.maximum(tf.linalg.matvec(answers, self.weights), np.finfo(np.float32).tiny))
