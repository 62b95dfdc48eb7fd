"""Columns of a table as the lines of a CSV file.

The `csv` module, and pandas with it, does not quote a lone carriage return before Python 3.13, and pandas then reads
it as the end of a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from textapp.datasets.columns import is_missing


def csv_lines(columns: Iterable[Sequence]) -> str:
    """Return the lines of N rows.

    Args:
        columns: lists of N cells of any type: a missing one is written as nothing, bytes as the UTF-8 that they should
            be, lists and objects as JSON.
    """
    written = [_write(column) for column in columns]
    return "".join(f"{line}\n" for line in map(",".join, zip(*written, strict=True)))


def _write(cells: Sequence) -> list[str]:
    if set(map(type, cells)) - {str}:
        cells = [_text(cell) for cell in cells]
    return [_quote(cell) for cell in cells]


def _text(cell: object) -> str:
    if is_missing(cell):
        return ""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="replace")
    if isinstance(cell, dict | list):
        return json.dumps(cell, ensure_ascii=False, default=_text)
    return str(cell)


def _quote(cell: str) -> str:
    if '"' in cell or "," in cell or "\n" in cell or "\r" in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell
