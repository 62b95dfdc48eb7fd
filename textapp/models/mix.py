"""An n-gram model and a network that write together: what each knows best counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.folder import require_file
from textapp.models.generator import Generator
from textapp.models.ngram import VALIDATION_TEXTS, KneserNey
from textapp.models.sampling import log_softmax
from textapp.models.writing import Ids, Reader
from textapp.training.progress import Progress

NGRAM, NETWORK = "ngram", "network"  # the folders of the two
HALVINGS = 30  # of the interval in which a weight lies
LEAST_TOKENS = 200  # to fit a weight of its own; fewer take that of all tokens


@dataclasses.dataclass(kw_only=True, eq=False)
class Mix(Generator):
    """The weighted mean of the probabilities of an n-gram model and a network over the same tokens.

    The weight hangs on how much of the context the n-gram model has seen in training (Jelinek and Mercer 1980): after
    four words that it knows it is worth more than after none.

    Attributes:
        weights: of the network, one for each length of the longest context seen; `weigh` fits them.
        ngram, network: the two models.
    """

    name: ClassVar[str] = "mix"
    kind: ClassVar[str] = "mix"
    exports: ClassVar[bool] = False

    weights: tuple[float, ...] = ()

    ngram: KneserNey = dataclasses.field(init=False, repr=False)
    network: Generator = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weights = tuple(self.weights)  # JSON has lists

    @classmethod
    def of(cls, ngram: KneserNey, network: Generator) -> Mix:
        """Return the mix of two trained models, not weighed yet.

        Raises:
            UserError: they have different tokens.
        """
        shared = ("seed", "context", "tokens", "vocabulary_size", "scrub", "label_names")
        model = cls(**{name: getattr(network, name) for name in shared})
        model._take(ngram, network)
        return model

    def _take(self, ngram: KneserNey, network: Generator) -> None:
        self.ngram, self.network, self.subwords = ngram, network, network.subwords
        self.scrubbed, self.label_bias = network.scrubbed, network.label_bias
        size = len(network.subwords)
        tokens = [[model.subwords.token_bytes(token) for token in range(size)] for model in (ngram, network)]
        if len(ngram.subwords) != size or tokens[0] != tokens[1]:
            raise UserError(f"{ngram.name} and {network.name} have different tokens and cannot be mixed")

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        """Fit the weights on the validation texts; the two models are trained already."""
        documents = self.encode(validation.texts[:VALIDATION_TEXTS])
        probabilities, seen = self.ngram.ngrams.probabilities(documents)
        networks = np.exp(self.network.token_log_probabilities(documents))
        overall = fit_weight(probabilities, networks)
        weights = []
        for length in range(self.ngram.ngrams.order):
            here = seen == length
            enough = here.sum() >= LEAST_TOKENS
            weights.append(fit_weight(probabilities[here], networks[here]) if enough else overall)
        self.weights = tuple(weights)
        return []

    def token_log_probabilities(self, documents: Sequence[Sequence[int]]) -> np.ndarray:
        probabilities, seen = self.ngram.ngrams.probabilities(documents)
        weights = np.array(self.weights)[seen]
        return np.log(weights * np.exp(self.network.token_log_probabilities(documents)) + (1 - weights) * probabilities)

    def next_logits(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        return self.mixed(self.network.next_logits(rows), rows)

    def mixed(self, logits: np.ndarray, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the logarithm of the mean of the probabilities, float32 (B, V).

        Args:
            logits: the network's after each row, (B, V).
            rows: the ids of texts so far.
        """
        found = np.exp(log_softmax(logits))
        for row, ids in zip(found, rows, strict=True):
            # What stands for a label is known to the network alone.
            known = [token for token in ids if token < len(row)]
            probabilities, seen = self.ngram.ngrams.next_probabilities(known)
            weight = self.weights[seen]
            row[:] = weight * row + (1 - weight) * probabilities
        return np.log(np.maximum(found, np.finfo(np.float32).tiny))

    def reader(self) -> Reader:
        return _MixReader(self)

    def start_ids(self, label: str | None) -> list[int]:
        return self.network.start_ids(label)

    @property
    def remarks(self) -> list[str]:
        shown = ", ".join(f"{weight:.2f}" for weight in self.weights)
        return [
            f"The mean of the probabilities of {self.ngram.name} and {self.network.name}. The network's weight, fitted "
            f"on validation texts, hangs on how many tokens of the context the n-grams know: {shown} for 0, 1, ..."
        ]

    @property
    def parameters(self) -> int:
        return self.ngram.parameters + self.network.parameters + len(self.weights)

    def _save(self, folder: Path) -> None:
        self.ngram.save(folder / NGRAM)
        self.network.save(folder / NETWORK)

    def _load(self, folder: Path) -> None:
        from textapp.models import load  # which knows this class

        ngram, network = (load(require_file(folder, part)) for part in (NGRAM, NETWORK))
        if not isinstance(ngram, KneserNey) or not isinstance(network, Generator):
            raise UserError(f"{folder} is damaged: its models are {ngram.name} and {network.name}")
        self._take(ngram, network)
        if len(self.weights) != self.ngram.ngrams.order or not all(0 <= weight <= 1 for weight in self.weights):
            raise UserError(f"{folder} is damaged: its weights are {list(self.weights)}")


class _MixReader(Reader):
    """Reads with the network's own reader, and looks the rows up in the n-grams."""

    def __init__(self, mix: Mix):
        super().__init__(mix)
        self._mix, self._reader = mix, mix.network.reader()

    def start(self, ids: Sequence[int], rows: int) -> np.ndarray:
        self._rows = [list(ids)] * rows
        return self._mixed(self._reader.start(ids, rows))

    def step(self, tokens: Ids, parents: Ids | None = None) -> np.ndarray:
        of = range(len(tokens)) if parents is None else parents
        self._rows = [[*self._rows[parent], int(token)] for parent, token in zip(of, tokens, strict=True)]
        return self._mixed(self._reader.step(tokens, parents))

    def _mixed(self, logits: np.ndarray) -> np.ndarray:
        self.hidden = self._reader.hidden
        return self._mix.mixed(logits, self._rows)


def fit_weight(first: np.ndarray, second: np.ndarray) -> float:
    """Return the weight w, 0 to 1, for which the sum of log(w second + (1 - w) first) is largest.

    The sum is concave in w, so that its slope has at most one zero, which bisection finds.

    Args:
        first, second: the probabilities of the same tokens by two models, float arrays of shape (tokens,), above 0.
    """
    if not len(first):
        return 0.5
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        slope = ((second - first) / (first + middle * (second - first))).sum()
        low, high = (middle, high) if slope > 0 else (low, middle)
    return (low + high) / 2
