"""One file of the user's, as a pandas table: CSV, TSV, JSON Lines or Parquet, plain or gzip."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import warnings
import zlib
from pathlib import Path

import pandas as pd
import pyarrow

from textapp.errors import UserError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_table(path: Path) -> tuple[pd.DataFrame, str]:
    """Read a table file, its format told by its name.

    Args:
        path: a file whose name ends in one of `READERS`, with or without ".gz".

    Returns:
        The table with strings as column names, and the SHA-256 of the file as it lies on the disk.

    Raises:
        UserError: the file is missing, unreadable, empty, damaged or of an unknown format.
    """
    plain_name = path.name.lower().removesuffix(".gz")
    content = _read_bytes(path)
    reader = READERS.get(Path(plain_name).suffix)
    if reader is None:
        known = ", ".join(READERS)
        raise UserError(f"unknown file format {path.name!r}; the name must end in one of {known} (or with .gz)")
    sha256 = hashlib.sha256(content).hexdigest()
    if path.name.lower().endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"cannot unpack {path}: {error}; is it a whole gzip file?") from error
    if not content.removeprefix(BYTE_ORDER_MARK).strip():
        raise UserError(f"{path} is empty")
    frame = reader(content, path)
    frame.columns = [str(column) for column in frame.columns]
    if any("\0" in column for column in frame.columns):
        raise UserError(f"{path} has NUL bytes in its heading and looks like UTF-16; save it as UTF-8")
    if frame.empty:
        raise UserError(f"{path} has no rows; its columns are {list(frame.columns)}")
    return frame, sha256


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path} is a folder; give one file ({', '.join(READERS)}, or these with .gz)")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _read_csv(content: bytes, path: Path) -> pd.DataFrame:
    _check_utf8(content, path)
    return _parse(content, path, sep=",")


def _read_tsv(content: bytes, path: Path) -> pd.DataFrame:
    """Read quoted fields where quotes pair up, else take quotes as plain characters."""
    _check_utf8(content, path)
    try:
        frame = _parse(content, path, sep="\t")
    except UserError:
        return _parse(content, path, sep="\t", quoting=csv.QUOTE_NONE)
    # Many TSV files do not quote: a text that begins with a quote then swallows the rows up to the next one.
    swallowed = frame.map(lambda cell: "\t" in cell and "\n" in cell).any(axis=None)
    return _parse(content, path, sep="\t", quoting=csv.QUOTE_NONE) if swallowed else frame


def _parse(content: bytes, path: Path, *, sep: str, quoting: int = csv.QUOTE_MINIMAL) -> pd.DataFrame:
    """Read every cell as a string, so that "NA" stays a text and the label "1" does not become "1.0"."""
    with warnings.catch_warnings():
        # pandas only warns when a row is longer than the heading, and drops what is too much.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                io.BytesIO(content),
                sep=sep,
                quoting=quoting,
                dtype=str,
                na_filter=False,
                index_col=False,
                encoding="utf-8-sig",
            )
        except pd.errors.ParserWarning as error:
            raise UserError(f"cannot read {path}: its rows have more fields than its heading") from error
        except ValueError as error:  # the base of pandas' ParserError and EmptyDataError
            raise UserError(f"cannot read {path}: {' '.join(str(error).split())}") from error


def _check_utf8(content: bytes, path: Path) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        # A line break between quotes belongs to a text and does not end a row; the heading is row 0.
        row = sum(part.count(b"\n") for part in before.split(b'"')[::2])
        raise UserError(f"{path} is not valid UTF-8 in row {row} (line {line}); save it as UTF-8") from error


def _read_json_lines(content: bytes, path: Path) -> pd.DataFrame:
    """Read one object a line with `json`: pandas names no row in its errors and changes odd texts."""
    records = []
    for row, line in enumerate(content.removeprefix(BYTE_ORDER_MARK).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not valid UTF-8 in row {row}; save it as UTF-8") from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"row {row} of {path} is not a JSON object on one line: {error}") from error
        if not isinstance(record, dict):
            raise UserError(
                f"row {row} of {path} is a JSON {type(record).__name__}; "
                'each line must be an object such as {"text": "…", "label": "…"}'
            )
        records.append(record)
    return pd.DataFrame(records, dtype=object)  # object: an integer beside a missing value stays an integer


def _read_parquet(content: bytes, path: Path) -> pd.DataFrame:
    try:
        # Integers beside a gap stay integers, and a column that pandas used as an index stays a column.
        return pd.read_parquet(io.BytesIO(content), dtype_backend="pyarrow", to_pandas_kwargs={"ignore_metadata": True})
    except (ValueError, OSError, pyarrow.ArrowException) as error:
        raise UserError(f"cannot read {path} as Parquet: {' '.join(str(error).split())}") from error


READERS = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json_lines,
    ".parquet": _read_parquet,
}
