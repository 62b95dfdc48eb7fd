"""What every classifier can do, and what lies in its folder."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.folder import read_json, write_description, write_json
from textapp.text.cache import CachedCleaning
from textapp.text.cleaning import Cleaning
from textapp.training.progress import Progress


@dataclasses.dataclass(kw_only=True, eq=False)
class Classifier(abc.ABC):
    """Texts to probabilities. Subclasses are dataclasses: their fields are what a person may tune.

    Attributes:
        name: by which it is chosen.
        label_names: C names in the dataset's order.
        cleaning: texts to tokens.
        seed: for everything that is random.
        class_weight: None, or "balanced" to let rare classes count as much as frequent ones.
        temperature: what the logits are divided by before softmax, fitted on validation texts once the model is
            trained; above 1 for a model that is too sure of itself (Guo et al. 2017).
        kind: "dummy", "linear" or "network": where the model stands in the report.
        by_default: whether it is trained where the user names no models.
        cleans: whether it reads what `cleaning` makes of a text; else the text itself.
        exports: whether it becomes a SavedModel.
        quantizes: whether `quantized` can make it smaller.
        takes_teacher: whether `fit` takes probabilities, float32 of shape (N, C), for the labels of the training texts.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    by_default: ClassVar[bool] = True
    cleans: ClassVar[bool] = True
    exports: ClassVar[bool] = True
    quantizes: ClassVar[bool] = False
    takes_teacher: ClassVar[bool] = False

    label_names: tuple[str, ...]
    cleaning: Cleaning | CachedCleaning
    seed: int = 0
    class_weight: str | None = None
    temperature: float = 1.0

    @abc.abstractmethod
    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        """Train on one split, choose on the other.

        Returns:
            A row for every epoch, for history.csv; empty where there are no epochs.
        """

    @abc.abstractmethod
    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probabilities of N texts, float32 of shape (N, C), rows that sum to 1."""

    def quick(self) -> Self:
        """Return a model that answers nearly the same, in the precision of the training where that is faster."""
        return self

    @property
    @abc.abstractmethod
    def parameters(self) -> int:
        """How many numbers were learned."""

    @abc.abstractmethod
    def _save(self, folder: Path) -> None:
        """Write what was learned."""

    @abc.abstractmethod
    def _load(self, folder: Path) -> None:
        """Read what `_save` wrote."""

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the most probable label of each text."""
        return [self.label_names[index] for index in self.predict_proba(texts).argmax(axis=1)]

    def quantized(self, quantization: str) -> Self:
        """Return a copy with smaller weights.

        Args:
            quantization: "int8".

        Raises:
            UserError: there is none for this kind of model.
        """
        raise UserError(f"{self.name} cannot be quantized: {quantization} is for Keras networks")

    def save(self, folder: Path) -> None:
        """Write everything that `textapp.load` needs into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._save(folder)
        write_json(folder / "labels.json", list(self.label_names))
        write_json(folder / "cleaning.json", self.cleaning.to_json())
        write_description(folder, self, leave_out=("label_names", "cleaning"))

    @classmethod
    def load(cls, folder: Path, options: dict) -> Self:
        """Return the model that `save` wrote; `textapp.load` finds the class and the options.

        Args:
            folder: the model's folder.
            options: the fields of the dataclass, out of model.json.
        """
        label_names = read_json(folder / "labels.json")
        named = isinstance(label_names, list) and all(isinstance(name, str) for name in label_names)
        if not named or len(label_names) < 2:
            raise UserError(f"{folder / 'labels.json'} is damaged: it is no list of two names or more")
        try:
            cleaning = Cleaning.from_json(read_json(folder / "cleaning.json"))
        except (TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{folder / 'cleaning.json'} is damaged: {error}") from error
        model = cls(label_names=tuple(label_names), cleaning=cleaning, **options)
        model._load(folder)
        return model

    def class_weights(self, labels: np.ndarray) -> np.ndarray:
        """Return how much each class counts in the loss, float32 of shape (C,), on average 1 over the texts.

        Args:
            labels: int array of shape (N,), or probabilities of shape (N, C).
        """
        classes = len(self.label_names)
        if self.class_weight is None:
            return np.ones(classes, np.float32)
        counts = np.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(axis=0)
        return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities of logits of shape (N, C), in float32."""
    logits = np.asarray(logits, np.float32) / np.float32(temperature)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Return logits of probabilities of shape (N, C): `softmax` of them gives the probabilities back."""
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
