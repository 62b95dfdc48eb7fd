"""The order of the labels, decided once, and what every class must have before a split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from textapp.datasets.dataset import Split
from textapp.errors import UserError


def order_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels by value if all are numbers, else in alphabetical order."""
    labels = sorted(labels)
    try:
        values = [float(label) for label in labels]
    except ValueError:
        return tuple(labels)
    if not all(math.isfinite(value) for value in values):  # "nan" is a word here: it has no place in an order
        return tuple(labels)
    return tuple(label for _, label in sorted(zip(values, labels, strict=True)))


def check_labels(kept: dict[str, Split], labels: Sequence[str], label_names: tuple[str, ...]) -> None:
    """Raise a UserError unless the cleaned rows can be trained on, split and tested.

    Args:
        kept: cleaned rows by "train" and, where the source has its own, "validation" and "test".
        labels: what the rows' labels are indices into.
        label_names: the labels of the training rows.
    """
    if not label_names:
        raise UserError(
            "no text is left to train on: each is empty, has no label, or also stands in the validation or test file"
        )
    if len(label_names) == 1:
        raise UserError(f"all texts have the label {label_names[0]!r}; a classifier needs at least two classes")
    for role in ("validation", "test"):
        if role not in kept:
            continue
        if not len(kept[role]):
            taken = ", or each also stands in the test file" if role == "validation" and "test" in kept else ""
            raise UserError(f"the {role} file has no text with a label{taken}")
        unseen = sorted({labels[int(index)] for index in np.unique(kept[role].labels)} - set(label_names))
        if unseen:
            raise UserError(
                f"the {role} file has the labels {shorten(unseen)}, which no training text has; "
                f"allowed are {shorten(label_names)}"
            )
    sizes = dict(zip(labels, np.bincount(kept["train"].labels, minlength=len(labels)).tolist(), strict=True))
    needed = 4 - len(kept)  # one for training and one for each part that is split off
    small = [name for name in label_names if sizes[name] < needed]
    if small:
        found = ", ".join(f"{name!r} has {sizes[name]}" for name in small[:5])
        more = f" and {len(small) - 5} more classes have too few" if len(small) > 5 else ""
        raise UserError(
            f"each class needs at least {needed} different texts to be split, but {found}{more}; "
            "add texts, or take these rows out"
        )


def shorten(names: Iterable[str]) -> str:
    """Return the first ten names, quoted, and how many more there are."""
    names = [repr(name) for name in names]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
