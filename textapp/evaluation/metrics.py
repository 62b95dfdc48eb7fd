"""How good the answers and the probabilities of a classifier are, in numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn import metrics

from textapp.evaluation.bootstrap import (
    LEAST_RESAMPLES,
    Measure,
    affordable,
    bootstrap_interval,
    measured,
    percentile_interval,
    resampled,
)

# log(0) is infinite; a probability is never taken for less than this, scikit-learn's bound for years.
SMALLEST_PROBABILITY = 1e-15
# How far the sum of a row of float32 (or float16) probabilities may lie from 1.
SUM_TOLERANCE = 1e-2
# Guo et al. (2017), "On calibration of modern neural networks".
CONFIDENCE_BINS = 15


def classification_metrics(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    label_names: Sequence[str],
    seed: int = 0,
    resamples: int | None = None,
) -> dict:
    """Measure a classifier on the texts it was asked about.

    The predicted class is the most probable one, the first of them where several are. See `answer_measure`,
    `ranking_measure` and `probability_measure` for what the metrics are. A metric that these texts leave
    undefined is None, and so is its interval; a resample that leaves it undefined does not count.

    Args:
        labels: true classes, int array of shape (N,), each below C.
        probabilities: float array of shape (N, C); rows sum to 1.
        label_names: the C names of the classes, all different.
        seed: for the bootstrap.
        resamples: how many bootstrap samples the intervals rest on; None for 1,000, or fewer where the texts are
            so many that they would take minutes.

    Returns:
        `accuracy`, `balanced_accuracy`, `macro_f1`, `mcc`, `roc_auc`, `average_precision`, `log_loss`, `brier`
        and `ece`; `intervals`, {metric: [low, high]}, 95 % percentile bootstrap over the texts, None of `ece`,
        a mean of absolute values: chance makes it larger in a resample, often in nearly all of them;
        `accuracy_interval`, the first of them once more; `confusion_matrix`, C lists of C counts, a row a true
        class; `per_class`, {name: {precision, recall, f1, support}}; `n`, the number of texts. Plain Python
        numbers throughout.

    Raises:
        ValueError: if shapes, ranges or names do not fit each other.
    """
    c = len(label_names)
    if c < 2 or len(set(label_names)) != c:
        raise ValueError(f"label_names is {list(label_names)}; it must hold two or more different names")
    labels, probabilities = checked(labels, probabilities, classes=c)
    if resamples is None:
        resamples = affordable(LEAST_RESAMPLES, size=probabilities.size)
    predictions = probabilities.argmax(axis=1)  # (N,)
    parts = (
        answer_measure(labels, predictions, classes=c),
        ranking_measure(labels, probabilities),
        probability_measure(labels, probabilities),
    )

    def measure(counts: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values for part in parts for name, values in part(counts).items()}

    values = measured(measure, len(labels))
    samples = resampled(measure, len(labels), seed=seed, resamples=resamples)
    intervals = {name: percentile_interval(samples[name]) if values[name] is not None else None for name in values}
    intervals["ece"] = None
    # One function gives every interval of an accuracy, here and in the verdict.
    intervals["accuracy"] = bootstrap_interval(predictions == labels, seed=seed, resamples=resamples)
    return {
        **values,
        "intervals": intervals,
        "accuracy_interval": intervals["accuracy"],
        "confusion_matrix": metrics.confusion_matrix(labels, predictions, labels=np.arange(c)).tolist(),
        "per_class": _per_class(labels, predictions, label_names),
        "n": len(labels),
    }


def answer_measure(labels: np.ndarray, predictions: np.ndarray, *, classes: int) -> Measure[str]:
    """Return what measures the answers alone, each as in scikit-learn.

    `accuracy`. `balanced_accuracy`: the mean recall of the classes that are a label of any text. `macro_f1`: a
    class that is neither a true nor a predicted label of any text does not count; one that is only one of them
    counts as 0. `mcc`, Matthews' correlation (Gorodkin 2004 for C classes): undefined where the labels are all
    of one class; 0 where the answers are.

    Args:
        labels: int array of shape (N,).
        predictions: int array of shape (N,).
        classes: C.
    """
    right = labels == predictions
    each = np.arange(classes)[:, None]
    true, predicted = labels == each, predictions == each  # (C, N)
    rows = np.concatenate([true, predicted, true & right]).astype(np.float64)

    def measure(counts: np.ndarray) -> dict[str, np.ndarray]:
        t, p, hit = np.split(rows @ counts, 3)  # each (C, R)
        n, c = t.sum(axis=0), hit.sum(axis=0)  # (R,)
        label_spread, answer_spread = n**2 - (t**2).sum(axis=0), n**2 - (p**2).sum(axis=0)
        correlation = (c * n - (t * p).sum(axis=0)) / np.sqrt(np.maximum(label_spread * answer_spread, 1))
        return {
            "accuracy": c / n,
            "balanced_accuracy": _mean_where(t > 0, hit / np.maximum(t, 1)),
            "macro_f1": _mean_where(t + p > 0, 2 * hit / np.maximum(t + p, 1)),
            "mcc": np.where(label_spread > 0, correlation, np.nan),
        }

    return measure


def ranking_measure(labels: np.ndarray, probabilities: np.ndarray) -> Measure[str]:
    """Return what measures the order that the probabilities bring the texts into, as in scikit-learn.

    `roc_auc` and `average_precision`: of the second class where there are two, else the mean over all classes,
    each against the rest. Undefined where any class is no label of any text. A resample that lacks one of more
    than two classes is measured on the others.

    Args:
        labels: int array of shape (N,).
        probabilities: float array of shape (N, C).
    """
    classes = probabilities.shape[1]
    ranked = [1] if classes == 2 else range(classes)
    curves = [_ranked(labels == k, probabilities[:, k]) for k in ranked]
    complete = len(np.unique(labels)) == classes

    def measure(counts: np.ndarray) -> dict[str, np.ndarray]:
        if not complete:
            return dict.fromkeys(("roc_auc", "average_precision"), np.full(counts.shape[1], np.nan))
        areas, precisions, defined = zip(*(curve(counts) for curve in curves), strict=True)
        defined = np.array(defined)  # (classes ranked, R)
        return {
            "roc_auc": _mean_where(defined, np.array(areas)),
            "average_precision": _mean_where(defined, np.array(precisions)),
        }

    return measure


def probability_measure(labels: np.ndarray, probabilities: np.ndarray) -> Measure[str]:
    """Return what measures the probabilities themselves.

    `log_loss` in nats. `brier`: the squared differences to 1 for the true class and 0 for the others, summed
    over the classes and averaged over the texts, 0 to 2 (Brier 1950); with two classes half of it, the squared
    difference of one class, 0 to 1, as is usual and as in scikit-learn. `ece`, the expected calibration error:
    the difference of confidence, the probability of the answer, and accuracy, averaged over the texts in
    `CONFIDENCE_BINS` bins of equal width (Guo et al. 2017).

    Args:
        labels: int array of shape (N,).
        probabilities: float array of shape (N, C).
    """
    n, classes = probabilities.shape
    certain = np.eye(classes)[labels]  # (N, C)
    squares = ((probabilities - certain) ** 2).sum(axis=1) / (2 if classes == 2 else 1)
    losses = -np.log(_smoothed(probabilities)[np.arange(n), labels])
    confidence = probabilities.max(axis=1)
    gaps = confidence - (probabilities.argmax(axis=1) == labels)
    in_bin = confidence_bin(confidence) == np.arange(CONFIDENCE_BINS)[:, None]  # (bins, N)
    rows = np.concatenate([[losses, squares], in_bin * gaps])

    def measure(counts: np.ndarray) -> dict[str, np.ndarray]:
        sums = rows @ counts / n
        return {"log_loss": sums[0], "brier": sums[1], "ece": np.abs(sums[2:]).sum(axis=0)}

    return measure


def confidence_bin(confidence: np.ndarray, bins: int = CONFIDENCE_BINS) -> np.ndarray:
    """Return in which of the bins of equal width each confidence lies, int array of shape (N,).

    A bin holds its upper edge and not its lower one.
    """
    edges = np.arange(1, bins) / bins
    return np.searchsorted(edges, confidence, side="left")


def checked(
    labels: np.ndarray, probabilities: np.ndarray, *, classes: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as int64 (N,) and probabilities as float64 (N, C), or says what is wrong with them.

    Args:
        labels: as given.
        probabilities: as given.
        classes: C; None takes it from the probabilities.

    Raises:
        ValueError: if shapes or ranges do not fit each other, or rows do not sum to 1.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if labels.ndim != 1 or not len(labels) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels is {labels.dtype} of shape {labels.shape}; it must be integers of shape (N,), N > 0")
    c = classes or (probabilities.shape[1] if probabilities.ndim == 2 else 2)
    if probabilities.shape != (len(labels), c):
        raise ValueError(
            f"probabilities has shape {probabilities.shape}; {len(labels)} labels and {c} classes "
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


def _ranked(positive: np.ndarray, scores: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Return what computes the areas under one class's ROC and precision-recall curves.

    Args:
        positive: bool array of shape (N,).
        scores: float array of shape (N,).

    Returns:
        A function from counts (N, R) to two areas (R,) and where they are defined, bool (R,).
    """
    order = np.argsort(-scores, kind="stable")
    positive, scores = positive[order], scores[order]
    hits = order[positive]  # the texts of this class, the highest score first
    # Texts of equal score are one step of a curve; only steps with a positive text add to either area.
    ends = np.append(np.flatnonzero(np.diff(scores)) + 1, len(scores))
    starts = np.concatenate([[0], ends[:-1]])
    hits_before = np.concatenate([[0], np.cumsum(positive)])
    steps = hits_before[ends] > hits_before[starts]
    starts, ends = starts[steps], ends[steps]

    def curve(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        above = _sums_before(counts[order])  # (N + 1, R)
        true_above = _sums_before(counts[hits])
        before, after = true_above[hits_before[starts]], true_above[hits_before[ends]]  # (steps, R)
        true, false = true_above[-1], above[-1] - true_above[-1]  # (R,)
        # A positive text beats all negative ones below its step and half of those on it.
        false_above = (above[starts] - before + above[ends] - after) / 2
        pairs = ((after - before) * (false - false_above)).sum(axis=0)
        precision = after / np.maximum(above[ends], 1)
        area = ((after - before) * precision).sum(axis=0)
        return pairs / np.maximum(true * false, 1), area / np.maximum(true, 1), (true > 0) & (false > 0)

    return curve


def _sums_before(counts: np.ndarray) -> np.ndarray:
    """Return the sums of the first 0, 1, ... N rows, shape (N + 1, R)."""
    sums = np.zeros((len(counts) + 1, counts.shape[1]))
    np.cumsum(counts, axis=0, out=sums[1:])
    return sums


def _mean_where(counted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the means over the classes that count, NaN where none does; both arrays are (C, R)."""
    number = counted.sum(axis=0)
    means = np.where(counted, values, 0).sum(axis=0) / np.maximum(number, 1)
    return np.where(number > 0, means, np.nan)


def _per_class(labels: np.ndarray, predictions: np.ndarray, label_names: Sequence[str]) -> dict:
    """Return {name: {precision, recall, f1, support}} for labels and predictions of shape (N,)."""
    columns = metrics.precision_recall_fscore_support(
        labels, predictions, labels=np.arange(len(label_names)), zero_division=0
    )
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(label_names, *columns, strict=True)
    }


def _smoothed(probabilities: np.ndarray) -> np.ndarray:
    """Return rows of shape (N, C) in float64 with no zero in them that sum to 1."""
    clipped = np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)
    return clipped / clipped.sum(axis=1, keepdims=True)
