"""How good the probabilities of a classifier are, in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn import metrics

# log(0) is infinite; a probability is never taken for less than this, scikit-learn's bound for years.
SMALLEST_PROBABILITY = 1e-15
# How far the sum of a row of float32 (or float16) probabilities may lie from 1.
SUM_TOLERANCE = 1e-2


def classification_metrics(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    label_names: Sequence[str],
    seed: int = 0,
    resamples: int = 1000,
) -> dict:
    """Measures a classifier on the texts it was asked about.

    The predicted class is the most probable one, the first of them where several are. A class that is neither
    a true nor a predicted label of any text does not count in macro-F1; one that is only one of them counts
    as 0.

    Args:
        labels: true classes, int array of shape (N,), each below C.
        probabilities: float array of shape (N, C); rows sum to 1.
        label_names: the C names of the classes, all different.
        seed: for the bootstrap.
        resamples: how many bootstrap samples the interval rests on.

    Returns:
        `accuracy`; `accuracy_interval`, [low, high], a 95 % percentile bootstrap over the texts; `macro_f1`;
        `log_loss` in nats; `confusion_matrix`, C lists of C counts, a row a true class; `per_class`,
        {name: {precision, recall, f1, support}}; `n`, the number of texts. Plain Python numbers throughout.

    Raises:
        ValueError: if shapes, ranges or names do not fit each other.
    """
    labels, probabilities = _checked(labels, probabilities, label_names)
    predictions = probabilities.argmax(axis=1)  # (N,)
    classes = np.arange(len(label_names))
    correct = predictions == labels
    return {
        "accuracy": float(correct.mean()),
        "accuracy_interval": bootstrap_interval(correct, seed=seed, resamples=resamples),
        "macro_f1": float(metrics.f1_score(labels, predictions, average="macro", zero_division=0)),
        "log_loss": float(metrics.log_loss(labels, _smoothed(probabilities), labels=classes)),
        "confusion_matrix": metrics.confusion_matrix(labels, predictions, labels=classes).tolist(),
        "per_class": _per_class(labels, predictions, label_names),
        "n": len(labels),
    }


def bootstrap_interval(correct: np.ndarray, *, seed: int = 0, resamples: int = 1000) -> list[float]:
    """Returns the 95 % percentile bootstrap interval of the share of True.

    Args:
        correct: bool array of shape (N,).
        seed: the same seed gives the same interval.
        resamples: how many samples to draw.

    Returns:
        [low, high].
    """
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; it must be at least 1")
    # N draws with replacement out of N trues and falses hold Binomial(N, share) trues: this is the bootstrap
    # over the texts itself, without the (resamples, N) indices that it would otherwise take.
    hits = np.random.default_rng(seed).binomial(len(correct), correct.mean(), size=resamples)
    return np.percentile(hits / len(correct), [2.5, 97.5]).tolist()


def _per_class(labels: np.ndarray, predictions: np.ndarray, label_names: Sequence[str]) -> dict:
    """Returns {name: {precision, recall, f1, support}} for labels and predictions of shape (N,)."""
    columns = metrics.precision_recall_fscore_support(
        labels, predictions, labels=np.arange(len(label_names)), zero_division=0
    )
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(label_names, *columns, strict=True)
    }


def _smoothed(probabilities: np.ndarray) -> np.ndarray:
    """Returns rows of shape (N, C) in float64 with no zero in them that sum to 1."""
    clipped = np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)
    return clipped / clipped.sum(axis=1, keepdims=True)


def _checked(
    labels: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels as int64 (N,) and probabilities as float64 (N, C), or says what is wrong with them."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    c = len(label_names)
    if c < 2 or len(set(label_names)) != c:
        raise ValueError(f"label_names is {list(label_names)}; it must hold two or more different names")
    if labels.ndim != 1 or not len(labels) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels is {labels.dtype} of shape {labels.shape}; it must be integers of shape (N,), N > 0")
    if probabilities.shape != (len(labels), c):
        raise ValueError(
            f"probabilities has shape {probabilities.shape}; {len(labels)} labels and {c} label names "
            f"ask for {(len(labels), c)}"
        )
    if labels.min() < 0 or labels.max() >= c:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}; allowed is 0 to {c - 1}")
    # Written so that NaN fails, too.
    if not ((probabilities >= 0) & (probabilities <= 1 + SUM_TOLERANCE)).all():
        raise ValueError("probabilities hold a value that is not between 0 and 1")
    sums = probabilities.sum(axis=1)
    if np.abs(sums - 1).max() > SUM_TOLERANCE:
        raise ValueError(f"rows of probabilities sum to {sums.min():.4g} to {sums.max():.4g}; each must sum to 1")
    return labels.astype(np.int64), probabilities
