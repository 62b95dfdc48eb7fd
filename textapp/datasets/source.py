"""What a reader hands over: the rows of one source as strings, nothing dropped and nothing split."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Examples:
    """The rows of one file, or a piece of them.

    Attributes:
        texts: N strings; "" where the text is missing.
        labels: N strings; "" where the label is missing.
        rows: int64 array of shape (N,), 0-based positions in the file; None to count on from the piece before.
        groups: N strings to report the accuracy by, such as where each text comes from; None for none.
    """

    texts: list[str]
    labels: list[str]
    rows: np.ndarray | None = None
    groups: list[str] | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """Everything a dataset's reader knows.

    Attributes:
        name: the dataset's name.
        train: the rows to train on, and to split off what is not given below; pieces of them where a file may be
            larger than memory.
        validation, test: the source's own splits, or None.
        facts: JSON-able; "source", "sha256" and "licence" at least. A reader that gives pieces may add to them until
            the last piece is read.
        notes: sentences for the user.
    """

    name: str
    train: Examples | Iterable[Examples]
    validation: Examples | Iterable[Examples] | None = None
    test: Examples | Iterable[Examples] | None = None
    facts: dict = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
