"""Texts without labels, to learn from: never one that the program is measured on."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from pathlib import Path

from textapp.datasets.cleaning import text_hash
from textapp.datasets.texts import Texts, TextsWriter
from textapp.datasets.user_file import read_texts
from textapp.errors import UserError


def read_unlabelled(
    path: Path, *, text_column: str | None = None, held_out: Iterable[Sequence[str]] = ()
) -> tuple[Texts, dict[str, int]]:
    """Return the texts of a file, without empty ones, those that stand twice and those that are held out.

    Args:
        path: CSV, TSV, JSON Lines or Parquet, plain or gzip.
        text_column: None to guess it.
        held_out: the texts of the validation and of the test split. A text that is equal to one of them but for
            white space and case is left out.

    Returns:
        The texts, and counts of rows: `rows_read`, `empty_text`, `duplicates`, `held_out` and `texts`, what is left.

    Raises:
        UserError: the file cannot be read, has no such column, or no text is left.
    """
    kept_out = {text_hash(text) for texts in held_out for text in texts}
    reasons = ("rows_read", "empty_text", "duplicates", "held_out", "texts")
    counts: collections.Counter[str] = collections.Counter(dict.fromkeys(reasons, 0))
    seen, writer = set(), TextsWriter()
    for text in read_texts(path, text_column=text_column):
        counts["rows_read"] += 1
        digest = text_hash(text)
        if not text.strip():
            counts["empty_text"] += 1
        elif digest in kept_out:
            counts["held_out"] += 1
        elif digest in seen:
            counts["duplicates"] += 1
        else:
            seen.add(digest)
            writer.extend([text])
            counts["texts"] += 1
    if not counts["texts"]:
        raise UserError(f"{path} has no text to learn from: {dict(counts)}; give a file with other texts")
    return writer.texts(), dict(counts)
