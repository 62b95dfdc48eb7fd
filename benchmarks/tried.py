"""LSTM and encoder with one thing more: what `benchmarks.choices` tries and the models are better or faster without."""

from __future__ import annotations

import dataclasses

import keras
from keras import ops

from textapp.models.encoder import Encoder
from textapp.models.layers import MaskedPooling
from textapp.models.lstm import LSTM
from textapp.models.network import NetworkClassifier
from textapp.text.vocabulary import UNKNOWN_ID


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
    """

    word_dropout: float = 0.0
    averaging: float = 0.0

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
        if self.averaging:
            swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
            fit = network.fit
            network.fit = lambda *given, callbacks, **more: fit(*given, callbacks=[swap, *callbacks], **more)
        return super()._train(network, batches, *others, **options)

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
