"""The most frequent class of the training texts, whatever the text: what everything else must beat."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from sklearn.dummy import DummyClassifier

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.classifier import Classifier
from textapp.models.sklearn_file import load_sklearn, save_sklearn
from textapp.training.progress import Progress


@dataclasses.dataclass(kw_only=True, eq=False)
class Majority(Classifier):
    """scikit-learn's `DummyClassifier`, which answers with the classes' shares in training."""

    name: ClassVar[str] = "majority"
    kind: ClassVar[str] = "dummy"
    exports: ClassVar[bool] = False

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        self.dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(train), 1)), train.labels)
        return []

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        return self.dummy.predict_proba(np.zeros((len(texts), 1))).astype(np.float32)

    @property
    def parameters(self) -> int:
        return len(self.label_names)

    def _save(self, folder: Path) -> None:
        save_sklearn(self.dummy, folder)

    def _load(self, folder: Path) -> None:
        self.dummy = load_sklearn(folder)
        if len(self.dummy.class_prior_) != len(self.label_names):
            raise UserError(
                f"{folder} is damaged: {len(self.label_names)} labels for {len(self.dummy.class_prior_)} classes"
            )
