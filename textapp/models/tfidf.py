"""TF-IDF of words and pairs of words, and logistic regression."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import TfidfTransformer

from textapp.models.linear import NgramClassifier, two_sided


@dataclasses.dataclass(kw_only=True, eq=False)
class Tfidf(NgramClassifier):
    """Counts on a logarithmic scale, rare n-grams weighted up, every text of length 1."""

    name: ClassVar[str] = "tfidf"
    sublinear_counts: ClassVar[bool] = True
    unit_length: ClassVar[bool] = True

    inverse_regularization: float = 10.0

    def fit_features(self, counts: scipy.sparse.csr_matrix, labels: np.ndarray) -> None:
        transformer = TfidfTransformer(sublinear_tf=True).fit(counts)
        self._learned = {"transformer": transformer}
        self._learned["regression"] = self.fit_regression(self.features(counts), labels)

    @property
    def feature_weights(self) -> np.ndarray:
        return self._learned["transformer"].idf_

    @property
    def class_weights_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        regression = self._learned["regression"]
        if len(self.label_names) == 2:
            return two_sided(regression.coef_), two_sided(regression.intercept_)[0]
        return regression.coef_.T, regression.intercept_
