"""What a classifier gains where it may say "I do not know" or name more than one class."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from textapp.evaluation.metrics import checked


def accuracy_coverage(labels: np.ndarray, probabilities: np.ndarray, points: int = 50) -> list[dict]:
    """Return how accurate the answers are if only the most confident ones are given.

    Texts of equal confidence are answered together, as one threshold cannot part them; there may be fewer
    points for that.

    Args:
        labels: true classes, int array of shape (N,).
        probabilities: float array of shape (N, C).
        points: at most so many, evenly spread over the coverage.

    Returns:
        [{`coverage`, the share of texts that are answered; `accuracy` on these; `threshold`, the least
        probability of an answer that is given}], rising in coverage up to 1.

    Raises:
        ValueError: if shapes or ranges do not fit each other, or there is no point.
    """
    if points < 1:
        raise ValueError(f"points is {points}; it must be at least 1")
    labels, probabilities = checked(labels, probabilities)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels  # (N,)
    order = np.argsort(-confidence, kind="stable")
    confidence, right = confidence[order], np.cumsum(correct[order])
    n = len(labels)
    allowed = np.append(np.flatnonzero(np.diff(confidence)) + 1, n)  # numbers of answers
    wanted = (np.arange(1, points + 1) * n + points - 1) // points  # rounded up
    answered = np.unique(allowed[np.searchsorted(allowed, wanted)])
    return [
        {"coverage": k / n, "accuracy": float(right[k - 1] / k), "threshold": float(confidence[k - 1])}
        for k in answered.tolist()
    ]


def conformal(
    validation_labels: np.ndarray,
    validation_probabilities: np.ndarray,
    test_labels: np.ndarray,
    test_probabilities: np.ndarray,
    error_rate: float = 0.1,
) -> dict | None:
    """Answer with sets of classes that miss the true one no more often than asked for.

    Split conformal prediction: a text's score is 1 less the probability of its true class, and a set holds
    every class whose score is at most the ceil((n + 1) (1 - error_rate))-th smallest of the n validation
    scores (Angelopoulos and Bates 2021, "A gentle introduction to conformal prediction and distribution-free
    uncertainty quantification"). The promise is for texts drawn as the validation texts are, on average over
    them and over validation splits; it is a little weaker where the same split chose the epoch to stop at.

    Args:
        validation_labels: true classes, int array of shape (n,).
        validation_probabilities: float array of shape (n, C).
        test_labels: true classes, int array of shape (N,).
        test_probabilities: float array of shape (N, C).
        error_rate: the share of sets that may miss the true class, between 0 and 1.

    Returns:
        `error_rate`; `threshold`, the least probability of a class that is in a set; on the test texts:
        `coverage`, the share of sets that hold the true class, and `coverage_interval`, 95 %
        (Clopper-Pearson); `singletons` and `empty`, shares of sets with one class and with none;
        `mean_set_size`; `accuracy_of_singletons`, None where there are none; `n_calibration`, n. None where
        there are too few validation texts for the rate.

    Raises:
        ValueError: if shapes or ranges do not fit each other.
    """
    if not 0 < error_rate < 1:
        raise ValueError(f"error_rate is {error_rate}; it must be between 0 and 1")
    n = len(validation_labels)
    # A product that is whole but for rounding must not be rounded up.
    rank = math.ceil((n + 1) * (1 - error_rate) - 1e-9)
    if rank > n:
        return None
    validation_labels, validation_probabilities = checked(validation_labels, validation_probabilities)
    classes = validation_probabilities.shape[1]
    test_labels, test_probabilities = checked(test_labels, test_probabilities, classes=classes)
    true = np.sort(validation_probabilities[np.arange(n), validation_labels])
    threshold = true[n - rank]  # of the rank-th smallest score: the rank-th largest probability
    sets = test_probabilities >= threshold  # (N, C)
    sizes = sets.sum(axis=1)
    covered = sets[np.arange(len(sets)), test_labels]
    interval = stats.binomtest(int(covered.sum()), len(covered)).proportion_ci(0.95, method="exact")
    single = sizes == 1
    return {
        "error_rate": error_rate,
        "threshold": float(threshold),
        "coverage": float(covered.mean()),
        "coverage_interval": [float(interval.low), float(interval.high)],
        "singletons": float(single.mean()),
        "empty": float((sizes == 0).mean()),
        "mean_set_size": float(sizes.mean()),
        "accuracy_of_singletons": float(covered[single].mean()) if single.any() else None,
        "n_calibration": n,
    }
