"""A file's bytes: unpacked, hashed on the way, and where they are no UTF-8."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zlib
from pathlib import Path

from textapp.errors import UserError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLOCK = 2**20  # bytes that are read at once


class Content(io.BufferedReader):
    """The bytes of a file, unpacked where its name ends in ".gz".

    Raises:
        UserError: the file is missing, cannot be read or unpacked, or holds nothing but white space.
    """

    def __init__(self, path: Path):
        self.path = path
        self._unpacked = _Unpacked(path)
        super().__init__(self._unpacked, BLOCK)

    @property
    def size(self) -> int:
        """How many bytes were read so far, about."""
        return self._unpacked.size

    def again(self) -> Content:
        """Return the same file from its beginning."""
        return Content(self.path)

    def sha256(self) -> str:
        """Return the SHA-256 of the file as it lies on the disk; reads what is left of it."""
        return self._unpacked.sha256()


class _Unpacked(io.RawIOBase):
    """What `Content` buffers."""

    def __init__(self, path: Path):
        self.size = 0
        self._path = path
        self._blank = True
        self._packed = path.name.lower().endswith(".gz")
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe, that may wait for ever
            raise UserError(f"{path} is no regular file; it is read more than once, so save what it gives as one")
        try:
            self._file = _Hashed(path)
        except FileNotFoundError:
            raise UserError(f"there is no file {path}") from None
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        self._source = gzip.GzipFile(fileobj=self._file) if self._packed else self._file

    def readable(self) -> bool:
        return True

    # A `BufferedReader` passes this buffer and no other; every kind of them has no type in Python 3.11.
    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        data = self._read(len(buffer))
        if self._blank:
            self._blank = not (data if self.size else data.removeprefix(BYTE_ORDER_MARK)).strip()
            if self._blank and not data:
                raise UserError(f"{self._path} is empty")
        self.size += len(data)
        buffer[: len(data)] = data
        return len(data)

    def sha256(self) -> str:
        while self._file.read(BLOCK):
            pass
        return self._file.digest.hexdigest()

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except (OSError, EOFError, zlib.error) as error:
            if isinstance(error, OSError) and not self._packed:
                raise UserError(f"cannot read {self._path}: {error.strerror}") from error
            raise UserError(f"cannot unpack {self._path}: {error}; is it a whole gzip file?") from error


class _Hashed(io.FileIO):
    """A file, and the hash of what was read of it."""

    def __init__(self, path: Path):
        self.digest = hashlib.sha256()
        super().__init__(path)

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.digest.update(data)
        return data


def not_utf8(content: Content) -> str:
    """Return the sentence that says where the first byte is that is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rows, lines, quoted = 0, 1, False

    def count(block: bytes) -> None:
        nonlocal rows, lines, quoted
        lines += block.count(b"\n")
        # A line break between quotes belongs to a text and does not end a row; the heading is row 0.
        for position, part in enumerate(block.split(b'"')):
            quoted ^= position > 0
            rows += 0 if quoted else part.count(b"\n")

    try:
        for block in iter(lambda: content.read(BLOCK), b""):
            decoder.decode(block)
            count(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        count(error.object[: error.start])
    return f"{content.path} is not valid UTF-8 in row {rows} (line {lines}); save it as UTF-8"
