"""One file of the user's, as pandas tables of some of its rows: CSV, TSV, JSON Lines or Parquet, plain or gzip."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet

from textapp.datasets.content import BLOCK, BYTE_ORDER_MARK, Content, not_utf8
from textapp.errors import UserError

# A piece of a table: at most so many rows, and about so many bytes. Powers of two, so that batches of texts come full.
ROWS = 2**13
FIRST_ROWS = 2**10
PIECE_BYTES = 2**24


class Table:
    """A table file, its format told by its name, read in pieces: memory does not grow with the file.

    Args:
        path: a file whose name ends in one of `READERS`, with or without ".gz".

    Attributes:
        columns: their names, strings.
        head: the first rows, a table.
        sha256: of the file as it lies on the disk; None until the last piece was read.

    Raises:
        UserError: the file is missing, unreadable, empty, damaged or of an unknown format; what is wrong further
            down is found when it is read.
    """

    def __init__(self, path: Path):
        if path.is_dir():
            raise UserError(f"{path} is a folder; give one file ({', '.join(READERS)}, or these with .gz)")
        content = Content(path)
        reader = READERS.get(Path(path.name.lower().removesuffix(".gz")).suffix)
        if reader is None:
            known = ", ".join(READERS)
            raise UserError(f"unknown file format {path.name!r}; the name must end in one of {known} (or with .gz)")
        self.path = path
        self.sha256: str | None = None
        self._content = content
        self._pieces = reader(content)
        self.head = next(self._pieces)
        self.columns = [str(column) for column in self.head.columns]
        if any("\0" in column for column in self.columns):
            raise UserError(f"{path} has NUL bytes in its heading and looks like UTF-16; save it as UTF-8")
        if len(set(self.columns)) < len(self.columns):
            raise UserError(f"{path} has two columns of the same name; its columns are {self.columns}")
        if self.head.empty:
            raise UserError(f"{path} has no rows; its columns are {self.columns}")
        self.head.columns = self.columns

    def pieces(self) -> Iterator[pd.DataFrame]:
        """Yield the rows, some at a time, all columns as strings; once."""
        yield self.head
        for frame in self._pieces:
            if len(frame):
                frame.columns = self.columns
                yield frame
        self.sha256 = self._content.sha256()
        self._content.close()


def _rows_that_fit(rows: int, size: int) -> int:
    """Return how many rows the next piece should have after so many rows, and bytes."""
    if rows == 0:
        return min(FIRST_ROWS, ROWS)
    fitting = max(1, PIECE_BYTES * rows // max(1, size))
    return min(ROWS, 2 ** (fitting.bit_length() - 1))


def _csv_pieces(content: Content) -> Iterator[pd.DataFrame]:
    return _separated(content, sep=",")


def _tsv_pieces(content: Content) -> Iterator[pd.DataFrame]:
    """Read quoted fields where quotes pair up, else take quotes as plain characters."""
    # Many TSV files do not quote: a text that begins with a quote then swallows the rows up to the next one.
    try:
        plain = any(map(_swallowed, _separated(content.again(), sep="\t")))
    except UserError:
        plain = True
    return _separated(content, sep="\t", quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL)


def _swallowed(frame: pd.DataFrame) -> bool:
    cells = [frame.iloc[:, column].str for column in range(frame.shape[1])]
    return any((cell.contains("\t", regex=False) & cell.contains("\n", regex=False)).any() for cell in cells)


def _separated(content: Content, *, sep: str, quoting: int = csv.QUOTE_MINIMAL) -> Iterator[pd.DataFrame]:
    """Read every cell as a string, so that "NA" stays a text and the label "1" does not become "1.0"."""
    options = {"sep": sep, "quoting": quoting, "dtype": str, "na_filter": False, "index_col": False}
    options["encoding"] = "utf-8-sig"
    reader, rows, size, path = None, 0, 0, content.path
    while True:
        with warnings.catch_warnings():
            # pandas only warns when a row is longer than the heading, and drops what is too much.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            try:
                if reader is None:
                    heading = pd.read_csv(content.again(), nrows=0, **options)
                    if heading.shape[1] == 1:  # where a line without anything is an empty text
                        options |= {"skip_blank_lines": False, "skiprows": _blank_lines(content.again())}
                    reader = pd.read_csv(content, iterator=True, **options)
                frame = reader.get_chunk(_rows_that_fit(rows, size))
            except StopIteration:
                return
            except UserError:
                raise
            except UnicodeDecodeError as error:
                raise UserError(not_utf8(content.again())) from error
            except pd.errors.ParserWarning as error:
                raise UserError(f"cannot read {path}: its rows have more fields than its heading") from error
            except ValueError as error:  # the base of pandas' ParserError and EmptyDataError
                raise UserError(f"cannot read {path}: {' '.join(str(error).split())}") from error
        rows += len(frame)
        size += int(frame.memory_usage(index=False).sum())
        yield frame


def _blank_lines(content: Content) -> int:
    """Return how many lines there are before the heading."""
    blank = itertools.takewhile(lambda line: not line.removeprefix(BYTE_ORDER_MARK).strip(), content)
    return sum(1 for _ in blank)


def _json_pieces(content: Content) -> Iterator[pd.DataFrame]:
    """Read one object a line with `json`: pandas names no row in its errors and changes odd texts."""
    columns: dict[str, None] = {}  # of all rows, in the order in which they come
    for record in _records(content.again()):
        columns.update(dict.fromkeys(record))
    records, rows, size = [], 0, 0
    wanted = _rows_that_fit(rows, size)
    for record in _records(content):
        records.append(record)
        if len(records) == wanted:
            yield _frame(records, columns)
            rows += len(records)
            records, wanted = [], _rows_that_fit(rows, content.size)
    if records or not rows:
        yield _frame(records, columns)


def _frame(records: list[dict], columns: dict[str, None]) -> pd.DataFrame:
    return pd.DataFrame(records, columns=list(columns), dtype=object)  # an integer beside a gap stays an integer


def _records(content: Content) -> Iterator[dict]:
    for row, line in enumerate(content, start=1):
        plain = line.removeprefix(BYTE_ORDER_MARK) if row == 1 else line
        if not plain.strip():
            continue
        try:
            record = json.loads(plain.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise UserError(f"{content.path} is not valid UTF-8 in row {row}; save it as UTF-8") from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"row {row} of {content.path} is not a JSON object on one line: {error}") from error
        if not isinstance(record, dict):
            raise UserError(
                f"row {row} of {content.path} is a JSON {type(record).__name__}; "
                'each line must be an object such as {"text": "…", "label": "…"}'
            )
        yield record


def _parquet_pieces(content: Content) -> Iterator[pd.DataFrame]:
    with contextlib.ExitStack() as stack:
        source = content.path  # Parquet is read from its end
        if content.peek(1) and source.name.lower().endswith(".gz"):
            source = stack.enter_context(tempfile.TemporaryFile(prefix="textapp-"))
            shutil.copyfileobj(content, source, BLOCK)
        try:
            # Without a buffer a whole group of rows would be read at once.
            file = stack.enter_context(pyarrow.parquet.ParquetFile(source, buffer_size=BLOCK))
            groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
            wanted = _rows_that_fit(file.metadata.num_rows, sum(group.total_byte_size for group in groups))
            batches = filter(len, file.iter_batches(wanted))
            yield _pandas(next(batches, file.schema_arrow.empty_table()))
            yield from map(_pandas, batches)
        except (ValueError, OSError, pyarrow.ArrowException) as error:
            raise UserError(f"cannot read {content.path} as Parquet: {' '.join(str(error).split())}") from error


def _pandas(batch: pyarrow.Table | pyarrow.RecordBatch) -> pd.DataFrame:
    # Integers beside a gap stay integers, and a column that pandas used as an index stays a column.
    return batch.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)


READERS = {
    ".csv": _csv_pieces,
    ".tsv": _tsv_pieces,
    ".jsonl": _json_pieces,
    ".ndjson": _json_pieces,
    ".json": _json_pieces,
    ".parquet": _parquet_pieces,
}
