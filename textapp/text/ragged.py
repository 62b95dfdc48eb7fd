"""Rows of ids of different lengths, in one array that may lie on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np


class Ragged(Sequence[np.ndarray]):
    """N rows of ids: `rows[i]` is an int32 array of shape (T,) with T >= 1.

    Args:
        ids: int32 array, all rows one after the other.
        offsets: int64 array of shape (N + 1,): row i goes from offsets[i] to offsets[i + 1].
        table: int32 array; what stands in `ids` is a position in it. None for the ids themselves.
        empty: the one id of a row that has none.
    """

    def __init__(self, ids: np.ndarray, offsets: np.ndarray, *, table: np.ndarray | None = None, empty: int):
        self._ids, self._table, self._empty = ids, table, empty
        lengths = np.diff(offsets)
        self.starts = np.where(lengths > 0, offsets[:-1], -1)
        self.lengths = np.maximum(lengths, 1)

    @classmethod
    def of(cls, rows: Sequence[np.ndarray], *, empty: int) -> Ragged:
        """Return rows that lie in arrays of their own, put together."""
        offsets = np.cumsum([0, *map(len, rows)])
        return cls(np.concatenate([np.zeros(0, np.int32), *rows]), offsets, empty=empty)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        return self.take(self.starts[row] + np.arange(self.lengths[row]))

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Return the ids at some positions, int32 of the same shape; a row begins at its `starts`."""
        found = np.full(positions.shape, self._empty, np.int32)
        inside = positions >= 0
        ids = self._ids[positions[inside]]
        found[inside] = ids if self._table is None else self._table[ids]
        return found
