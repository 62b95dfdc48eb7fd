"""What the rest of the program gets: texts, labels and label names in three splits."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from textapp.datasets.splitting import representative


@dataclasses.dataclass(frozen=True)
class Split:
    """One of the three parts of a dataset.

    Attributes:
        texts: N strings, as they stand in the source; `Texts` on the disk where a dataset was loaded.
        labels: int32 array of shape (N,), each an index into the dataset's `label_names`; float32 of shape (N, C) for
            the probabilities that a teacher gives.
        rows: int64 array of shape (N,), the 0-based position of each example in the file it came from,
            headings and blank lines not counted.
        groups: object array of N strings, what the source reports accuracy by; None for nothing.
    """

    texts: Sequence[str]
    labels: np.ndarray
    rows: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def some(self, most: int) -> list[str]:
        """Return so many texts at most, of every class, the same ones every time."""
        return [self.texts[int(position)] for position in representative(self.labels, most=most)]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Texts ready for training: clean, without duplicates, split.

    Attributes:
        name: "imdb", or the stem of the user's file; safe as a folder name.
        label_names: C names, in the order that every model keeps.
        train, validation, test: the splits; no text stands in two of them.
        facts: what run.json records: source, licence, SHA-256, columns, counts and fingerprints.
        notes: sentences for the user.
        test_groups: of each test text what the source reports accuracy by; None for nothing.
    """

    name: str
    label_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    facts: dict
    notes: tuple[str, ...]
    test_groups: tuple[str, ...] | None = None


def fingerprint(splits: Iterable[Split], label_names: tuple[str, ...]) -> str:
    """Return the SHA-256 of the splits' texts and label names, in order.

    Two runs with the same fingerprint had the same texts with the same labels in the same places.
    """
    digest = hashlib.sha256()
    for split in splits:
        digest.update(b"split %d\n" % len(split))
        for text, label in zip(split.texts, split.labels, strict=True):
            for part in (text.encode(), label_names[label].encode()):
                digest.update(b"%d:" % len(part))  # the length keeps "ab","c" apart from "a","bc"
                digest.update(part)
    return digest.hexdigest()
