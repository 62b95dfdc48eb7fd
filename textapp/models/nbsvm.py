"""N-grams weighted by naive Bayes, and a linear model on top.

Wang & Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification". Theirs is a
support vector machine; logistic regression here, since it gives probabilities.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import scipy.sparse

from textapp.models.linear import NgramClassifier, two_sided


@dataclasses.dataclass(kw_only=True, eq=False)
class NBSVM(NgramClassifier):
    """An n-gram counts once a text, times the logarithm of how much more often it stands in the class.

    With more than two classes there is one such model for each class against the others.

    Attributes:
        smoothing: added to every n-gram's count in a class, the paper's alpha.
    """

    name: ClassVar[str] = "nbsvm"
    sublinear_counts: ClassVar[bool] = False
    unit_length: ClassVar[bool] = False

    smoothing: float = 1.0

    def fit_features(self, counts: scipy.sparse.csr_matrix, labels: np.ndarray) -> None:
        self._learned = {"features": np.ones(counts.shape[1]), "ratios": [], "regressions": []}
        present = self.features(counts)
        for label in range(len(self.label_names)) if self.one_vs_rest else [1]:
            ratios = self._log_count_ratios(present, labels == label)
            weighted = (present @ scipy.sparse.diags_array(ratios, format="csr")).tocsr()
            self._learned["ratios"].append(ratios)
            self._learned["regressions"].append(self.fit_regression(weighted, labels == label))

    def _log_count_ratios(self, present: scipy.sparse.csr_matrix, inside: np.ndarray) -> np.ndarray:
        """Return the paper's r, float64 of shape (F,), for a class of which `inside` (N,) marks the texts."""
        shares = []
        for rows in (inside, ~inside):
            counts = self.smoothing + present[rows].sum(axis=0)
            shares.append(np.asarray(counts).ravel() / counts.sum())
        return np.log(shares[0] / shares[1])

    @property
    def one_vs_rest(self) -> bool:
        return len(self.label_names) > 2

    @property
    def feature_weights(self) -> np.ndarray:
        return self._learned["features"]

    @property
    def class_weights_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        pairs = list(zip(self._learned["ratios"], self._learned["regressions"], strict=True))
        weights = np.stack([ratios * regression.coef_[0] for ratios, regression in pairs], axis=1)
        bias = np.concatenate([regression.intercept_ for _, regression in pairs])
        return (weights, bias) if self.one_vs_rest else (two_sided(weights), two_sided(bias)[0])
