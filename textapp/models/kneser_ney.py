"""Interpolated Kneser-Ney n-grams over token ids, counts in sorted arrays.

Chen and Goodman (1999), "An empirical study of smoothing techniques for language modeling": the probability of a word
after a context of k - 1 words is its discounted share of the counts, and what the discounts leave goes to the context
without its first word,

    P(w | h) = (c(h w) - D(c(h w))) / c(h .) + backoff(h) P(w | h').

Below the longest n-grams a count is not how often but after how many different words an n-gram stands; n-grams that
open a text have nothing before them and keep their counts. Below the single tokens is the uniform distribution, so that
every token has a probability.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

DISCOUNTS = 3  # for counts of 1, of 2, and of 3 or more: the "modified" Kneser-Ney of the paper's section 3.6
# Where the text is too small to estimate one; the value that is common in the literature.
DEFAULT_DISCOUNT = 0.75


@dataclasses.dataclass(frozen=True)
class Level:
    """The different n-grams of one length, "nodes", in sorted order.

    Attributes:
        keys: int64 array of shape (n,), (node of the n-gram without its last token) * V + last token; of single
            tokens all V.
        counts: int32 array of shape (n,), how often each stands in the texts.
        suffixes: int32 array of shape (n,), each n-gram's node one level below without its first token; empty of
            single tokens.
        opening: bool array of shape (n,), whether it begins with the start of a text.
    """

    keys: np.ndarray
    counts: np.ndarray
    suffixes: np.ndarray
    opening: np.ndarray


def count(
    documents: Sequence[Sequence[int] | np.ndarray], *, order: int, vocabulary_size: int, end_id: int
) -> list[Level]:
    """Count the n-grams of 1 to `order` tokens, none across two texts.

    Args:
        documents: token ids of the texts, each below `vocabulary_size`, without `end_id`.
        order: the longest n-grams' length.
        vocabulary_size: V.
        end_id: stands before and after every text.

    Raises:
        ValueError: there is no token, or an id is not below V.
    """
    if not sum(map(len, documents)):
        raise ValueError("the texts hold no tokens; an n-gram model takes at least one")
    stream, begins = _stream(documents, end_id)
    low, high = int(stream.min()), int(stream.max())
    if low < 0 or high >= vocabulary_size:
        raise ValueError(f"token ids run from {low} to {high}; allowed is 0 to {vocabulary_size - 1}")
    single = np.arange(vocabulary_size)
    counts = np.bincount(stream[~begins], minlength=vocabulary_size).astype(np.int32)
    levels = [Level(keys=single, counts=counts, suffixes=np.zeros(0, np.int32), opening=single == end_id)]
    nodes = stream  # of the n-gram that ends at each place, -1 where the text is not that long yet
    for _ in range(1, order):
        ends = np.flatnonzero(~begins[1:] & (nodes[:-1] >= 0)) + 1
        keys = nodes[ends - 1].astype(np.int64) * vocabulary_size + stream[ends]
        keys, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        suffixes = np.empty(len(keys), np.int32)
        suffixes[inverse] = nodes[ends]
        opening = levels[-1].opening[keys // vocabulary_size]
        levels.append(Level(keys=keys, counts=counts.astype(np.int32), suffixes=suffixes, opening=opening))
        nodes = np.full(len(stream), -1, np.int32)
        nodes[ends] = inverse
    return levels


def adjusted_counts(levels: Sequence[Level]) -> list[np.ndarray]:
    """Return the counts that the formula takes, for a model as long as the last of the levels."""
    adjusted = []
    for number, level in enumerate(levels):
        if number == len(levels) - 1:
            adjusted.append(level.counts)
            continue
        counts = np.bincount(levels[number + 1].suffixes, minlength=len(level.keys))
        # A single end of text is a prediction as any other, and its beginning none.
        adjusted.append(counts if number == 0 else np.where(level.opening, level.counts, counts))
    return adjusted


def discounts(counts: np.ndarray) -> np.ndarray:
    """Return what is taken from counts of 0, 1, 2, and 3 or more, float64 of shape (4,).

    The estimates of Chen and Goodman, equation 26; where no n-gram has one of the counts 1 to 4, as in short texts,
    one for all, that of Ney, Essen and Kneser (1994), n1 / (n1 + 2 n2), or `DEFAULT_DISCOUNT`.
    """
    one, two, three, four = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
    if not (one and two):
        return np.array([0.0, *[DEFAULT_DISCOUNT] * DISCOUNTS])
    share = one / (one + 2 * two)
    found = [share] * DISCOUNTS
    if three and four:
        estimates = [1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three]
        if min(estimates) > 0:
            found = estimates
    return np.array([0.0, *found])


class NGrams:
    """The probabilities of the next token.

    Args:
        keys: of each level, see `Level`.
        counts: of each level, adjusted.
        vocabulary_size: V.
        end_id: stands before every text.
        fixed_discount: one for all counts; None to estimate them, each level its own.
    """

    def __init__(
        self,
        keys: Sequence[np.ndarray],
        counts: Sequence[np.ndarray],
        *,
        vocabulary_size: int,
        end_id: int,
        fixed_discount: float | None = None,
    ):
        self.order, self.vocabulary_size, self.end_id = len(keys), vocabulary_size, end_id
        self._keys, self._counts = list(keys), list(counts)
        # Of each level: the share of an n-gram in the counts after its context, and the weight that each node of the
        # level below, as a context, gives to the shorter context.
        self._shares, self._backoffs = [], []
        for level in range(self.order):
            prefixes = keys[level] // vocabulary_size if level else np.zeros(vocabulary_size, np.int64)
            contexts = len(keys[level - 1]) if level else 1
            taken = discounts(counts[level]) if fixed_discount is None else np.array([0, *[fixed_discount] * DISCOUNTS])
            taken = taken[np.minimum(counts[level], DISCOUNTS)]
            totals = np.bincount(prefixes, counts[level], minlength=contexts)
            left = np.bincount(prefixes, taken, minlength=contexts)
            self._backoffs.append(np.where(totals > 0, left / np.maximum(totals, 1), 1).astype(np.float32))
            self._shares.append(((counts[level] - taken) / totals[prefixes]).astype(np.float32))
        self._lowest = self._shares[0].astype(np.float64) + self._backoffs[0][0] / vocabulary_size

    @classmethod
    def fit(cls, levels: Sequence[Level], *, end_id: int, fixed_discount: float | None = None) -> NGrams:
        """Return the model of what `count` returned, as long as the last of the levels."""
        return cls(
            [level.keys for level in levels],
            adjusted_counts(levels),
            vocabulary_size=len(levels[0].keys),
            end_id=end_id,
            fixed_discount=fixed_discount,
        )

    def __len__(self) -> int:
        """Return how many n-grams it holds."""
        return sum(map(len, self._keys))

    def probabilities(self, documents: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the probability of every token of the texts, one text after the other.

        Returns:
            float64 array of shape (tokens,), and the length of the longest context that was seen in training,
            int64 (tokens,), 0 to `order` - 1.
        """
        stream, begins = _stream(documents, self.end_id)
        found, seen = self._lowest[stream], np.zeros(len(stream), np.int64)
        nodes = stream
        for level in range(1, self.order):
            contexts = np.where(begins, -1, np.roll(nodes, 1))
            known = np.flatnonzero(contexts >= 0)
            of_known = contexts[known]
            places = self._find(level, of_known * self.vocabulary_size + stream[known])
            found[known] *= self._backoffs[level][of_known]
            matched = places >= 0
            found[known[matched]] += self._shares[level][places[matched]]
            seen[known[self._backoffs[level][of_known] < 1]] = level
            nodes = np.full(len(stream), -1)
            nodes[known] = places
        inside = ~begins
        inside[np.cumsum([len(document) + 2 for document in documents], dtype=np.int64) - 1] = False
        return found[inside], seen[inside]

    def next_probabilities(self, context: Sequence[int]) -> tuple[np.ndarray, int]:
        """Return the probability of each token after a context, float64 of shape (V,), which sum to 1.

        Args:
            context: token ids; those before the last `end_id` do not matter.

        Returns:
            The probabilities, and the length of the longest context that was seen in training.
        """
        last = list(context)[-(self.order - 1) :] if self.order > 1 else []
        found, seen = self._lowest.copy(), 0
        for length in range(1, len(last) + 1):
            if self.end_id in last[len(last) - length + 1 :]:
                break
            node = self._node(last[len(last) - length :])
            if node < 0:
                break
            bounds = node * self.vocabulary_size, (node + 1) * self.vocabulary_size
            first, end = np.searchsorted(self._keys[length], bounds)
            if first == end:
                break
            found *= self._backoffs[length][node]
            found[self._keys[length][first:end] - bounds[0]] += self._shares[length][first:end]
            seen = length
        return found, seen

    def save(self, path: Path) -> None:
        """Write the counts; the probabilities follow from them."""
        arrays = {}
        for level in range(1, self.order):
            prefixes, tokens = np.divmod(self._keys[level], self.vocabulary_size)
            children = np.bincount(prefixes, minlength=len(self._keys[level - 1]))
            arrays |= {f"children_{level}": _small(children), f"tokens_{level}": _small(tokens)}
        arrays |= {f"counts_{level}": _small(counts) for level, counts in enumerate(self._counts)}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path, *, end_id: int) -> NGrams:
        """Read what `save` wrote.

        Raises:
            ValueError, KeyError: the file is damaged.
        """
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if any(array.dtype.kind not in "iu" or array.min(initial=0) < 0 for array in arrays.values()):
            raise ValueError(f"{path.name} holds other than counts")
        counts = [arrays[f"counts_{level}"].astype(np.int64) for level in range((len(arrays) + 2) // 3)]
        size = len(counts[0])
        keys = [np.arange(size)]
        for level in range(1, len(counts)):
            children, tokens = arrays[f"children_{level}"], arrays[f"tokens_{level}"].astype(np.int64)
            sizes = {int(children.sum()), len(tokens), len(counts[level])}
            if len(children) != len(keys[-1]) or len(sizes) > 1 or tokens.max(initial=0) >= size:
                raise ValueError(f"{path.name} does not fit together at n-grams of {level + 1} tokens")
            keys.append(np.repeat(np.arange(len(children)), children) * size + tokens)
            if (np.diff(keys[-1]) <= 0).any():
                raise ValueError(f"{path.name} is not in order at n-grams of {level + 1} tokens")
        return cls(keys, counts, vocabulary_size=size, end_id=end_id)

    def _node(self, ids: Sequence[int]) -> int:
        """Return the node of an n-gram, -1 where it was never seen."""
        node = ids[0]
        for level, token in enumerate(ids[1:], start=1):
            node = int(self._find(level, np.array([node * self.vocabulary_size + token]))[0])
            if node < 0:
                return node
        return node

    def _find(self, level: int, keys: np.ndarray) -> np.ndarray:
        """Return the nodes of keys, int64, -1 for those that are not there."""
        known = self._keys[level]
        if not len(known):
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where(known[places] == keys, places, -1)


def _stream(documents: Sequence[Sequence[int] | np.ndarray], end_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all texts one after the other, each between two `end_id`, and where each begins."""
    lengths = np.array([len(document) + 2 for document in documents], np.int64)
    stream = np.full(lengths.sum(), end_id, np.int64)
    begins = np.zeros(len(stream), bool)
    starts = np.cumsum(lengths) - lengths
    begins[starts] = True
    inside = ~begins
    inside[starts + lengths - 1] = False
    if len(stream) > 2 * len(lengths):
        stream[inside] = np.concatenate([np.asarray(document, np.int64) for document in documents])
    return stream, begins


def _small(array: np.ndarray) -> np.ndarray:
    """Return whole numbers of at least 0 in the smallest type that holds them."""
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))
