"""Texts on the disk, so that a dataset may be larger than memory."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

BLOCK = 1_000  # texts whose places in the file are looked up at once


class _File:
    """A temporary file without a name: gone from the disk when nobody refers to it."""

    def __init__(self):
        self.file = tempfile.TemporaryFile(prefix="textapp-")  # noqa: SIM115

    def __del__(self):
        with contextlib.suppress(OSError):  # of a full disk, which was told when it was written to
            self.file.close()


class Texts(Sequence[str]):  # noqa: PLW1641 - as little as a list has
    """N strings in a temporary file, each read when it is asked for; `TextsWriter` makes them.

    A slice and `take` are views of the same file and copy no text. Texts are equal to any sequence of the same
    strings, and pickle as a list of them.

    Args:
        file: the UTF-8 bytes of all texts.
        starts: int64 array of shape (N,), where each text begins in the file.
        sizes: int64 array of shape (N,), in bytes.
    """

    def __init__(self, file: _File, starts: np.ndarray, sizes: np.ndarray):
        self._file = file
        self._starts = starts
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Texts: ...
    def __getitem__(self, index: int | slice) -> str | Texts:
        if isinstance(index, slice):
            return Texts(self._file, self._starts[index], self._sizes[index])
        return self._read(int(self._starts[index]), int(self._sizes[index]))

    def __iter__(self) -> Iterator[str]:
        for begin in range(0, len(self), BLOCK):
            block = slice(begin, begin + BLOCK)
            yield from map(self._read, self._starts[block].tolist(), self._sizes[block].tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"<{len(self):,} texts on the disk>"

    def __reduce__(self) -> tuple:
        return list, (list(self),)

    def take(self, positions: np.ndarray) -> Texts:
        """Return the texts at `positions`, an int array, in that order."""
        return Texts(self._file, self._starts[positions], self._sizes[positions])

    def _read(self, start: int, size: int) -> str:
        # Not a memory map: what was read through one counts as this process's memory until the system wants it back.
        return os.pread(self._file.file.fileno(), size, start).decode("utf-8", "surrogatepass")


class TextsWriter:
    """Writes texts to a temporary file."""

    def __init__(self):
        self._file = _File()
        self._sizes = [np.empty(0, np.int64)]

    def extend(self, texts: Iterable[str]) -> None:
        """Add texts to those that are there."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        self._file.file.write(b"".join(encoded))
        self._sizes.append(np.array([len(content) for content in encoded], dtype=np.int64))

    def texts(self) -> Texts:
        """Return all that was added."""
        self._file.file.flush()
        sizes = np.concatenate(self._sizes)
        return Texts(self._file, np.cumsum(sizes) - sizes, sizes)
