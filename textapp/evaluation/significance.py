"""Whether classifiers differ by more than chance.

Every test here compares fitted models on these test texts, not the methods behind them: another seed or
training set may give other models (Dietterich 1998, "Approximate statistical tests for comparing supervised
classification learning algorithms").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy import stats

from textapp.evaluation import wording
from textapp.evaluation.bootstrap import enough_resamples, measured, paired_difference, resampled
from textapp.evaluation.metrics import answer_measure, checked, ranking_measure
from textapp.evaluation.wording import POWER, SIGNIFICANCE_LEVEL

# From so many texts on that only one of two gets right, McNemar's test goes by the chi-squared distribution.
EXACT_BELOW = 25


def paired_test(labels: np.ndarray, predictions_a: np.ndarray, predictions_b: np.ndarray) -> dict:
    """Run McNemar's test on two classifiers' answers to the same texts.

    The test looks only at the texts that exactly one of the two gets right: were they equally good, each
    such text would be a fair coin. Below `EXACT_BELOW` of them the coins are counted exactly; from there on
    it is the chi-squared test with continuity correction (Edwards 1948).

    Args:
        labels: true classes, int array of shape (N,).
        predictions_a: predicted classes, int array of shape (N,).
        predictions_b: the other model's, int array of shape (N,).

    Returns:
        `difference`, accuracy of a less that of b; `only_a_right` and `only_b_right`, counts of texts;
        `test`, "exact" or "chi-squared"; `p_value`, two-sided.

    Raises:
        ValueError: if the arrays are empty or their shapes differ.
    """
    labels = np.asarray(labels)
    only_a, only_b = count_discordant(labels, predictions_a, predictions_b, names=("a", "b"))
    discordant = only_a + only_b
    exact = discordant < EXACT_BELOW
    if not discordant:
        p_value = 1.0  # binomtest refuses zero tosses; models right on the same texts show no difference
    elif exact:
        p_value = stats.binomtest(only_a, discordant, 0.5).pvalue
    else:
        p_value = stats.chi2.sf(max(abs(only_a - only_b) - 1, 0) ** 2 / discordant, df=1)
    return {
        "difference": (only_a - only_b) / len(labels),
        "only_a_right": only_a,
        "only_b_right": only_b,
        "test": "exact" if exact else "chi-squared",
        "p_value": float(p_value),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for how many there are, in the order given.

    Whatever the truth, the chance that any of them falls below 0.05 without a difference stays below 0.05
    (Holm 1979, "A simple sequentially rejective multiple test procedure").
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(raised, 1)
    return corrected.tolist()


def smallest_difference(n: int, discordance: float, *, pairs: int = 1) -> float | None:
    """Return the smallest accuracy difference that McNemar's test shows on so many texts, at 80 % power.

    It is d in Connor's formula for the number of pairs, n = ((z_a sqrt(q) + z_b sqrt(q - d^2)) / d)^2, with q
    the discordance, z_a for 0.05 over `pairs`, two-sided, and z_b for a power of 0.8 (Connor 1987, "Sample size for
    testing differences in proportions for the paired-sample design", Biometrics 43, page 209). That is for many
    discordant texts. The exact test needs k of them, all on one side, before 2 / 2^k is small enough, so that d is at
    least what brings k of n texts with a probability of 0.8.

    Args:
        n: the number of texts.
        discordance: the share of texts that exactly one of the two models gets right.
        pairs: over how many p-values are corrected; Holm multiplies the smallest by all of them.

    Returns:
        A difference of accuracies, 0 to 1; None where not even the largest could be shown.
    """
    level = SIGNIFICANCE_LEVEL / pairs
    z_a, z_b = stats.norm.isf(level / 2), stats.norm.isf(1 - POWER)
    least = math.ceil(math.log2(2 / level))  # k
    if n < least or n <= z_a**2:
        return None
    # The formula is a quadratic equation for d / sqrt(q), which does not depend on q.
    root = (z_a * math.sqrt(n) + z_b * math.sqrt(n - z_a**2 + z_b**2)) / (n + z_b**2)
    # The probability that Binomial(n, d) is k or more is that of a beta distribution up to d.
    return float(max(root * math.sqrt(discordance), stats.beta.ppf(POWER, least, n - least + 1)))


def compare_all(
    labels: np.ndarray,
    probabilities_by_name: Mapping[str, np.ndarray],
    *,
    seed: int = 0,
    resamples: int | None = None,
) -> dict | None:
    """Compare every two classifiers: McNemar's test, and the paired bootstrap for macro-F1 and ROC-AUC.

    P-values are corrected over the pairs, for each of the three measures by itself (see `holm`). A bootstrap
    p-value cannot fall below 2 / (resamples + 1), so many pairs take more resamples than 1,000.

    Args:
        labels: true classes, int array of shape (N,).
        probabilities_by_name: for each classifier's name a float array of shape (N, C).
        seed: for the bootstrap; all models are measured on the same resamples.
        resamples: how many; None for `enough_resamples`.

    Returns:
        `pairs`, in the order given, each {`a`, `b`, what `paired_test` returns, `p_value_holm`,
        `smallest_difference`, `macro_f1` and `roc_auc`: {`difference`, `interval`, `p_value`, `p_value_holm`}
        or None where undefined, `verdict`: a sentence}; `method`, how, in a sentence; `smallest_difference`
        between the two most accurate. None where there are fewer than two classifiers.

    Raises:
        ValueError: if shapes or ranges do not fit each other.
    """
    if len(probabilities_by_name) < 2:
        return None
    probabilities = {name: checked(labels, given)[1] for name, given in probabilities_by_name.items()}
    shapes = sorted({given.shape for given in probabilities.values()})
    if len(shapes) > 1:
        raise ValueError(f"probabilities have the shapes {shapes}; all classifiers answer with the same classes")
    labels = np.asarray(labels)
    predictions = {name: given.argmax(axis=1) for name, given in probabilities.items()}
    pairs = accuracy_pairs(labels, predictions)
    if resamples is None:
        resamples = enough_resamples(len(pairs), size=sum(given.size for given in probabilities.values()))
    for pair in pairs:
        discordance = (pair["only_a_right"] + pair["only_b_right"]) / len(labels)
        pair["smallest_difference"] = smallest_difference(len(labels), discordance, pairs=len(pairs))
    _add_bootstrap(pairs, labels, probabilities, seed=seed, resamples=resamples)
    for pair in pairs:
        pair["verdict"] = wording.pair_verdict(pair, n=len(labels), corrected=len(pairs) > 1)
    floor = min(1.0, 2 * len(pairs) / (resamples + 1))
    capped = f", too few for a corrected p-value of either below {floor:.2f}"
    best, second = sorted(predictions, key=lambda name: (predictions[name] == labels).sum(), reverse=True)[:2]
    return {
        "pairs": pairs,
        "method": f"McNemar's test on the same {wording.texts(len(labels))} (exact where fewer than {EXACT_BELOW} "
        f"texts decide, else chi-squared with continuity correction); macro-F1 and ROC-AUC by {resamples:,} paired "
        f"bootstrap resamples{capped if floor >= SIGNIFICANCE_LEVEL else ''}; p-values corrected by Holm over the "
        "pairs. It compares these trained models, not the methods behind them: another seed may differ.",
        "smallest_difference": pair_of(pairs, best, second)["smallest_difference"],
    }


def accuracy_pairs(labels: np.ndarray, predictions: Mapping[str, np.ndarray]) -> list[dict]:
    """Return `paired_test` of every two classifiers, with their names and corrected p-values."""
    pairs = [
        {"a": a, "b": b, **paired_test(labels, predictions[a], predictions[b])} for a, b in combinations(predictions, 2)
    ]
    for pair, corrected in zip(pairs, holm([pair["p_value"] for pair in pairs]), strict=True):
        pair["p_value_holm"] = corrected
    return pairs


def _add_bootstrap(
    pairs: list[dict], labels: np.ndarray, probabilities: Mapping[str, np.ndarray], *, seed: int, resamples: int
) -> None:
    """Add `macro_f1` and `roc_auc` to the pairs; labels are (N,), probabilities (N, C) for each name."""
    parts = [
        (name, part)
        for name, given in probabilities.items()
        for part in (
            answer_measure(labels, given.argmax(axis=1), classes=given.shape[1]),
            ranking_measure(labels, given),
        )
    ]

    def measure(counts: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        return {(name, metric): values for name, part in parts for metric, values in part(counts).items()}

    points, samples = measured(measure, len(labels)), resampled(measure, len(labels), seed=seed, resamples=resamples)
    looked_at = {
        "macro_f1": {name: given.argmax(axis=1)[:, None] for name, given in probabilities.items()},
        "roc_auc": probabilities,
    }
    for metric, seen in looked_at.items():
        for pair in pairs:
            a, b = (pair["a"], metric), (pair["b"], metric)
            differing = int((seen[pair["a"]] != seen[pair["b"]]).any(axis=1).sum())
            pair[metric] = paired_difference(points[a], points[b], samples[a], samples[b], differing=differing)
        defined = [pair[metric] for pair in pairs if pair[metric]]
        for result, corrected in zip(defined, holm([result["p_value"] for result in defined]), strict=True):
            result["p_value_holm"] = corrected


def pair_of(pairs: list[dict], a: str, b: str) -> dict:
    """Return the pair of two classifiers, whichever of them it names first."""
    return next(pair for pair in pairs if {pair["a"], pair["b"]} == {a, b})


def count_discordant(
    labels: np.ndarray, predictions_a: np.ndarray, predictions_b: np.ndarray, *, names: tuple[str, str]
) -> tuple[int, int]:
    """Return how many texts only the first and only the second gets right."""
    a_right = is_right(labels, predictions_a, name=names[0])
    b_right = is_right(labels, predictions_b, name=names[1])
    return int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())


def is_right(labels: np.ndarray, predictions: np.ndarray, *, name: str) -> np.ndarray:
    """Return where the predictions are right, bool array of shape (N,)."""
    predictions = np.asarray(predictions)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"labels has shape {labels.shape}; it must be (N,) with N > 0")
    if predictions.shape != labels.shape:
        raise ValueError(f"predictions of {name} have shape {predictions.shape}; the labels ask for {labels.shape}")
    return predictions == labels
