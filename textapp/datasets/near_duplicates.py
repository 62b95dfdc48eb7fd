"""Test texts that stand almost word for word in the training texts, found with MinHash and checked exactly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH

SHINGLE_WORDS = 5
PERMUTATIONS = 64
# The share of the pairs at the threshold that MinHash must find; those above it are found more often.
RECALL = 0.999

_WORD = re.compile(r"\w+")
# Odd 64-bit numbers, one for each place in a shingle.
_MULTIPLIERS = np.random.RandomState(0).randint(2**64 - 1, size=SHINGLE_WORDS, dtype=np.uint64) | np.uint64(1)


def near_duplicates(
    train_texts: Sequence[str],
    test_texts: Sequence[str],
    *,
    threshold: float = 0.8,
    train_rows: Sequence[int] | None = None,
    test_rows: Sequence[int] | None = None,
    examples: int = 5,
) -> dict:
    """Count the pairs of a test and a training text that share most of their runs of five words.

    A text stands for the set of its runs of five words, case and punctuation left out; one of fewer words for all
    of them; one without words is like no other. Two texts are alike by the Jaccard index of their sets. Candidates
    come from locality-sensitive hashing, which overlooks at most one pair in a thousand; each is then counted out,
    so no pair is reported that is less alike. In scripts without spaces a word is what stands between punctuation.

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
    sets = _shingle_sets([*train_texts, *test_texts])
    train, test = sets[: len(train_texts)], sets[len(train_texts) :]
    marks = np.zeros(1 + max((int(numbers.max(initial=0)) for numbers in sets), default=0), bool)
    pairs, nearest = 0, []  # (similarity, test position, train position)
    for position, candidates in enumerate(_candidates(train, test, threshold)):
        if candidates:
            similarities = _jaccard(test[position], [train[candidate] for candidate in candidates], marks)
            best = int(similarities.argmax())
            pairs += int((similarities >= threshold).sum())
            if similarities[best] >= threshold:
                nearest.append((float(similarities[best]), position, candidates[best]))
    nearest.sort(key=lambda found: -found[0])  # stable: equal ones in the order of the test texts
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
                "similarity": similarity,
            }
            for similarity, position, other in nearest[:examples]
        ],
    }


def _shingle_sets(texts: Sequence[str]) -> list[np.ndarray]:
    """Return the set of each text's shingles as a sorted array of their numbers, which count from 0."""
    ids: dict[str, int] = {}  # a word's number, from 1
    hashed = [_hashed_shingles(text, ids) for text in texts]
    if not hashed:
        return []
    _, numbers = np.unique(np.concatenate(hashed), return_inverse=True)
    return np.split(numbers, np.cumsum([len(shingles) for shingles in hashed])[:-1])


def _hashed_shingles(text: str, ids: dict[str, int]) -> np.ndarray:
    """Return the set of a text's shingles, a sorted uint64 array; numbers new words in place."""
    words = _WORD.findall(text.casefold())
    if not words:
        return np.empty(0, np.uint64)
    words = np.array([ids.setdefault(word, len(ids) + 1) for word in words], dtype=np.uint64)
    words = np.pad(words, (0, max(0, SHINGLE_WORDS - len(words))))
    # Multiply and add modulo 2**64. Two of 5 million shingles share a number with a probability of about one in a
    # million.
    return np.unique(np.lib.stride_tricks.sliding_window_view(words, SHINGLE_WORDS) @ _MULTIPLIERS)


def _candidates(train: list[np.ndarray], test: list[np.ndarray], threshold: float) -> list[list[int]]:
    """Return for each test text the sorted positions of the training texts that may be like it."""
    index = MinHashLSH(num_perm=PERMUTATIONS, params=_bands_and_rows(threshold))
    with index.insertion_session() as session:
        for position, sketch in enumerate(_sketches(train)):
            if not sketch.is_empty():
                session.insert(position, sketch, check_duplication=False)
    return [[] if sketch.is_empty() else sorted(index.query(sketch)) for sketch in _sketches(test)]


def _sketches(sets: list[np.ndarray]) -> Iterator[MinHash]:
    # datasketch mixes the bits of the numbers itself before it permutes them.
    return MinHash.generator((numbers.tolist() for numbers in sets), num_perm=PERMUTATIONS, hashfunc=int)


def _bands_and_rows(threshold: float) -> tuple[int, int]:
    """Return the split of the permutations that compares most at once and still finds pairs at the threshold."""
    for rows in range(PERMUTATIONS // 2, 1, -1):
        bands = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= RECALL:
            return bands, rows
    return PERMUTATIONS, 1


def _jaccard(shingles: np.ndarray, others: list[np.ndarray], marks: np.ndarray) -> np.ndarray:
    """Return the Jaccard index of one set with each of several, none of them empty.

    Args:
        shingles: int array.
        others: int arrays.
        marks: bool array with a place for every shingle, all False; left as it was.
    """
    marks[shingles] = True
    inside = marks[np.concatenate(others)]
    marks[shingles] = False
    sizes = np.array([len(other) for other in others])
    shared = np.add.reduceat(inside, np.cumsum(sizes) - sizes, dtype=np.int64)
    return shared / (len(shingles) + sizes - shared)
