"""Whether one classifier is better than another by more than chance, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats

# A smaller p-value is called more than chance.
SIGNIFICANCE_LEVEL = 0.05


def paired_test(labels: np.ndarray, predictions_a: np.ndarray, predictions_b: np.ndarray) -> dict:
    """Runs McNemar's exact test on two classifiers' answers to the same texts.

    The test looks only at the texts that exactly one of the two gets right: were they equally good, each
    such text would be a fair coin. It compares these two fitted models on these rows, not the methods behind
    them: another seed or training set may give other models (Dietterich 1998, "Approximate statistical tests
    for comparing supervised classification learning algorithms").

    Args:
        labels: true classes, int array of shape (N,).
        predictions_a: predicted classes, int array of shape (N,).
        predictions_b: the other model's, int array of shape (N,).

    Returns:
        `only_a_right` and `only_b_right`, counts of texts; `p_value`, two-sided; `difference`, accuracy of a
        less that of b.

    Raises:
        ValueError: if the arrays are empty or their shapes differ.
    """
    labels = np.asarray(labels)
    a_right, b_right = _right(labels, predictions_a, name="a"), _right(labels, predictions_b, name="b")
    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    discordant = only_a + only_b
    # binomtest refuses zero tosses; two models that are right on the same texts show no difference at all.
    p_value = float(stats.binomtest(only_a, discordant, 0.5).pvalue) if discordant else 1.0
    return {
        "only_a_right": only_a,
        "only_b_right": only_b,
        "p_value": p_value,
        "difference": (only_a - only_b) / len(labels),
    }


def verdict(labels: np.ndarray, predictions: Mapping[str, np.ndarray]) -> dict:
    """Names the most accurate classifier and says whether its lead over the next is more than chance.

    The best is picked on the same rows that the test runs on, so the p-value flatters the lead a little
    where many classifiers lie close together; see `paired_test` for what it compares (Dietterich 1998).

    Args:
        labels: true classes, int array of shape (N,).
        predictions: for each classifier's name its predicted classes, int array of shape (N,).

    Returns:
        `best` and `runner_up`, names, the one given first where accuracies are equal; `p_value` between the
        two; `sentence`, plain words. `runner_up` and `p_value` are None where there is one classifier only.

    Raises:
        ValueError: if there is no classifier, or an array does not fit the labels.
    """
    if not predictions:
        raise ValueError("predictions is empty; a verdict takes at least one classifier")
    labels = np.asarray(labels)
    right = {name: int(_right(labels, array, name=name).sum()) for name, array in predictions.items()}
    ranking = sorted(right, key=right.get, reverse=True)  # stable: the first given wins a tie
    best, texts = ranking[0], f"{len(labels):,} test text{'s' if len(labels) != 1 else ''}"
    accuracy = f"{right[best] / len(labels):.3f}"
    if len(ranking) == 1:
        sentence = f"Only {best} was tested, accuracy {accuracy} on the {texts}: nothing to compare it with."
        return {"best": best, "runner_up": None, "p_value": None, "sentence": sentence}
    test = paired_test(labels, predictions[best], predictions[ranking[1]])
    leaders = [name for name in ranking if right[name] == right[best]]
    if len(leaders) > 1:
        names = f"{', '.join(leaders[:-1])} and {leaders[-1]}"
        sentence = f"Best on the {texts}: {names}, each with accuracy {accuracy}: no difference shown."
    else:
        lead = f"Its lead of {_points(test['difference'])} over {ranking[1]}"
        sentence = f"Best on the {texts}: {best}, accuracy {accuracy}. {lead} {_chance(test['p_value'])}"
    return {"best": best, "runner_up": ranking[1], "p_value": test["p_value"], "sentence": sentence}


def _right(labels: np.ndarray, predictions: np.ndarray, *, name: str) -> np.ndarray:
    """Returns where the predictions are right, bool array of shape (N,)."""
    predictions = np.asarray(predictions)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"labels has shape {labels.shape}; it must be (N,) with N > 0")
    if predictions.shape != labels.shape:
        raise ValueError(f"predictions of {name} have shape {predictions.shape}; the labels ask for {labels.shape}")
    return predictions == labels


def _points(difference: float) -> str:
    """Returns a difference of accuracies in percentage points, two decimals where one would hide it."""
    points = 100 * difference
    number = f"{points:.1f}" if points >= 0.1 else f"{points:.2g}"
    return f"{number} points"


def _chance(p_value: float) -> str:
    """Returns the end of the sentence that starts with the lead."""
    digits = 2 if p_value >= 0.1 else 3
    p = f"p = {p_value:.{digits}f}" if p_value >= 0.0005 else "p < 0.001"
    if p_value < SIGNIFICANCE_LEVEL:
        return f"is more than chance (McNemar, exact, {p})."
    return f"is not more than chance could give (McNemar, exact, {p}): no difference shown."
