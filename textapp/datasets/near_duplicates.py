"""Test texts that stand almost word for word in the training texts, found with MinHash and checked exactly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from datasketch import MinHash

SHINGLE_WORDS = 5
PERMUTATIONS = 64
# The share of the pairs at the threshold that MinHash must find; those above it are found more often.
RECALL = 0.999
CHUNK = 1_000  # training texts that are looked at together

_WORD = re.compile(r"\w+")
# Odd 64-bit numbers, one for each place in a shingle, or in a band of a sketch.
_MULTIPLIERS = np.random.RandomState(0).randint(2**64 - 1, size=PERMUTATIONS, dtype=np.uint64) | np.uint64(1)


def near_duplicates(
    train_texts: Sequence[str],
    test_texts: Sequence[str],
    *,
    threshold: float = 0.8,
    train_rows: Sequence[int] | np.ndarray | None = None,
    test_rows: Sequence[int] | np.ndarray | None = None,
    examples: int = 5,
) -> dict:
    """Count the pairs of a test and a training text that share most of their runs of five words.

    A text stands for the set of its runs of five words, case and punctuation left out; one of fewer words for all
    of them; one without words is like no other. Two texts are alike by the Jaccard index of their sets. Candidates
    come from locality-sensitive hashing, which overlooks at most one pair in a thousand; each is then counted out,
    so no pair is reported that is less alike. In scripts without spaces a word is what stands between punctuation.
    Of the training texts a few at a time are in memory.

    Args:
        train_texts: strings.
        test_texts: strings.
        threshold: the least Jaccard index, above 0 and at most 1.
        train_rows: for each training text its position in the source; None to count from 0.
        test_rows: the same for the test texts.
        examples: how many pairs to show at most.

    Returns:
        `threshold`; `pairs`; `test_texts`, how many have a training text like them, and their `share`; `examples`,
        dicts of `test_row`, `train_row`, `test_text`, `train_text` and `similarity`, each test text with the
        training text most like it, the most alike first.

    Raises:
        ValueError: if the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}; it must be above 0 and at most 1")
    numbers: dict[str, int] = {}
    for text in test_texts:
        for word in _words(text):
            numbers.setdefault(word, len(numbers) + 1)
    test = [_shingles(text, numbers) for text in test_texts]
    index = _Index(test, threshold)
    pairs = 0
    best = np.zeros(len(test))  # similarity
    best_train = np.zeros(len(test), dtype=np.int64)  # position
    for start in range(0, len(train_texts), CHUNK):
        train = [_shingles(text, numbers) for text in train_texts[start : start + CHUNK]]
        for position, candidates in index.find(train):
            similarities = _jaccard(train[position], [test[candidate] for candidate in candidates])
            pairs += int((similarities >= threshold).sum())
            better = similarities > best[candidates]
            best[candidates[better]] = similarities[better]
            best_train[candidates[better]] = start + position
    nearest = np.flatnonzero(best >= threshold)
    nearest = nearest[np.argsort(-best[nearest], kind="stable")]  # equal ones in the order of the test texts
    return {
        "threshold": float(threshold),
        "pairs": pairs,
        "test_texts": len(nearest),
        "share": len(nearest) / len(test) if test else 0.0,
        "examples": [
            {
                "test_row": int(position if test_rows is None else test_rows[position]),
                "train_row": int(other if train_rows is None else train_rows[other]),
                "test_text": test_texts[position],
                "train_text": train_texts[other],
                "similarity": float(best[position]),
            }
            for position, other in zip(nearest[:examples], best_train[nearest[:examples]], strict=True)
        ],
    }


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _shingles(text: str, numbers: Mapping[str, int]) -> np.ndarray:
    """Return the set of a text's shingles, a sorted uint64 array.

    Args:
        text: any.
        numbers: of the words that other texts may share, from 1; a text's other words get numbers of its own.
    """
    words, others = _words(text), {}
    if not words:
        return np.empty(0, np.uint64)
    unknown = len(numbers) + 1
    words = np.array(
        [numbers.get(word) or others.setdefault(word, unknown + len(others)) for word in words], dtype=np.uint64
    )
    words = np.pad(words, (0, max(0, SHINGLE_WORDS - len(words))))
    # Multiply and add modulo 2**64. Two of 5 million shingles share a number with a probability of about one in a
    # million.
    return np.unique(np.lib.stride_tricks.sliding_window_view(words, SHINGLE_WORDS) @ _MULTIPLIERS[:SHINGLE_WORDS])


class _Index:
    """Sets by parts of their MinHash sketches: locality-sensitive hashing.

    Args:
        sets: uint64 arrays; an empty one is never found.
        threshold: the least Jaccard index of the pairs to find.
    """

    def __init__(self, sets: Sequence[np.ndarray], threshold: float):
        self._bands, self._rows = _bands_and_rows(threshold)
        self._positions, keys = self._keys(sets)
        self._order = np.argsort(keys, axis=1)
        self._sorted = np.take_along_axis(keys, self._order, axis=1)

    def find(self, sets: Sequence[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the position of each set that may be like some of the index, and their sorted positions there."""
        positions, keys = self._keys(sets)
        found = []  # (set, set of the index)
        for band, ordered, order in zip(keys, self._sorted, self._order, strict=True):
            first = np.searchsorted(ordered, band, side="left")
            counts = np.searchsorted(ordered, band, side="right") - first
            within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            asked = np.repeat(np.arange(len(band)), counts)
            found.append(np.stack([positions[asked], self._positions[order[first[asked] + within]]], axis=1))
        pairs = np.unique(np.concatenate(found), axis=0)
        for members in np.split(pairs, np.flatnonzero(np.diff(pairs[:, 0])) + 1):
            if len(members):
                yield int(members[0, 0]), members[:, 1]

    def _keys(self, sets: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the M sets that are not empty, and their keys, uint64 of shape (bands, M)."""
        positions = np.array([position for position, numbers in enumerate(sets) if len(numbers)], dtype=np.int64)
        # datasketch mixes the bits of the numbers itself before it permutes them.
        filled = (sets[position].tolist() for position in positions)
        sketches = np.empty((len(positions), PERMUTATIONS), dtype=np.uint64)
        for row, sketch in enumerate(MinHash.generator(filled, num_perm=PERMUTATIONS, hashfunc=int, scheme="affine64")):
            sketches[row] = sketch.hashvalues
        bands = sketches[:, : self._bands * self._rows].reshape(-1, self._bands, self._rows)
        # Modulo 2**64: two keys that are equal by chance cost one comparison.
        return positions, (bands @ _MULTIPLIERS[: self._rows]).T


def _bands_and_rows(threshold: float) -> tuple[int, int]:
    """Return the split of the permutations that compares most at once and still finds pairs at the threshold."""
    for rows in range(PERMUTATIONS // 2, 1, -1):
        bands = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= RECALL:
            return bands, rows
    return PERMUTATIONS, 1


def _jaccard(shingles: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """Return the Jaccard index of one set with each of several; sorted arrays, none of them empty."""
    numbers = np.concatenate(others)
    inside = shingles[np.searchsorted(shingles, numbers).clip(max=len(shingles) - 1)] == numbers
    sizes = np.array([len(other) for other in others])
    shared = np.add.reduceat(inside, np.cumsum(sizes) - sizes, dtype=np.int64)
    return shared / (len(shingles) + sizes - shared)
