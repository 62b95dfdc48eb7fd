"""Drops rows without text or label and texts that stand twice, across all files of a source."""

from __future__ import annotations

import collections
import hashlib

import numpy as np

from textapp.datasets.dataset import Split
from textapp.datasets.source import Examples, Source
from textapp.datasets.texts import Texts, TextsWriter

ROLES = ("test", "validation", "train")


def clean(source: Source, counts: collections.Counter) -> tuple[dict[str, Split], list[str]]:
    """Drop rows without text or label, and every text that stands twice.

    Test rows go first, so that what stands in the test file is dropped from the others; of two
    rows in one file the first stays. The texts go to the disk as they come.

    Args:
        source: the rows; each is read once.
        counts: counts what is dropped or mended; changed in place.

    Returns:
        The rows left, by "test", "validation" and "train" as far as the source has them, and all labels that were
        read, in the order in which they came: here the splits' labels are indices into these.
    """
    rows = _Rows()
    roles = [role for role in ROLES if getattr(source, role) is not None]
    for part, role in enumerate(roles):
        examples = getattr(source, role)
        for piece in [examples] if isinstance(examples, Examples) else examples:
            rows.add(piece, part, counts)
    return dict(zip(roles, rows.without_duplicates(len(roles), counts), strict=True)), rows.labels


class _Rows:
    """The rows with a text and a label, M of them, in the order in which they are added."""

    def __init__(self):
        self._writer = TextsWriter()
        self._labels: dict[str, int] = {}  # each label's index
        self._groups: dict[str, str] = {}  # each one once, however many rows have it
        self._read = collections.Counter()  # rows, by part
        self._pieces: list[dict[str, np.ndarray]] = []

    @property
    def labels(self) -> list[str]:
        """All labels, in the order in which they came."""
        return list(self._labels)

    def add(self, examples: Examples, part: int, counts: collections.Counter) -> None:
        """Add the rows of a piece that have a text and a label; `part` is the number of its split."""
        start, count = self._read[part], len(examples.texts)
        self._read[part] += count
        counts["rows_read"] += count
        rows = np.arange(start, start + count) if examples.rows is None else examples.rows
        texts, hashes, labels, positions, mended = [], [], [], [], []
        for position, (raw_text, raw_label) in enumerate(zip(examples.texts, examples.labels, strict=True)):
            text, label = mend(raw_text), " ".join(mend(raw_label).split())
            if not text.strip():
                counts["empty_text"] += 1
            elif not label:
                counts["missing_label"] += 1
            else:
                texts.append(text)
                hashes.append(text_hash(text))
                labels.append(self._labels.setdefault(label, len(self._labels)))
                positions.append(position)
                mended.append(text != raw_text)
        self._writer.extend(texts)
        piece = {
            "hash": np.frombuffer(b"".join(hashes), dtype=np.uint64).reshape(-1, 2),
            "label": np.array(labels, dtype=np.int32),
            "row": np.asarray(rows, dtype=np.int64)[np.array(positions, dtype=np.int64)],
            "mended": np.array(mended, dtype=bool),
            "part": np.full(len(texts), part, dtype=np.int8),
            "group": np.full(len(texts), None, dtype=object),
        }
        if examples.groups is not None:
            groups = [examples.groups[position] for position in positions]
            piece["group"][:] = [self._groups.setdefault(group, group) for group in groups]
        self._pieces.append(piece)

    def without_duplicates(self, parts: int, counts: collections.Counter) -> list[Split]:
        """Return a split for each part, without the texts that stand in an earlier row."""
        texts = self._writer.texts()
        rows = {name: np.concatenate([piece[name] for piece in self._pieces]) for name in self._pieces[0]}
        first = _first_equal(rows["hash"])  # (M,)
        kept = first == np.arange(len(first))
        part, label = rows["part"], rows["label"]
        inside = part == part[first]
        counts["duplicates"] += int((~kept & inside).sum())
        counts["across_files"] += int((~kept & ~inside).sum())
        counts["conflicting"] += int((label != label[first]).sum())
        counts["mended_texts"] += int(rows["mended"][kept].sum())
        return [_split(texts, rows, np.flatnonzero(kept & (part == number))) for number in range(parts)]


def _split(texts: Texts, rows: dict[str, np.ndarray], positions: np.ndarray) -> Split:
    groups = rows["group"][positions]
    return Split(
        texts=texts.take(positions),
        labels=rows["label"][positions],
        rows=rows["row"][positions],
        groups=None if None in groups[:1] else groups,
    )


def _first_equal(hashes: np.ndarray) -> np.ndarray:
    """Return for each hash the position of the first that is equal to it.

    Args:
        hashes: uint64 array of shape (M, 2).

    Returns:
        int64 array of shape (M,).
    """
    order = np.lexsort((hashes[:, 0], hashes[:, 1]))  # stable: equal ones stay in their order
    ordered = hashes[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
    return first


def text_hash(text: str) -> bytes:
    """Return 128 bits that are the same for texts that are equal but for white space and case."""
    # Of a billion texts two share a hash of 128 bits with a probability of about 1e-21.
    return hashlib.blake2b(" ".join(text.split()).casefold().encode(), digest_size=16).digest()


def mend(text: str) -> str:
    """Replace what many tools cannot carry: NUL by a space, half a surrogate pair by U+FFFD."""
    text = text.replace("\0", " ")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
