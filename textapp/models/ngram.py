"""N-gram models that write: what a network has to beat, over the same tokens."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.folder import require_file
from textapp.models.generator import Generator
from textapp.models.kneser_ney import NGrams, count
from textapp.text.subwords import END_ID
from textapp.training.progress import Progress

NGRAMS_FILE = "model.npz"
VALIDATION_TEXTS = 200  # enough to choose a length


@dataclasses.dataclass(kw_only=True, eq=False)
class KneserNey(Generator):
    """Interpolated modified Kneser-Ney; see `textapp.models.kneser_ney`.

    Attributes:
        orders: how many tokens the longest n-grams may have; the validation texts choose.
    """

    name: ClassVar[str] = "kneser-ney"
    kind: ClassVar[str] = "n-gram"
    exports: ClassVar[bool] = False

    orders: tuple[int, ...] = (4, 5)

    ngrams: NGrams = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.orders = tuple(self.orders)  # JSON has lists

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        """Learn the tokens, count, and choose the longest n-grams' length."""
        progress = progress or Progress()
        progress.start("learning tokens")
        documents = self.learn_tokens(train)
        if not sum(map(len, documents)):
            raise UserError(f"the training texts are empty; {self.name} takes at least one character")
        progress.start("counting n-grams")
        levels = count(documents, order=max(self.orders), vocabulary_size=len(self.subwords), end_id=END_ID)
        validation_documents = self.encode(validation.texts[:VALIDATION_TEXTS])
        best = math.inf
        for order in self.orders:
            ngrams = NGrams.fit(levels[:order], end_id=END_ID)
            nats = -math.fsum(np.log(ngrams.probabilities(validation_documents)[0]))
            progress.line(
                f"n-grams of up to {order} tokens", {"val_loss": nats / max(1, sum(map(len, validation_documents)))}
            )
            if nats < best:
                best, self.ngrams = nats, ngrams
        return []

    @property
    def remarks(self) -> list[str]:
        chosen = ", which the validation texts chose" if len(self.orders) > 1 else ""
        return [f"Interpolated modified Kneser-Ney n-grams of up to {self.ngrams.order} tokens{chosen}."]

    def token_log_probabilities(self, documents: Sequence[Sequence[int]]) -> np.ndarray:
        return np.log(self.ngrams.probabilities(documents)[0])

    def next_logits(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        return np.log([self.ngrams.next_probabilities(row)[0] for row in rows]).astype(np.float32)

    @property
    def parameters(self) -> int:
        """How many n-grams were counted."""
        return len(self.ngrams)

    def _save(self, folder: Path) -> None:
        self.ngrams.save(folder / NGRAMS_FILE)

    def _load(self, folder: Path) -> None:
        self.ngrams = NGrams.load(require_file(folder, NGRAMS_FILE), end_id=END_ID)
        if self.ngrams.vocabulary_size != len(self.subwords):
            raise UserError(
                f"{folder} is damaged: n-grams of {self.ngrams.vocabulary_size} tokens, and {len(self.subwords)} tokens"
            )


@dataclasses.dataclass(kw_only=True, eq=False)
class Bigram(KneserNey):
    """Each token depends on the one before it alone."""

    name: ClassVar[str] = "bigram"

    orders: tuple[int, ...] = (2,)
