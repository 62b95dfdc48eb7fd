"""Which columns of a table hold the texts and the labels, and their cells as strings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from textapp.datasets.tables import Table
from textapp.errors import UserError

# The first of these that a table has is taken.
TEXT_COLUMNS = (
    *("text", "review", "review_text", "sentence", "tweet", "content", "body", "comment", "message"),
    *("document", "utterance", "question", "headline", "description", "title"),
)
LABEL_COLUMNS = (
    *("label", "labels", "sentiment", "airline_sentiment", "class", "category", "target", "polarity"),
    *("emotion", "topic", "intent", "y"),
)
LONG_TEXT = 20  # characters on average: longer than the usual label, identifier or date without time


def choose_columns(table: Table, *, text_column: str | None = None, label_column: str | None = None) -> tuple[str, str]:
    """Return the text and the label column, guessing those that are None by their names and the first rows.

    Args:
        table: the file.
        text_column, label_column: what the user chose.

    Raises:
        UserError: a column that is not there, the same column twice, or no obvious guess.
    """
    check_columns(table, text_column=text_column, label_column=label_column)
    frame = table.head
    label = label_column
    text = text_column or _guess_text(frame, taken=label)
    label = label or _guess_by_name(frame, LABEL_COLUMNS, taken=text)
    if frame.shape[1] == 2:
        text = text or (label and _other_column(frame, label))
        label = label or (text and _other_column(frame, text))
    if text is None or label is None:
        option = "--text-column" if text is None else "--label-column"
        raise UserError(
            f"cannot tell which column of {table.path} is meant for {option}; "
            f"give that option with one of {table.columns}"
        )
    return text, label


def choose_text_column(table: Table, *, text_column: str | None = None) -> str:
    """Return the text column of a table that needs no labels, guessing it if it is None.

    Raises:
        UserError: the column is not there, or there is no obvious guess.
    """
    check_columns(table, text_column=text_column, label_column=None)
    only = table.columns[0] if len(table.columns) == 1 else None
    text = text_column or _guess_text(table.head, taken=None) or only
    if text is None:
        raise UserError(
            f"cannot tell which column of {table.path} holds the texts; give --text-column with one of {table.columns}"
        )
    return text


def check_columns(table: Table, *, text_column: str | None, label_column: str | None) -> None:
    """Raise a UserError unless the columns that are not None are there and differ."""
    for column, option in ((text_column, "--text-column"), (label_column, "--label-column")):
        if column is not None and column not in table.columns:
            raise UserError(f"{option} {column!r} is not a column of {table.path}; its columns are {table.columns}")
    if text_column is not None and text_column == label_column:
        raise UserError(f"--text-column and --label-column are both {text_column!r}; they must differ")


def _guess_text(frame: pd.DataFrame, *, taken: str | None) -> str | None:
    named = _guess_by_name(frame, TEXT_COLUMNS, taken=taken)
    if named is not None:
        return named
    head = frame.head(1000)
    long = [
        column
        for column in frame.columns
        if column != taken
        and pd.api.types.infer_dtype(head[column].tolist(), skipna=True) == "string"
        and head[column].fillna("").map(len).mean() >= LONG_TEXT
    ]
    return long[0] if len(long) == 1 else None


def _guess_by_name(frame: pd.DataFrame, names: tuple[str, ...], *, taken: str | None) -> str | None:
    columns = {column.strip().casefold(): column for column in frame.columns if column != taken}
    return next((columns[name] for name in names if name in columns), None)


def _other_column(frame: pd.DataFrame, column: str) -> str:
    return next(other for other in frame.columns if other != column)


def check_heading(table: Table, label_column: str, labels: Iterable[str]) -> None:
    """Raise a UserError where a guessed label column is called like one of its labels: then there is no heading."""
    if label_column not in LABEL_COLUMNS and label_column in set(labels):
        raise UserError(f"{table.path} seems to have no heading; its first row reads {table.columns}")


def cells_to_strings(cells: pd.Series, path: Path, *, first_row: int = 1) -> list[str]:
    """Return the N cells of a column as strings, "" where one is missing.

    Args:
        cells: the column, or a piece of it.
        path: the file it came from, and
        first_row: its first row there, counted from 1, for the messages.

    Raises:
        UserError: a cell is a list or an object, or bytes that are not UTF-8.
    """
    values = cells.tolist()
    if set(map(type, values)) == {str}:
        return values
    return [_to_string(cell, path, row, cells.name) for row, cell in enumerate(values, start=first_row)]


def is_missing(cell: object) -> bool:
    """Whether a cell of a table stands for nothing."""
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and math.isnan(cell))


def _to_string(cell: object, path: Path, row: int, column: str) -> str:
    if isinstance(cell, str):
        return cell
    if is_missing(cell):
        return ""
    if isinstance(cell, bytes):
        try:
            return cell.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not valid UTF-8 in row {row} of {column!r}") from error
    if not pd.api.types.is_scalar(cell):
        raise UserError(
            f"row {row} of column {column!r} in {path} holds a {type(cell).__name__}; "
            "texts and labels must be strings, numbers or booleans"
        )
    # A table with a gap reads integers as floats: 1.0 is the label 1.
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)
