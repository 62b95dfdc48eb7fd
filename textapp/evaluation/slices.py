"""Accuracy on parts of the test texts: long ones, negated ones, ones with unknown words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from textapp.evaluation.bootstrap import wilson_interval

# A smaller group is listed, but not called the worst: its accuracy says too little.
SMALLEST_GROUP = 30
UNKNOWN_SHARE = 0.05

# Found in the texts themselves, since a stop list may have taken the negations out of the tokens.
_NEGATION = re.compile(
    r"(?<!\w)(?:not|no|nor|never|none|nobody|nothing|nowhere|neither|cannot|without"
    r"|dont|doesnt|didnt|isnt|wasnt|cant|couldnt|wont|wouldnt|\w+n['’]t)(?!\w)",
    re.IGNORECASE,
)


def text_groups(
    texts: Sequence[str],
    token_lists: Sequence[Sequence[str]],
    known: Callable[[str], bool] | Collection[str] | None,
    labels: np.ndarray,
    label_names: Sequence[str],
    *,
    sources: Sequence[str | None] | None = None,
) -> dict[str, list[str]]:
    """Return for every slice the group that each text is in.

    Args:
        texts: N texts.
        token_lists: the cleaned tokens of each.
        known: the words of the training texts, or a function that tells whether a word is one of them; None
            to leave unknown words out.
        labels: true classes, int array of shape (N,).
        label_names: the C names of the classes.
        sources: where each text comes from, if the data say so.

    Returns:
        {"length", "negation", "unknown words", "class", "source": N group names each}. Length is in words
        between white space, cut into quarters of these texts; negation goes by English words; unknown words are
        counted as a share of a text's tokens.
    """
    groups = {
        "length": _lengths([len(text.split()) for text in texts]),
        "negation": ["with negation" if _NEGATION.search(text) else "without negation" for text in texts],
    }
    if known is not None:
        is_known = known if callable(known) else frozenset(known).__contains__
        groups["unknown words"] = [_unknown(tokens, is_known) for tokens in token_lists]
    groups["class"] = [label_names[int(label)] for label in labels]
    if sources is not None:
        groups["source"] = ["no source" if source is None else str(source) for source in sources]
    return groups


def slice_table(
    labels: np.ndarray, predictions: np.ndarray, groups: Mapping[str, Sequence[str]]
) -> tuple[list[dict], dict | None]:
    """Measure the accuracy of a classifier in every group of every slice.

    The worst group is the one of at least 30 texts that is furthest below the other texts, among those where
    chance is no explanation: the upper end of its 95 % interval lies below the accuracy elsewhere. Several
    groups are looked at, so one in 40 would stand out by chance alone. The accuracy in a class is its recall.

    Args:
        labels: true classes, int array of shape (N,).
        predictions: predicted classes, int array of shape (N,).
        groups: for each slice the group of every text.

    Returns:
        A dict for every group, `slice`, `group`, `n`, `accuracy`, `interval` (Wilson, 95 %), `difference` to the
        accuracy of all texts outside the group, None where there are none; and the worst of them or None.

    Raises:
        ValueError: if the lengths do not fit each other.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(f"labels has shape {labels.shape} and predictions {predictions.shape}; both must be (N,)")
    right = labels == predictions
    table = []
    for name, members in groups.items():
        if len(members) != len(right):
            raise ValueError(f"slice {name!r} has {len(members)} group names for {len(right)} texts")
        members = np.array(members, dtype=object)
        for group in sorted(set(members), key=_natural):
            table.append({"slice": name, "group": group} | _measured(right, members == group))
    # Minus the difference is how far the group lies below the accuracy elsewhere.
    suspects = [
        row
        for row in table
        if row["n"] >= SMALLEST_GROUP
        and row["difference"] is not None
        and row["interval"][1] < row["accuracy"] - row["difference"]
    ]
    return table, min(suspects, key=lambda row: row["difference"], default=None)


def _measured(right: np.ndarray, inside: np.ndarray) -> dict:
    """Return n, accuracy, interval and difference of a group, bool arrays of shape (N,)."""
    hits, n = int(right[inside].sum()), int(inside.sum())
    elsewhere = None if n == len(right) else float(right[~inside].mean())
    return {
        "n": n,
        "accuracy": hits / n,
        "interval": wilson_interval(hits, n),
        "difference": None if elsewhere is None else hits / n - elsewhere,
    }


def _lengths(lengths: Sequence[int]) -> list[str]:
    """Return the name of the quarter that each length is in; quarters that coincide become one."""
    if not lengths:
        return []
    # The lower of two values, so that every edge is a length that occurs.
    edges = np.unique(np.quantile(lengths, [0.25, 0.5, 0.75], method="lower"))
    edges = edges[edges < max(lengths)]
    names = [f"up to {edges[0]:,} words"] if len(edges) else ["all lengths"]
    names += [
        f"{low + 1:,} to {high:,} words" if low + 1 < high else f"{high:,} words"
        for low, high in itertools.pairwise(edges)
    ]
    names += [f"{edges[-1] + 1:,} words and more"] if len(edges) else []
    return [names[position] for position in np.searchsorted(edges, lengths)]


def _unknown(tokens: Sequence[str], is_known: Callable[[str], bool]) -> str:
    unknown = sum(not is_known(token) for token in tokens)
    if not unknown:
        return "none"
    return "at most 5 %" if unknown <= UNKNOWN_SHARE * len(tokens) else "more than 5 %"


def _natural(name: str) -> list:
    """Sort "up to 90 words" before "121 to 170 words": by the numbers in a name, then by the name."""
    numbers = re.findall("[0-9]+", name.replace(",", ""))
    # Compared as strings after their lengths: int() refuses a label of thousands of digits.
    return [[(len(digits), digits) for digits in (number.lstrip("0") for number in numbers)], name]
