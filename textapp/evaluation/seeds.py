"""How far the same training with other seeds leads, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from textapp.evaluation import wording
from textapp.evaluation.significance import EXACT_BELOW, is_right, paired_test
from textapp.evaluation.wording import SIGNIFICANCE_LEVEL

PERMUTATIONS = 10_000  # of the answers to the texts that seeds disagree on, where these are few


def seed_spread(labels: np.ndarray, predictions_by_seed: Sequence[np.ndarray]) -> dict:
    """Tell the spread over seeds from the noise of a test set of this size.

    The seeds share the test texts, so the standard error of an accuracy, which a different test set would
    bring, is none of their spread. Whether they differ by more than the texts on which they disagree can
    explain is, for two, McNemar's test and, for more, Cochran's Q test (Cochran 1950, "The comparison of percentages
    in matched samples"): by chi-squared or, where they disagree on fewer than `EXACT_BELOW` texts, by how often Q
    is as large when the answers to each of these are shuffled among the seeds.

    Args:
        labels: true classes, int array of shape (N,).
        predictions_by_seed: for each seed the predicted classes of one model, int array of shape (N,).

    Returns:
        `accuracies`; `mean`; `standard_deviation` over the seeds (S - 1 in the denominator);
        `test_set_standard_error` of the mean accuracy as a share of N texts; `p_value`;
        `sentence`. The standard deviation and the p-value are None where there is one seed.

    Raises:
        ValueError: if there is no seed, or an array does not fit the labels.
    """
    if not len(predictions_by_seed):
        raise ValueError("predictions_by_seed is empty; a spread takes at least one seed")
    labels = np.asarray(labels)
    right = np.array(
        [is_right(labels, given, name=f"seed {i}") for i, given in enumerate(predictions_by_seed)]
    )  # (S, N)
    accuracies = right.mean(axis=1)
    mean = float(accuracies.mean())
    error = math.sqrt(mean * (1 - mean) / len(labels))
    spread, p_value = None, None
    noise = f"another {wording.texts(len(labels))} would move it by {error:.4f} (standard error)"
    sentence = f"One seed only, accuracy {mean:.3f}; {noise}."
    if len(right) > 1:
        spread = float(accuracies.std(ddof=1))
        test, p_value = _test(right)
        difference = "differ by more than chance" if p_value < SIGNIFICANCE_LEVEL else "show no difference"
        sentence = (
            f"Over {len(right)} seeds the accuracy is {mean:.3f} with a standard deviation of {spread:.4f}; {noise}. "
            f"On these texts the seeds {difference} ({test}, {wording.p_value(p_value)})."
        )
    return {
        "accuracies": accuracies.tolist(),
        "mean": mean,
        "standard_deviation": spread,
        "test_set_standard_error": error,
        "p_value": p_value,
        "sentence": sentence,
    }


def _test(right: np.ndarray) -> tuple[str, float]:
    """Return what test it was and its p-value, for a bool array of shape (seeds, N) with two seeds or more."""
    if len(right) == 2:
        found = paired_test(np.ones(right.shape[1], dtype=bool), *right)
        return f"McNemar, {found['test']}", found["p_value"]
    disputed = right[:, right.any(axis=0) & ~right.all(axis=0)]  # (seeds, texts)
    seeds, (columns, rows) = len(disputed), (disputed.sum(axis=1), disputed.sum(axis=0))
    if disputed.shape[1] < EXACT_BELOW:
        # Q rises with the sum of the squares of the columns; all else in it stays where answers to a text are shuffled.
        answers = np.broadcast_to(disputed, (PERMUTATIONS, *disputed.shape))
        shuffled = np.random.default_rng(0).permuted(answers, axis=1).sum(axis=2)  # (permutations, seeds)
        as_far = int(((shuffled**2).sum(axis=1) >= (columns**2).sum()).sum())
        return "Cochran's Q, answers shuffled among the seeds", (1 + as_far) / (1 + PERMUTATIONS)
    q = (seeds - 1) * (seeds * (columns**2).sum() - columns.sum() ** 2) / (seeds * rows.sum() - (rows**2).sum())
    return "Cochran's Q, chi-squared", float(stats.chi2.sf(q, df=seeds - 1))
