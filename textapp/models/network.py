"""What the networks that classify share: batches, training, files; and the vocabulary of those trained from scratch."""

from __future__ import annotations

import abc
import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Self

import keras
import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.classifier import Classifier, softmax
from textapp.models.folder import require_file
from textapp.models.keras_file import COMPILE, in_float32, load_network, quantized, save_network
from textapp.models.layers import BigramBag
from textapp.models.starting import start_embedding
from textapp.text.ragged import Ragged
from textapp.text.vocabulary import Vocabulary
from textapp.text.word_vectors import word_vectors
from textapp.training.adam import Adam
from textapp.training.batches import Batches
from textapp.training.budget import Budget
from textapp.training.fit import fit
from textapp.training.precision import attention_path, building_in, choose_precision
from textapp.training.progress import Progress, Stopwatch

VOCABULARY_FILE = "vocabulary.txt"
# How long to train where nobody says it: few texts are read more often. By validation accuracy, two seeds: the encoder
# on 20,000 reviews 0.890 with 2 epochs, 0.899 with 3 and 0.898 with 4; on 6,800 snippets 0.743 with 3, 0.758 with 4
# and 0.772 with 6. The LSTM hardly minds.
STEPS, LEAST_EPOCHS, MOST_EPOCHS = 900, 3, 12


@dataclasses.dataclass(kw_only=True, eq=False)
class KerasClassifier(Classifier):
    """A Keras network from token ids to logits. Subclasses say which ids a text has and what the network is made of.

    Attributes:
        sequence_length: longer texts keep their first and their last half of this.
        dropout: share of the pooled text's numbers left out while training.
        label_smoothing: share of the target that goes to all classes, against too much certainty.
        batch_size, learning_rate, epochs, patience: of the training; its rate brought to zero as a cosine over the
            epochs, stopped early by validation accuracy. None for as many epochs as `STEPS` take, or as a budget
            allows.
        precision: "auto", "float32" or "bfloat16", of the training; answers are float32.
        budget: how many seconds to train, the rate reaching zero when they are over; None for no limit.
        quantization: None, or "int8" for weights of 8 bits; `quantized` sets it.
    """

    kind: ClassVar[str] = "network"

    sequence_length: int = 256
    dropout: float = 0.5
    label_smoothing: float = 0.1
    batch_size: int = 64
    learning_rate: float = 1e-3
    epochs: int | None = None
    patience: int = 2
    precision: str = "auto"
    budget: float | None = None
    quantization: str | None = None

    network: keras.Model = dataclasses.field(init=False, repr=False)  # training sets it

    @abc.abstractmethod
    def build(self) -> keras.Model:
        """Return the untrained network: {"token_ids", "padding_mask"} of shape (B, T) to logits (B, C)."""

    @abc.abstractmethod
    def encode(self, texts: Sequence[str]) -> Ragged:
        """Return the ids of N texts."""

    def _train(
        self,
        network: keras.Model,
        batches: keras.utils.PyDataset,
        validation_batches: keras.utils.PyDataset,
        *,
        progress: Progress | None,
        stopwatch: Stopwatch,
    ) -> list[dict[str, float]]:
        """Train the network that was built, or a part of it; afterwards the whole of it computes in float32."""
        network.compile(
            optimizer=self._optimizer(len(batches)),
            loss=_MeanLoss(self._loss),
            weighted_metrics=[keras.metrics.MeanMetricWrapper(self._right, name="accuracy")],
            jit_compile=COMPILE,
        )
        history = fit(
            network,
            batches,
            validation_batches,
            monitor="val_accuracy",
            epochs=self.epochs if self.budget is not None else self._usual_epochs(len(batches)),
            patience=self.patience,
            progress=progress or Progress(),
            computation=self.computation,
            budget=self._budget(len(batches)),
            stopwatch=stopwatch,
        )
        self.network = self._finished()
        return history

    def _finished(self) -> keras.Model:
        """Return the trained network as it answers."""
        return in_float32(self)

    def _optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """Return the optimizer where an epoch has so many steps; with a budget its rate is a number."""
        rate = self.learning_rate
        if self.budget is None:
            rate = keras.optimizers.schedules.CosineDecay(rate, self._usual_epochs(steps) * steps)
        return Adam(rate, global_clipnorm=1.0)

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """The width of the hidden layers, D."""

    @property
    def chosen_precision(self) -> str:
        """What `precision` comes to on this device: "float32" or "bfloat16"."""
        return choose_precision(self.precision, width=self.width, compiled=COMPILE)

    @property
    def computation(self) -> str:
        """How the network is trained on this device: the precision, and the path of its operations."""
        return ", ".join(filter(None, (self.chosen_precision, "XLA" if COMPILE else None, self._kernel)))

    @property
    def _kernel(self) -> str | None:
        """What computes most of it, where that is no plain operations."""
        return attention_path(self.chosen_precision)

    def _budget(self, steps: int) -> Budget | None:
        """Return the budget, if there is one, where an epoch has so many steps."""
        if self.budget is None:
            return None
        first_round = self._usual_epochs(steps) * steps
        return Budget(seconds=self.budget, learning_rate=self.learning_rate, first_round=first_round)

    def _usual_epochs(self, steps: int) -> int:
        """Return the epochs wanted where each has so many steps."""
        return self.epochs or min(MOST_EPOCHS, max(LEAST_EPOCHS, math.ceil(STEPS / steps)))

    def _loss(self, labels, logits):
        """Return the cross-entropy of each text, (B,), for labels of shape (B,) or (B, 1), or a teacher's, (B, C)."""
        if self._is_taught(labels):
            return keras.losses.categorical_crossentropy(labels, logits, from_logits=True)
        targets = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), len(self.label_names))
        return keras.losses.categorical_crossentropy(
            targets, logits, from_logits=True, label_smoothing=self.label_smoothing
        )

    def _right(self, labels, logits):
        """Return 1 where the most probable class is the label's and else 0, (B,), for labels as `_loss` takes them."""
        classes = keras.ops.argmax(labels, axis=1) if self._is_taught(labels) else keras.ops.reshape(labels, (-1,))
        right = keras.ops.equal(keras.ops.cast(classes, "int32"), keras.ops.argmax(logits, axis=1))
        return keras.ops.cast(right, "float32")

    def _is_taught(self, labels) -> bool:
        """Return whether labels are probabilities; one class alone is never trained."""
        return len(labels.shape) == 2 and labels.shape[1] == len(self.label_names)

    def _batches(
        self,
        rows: Ragged,
        labels: np.ndarray | None = None,
        class_weights: np.ndarray | None = None,
        *,
        seed: int | None = None,
    ) -> Batches:
        return Batches(
            rows,
            labels,
            None if labels is None or class_weights is None else _text_weights(labels, class_weights),
            batch_size=self._rows_at_once,
            sequence_length=self.sequence_length if seed is None else self._learned_length,
            seed=seed,
        )

    @property
    def _learned_length(self) -> int:
        """The most tokens of a text to learn from."""
        return self.sequence_length

    @property
    def _rows_at_once(self) -> int:
        """The most texts that go through the network together."""
        return self.batch_size

    def batches(self, texts: Sequence[str]) -> Batches:
        """Return what the network reads of N texts, in batches of about equal length."""
        return self._batches(self.encode(texts))

    def predict_logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return the logits of N texts, float32 of shape (N, C)."""
        return self._logits(self.encode(texts))

    def _logits(self, rows: Ragged) -> np.ndarray:
        if len(rows) == 0:
            return np.zeros((0, len(self.label_names)), np.float32)
        batches = self._batches(rows)
        return batches.put_back([self.network.predict_on_batch(batches[index][0]) for index in range(len(batches))])

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        return softmax(self.predict_logits(texts), self.temperature)

    def quick(self) -> Self:
        if self.chosen_precision == "float32" or self.quantization is not None:
            return self
        model = copy.copy(self)
        with building_in(self.chosen_precision):
            model.network = self.build()
        model.network.set_weights(self.network.get_weights())
        model.network.compile(jit_compile=COMPILE)
        return model

    @property
    def parameters(self) -> int:
        return self.network.count_params()

    def quantized(self, quantization: str) -> Self:
        return quantized(self, quantization)


@dataclasses.dataclass(kw_only=True, eq=False)
class NetworkClassifier(KerasClassifier):
    """A network that is trained from scratch on cleaned tokens. Subclasses say what it is made of.

    Adam; with a budget and `epochs` None there are rounds of the class's own number of epochs, twice it, and so on.

    Attributes:
        vocabulary_size: the most ids, V.
        embedding_dim: numbers per token, D.
        corpus_embeddings: standard deviation of the embedding before training, made by `word_vectors` of the texts to
            learn from; 0 for a random one.
        token_dropout: share of the embedding's channels left out while training.
        bigrams: how many hashes of pairs of tokens have a vector, summed up beside the features; 0 for none.
        bigram_width: of each.
    """

    takes_teacher: ClassVar[bool] = True

    vocabulary_size: int = 20_000
    embedding_dim: int = 64
    corpus_embeddings: float = 0.05
    token_dropout: float = 0.5
    bigrams: int = 262_144
    bigram_width: int = 4

    vocabulary: Vocabulary = dataclasses.field(init=False, repr=False)  # training sets it

    @abc.abstractmethod
    def features(self, token_ids: keras.KerasTensor, padding_mask: keras.KerasTensor) -> keras.KerasTensor:
        """Return what the last layer sees, (B, features), for inputs of shape (B, T)."""

    def build(self) -> keras.Model:
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        pooled = self.features(token_ids, padding_mask)
        if self.bigrams:
            bigrams = BigramBag(self.bigrams, self.bigram_width, name="bigrams")(token_ids, padding_mask)
            pooled = keras.layers.Concatenate(name="with_bigrams")([pooled, bigrams])
        pooled = keras.layers.Dropout(self.dropout, name="pooled_dropout")(pooled)
        logits = keras.layers.Dense(len(self.label_names), dtype="float32", name="logits")(pooled)
        return keras.Model({"token_ids": token_ids, "padding_mask": padding_mask}, logits, name=self.name)

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        keras.utils.clear_session()  # layer names and memory of the model before
        keras.utils.set_random_seed(self.seed)
        tokens, validation_tokens = self.cleaning(train.texts), self.cleaning(validation.texts)
        stopwatch = Stopwatch()  # a budget begins here
        self.vocabulary = self._make_vocabulary(tokens)
        with building_in(self.chosen_precision):
            self.network = self.build()
        rows = self.vocabulary.encode(tokens)
        self._start(rows)
        weights = self.class_weights(train.labels)
        batches = self._batches(rows, train.labels, weights, seed=self.seed)
        validation_rows = self.vocabulary.encode(validation_tokens)
        validation_batches = self._batches(validation_rows, validation.labels, weights)
        return self._train(self.network, batches, validation_batches, progress=progress, stopwatch=stopwatch)

    def _make_vocabulary(self, tokens: Sequence[Sequence[str]]) -> Vocabulary:
        """Return the vocabulary for the training texts' tokens."""
        return Vocabulary.build(tokens, size=self.vocabulary_size)

    def _start(self, rows: Ragged) -> None:
        """Give the network that was just built, for texts with these ids, other weights than random ones."""
        self.start_embedding(self.network, rows)

    def start_embedding(self, network: keras.Model, rows: Ragged) -> None:
        """Give a network's embedding, whose first V ids are the vocabulary's, the vectors that texts' words have."""
        if self.corpus_embeddings:
            vectors = word_vectors(rows, size=len(self.vocabulary), width=self.embedding_dim)
            start_embedding(network.get_layer("embedding").weights[0], vectors, scale=self.corpus_embeddings)

    @property
    def width(self) -> int:
        return self.embedding_dim

    def encode(self, texts: Sequence[str]) -> Ragged:
        return self.vocabulary.encode(self.cleaning(texts))

    def token_logits(self, tokens: Sequence[Sequence[str]]) -> np.ndarray:
        """Return the logits of N texts that are cleaned already, float32 of shape (N, C)."""
        return self._logits(self.vocabulary.encode(tokens))

    def _save(self, folder: Path) -> None:
        self.vocabulary.save(folder / VOCABULARY_FILE)
        save_network(self, folder)

    def _load(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(require_file(folder, VOCABULARY_FILE))
        self.network = load_network(self, folder)
        embedded = self.network.weights[0].shape[0]  # the embedding is the first layer that has any
        if len(self.vocabulary) != embedded:
            raise UserError(f"{folder} is damaged: {len(self.vocabulary)} tokens for {embedded} embeddings")
        if self.network.output_shape[-1] != len(self.label_names):
            raise UserError(
                f"{folder} is damaged: {len(self.label_names)} labels for {self.network.output_shape[-1]} logits"
            )


class _MeanLoss(keras.losses.Loss):
    """The weighted mean of what a function of labels and logits says of each text; texts of weight 0 do not count."""

    def __init__(self, loss_of: Callable):
        super().__init__(reduction="mean_with_sample_weight", name="loss")
        self._loss_of = loss_of

    def call(self, labels, logits):
        return self._loss_of(labels, logits)


def _text_weights(labels: np.ndarray, class_weights: np.ndarray) -> np.ndarray:
    """Return how much each of N texts counts, float32 of shape (N,), by its class or its probabilities."""
    return class_weights[labels] if labels.ndim == 1 else labels @ class_weights
