"""What the linear models share: n-grams of cleaned tokens, one weight per n-gram and class."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse
from scipy.special import log_expit
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.classifier import Classifier, softmax
from textapp.models.folder import require_file
from textapp.models.sklearn_file import load_sklearn, save_sklearn
from textapp.training.progress import Progress

# Stands for the texts' n-grams where they have none, so that only the classes' shares are learned.
NO_NGRAM = "[NONE]"
NGRAMS_FILE = "vocabulary.txt"


class Joined:
    """The tokens of each text with a space between, made one text at a time."""

    def __init__(self, token_lists: Iterable[Sequence[str]]):
        self._token_lists = token_lists

    def __iter__(self) -> Iterator[str]:
        return map(" ".join, self._token_lists)


@dataclasses.dataclass(kw_only=True, eq=False)
class NgramClassifier(Classifier):
    """Logistic regression on n-grams. Subclasses say how counts become features.

    Attributes:
        longest_ngram: 2 for words and pairs of words.
        min_documents: leave out n-grams that stand in fewer training texts.
        inverse_regularization: scikit-learn's C; larger fits the training texts closer.
        sublinear_counts: whether a feature grows with the logarithm of its count, or is only there or not.
        unit_length: whether a text's features are divided by their Euclidean norm.
    """

    kind: ClassVar[str] = "linear"
    sublinear_counts: ClassVar[bool]
    unit_length: ClassVar[bool]

    longest_ngram: int = 2
    min_documents: int = 2
    inverse_regularization: float = 1.0

    # What training sets, beside the n-grams; the SavedModel is built from these three.
    ngrams: list[str] = dataclasses.field(init=False, repr=False)  # F, tokens joined by a space

    @property
    @abc.abstractmethod
    def feature_weights(self) -> np.ndarray:
        """What each feature is multiplied with before a text's norm is taken, float array of shape (F,)."""

    @property
    @abc.abstractmethod
    def class_weights_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        """The weights (F, C) and biases (C,) of the logits."""

    @property
    def one_vs_rest(self) -> bool:
        """Whether each logit stands for its class against all others, so that its sigmoid is a probability."""
        return False

    @abc.abstractmethod
    def fit_features(self, counts: scipy.sparse.csr_matrix, labels: np.ndarray) -> None:
        """Learn from the counts of n-grams, shape (N, F), and labels of shape (N,)."""

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        for cached in ("_counter", "_weights_and_bias"):
            vars(self).pop(cached, None)
        vectorizer = CountVectorizer(min_df=min(self.min_documents, len(train)), **self._tokens_and_ngrams())
        documents = self._join(train.texts)
        try:
            counts = vectorizer.fit_transform(documents)
        except ValueError:  # scikit-learn's for "no n-gram is left"
            vectorizer.set_params(min_df=1).fit([NO_NGRAM])
            counts = vectorizer.transform(documents)
        self.ngrams = vectorizer.get_feature_names_out().tolist()
        self.fit_features(counts, train.labels)
        return []

    def features(self, counts: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        """Return what the logits are a weighted sum of, for counts of shape (N, F)."""
        features = counts.astype(np.float64)
        features.data = 1 + np.log(features.data) if self.sublinear_counts else np.ones_like(features.data)
        features.data *= self.feature_weights[features.indices]
        if self.unit_length:
            features.data /= np.repeat(scipy.sparse.linalg.norm(features, axis=1), np.diff(features.indptr))
        return features

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        weights, bias = self._weights_and_bias
        logits = self.features(self._counter.transform(self._join(texts))) @ weights + bias
        return softmax(log_expit(logits) if self.one_vs_rest else logits, self.temperature)

    @property
    def parameters(self) -> int:
        weights, bias = self._weights_and_bias
        return weights.size + bias.size

    def fit_regression(self, features: scipy.sparse.csr_matrix, labels: np.ndarray) -> LogisticRegression:
        """Return scikit-learn's logistic regression, fitted."""
        regression = LogisticRegression(C=self.inverse_regularization, class_weight=self.class_weight, max_iter=1000)
        return regression.fit(features, labels)

    def _tokens_and_ngrams(self) -> dict:
        # The texts come cleaned, tokens with one space between.
        return {"token_pattern": "[^ ]+", "lowercase": False, "ngram_range": (1, self.longest_ngram)}

    @functools.cached_property
    def _counter(self) -> CountVectorizer:
        return CountVectorizer(vocabulary=self.ngrams, **self._tokens_and_ngrams())

    @functools.cached_property
    def _weights_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        return self.class_weights_and_bias

    def _join(self, texts: Sequence[str]) -> Joined:
        return Joined(self.cleaning(texts))

    def _save(self, folder: Path) -> None:
        # Beside the skops file, since skops keeps every single key of a dictionary as a document of its own.
        ngrams = "".join(f"{ngram}\n" for ngram in self.ngrams)
        (folder / NGRAMS_FILE).write_text(ngrams, encoding="utf-8")
        save_sklearn(self._learned, folder)

    def _load(self, folder: Path) -> None:
        path = require_file(folder, NGRAMS_FILE)
        self.ngrams = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        self._learned = load_sklearn(folder)
        if len(self.ngrams) != len(self.feature_weights):
            raise UserError(f"{folder} is damaged: {len(self.ngrams)} n-grams for {len(self.feature_weights)} weights")
        if len(set(self.ngrams)) != len(self.ngrams):
            raise UserError(f"{folder} is damaged: an n-gram stands twice in {NGRAMS_FILE}")
        weights, bias = self._weights_and_bias
        if (weights.shape, bias.shape) != ((len(self.ngrams), len(self.label_names)), (len(self.label_names),)):
            raise UserError(f"{folder} is damaged: its weights are not those of {len(self.label_names)} labels")


def two_sided(weights: np.ndarray) -> np.ndarray:
    """Return the logits' weights of two classes, shape (F, 2), for one column that speaks for the second."""
    column = weights.reshape(-1, 1)
    return np.concatenate([-column / 2, column / 2], axis=1)
