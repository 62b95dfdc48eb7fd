"""Whether models have become worse from one run to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from textapp.evaluation import wording
from textapp.evaluation.bits import bits_of, compare_generators
from textapp.evaluation.significance import count_discordant, holm
from textapp.evaluation.wording import SIGNIFICANCE_LEVEL


def changes(
    labels: np.ndarray,
    old_predictions: Mapping[str, np.ndarray],
    new_predictions: Mapping[str, np.ndarray],
    *,
    old_name: str = "the old run",
    new_name: str = "the new run",
) -> list[dict]:
    """Say of each model that two runs have whether it has become worse by more than chance.

    McNemar's test, one-sided and exact at every size. P-values are corrected by Holm over the models, so that a run
    in which nothing is worse is called worse in any of them less often than once in 20 times. A model that is right
    on the same texts as before cannot be called worse whatever the level, and does not count among them (Tarone 1990,
    "A modified Bonferroni method for discrete data", Biometrics 46): the majority, or a model that nobody touched,
    costs the others nothing.

    Args:
        labels: true classes, int array of shape (N,).
        old_predictions: for each model of the old run its predicted classes, int array of shape (N,).
        new_predictions: the same of the new run.
        old_name: of the old run, for the sentences.
        new_name: of the new run.

    Returns:
        For each model of both runs, in the order of the old one, a dict of `model`; `old` and `new`, accuracies;
        `difference`, the new less the old; `p_value`; `p_value_holm`; `worse`, by the latter; `sentence`.

    Raises:
        ValueError: if the arrays are empty or their shapes differ.
    """
    labels = np.asarray(labels)
    both = {model: (old, new_predictions[model]) for model, old in old_predictions.items() if model in new_predictions}
    counts = {
        model: count_discordant(labels, *given, names=(f"{model}, old", f"{model}, new"))
        for model, given in both.items()
    }
    p_values = {model: _p_value(*count) for model, count in counts.items()}
    tested = [model for model, count in counts.items() if any(count)]
    corrected = dict(zip(tested, holm([p_values[model] for model in tested]), strict=True))
    found = []
    for model, given in both.items():
        old, new = (float((np.asarray(classes) == labels).mean()) for classes in given)
        only_old, only_new = counts[model]
        p_value_holm = corrected.get(model, 1.0)
        change = {"model": model, "old": old, "new": new, "difference": (only_new - only_old) / len(labels)}
        change |= {"p_value": p_values[model], "p_value_holm": p_value_holm, "worse": p_value_holm < SIGNIFICANCE_LEVEL}
        sentence = _sentence(change, only_old, only_new, n=len(labels), names=(old_name, new_name), tested=len(tested))
        found.append(change | {"sentence": sentence})
    return found


def generator_changes(
    old_nats: Mapping[str, np.ndarray],
    new_nats: Mapping[str, np.ndarray],
    sizes: Sequence[int] | np.ndarray,
    *,
    old_name: str = "the old run",
    new_name: str = "the new run",
) -> list[dict]:
    """Say of each generator that two runs have whether it needs more bits per byte by more than chance.

    The paired bootstrap over the texts, two-sided, its p-values corrected by Holm over those that score any text
    otherwise than before.

    Args:
        old_nats: for each generator of the old run the negative log-likelihood of each text, float64 (N,).
        new_nats: the same of the new run.
        sizes: each text's length in bytes of UTF-8.
        old_name: of the old run, for the sentences.
        new_name: of the new run.

    Returns:
        As `changes`, `old` and `new` being bits per byte; empty where the texts have no byte.
    """
    both = [model for model in old_nats if model in new_nats]
    compared = {}
    for model in both:
        for pair in compare_generators({"new": new_nats[model], "old": old_nats[model]}, sizes):
            compared[model] = pair
    tested = [model for model in compared if not np.array_equal(old_nats[model], new_nats[model])]
    corrected = dict(zip(tested, holm([compared[model]["p_value"] for model in tested]), strict=True))
    found = []
    for model, pair in compared.items():
        old, new = (bits_of(nats[model], sizes) for nats in (old_nats, new_nats))
        change = {"model": model, "old": old, "new": new, "difference": pair["difference"]}
        change |= {"p_value": pair["p_value"], "p_value_holm": corrected.get(model, 1.0)}
        change["worse"] = change["difference"] > 0 and change["p_value_holm"] < SIGNIFICANCE_LEVEL
        names = (old_name, new_name)
        found.append(change | {"sentence": _bits_sentence(change, n=len(sizes), names=names, tested=len(tested))})
    return found


def _bits_sentence(change: dict, *, n: int, names: tuple[str, str], tested: int) -> str:
    """Return a generator's change in words; ours stand first, as Markdown wants it."""
    model, (old_name, new_name) = change["model"], names
    if not change["difference"]:
        return (
            f"No difference shown: {model} needs {change['new']:.3f} bits per byte for the {wording.texts(n)} in "
            f"{new_name} as in {old_name}."
        )
    head = "Not shown to be worse" if change["difference"] < 0 else "No difference shown"
    corrected = "Holm-corrected " if tested > 1 else ""
    return (
        f"{'Worse' if change['worse'] else head}: {model} needs {change['new']:.3f} bits per byte in {new_name} and "
        f"{change['old']:.3f} in {old_name}, for {wording.texts(n)} (paired bootstrap, {corrected}"
        f"{wording.p_value(change['p_value_holm'])})."
    )


def _p_value(only_old: int, only_new: int) -> float:
    """Return how likely a fair coin shows at least so many heads, tossed for each text that only one gets right."""
    return float(stats.binom.sf(only_old - 1, only_old + only_new, 0.5))


def _sentence(change: dict, only_old: int, only_new: int, *, n: int, names: tuple[str, str], tested: int) -> str:
    """Return a change in words; ours stand first, as Markdown wants it."""
    model, texts, (old_name, new_name) = change["model"], wording.texts(n), names
    if not only_old and not only_new:
        return (
            f"No difference shown: {model}, accuracy {change['new']:.3f}, is right on the same of the {texts} in "
            f"{new_name} as in {old_name}."
        )
    head = "Not shown to be worse" if change["difference"] > 0 else "No difference shown"
    corrected = "Holm-corrected " if tested > 1 else ""
    return (
        f"{'Worse' if change['worse'] else head}: {model}, accuracy {change['new']:.3f} in {new_name} and "
        f"{change['old']:.3f} in {old_name}; of the {texts} {only_old:,} that were right are wrong now and "
        f"{only_new:,} that were wrong are right (McNemar, one-sided, exact, {corrected}"
        f"{wording.p_value(change['p_value_holm'])})."
    )
