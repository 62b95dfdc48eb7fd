"""The user's own file, and with it their own validation and test files."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from textapp.config import DataConfig
from textapp.datasets.columns import cells_to_strings, check_columns, choose_columns
from textapp.datasets.source import Examples, Source
from textapp.datasets.tables import READERS, read_table
from textapp.errors import UserError


def user_file(config: DataConfig) -> Source:
    """Read `config.data`, and `config.validation` and `config.test` where they are given.

    The columns are chosen in the first file; the others must have them too.
    """
    files = {"train": config.data, "validation": config.validation, "test": config.test}
    paths = {role: Path(path).expanduser() for role, path in files.items() if path is not None}
    tables = {role: read_table(path) for role, path in paths.items()}

    text_column, label_column = choose_columns(
        tables["train"][0],
        paths["train"],
        text_column=config.text_column,
        label_column=config.label_column,
    )
    examples = {}
    for role, (frame, _) in tables.items():
        check_columns(frame, paths[role], text_column=text_column, label_column=label_column)
        examples[role] = Examples(
            texts=cells_to_strings(frame[text_column], paths[role]),
            labels=cells_to_strings(frame[label_column], paths[role]),
            groups=_groups(frame, paths[role], config.slice_column),
        )

    guesses = [
        f"{kind} column {column!r}"
        for kind, column, chosen in (
            ("text", text_column, config.text_column),
            ("label", label_column, config.label_column),
        )
        if chosen is None
    ]
    return Source(
        name=folder_name(paths["train"]),
        **examples,
        facts={
            "source": {role: str(path) for role, path in paths.items()},
            "licence": "the user's own file",
            "sha256": {role: sha256 for role, (_, sha256) in tables.items()},
            "text_column": text_column,
            "label_column": label_column,
            "columns_guessed": bool(guesses),
        },
        notes=(f"Guessed {' and '.join(guesses)}.",) if guesses else (),
    )


def _groups(frame: pd.DataFrame, path: Path, slice_column: str | None) -> list[str] | None:
    """Return the column to report accuracy by: the user's, or one that is called "source"."""
    if slice_column is None:
        return cells_to_strings(frame["source"], path) if "source" in frame.columns else None
    if slice_column not in frame.columns:
        raise UserError(f"{path} has no column {slice_column!r}; choose from {list(frame.columns)}")
    return cells_to_strings(frame[slice_column], path)


def folder_name(path: Path) -> str:
    """Return the stem, safe as a folder name: "my_tweets" for "my tweets.csv.gz"."""
    stem = re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)
    if Path(stem).suffix.lower() in READERS:
        stem = Path(stem).stem
    return re.sub(r"[^\w.-]+", "_", stem).strip("._-") or "data"
