"""Whether a classifier's probabilities mean what they say, and the temperature that mends them."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, special

from textapp.evaluation.metrics import CONFIDENCE_BINS, checked, confidence_bin

# Where the temperature is looked for.
TEMPERATURES = (0.05, 20.0)
# What a logit of minus infinity is taken for: the logarithm of the smallest normal float32, since a softmax in
# float32 gives 0 from about there on.
SMALLEST_LOG = math.log(np.finfo(np.float32).tiny)


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = CONFIDENCE_BINS) -> dict:
    """Compare confidence, the probability of the answer, with accuracy, in bins of equal width.

    Args:
        labels: true classes, int array of shape (N,).
        probabilities: float array of shape (N, C).
        bins: how many.

    Returns:
        `ece`, the expected calibration error: the differences of the two, averaged over the texts; `bins`:
        [{`low`, `high`, `count`, `confidence`, `accuracy`}], means, None where a bin is empty. A bin holds its
        upper edge and not its lower one (Guo et al. 2017, "On calibration of modern neural networks").

    Raises:
        ValueError: if shapes or ranges do not fit each other, or there is no bin.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; it must be at least 1")
    labels, probabilities = checked(labels, probabilities)
    confidence = probabilities.max(axis=1)  # (N,)
    correct = probabilities.argmax(axis=1) == labels
    index = confidence_bin(confidence, bins)
    counts = np.bincount(index, minlength=bins)
    sums = [np.bincount(index, weights=values, minlength=bins) for values in (confidence, correct)]
    return {
        "ece": float(np.abs(sums[0] - sums[1]).sum() / len(labels)),
        "bins": [
            {
                "low": i / bins,
                "high": (i + 1) / bins,
                "count": int(count),
                "confidence": float(sums[0][i] / count) if count else None,
                "accuracy": float(sums[1][i] / count) if count else None,
            }
            for i, count in enumerate(counts)
        ],
    }


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that, dividing the logits, makes the log loss smallest (Guo et al. 2017).

    Fit it on validation texts. Logarithms of probabilities do as well as logits: they differ by a constant in
    each row, which softmax does not see.

    The loss is that against Platt's targets: a label counts as if it held with a probability of (N + 1) / (N + 2),
    the other classes sharing the rest, since N texts cannot say more (Platt 1999, "Probabilistic outputs for support
    vector machines", section 2.2; there N are the texts of a class, but all classes have this one temperature).
    Against targets of 1 and 0 a few texts that are all right ask for certainty, a temperature of 0. Of 2,490
    texts, 88 % of them right, the temperature moves by half a percent of itself and the log loss by less than 1e-5.

    Args:
        logits: float array of shape (N, C); minus infinity, the logarithm of 0, is taken for `SMALLEST_LOG`.
        labels: true classes, int array of shape (N,).

    Returns:
        A number within `TEMPERATURES`: above 1 for a model that is too sure of itself. 1.0 where there is
        nothing to learn it from (no text, or labels of one class only) and where no other is better.

    Raises:
        ValueError: if shapes or labels do not fit, or a logit is NaN or infinite.
    """
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits has shape {logits.shape} and labels {labels.shape}; they must be (N, C) and (N,)")
    if len(np.unique(labels)) < 2:
        return 1.0
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}; allowed is 0 to {logits.shape[1] - 1}")
    logits = np.where(np.isneginf(logits), SMALLEST_LOG, logits)
    if not np.isfinite(logits).all():
        raise ValueError("logits hold NaN or infinity")
    n, classes = logits.shape
    targets = np.where(np.eye(classes)[labels] == 1, n + 1, 1 / (classes - 1)) / (n + 2)  # (N, C)

    def log_loss(log_temperature: float) -> float:
        return -(targets * special.log_softmax(logits / math.exp(log_temperature), axis=1)).sum(axis=1).mean()

    # Convex in 1 / temperature, so it has one valley in log temperature, too.
    bounds = [math.log(temperature) for temperature in TEMPERATURES]
    found = optimize.minimize_scalar(log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    # Where the loss is flat, 0 to the last digit, nothing speaks for another temperature.
    return math.exp(found.x) if found.fun < log_loss(0.0) else 1.0


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities that softmax gives for logits divided by the temperature.

    Args:
        probabilities: float array of shape (N, C); a 0 stays 0.
        temperature: as `fit_temperature` gives it.

    Returns:
        p ** (1 / temperature) over its sum in each row, float64 array of shape (N, C).

    Raises:
        ValueError: if the temperature is not a positive number.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature is {temperature}; it must be above 0 and finite")
    probabilities = np.asarray(probabilities, dtype=np.float64)
    # Over the largest of the row, which is thus 1 after the power and cannot vanish.
    powers = (probabilities / probabilities.max(axis=1, keepdims=True)) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)
