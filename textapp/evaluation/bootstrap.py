"""The bootstrap over texts: intervals and p-values out of resampled test sets, and what helps where it fails.

A resample is not a copy of the texts but how often it holds each of them, so a metric of all resamples is a
few sums over arrays of shape (N, R): R resamples side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar, overload

import numpy as np
from scipy import stats

Metric = TypeVar("Metric", bound=Hashable)
# Takes counts, float64 array of shape (N, R), and returns for each metric its values, (R,), NaN where a resample
# leaves it undefined. Counts of shape (N, 1) that are all 1 give the metrics of the texts themselves.
Measure = Callable[[np.ndarray], dict[Metric, np.ndarray]]
# So many counts are held at a time: 2 MB, which stays in a processor's cache.
COUNTS_AT_A_TIME = 2**18
LEAST_RESAMPLES = 1_000
FEWEST_RESAMPLES = 200  # that an interval of very many texts is made of
# Corrected over the pairs, no bootstrap p-value falls below 2 pairs / (resamples + 1): so many make that 0.025.
RESAMPLES_PER_PAIR = 80
# Texts x classes x models x resamples that take some seconds on one core.
AFFORDABLE = 2 * 10**8


def measured(measure: Measure[Metric], n: int) -> dict[Metric, float | None]:
    """Return each metric of the N texts themselves, None where it is undefined."""
    values = {name: float(array[0]) for name, array in measure(np.ones((n, 1))).items()}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def resampled(measure: Measure[Metric], n: int, *, seed: int = 0, resamples: int = 1000) -> dict[Metric, np.ndarray]:
    """Return each metric of every resample.

    The resamples depend on `n`, `seed` and `resamples` alone, so the values of two models on the same texts
    are paired: those at one place are from one resample.

    Args:
        measure: see `Measure`.
        n: N, the number of texts.
        seed: the same seed gives the same resamples.
        resamples: how many to draw.

    Returns:
        {metric: float64 array of shape (resamples,)}.

    Raises:
        ValueError: if `resamples` is below 1.
    """
    parts = [measure(counts) for counts in _counts(n, seed=seed, resamples=resamples)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def percentile_interval(values: np.ndarray) -> list[float] | None:
    """Return the 95 % percentile interval [low, high] of a metric's resamples, shape (R,).

    Resamples that leave the metric undefined (NaN) are left out; None where all of them do.
    """
    defined = values[np.isfinite(values)]
    return np.percentile(defined, [2.5, 97.5]).tolist() if len(defined) else None


def enough_resamples(pairs: int, *, size: int) -> int:
    """Return how many resamples let corrected p-values be small enough, or as many of them as take some seconds.

    Args:
        pairs: how many p-values are corrected together.
        size: of all models' numbers: texts x classes x models.
    """
    return max(LEAST_RESAMPLES, min(RESAMPLES_PER_PAIR * pairs, AFFORDABLE // size))


def affordable(resamples: int, *, size: int) -> int:
    """Return so many resamples, or as many of them as take some seconds, though never fewer than 200.

    Args:
        resamples: how many are wanted.
        size: of a model's numbers: texts x classes.
    """
    return min(resamples, max(FEWEST_RESAMPLES, AFFORDABLE // size))


@overload
def paired_difference(
    value_a: float, value_b: float, samples_a: np.ndarray, samples_b: np.ndarray, *, differing: int
) -> dict: ...
@overload
def paired_difference(
    value_a: float | None, value_b: float | None, samples_a: np.ndarray, samples_b: np.ndarray, *, differing: int
) -> dict | None: ...
def paired_difference(
    value_a: float | None, value_b: float | None, samples_a: np.ndarray, samples_b: np.ndarray, *, differing: int
) -> dict | None:
    """Return how far two models' values of one metric lie apart, from the same resamples of the same texts.

    Args:
        value_a: the metric of the texts themselves.
        value_b: the other model's.
        samples_a: the metric of each resample, shape (R,).
        samples_b: the other model's.
        differing: on how many texts m the two do not answer the same.

    Returns:
        `difference`, a less b; `interval`, [low, high]; `p_value`, two-sided and never below 2^(1 - m): were the two
        equally good, their answers to each of the m texts could as well be swapped, and of the 2^m ways to do so no
        test can call fewer than 2 the most extreme (Fisher 1935, "The design of experiments", section 21). A
        bootstrap of a handful of texts knows too few others. None where the texts leave the metric undefined.
    """
    if value_a is None or value_b is None:
        return None
    differences = samples_a - samples_b
    return {
        "difference": value_a - value_b,
        "interval": percentile_interval(differences),
        "p_value": max(two_sided_p_value(differences), min(1.0, 2.0 ** (1 - differing))),
    }


def two_sided_p_value(differences: np.ndarray) -> float:
    """Return the p-value of no difference, from the resampled differences of two models, shape (R,).

    It is twice the share of resamples on the rarer side of zero, one added to both counts so that it is never
    0: the level at which the percentile interval starts to hold zero (Davison and Hinkley 1997, "Bootstrap
    methods and their application", chapters 4 and 5). It cannot fall below 2 / (R + 1).
    """
    defined = differences[np.isfinite(differences)]
    rarer = min((defined <= 0).sum(), (defined >= 0).sum())
    return min(1.0, 2 * (1 + int(rarer)) / (len(defined) + 1))


def bootstrap_interval(correct: np.ndarray, *, seed: int = 0, resamples: int = 1000) -> list[float]:
    """Return the 95 % percentile bootstrap interval of the share of True.

    Where all or none are True every resample is the same, and the interval is Wilson's: seven right of seven do not
    say that none will be wrong.

    Args:
        correct: bool array of shape (N,).
        seed: the same seed gives the same interval.
        resamples: how many samples to draw.

    Returns:
        [low, high].

    Raises:
        ValueError: if `resamples` is below 1.
    """
    _check_resamples(resamples)
    if correct.all() or not correct.any():
        return wilson_interval(int(correct.sum()), len(correct))
    # N draws with replacement out of N trues and falses hold Binomial(N, share) trues: this is the bootstrap
    # over the texts itself, without the (N, resamples) counts that it would otherwise take.
    hits = np.random.default_rng(seed).binomial(len(correct), correct.mean(), size=resamples)
    return np.percentile(hits / len(correct), [2.5, 97.5]).tolist()


def wilson_interval(hits: int, n: int) -> list[float]:
    """Return Wilson's 95 % interval [low, high] of the share of hits among n texts, n > 0.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    interval = stats.binomtest(hits, n).proportion_ci(method="wilson")
    return [float(interval.low), float(interval.high)]


def _counts(n: int, *, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield how often each text is in each resample, float64 arrays of shape (N, some resamples)."""
    _check_resamples(resamples)
    rng = np.random.default_rng(seed)
    width = max(1, COUNTS_AT_A_TIME // n)
    for start in range(0, resamples, width):
        columns = np.arange(min(width, resamples - start))
        drawn = rng.integers(n, size=(n, len(columns)))  # text numbers; a column holds one resample
        cells = np.bincount((drawn * len(columns) + columns).ravel(), minlength=drawn.size)
        yield cells.reshape(drawn.shape).astype(np.float64)


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; it must be at least 1")
