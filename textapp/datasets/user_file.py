"""The user's own file, and with it their own validation and test files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from textapp.config import DataConfig
from textapp.datasets.cleaning import mend
from textapp.datasets.columns import cells_to_strings, check_columns, check_heading, choose_columns, choose_text_column
from textapp.datasets.source import Examples, Source
from textapp.datasets.tables import READERS, Table
from textapp.datasets.texts import Texts, TextsWriter
from textapp.errors import UserError


def user_file(config: DataConfig) -> Source:
    """Read `config.data`, and `config.validation` and `config.test` where they are given, piece by piece.

    The columns are chosen in the first file; the others must have them too.
    """
    files = {"train": config.data, "validation": config.validation, "test": config.test}
    paths = {role: Path(path).expanduser() for role, path in files.items() if path is not None}
    tables = {role: Table(path) for role, path in paths.items()}

    chosen = {"text_column": config.text_column, "label_column": config.label_column}
    text_column, label_column = choose_columns(tables["train"], **chosen)
    columns = {"text_column": text_column, "label_column": label_column}
    for table in tables.values():
        check_columns(table, **columns)
        if config.slice_column is not None and config.slice_column not in table.columns:
            raise UserError(f"{table.path} has no column {config.slice_column!r}; choose from {table.columns}")

    guesses = [f"{name.removesuffix('_column')} column {columns[name]!r}" for name in columns if chosen[name] is None]
    sha256 = dict.fromkeys(tables)  # of each file once it is read to its end
    groups = config.slice_column or "source"
    examples = {role: _examples(table, role, **columns, groups=groups, sha256=sha256) for role, table in tables.items()}
    if config.label_column is None:
        examples["train"] = _with_heading(tables["train"], label_column, examples["train"])
    return Source(
        name=folder_name(paths["train"]),
        **examples,
        facts={
            "source": {role: str(path) for role, path in paths.items()},
            "licence": "the user's own file",
            "sha256": sha256,
            **columns,
            "columns_guessed": bool(guesses),
        },
        notes=(f"Guessed {' and '.join(guesses)}.",) if guesses else (),
    )


def read_texts(path: Path, *, text_column: str | None = None) -> Texts:
    """Return all texts of a file that needs no labels, mended as those to learn from are.

    Args:
        path: the file.
        text_column: None to guess it.

    Raises:
        UserError: the file cannot be read, or has no such column.
    """
    table, writer, row = Table(path), TextsWriter(), 1
    column = choose_text_column(table, text_column=text_column)
    for frame in table.pieces():
        writer.extend(map(mend, cells_to_strings(frame[column], path, first_row=row)))
        row += len(frame)
    return writer.texts()


def _examples(
    table: Table, role: str, *, text_column: str, label_column: str, groups: str, sha256: dict[str, str | None]
) -> Iterator[Examples]:
    """Yield the rows, and write down the file's hash under its role; `groups` is a column that need not be there."""
    row = 1
    for frame in table.pieces():
        strings = {
            column: cells_to_strings(frame[column], table.path, first_row=row)
            for column in (text_column, label_column, groups)
            if column in table.columns
        }
        yield Examples(texts=strings[text_column], labels=strings[label_column], groups=strings.get(groups))
        row += len(frame)
    sha256[role] = table.sha256


def _with_heading(table: Table, label_column: str, pieces: Iterable[Examples]) -> Iterator[Examples]:
    """Yield the rows of a file whose label column was guessed."""
    for examples in pieces:
        check_heading(table, label_column, examples.labels)
        yield examples


def folder_name(path: Path) -> str:
    """Return the stem, safe as a folder name: "my_tweets" for "my tweets.csv.gz"."""
    stem = re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)
    if Path(stem).suffix.lower() in READERS:
        stem = Path(stem).stem
    return re.sub(r"[^\w.-]+", "_", stem).strip("._-") or "data"
