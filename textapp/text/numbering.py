"""Texts to the numbers of their tokens: each different piece of a text is cleaned once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from textapp.text.cleaning import PIECE_END, Cleaning

ENDS, LEFT_OUT = -1, -2  # in the place of a word's number
MOST_WORDS = 2_000_000  # that are kept in mind
MOST_CHARACTERS = 4_000_000  # of the pieces that are: some 400,000 pieces, which is less than 100 MB


class Numbered(NamedTuple):
    """The tokens of n texts.

    Attributes:
        known: how many words had a number before.
        words: those that are new; their numbers follow.
        ids: int32 array of the numbers of all tokens, one text after the other.
        lengths: int64 array of shape (n,), how many tokens each text has.
    """

    known: int
    words: list[str]
    ids: np.ndarray
    lengths: np.ndarray


class Numbering:
    """Gives each different token a number, in the order in which they come. Not for several threads.

    Args:
        cleaning: texts to tokens.
    """

    def __init__(self, cleaning: Cleaning):
        self._cleaning = cleaning
        self._forget_words()

    def __call__(self, texts: Iterable[str]) -> Numbered:
        """Return the tokens of some texts; no more than a few thousand at a time, since all are in memory."""
        if self._words.count > MOST_WORDS:
            self._forget_words()
        known = self._words.count
        if self._cleaning.by_pieces:
            ids, lengths = self._by_pieces(texts)
        else:
            ids, lengths = self._numbers_of(map(self._cleaning.tokens_of, texts))
        return Numbered(known, self._words.take_new(), ids, lengths)

    def _by_pieces(self, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        counts = []  # pieces of each text
        pieces = itertools.chain.from_iterable(self._cut(texts, counts))
        found = np.fromiter(map(self._pieces.__getitem__, pieces), np.int64)
        self._learn(self._pieces.take_new())
        lengths = self._lengths[found]
        ends = np.cumsum(lengths)
        positions = np.arange(lengths.sum()) + np.repeat(self._starts[found] - (ends - lengths), lengths)
        ends_of_texts = np.concatenate([[0], ends])[np.cumsum([0, *counts])]
        ids = self._ids[positions]
        if self._characters > MOST_CHARACTERS:
            self._forget_pieces()
        return ids, np.diff(ends_of_texts)

    def _cut(self, texts: Iterable[str], counts: list[int]) -> Iterator[list[str]]:
        for text in texts:
            pieces = self._cleaning.pieces(text)
            counts.append(len(pieces))
            yield pieces

    def _learn(self, pieces: list[str]) -> None:
        """Clean new pieces, all at once, which takes much less time than one by one."""
        tokens = self._cleaning.tokens_of_pieces(pieces)
        found = np.fromiter(map(self._words.__getitem__, tokens), np.int32, len(tokens))
        kept = found >= 0
        ids, lengths = found[kept], np.diff(np.cumsum(kept)[found == ENDS], prepend=0)
        self._starts = np.concatenate([self._starts, len(self._ids) + np.cumsum(lengths) - lengths])
        self._lengths = np.concatenate([self._lengths, lengths])
        self._ids = np.concatenate([self._ids, ids])
        self._characters += sum(map(len, pieces))

    def _numbers_of(self, token_lists: Iterable[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of all tokens and how many each list has."""
        token_lists = list(token_lists)
        lengths = np.fromiter(map(len, token_lists), np.int64, len(token_lists))
        tokens = itertools.chain.from_iterable(token_lists)
        return np.fromiter(map(self._words.__getitem__, tokens), np.int32, lengths.sum()), lengths

    def _forget_words(self) -> None:
        # Only the tokens of pieces come with their ends and with stop words.
        left_out = dict.fromkeys(self._cleaning.stopwords, LEFT_OUT) | {PIECE_END: ENDS}
        self._words = _Numbers(left_out if self._cleaning.by_pieces else {})
        self._forget_pieces()

    def _forget_pieces(self) -> None:
        self._pieces, self._characters = _Numbers({}), 0
        self._starts, self._lengths = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._ids = np.zeros(0, np.int32)


class _Numbers(dict):
    """Gives whatever it is asked for the next number, if it has none; those that are given do not count."""

    def __init__(self, given: dict[str, int]):
        super().__init__(given)
        self._given = len(given)
        self._new: list[str] = []

    def __missing__(self, key: str) -> int:
        self._new.append(key)
        number = self[key] = len(self) - self._given
        return number

    @property
    def count(self) -> int:
        return len(self) - self._given

    def take_new(self) -> list[str]:
        """Return what has got a number since this was asked the last time."""
        new, self._new = self._new, []
        return new
