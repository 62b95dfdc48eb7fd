"""What the networks share: vocabulary, batches, training, files."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import keras
import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.classifier import Classifier, softmax
from textapp.models.folder import require_file
from textapp.models.keras_file import COMPILE, in_float32, load_network, quantized, save_network
from textapp.text.vocabulary import Vocabulary
from textapp.training.batches import Batches
from textapp.training.budget import Budget
from textapp.training.fit import fit
from textapp.training.precision import building_in, choose_precision
from textapp.training.progress import Progress, Stopwatch

VOCABULARY_FILE = "vocabulary.txt"


@dataclasses.dataclass(kw_only=True, eq=False)
class NetworkClassifier(Classifier):
    """A Keras network from token ids to logits. Subclasses say what it is made of.

    Attributes:
        vocabulary_size: the most ids, V.
        sequence_length: longer texts keep their first and their last half of this.
        embedding_dim: numbers per token, D.
        token_dropout: share of the embedding's channels left out while training.
        dropout: the same for the pooled text.
        label_smoothing: share of the target that goes to all classes, against too much certainty.
        batch_size, learning_rate, epochs, patience: of the training; Adam, its rate brought to zero as a cosine
            over the epochs, stopped early by validation accuracy. None, with a budget, for as many epochs as it
            allows: rounds of the class's own number, twice it, and so on.
        precision: "auto", "float32" or "bfloat16", of the training; answers are float32.
        budget: how many seconds to train once the texts are cleaned, the rate reaching zero when they are over; None
            for no limit.
        quantization: None, or "int8" for weights of 8 bits; `quantized` sets it.
    """

    kind: ClassVar[str] = "network"

    vocabulary_size: int = 20_000
    sequence_length: int = 256
    embedding_dim: int = 64
    token_dropout: float = 0.5
    dropout: float = 0.5
    label_smoothing: float = 0.1
    batch_size: int = 64
    learning_rate: float = 1e-3
    epochs: int | None = 4
    patience: int = 2
    precision: str = "auto"
    budget: float | None = None
    quantization: str | None = None

    # What training sets.
    vocabulary: Vocabulary = dataclasses.field(init=False, repr=False)
    network: keras.Model = dataclasses.field(init=False, repr=False)

    @abc.abstractmethod
    def features(self, token_ids: keras.KerasTensor, padding_mask: keras.KerasTensor) -> keras.KerasTensor:
        """Return what the last layer sees, (B, features), for inputs of shape (B, T)."""

    def build(self) -> keras.Model:
        """Return the untrained network: {"token_ids", "padding_mask"} of shape (B, T) to logits (B, C)."""
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        pooled = keras.layers.Dropout(self.dropout, name="pooled_dropout")(self.features(token_ids, padding_mask))
        logits = keras.layers.Dense(len(self.label_names), dtype="float32", name="logits")(pooled)
        return keras.Model({"token_ids": token_ids, "padding_mask": padding_mask}, logits, name=self.name)

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        keras.utils.clear_session()  # layer names and memory of the model before
        keras.utils.set_random_seed(self.seed)
        tokens, validation_tokens = self.cleaning(train.texts), self.cleaning(validation.texts)
        stopwatch = Stopwatch()
        self.vocabulary = Vocabulary.build(tokens, size=self.vocabulary_size)
        with building_in(self._precision):
            self.network = self.build()
        weights = self.class_weights(train.labels)
        train_batches = self._batches(tokens, train.labels, weights, seed=self.seed)
        rate = self.learning_rate
        if self.budget is None:
            rate = keras.optimizers.schedules.CosineDecay(rate, self.epochs * len(train_batches))
        self.network.compile(
            optimizer=keras.optimizers.Adam(rate, global_clipnorm=1.0),
            loss=self._loss,
            weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            jit_compile=COMPILE,
        )
        history = fit(
            self.network,
            train_batches,
            self._batches(validation_tokens, validation.labels, weights),
            monitor="val_accuracy",
            epochs=self.epochs,
            patience=self.patience,
            progress=progress or Progress(),
            budget=None if self.budget is None else self._budget(len(train_batches)),
            stopwatch=stopwatch,
        )
        self.network = in_float32(self)
        return history

    @property
    def _precision(self) -> str:
        return choose_precision(self.precision, width=self.embedding_dim, compiled=COMPILE)

    @property
    def computation(self) -> str:
        """How the network is trained on this device."""
        return self._precision

    def _budget(self, steps: int) -> Budget:
        """Return the budget where an epoch has so many steps."""
        first_round = (self.epochs or type(self).epochs) * steps
        return Budget(seconds=self.budget, learning_rate=self.learning_rate, first_round=first_round)

    def _loss(self, labels, logits):
        """Return the cross-entropy of each text, (B,), for labels of shape (B,) or (B, 1)."""
        targets = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), len(self.label_names))
        return keras.losses.categorical_crossentropy(
            targets, logits, from_logits=True, label_smoothing=self.label_smoothing
        )

    def _batches(
        self,
        tokens: Sequence[Sequence[str]],
        labels: np.ndarray | None = None,
        class_weights: np.ndarray | None = None,
        *,
        seed: int | None = None,
    ) -> Batches:
        return Batches(
            self.vocabulary.encode(tokens),
            labels,
            None if labels is None else class_weights[labels],
            batch_size=self.batch_size,
            sequence_length=self.sequence_length,
            seed=seed,
        )

    def batches(self, texts: Sequence[str]) -> Batches:
        """Return what the network reads of N texts, in batches of about equal length."""
        return self._batches(self.cleaning(texts))

    def predict_logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return the logits of N texts, float32 of shape (N, C)."""
        return self.token_logits(self.cleaning(texts))

    def token_logits(self, tokens: Sequence[Sequence[str]]) -> np.ndarray:
        """Return the logits of N texts that are cleaned already, float32 of shape (N, C)."""
        if len(tokens) == 0:
            return np.zeros((0, len(self.label_names)), np.float32)
        batches = self._batches(tokens)
        return batches.put_back([self.network.predict_on_batch(batches[index][0]) for index in range(len(batches))])

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        return softmax(self.predict_logits(texts), self.temperature)

    @property
    def parameters(self) -> int:
        return self.network.count_params()

    def quantized(self, quantization: str) -> Self:
        return quantized(self, quantization)

    def _save(self, folder: Path) -> None:
        self.vocabulary.save(folder / VOCABULARY_FILE)
        save_network(self, folder)

    def _load(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(require_file(folder, VOCABULARY_FILE))
        self.network = load_network(self, folder)
        embedded = self.network.weights[0].shape[0]  # the embedding is the first layer that has any
        if len(self.vocabulary) != embedded:
            raise UserError(f"{folder} is damaged: {len(self.vocabulary)} tokens for {embedded} embeddings")
