"""The tokens of many texts as numbers, in memory or on disk."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from textapp.text.numbering import Numbered

WORDS_FILE = "words.json"
IDS_FILE = "ids.npy"
OFFSETS_FILE = "offsets.npy"
BLOCK = 4_000_000  # ids that are looked at at a time


class Tokens(Sequence[list[str]]):
    """The tokens of N texts: `tokens[i]` is the list of those of a text.

    Args:
        words: W different tokens.
        ids: int32 array, the position in `words` of each token, one text after the other.
        offsets: int64 array of shape (N + 1,): text i has the ids from offsets[i] to offsets[i + 1].
    """

    def __init__(self, words: Sequence[str], ids: np.ndarray, offsets: np.ndarray):
        # NumPy's own memory-mapped arrays are slow to cut.
        self.words, self.ids, self.offsets = words, np.asarray(ids), np.asarray(offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> list[str]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[str]]: ...
    def __getitem__(self, index: int | slice) -> list[str] | list[list[str]]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        words = self.words
        numbers: list[int] = self.ids[self.offsets[position] : self.offsets[position + 1]].tolist()
        return [words[number] for number in numbers]

    def counts(self) -> np.ndarray:
        """Return how often each word stands in the texts, int64 of shape (W,)."""
        counts = np.zeros(len(self.words), np.int64)
        for ids in blocks(self.ids):
            counts += np.bincount(ids, minlength=len(counts))
        return counts

    @classmethod
    def load(cls, folder: Path) -> Tokens:
        """Read what `write_tokens` wrote; ids and offsets stay on the disk until they are asked for.

        Raises:
            OSError, EOFError, ValueError, RecursionError: something is missing or damaged.
        """
        words = json.loads((folder / WORDS_FILE).read_text(encoding="utf-8"))
        ids, offsets = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in (IDS_FILE, OFFSETS_FILE))
        if not isinstance(words, list) or set(map(type, words)) - {str}:
            raise ValueError(f"{folder / WORDS_FILE} is no list of words")
        if not (isinstance(ids, np.ndarray) and isinstance(offsets, np.ndarray)):
            raise ValueError(f"{folder} holds archives instead of arrays")
        if (ids.dtype, ids.ndim, offsets.dtype, offsets.ndim) != (np.int32, 1, np.int64, 1) or len(offsets) == 0:
            raise ValueError(f"{folder} holds other arrays than tokens have")
        if offsets[0] != 0 or offsets[-1] != len(ids) or (np.diff(offsets) < 0).any():
            raise ValueError(f"{folder / OFFSETS_FILE} does not fit the ids")
        if any(part.min() < 0 or part.max() >= len(words) for part in blocks(ids)):
            raise ValueError(f"{folder / IDS_FILE} has ids that are no words")
        return cls(words, ids, offsets)


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield an array's parts; what is read of a memory-mapped file does not stay in memory."""
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    for start in range(0, len(array), BLOCK):
        yield array[start : start + BLOCK]
        if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            base.madvise(mmap.MADV_DONTNEED)


class _Merged:
    """The words of parts that were numbered apart, in one list.

    Each of the `sources` counts for itself; the parts of one source come in its order. Then words are in the order in
    which they first stand in the texts, however many sources there are.
    """

    def __init__(self, sources: int):
        self._numbers: dict[str, int] = {}
        self._tables = [np.zeros(0, np.int32) for _ in range(sources)]

    def add(self, source: int, part: Numbered) -> np.ndarray:
        """Return the ids of a part, as positions in `words`."""
        numbers = self._numbers
        new = np.fromiter((numbers.setdefault(word, len(numbers)) for word in part.words), np.int32, len(part.words))
        if len(new) or part.known < len(self._tables[source]):
            self._tables[source] = np.concatenate([self._tables[source][: part.known], new])
        return self._tables[source][part.ids]

    @property
    def words(self) -> list[str]:
        return list(self._numbers)


def merge(parts: Iterable[tuple[int, Numbered]], *, sources: int = 1) -> Tokens:
    """Return the tokens of parts in memory; each comes with the number of its source."""
    merged = _Merged(sources)
    ids, lengths = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
    for source, part in parts:
        ids.append(merged.add(source, part))
        lengths.append(part.lengths)
    return Tokens(merged.words, np.concatenate(ids), np.cumsum(np.concatenate(lengths)))


def write_tokens(folder: Path, parts: Iterable[tuple[int, Numbered]], *, sources: int = 1) -> None:
    """Write the tokens of parts into a folder; what is held in memory is the words and a number for each text.

    Raises:
        OSError: the folder cannot be written.
    """
    merged, lengths, count = _Merged(sources), [np.zeros(1, np.int64)], 0
    with (folder / IDS_FILE).open("wb") as file:
        _write_header(file, 0)
        start = file.tell()
        for source, part in parts:
            ids = merged.add(source, part)
            file.write(ids.tobytes())
            count += len(ids)
            lengths.append(part.lengths)
        file.seek(0)
        _write_header(file, count)
        if file.tell() != start:
            raise AssertionError("NumPy left no room for the number of ids")
    np.save(folder / OFFSETS_FILE, np.cumsum(np.concatenate(lengths)), allow_pickle=False)
    (folder / WORDS_FILE).write_text(json.dumps(merged.words, ensure_ascii=False), encoding="utf-8")


def _write_header(file, count: int) -> None:
    # NumPy leaves room for a number of 20 digits.
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.int32)), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, header)
