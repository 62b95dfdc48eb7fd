"""LSTM and encoder with one thing more: what `benchmarks.choices` tries and the models are better or faster without."""

from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np
import scipy.sparse
from keras import ops
from sklearn.utils.extmath import randomized_svd

from textapp.models.encoder import Encoder
from textapp.models.layers import MaskedPooling
from textapp.models.lstm import LSTM
from textapp.models.network import NetworkClassifier
from textapp.text.ragged import Ragged
from textapp.text.vocabulary import UNKNOWN_ID

NEIGHBOURS = 5  # tokens that count as a word's company, on each side


class WordDropout(keras.layers.Layer):
    """Takes a share of the tokens for unknown words while training: (B, T) to (B, T)."""

    def __init__(self, rate: float, **options):
        super().__init__(**options)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, token_ids, padding_mask, training=False):
        if not training:
            return token_ids
        left_out = keras.random.uniform(ops.shape(token_ids), seed=self.seed_generator) < self.rate
        return ops.where(ops.logical_and(left_out, padding_mask), UNKNOWN_ID, token_ids)


class AttentionPooling(keras.layers.Layer):
    """Mean and maximum, and a mean with learned weights: (B, T, D) to (B, 3 D)."""

    def __init__(self, **options):
        super().__init__(**options)
        self.score = keras.layers.Dense(1)
        self.others = MaskedPooling()

    def build(self, inputs_shape, padding_mask_shape=None):
        self.score.build(inputs_shape)

    def call(self, inputs, padding_mask):
        scores = ops.where(padding_mask, ops.squeeze(self.score(inputs), axis=-1), -1e9)
        weighted = ops.einsum("bt,btd->bd", ops.softmax(scores, axis=-1), inputs)
        return ops.concatenate([self.others(inputs, padding_mask), weighted], axis=-1)

    def compute_output_shape(self, inputs_shape, padding_mask_shape=None):
        return (inputs_shape[0], 3 * inputs_shape[-1])


@dataclasses.dataclass(kw_only=True, eq=False)
class Tried(NetworkClassifier):
    """What every network may be tried with; each is off by default.

    Attributes:
        word_dropout: share of the tokens that are unknown words while training.
        averaging: momentum of the moving average of the weights that validation and answers take (Polyak).
        corpus_embeddings: the embedding's first standard deviation, where it starts from the words' company (truncated
            singular values of positive pointwise mutual information, Levy and Goldberg 2014) instead of at random.
    """

    word_dropout: float = 0.0
    averaging: float = 0.0
    corpus_embeddings: float = 0.0

    def build(self) -> keras.Model:
        network = super().build()
        if not self.word_dropout:
            return network
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        read = WordDropout(self.word_dropout)(token_ids, padding_mask)
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        return keras.Model(inputs, network(inputs | {"token_ids": read}), name=self.name)

    def _train(self, network, batches, *others, **options):
        if self.corpus_embeddings:
            embedded = company(self.vocabulary.encode(self._tokens), len(self.vocabulary), self.embedding_dim)
            embeddings = next(weight for weight in network.weights if weight.shape == embedded.shape)
            embeddings.assign(embedded / embedded.std() * self.corpus_embeddings)
        if self.averaging:
            swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
            fit = network.fit
            network.fit = lambda *given, callbacks, **more: fit(*given, callbacks=[swap, *callbacks], **more)
        return super()._train(network, batches, *others, **options)

    def _make_vocabulary(self, tokens):
        self._tokens = tokens
        return super()._make_vocabulary(tokens)

    def _optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        optimizer = super()._optimizer(steps)
        if not self.averaging:
            return optimizer
        return type(optimizer).from_config(optimizer.get_config() | {"use_ema": True, "ema_momentum": self.averaging})


@dataclasses.dataclass(kw_only=True, eq=False)
class TriedLSTM(Tried, LSTM):
    """An LSTM to try things with."""


@dataclasses.dataclass(kw_only=True, eq=False)
class TriedEncoder(Tried, Encoder):
    """An encoder to try things with.

    Attributes:
        attention_pooling: whether a mean with learned weights stands beside mean and maximum.
    """

    attention_pooling: bool = False

    def features(self, token_ids, padding_mask):
        hidden = self.hidden(self.embedding(len(self.vocabulary))(token_ids), padding_mask)
        return (AttentionPooling if self.attention_pooling else MaskedPooling)()(hidden, padding_mask)


def company(rows: Ragged, size: int, width: int) -> np.ndarray:
    """Return a vector a token, float32 (V, D), near for tokens that stand in the same company.

    Args:
        rows: the token ids of all texts.
        size: V.
        width: D.
    """
    ids = np.concatenate([rows[index] for index in range(len(rows))])
    text = np.repeat(np.arange(len(rows)), rows.lengths)

    def at(distance: int) -> scipy.sparse.csr_matrix:
        left, right = ids[:-distance], ids[distance:]
        inside = (text[:-distance] == text[distance:]) & (left > UNKNOWN_ID) & (right > UNKNOWN_ID)
        near = np.full(inside.sum(), 1 / distance, np.float32)
        return scipy.sparse.csr_matrix((near, (left[inside], right[inside])), shape=(size, size))

    counts = functools.reduce(lambda a, b: a + b, map(at, range(1, NEIGHBOURS + 1)))
    counts = (counts + counts.T).tocoo()
    totals = np.asarray(counts.sum(axis=1)).ravel()
    shares = totals**0.75 / (totals**0.75).sum()  # smoothed, so that rare company does not count too much
    information = np.log(counts.data / (totals[counts.row] * shares[counts.col]))
    positive = scipy.sparse.csr_matrix((np.maximum(information, 0), (counts.row, counts.col)), shape=counts.shape)
    left, values, _ = randomized_svd(positive, width, random_state=0)
    return (left * np.sqrt(values)).astype(np.float32)
