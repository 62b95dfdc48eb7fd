"""Several trained classifiers that answer together."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.classifier import Classifier, log_probabilities, softmax
from textapp.training.progress import Progress

MEMBERS = "members"  # the folder of the members' folders
STEPS = 10_000  # of the search for weights, at most
SMALLEST_GAIN = 1e-10  # of the log loss, by a step
SMALLEST_WEIGHT = 1e-3  # a member that would have less is left out


@dataclasses.dataclass(kw_only=True, eq=False)
class Ensemble(Classifier):
    """The weighted mean of the calibrated probabilities of trained classifiers (a linear opinion pool).

    Attributes:
        weights: of each member by its name, above 0, together 1; `weigh` fits them on validation texts.
        members: the trained classifiers by name, in the order of the weights; each has a cleaning of its own.
    """

    name: ClassVar[str] = "ensemble"
    kind: ClassVar[str] = "ensemble"

    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    members: dict[str, Classifier] = dataclasses.field(init=False, repr=False)

    @property
    def cleans(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride] - hangs on the members
        """Whether all members read cleaned tokens."""
        return all(member.cleans for member in self.members.values())

    def weigh(
        self, members: Mapping[str, Classifier], probabilities: Mapping[str, np.ndarray], labels: np.ndarray
    ) -> None:
        """Give each classifier its weight, and take in those that have any.

        Args:
            members: trained classifiers by name.
            probabilities: what each answers to N validation texts, float arrays of shape (N, C).
            labels: the true classes, int array of shape (N,).
        """
        found = fit_weights(np.stack([probabilities[name] for name in members]), labels)
        self.weights = {name: float(weight) for name, weight in zip(members, found, strict=True) if weight > 0}
        self.members = {name: members[name] for name in self.weights}

    def mix(self, probabilities: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the mean of the members' probabilities, float32 (N, C), before the temperature."""
        parts = np.array([weight * probabilities[name] for name, weight in self.weights.items()])
        return parts.sum(axis=0, dtype=np.float32)

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        """Fit the weights of the members, which are trained already."""
        answers = {name: member.predict_proba(validation.texts) for name, member in self.members.items()}
        self.weigh(self.members, answers, validation.labels)
        return []

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        mean = self.mix({name: member.predict_proba(texts) for name, member in self.members.items()})
        return softmax(log_probabilities(mean), self.temperature)

    @property
    def parameters(self) -> int:
        return sum(member.parameters for member in self.members.values()) + len(self.weights)

    def _save(self, folder: Path) -> None:
        for name, member in self.members.items():
            member.save(folder / MEMBERS / name)

    def _load(self, folder: Path) -> None:
        from textapp.models import load  # which knows this class

        # A name from a file leads to no folder but the members'.
        if not self.weights or not all(re.fullmatch(r"\w[\w.+-]*", name) for name in self.weights):
            raise UserError(f"{folder} is damaged: its weights {self.weights!r} name no members")
        self.members = {}
        for name in self.weights:
            member = load(folder / MEMBERS / name)
            if not isinstance(member, Classifier) or member.label_names != self.label_names:
                raise UserError(f"{folder} is damaged: its member {name} is no classifier of {list(self.label_names)}")
            self.members[name] = member


def may_join(model: type[Classifier] | Classifier) -> bool:
    """Return whether a model may be a member of an ensemble: no dummy, and no rounded copy of another member."""
    return getattr(model, "kind", "dummy") not in ("dummy", "ensemble") and getattr(model, "quantization", None) is None


def fit_weights(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights of M classifiers whose mean has the smallest log loss.

    By expectation and maximization (Dempster, Laird and Rubin 1977): a classifier's weight becomes its share of the
    probability that the mean gives to the true class, averaged over the texts. No step makes the loss larger, and as
    the loss is convex in the weights there is one smallest.

    Args:
        probabilities: float array of shape (M, N, C).
        labels: true classes of the N texts, int array of shape (N,).

    Returns:
        float64 array of shape (M,), none below 0, sum 1. Weights below `SMALLEST_WEIGHT` become 0.
    """
    count, texts, _ = probabilities.shape
    given = probabilities[:, np.arange(texts), labels].astype(np.float64)  # (M, N)
    given = np.maximum(given, np.finfo(np.float32).tiny)
    weights, loss = np.full(count, 1 / count), np.inf
    for _ in range(STEPS):
        mean = weights @ given  # (N,)
        before, loss = loss, -np.log(mean).mean()
        if before - loss < SMALLEST_GAIN:
            break
        weights = weights * (given / mean).mean(axis=1)
    weights[weights < SMALLEST_WEIGHT] = 0
    return weights / weights.sum()
