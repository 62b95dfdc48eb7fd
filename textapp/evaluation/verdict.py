"""Which classifier is best, in sentences: of all, of the quick ones and of the small ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from textapp.evaluation import wording
from textapp.evaluation.bootstrap import bootstrap_interval
from textapp.evaluation.significance import accuracy_pairs, is_right, pair_of

# What the verdict asks about: a cost, the bound that it must stay below, and both in words.
COST_QUESTIONS = (
    ("milliseconds_per_text_batch_1", 5, "under 5 ms per text"),
    ("bytes_on_disk", 20_000_000, "under 20 MB"),
)


def verdict(
    labels: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    costs: Mapping[str, Mapping[str, float | None]] | None = None,
    *,
    seed: int = 0,
) -> dict:
    """Name the most accurate classifier and say whether its lead over the next is more than chance.

    The best is picked on the same rows that the tests run on. P-values corrected over all pairs allow for
    that, so it is these that decide; the accuracy of the best of many stays a little flattered.

    Args:
        labels: true classes, int array of shape (N,).
        predictions: for each classifier's name its predicted classes, int array of shape (N,).
        costs: for each name the keys of `COST_QUESTIONS`; what is missing or None was not measured.
        seed: for the bootstrap intervals; with the seed of `classification_metrics` they are the same.

    Returns:
        `best` and `runner_up`, names, the one given first where accuracies are equal; `p_value` between the
        two, and `p_value_holm`, corrected; `sentence`, plain words; `sentences`, one to each question: the
        most accurate of all and, where there are `costs`, of the quick and of the small ones, each against the
        best of all or, if it is that, the next of its kind. `runner_up` and the p-values are None where there
        is one classifier only.

    Raises:
        ValueError: if there is no classifier, or an array does not fit the labels.
    """
    if not predictions:
        raise ValueError("predictions is empty; a verdict takes at least one classifier")
    labels = np.asarray(labels)
    pairs = accuracy_pairs(labels, predictions)
    right = {name: is_right(labels, given, name=name) for name, given in predictions.items()}  # (N,) each
    ranking = sorted(right, key=lambda name: right[name].sum(), reverse=True)  # stable: the first given wins a tie
    ranked = {name: [float(right[name].mean()), *bootstrap_interval(right[name], seed=seed)] for name in ranking}
    sentences = [_answer("Most accurate", ranking, ranked, pairs)]
    if len(ranking) > 2:
        sentences[0] += f" Picked as the best of {len(ranking)} on the same texts, its accuracy is a little flattered."
    if costs is not None:
        for key, bound, words in COST_QUESTIONS:
            values = {name: costs.get(name, {}).get(key) for name in ranking}
            fitting = [name for name, value in values.items() if value is not None and value < bound]
            sentences.append(_answer(f"Most accurate {words}", fitting, ranked, pairs))
            if unknown := [name for name, value in values.items() if value is None]:
                sentences[-1] += f" Not measured: {', '.join(unknown)}."
    runner_up = ranking[1] if len(ranking) > 1 else None
    test = pair_of(pairs, ranking[0], runner_up) if runner_up else {}
    return {
        "best": ranking[0],
        "runner_up": runner_up,
        "p_value": test.get("p_value"),
        "p_value_holm": test.get("p_value_holm"),
        "sentence": _sentence(ranked, pairs, n=len(labels)),
        "sentences": sentences,
    }


def with_sentences(found: dict | None, more: Sequence[str]) -> dict | None:
    """Return a verdict that says more, or one of these sentences alone where there is none on classifiers.

    Args:
        found: what `verdict` returned; None without classifiers.
        more: sentences.
    """
    sentences = [*(found["sentences"] if found else ()), *more]
    return {**(found or {"sentence": sentences[0]}), "sentences": sentences} if sentences else None


def _sentence(ranked: Mapping[str, list[float]], pairs: list[dict], *, n: int) -> str:
    """Return the verdict in plain words; `ranked` is {name: [accuracy, low, high]}, the best first."""
    best, *others = ranked
    accuracy = f"{ranked[best][0]:.3f}"
    if not others:
        return f"Only {best} was tested, accuracy {accuracy} on the {wording.texts(n)}: nothing to compare it with."
    leaders = [name for name in ranked if ranked[name][0] == ranked[best][0]]
    if len(leaders) > 1:
        names = f"{', '.join(leaders[:-1])} and {leaders[-1]}"
        return f"Best on the {wording.texts(n)}: {names}, each with accuracy {accuracy}: no difference shown."
    test = pair_of(pairs, best, others[0])
    lead = f"Its lead of {wording.points(test['difference'])} over {others[0]}"
    chance = wording.chance(test, corrected=len(pairs) > 1)
    return f"Best on the {wording.texts(n)}: {best}, accuracy {accuracy}. {lead} {chance}."


def _answer(question: str, fitting: list[str], ranked: Mapping[str, list[float]], pairs: list[dict]) -> str:
    """Return a question's answer: the first of the fitting classifiers beside the best of all or the next.

    Args:
        question: its first words.
        fitting: names, the best first.
        ranked: {name: [accuracy, low, high]}, the best of all first.
        pairs: see `accuracy_pairs`.
    """
    if not fitting:
        return f"{question}: none."
    best, chosen, rival = next(iter(ranked)), fitting[0], fitting[1] if len(fitting) > 1 else None
    accuracy, low, high = ranked[chosen]
    found = f"{question}: {chosen}, accuracy {accuracy:.3f} [{low:.3f}, {high:.3f}]"
    if chosen != best:
        rival = best
    if rival is None:
        return f"{found}, the best of all and the only one." if len(ranked) > 1 else f"{found}, the only one tested."
    name = rival if chosen == best else f"{rival}, the best of all"
    test = pair_of(pairs, chosen, rival)
    if not test["difference"]:
        return f"{found}, right as often as {name}: no difference shown."
    side = "above" if chosen == best else "below"
    chance = wording.chance(test, corrected=len(pairs) > 1)
    return f"{found}, {wording.points(test['difference'])} {side} {name}; that {chance}."
