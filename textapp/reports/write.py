"""Writes a report into its folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from textapp.reports.markdown import to_markdown


def write_report(report: dict, folder: Path) -> None:
    """Writes `report.json` and `report.md`, UTF-8 with "\\n" line ends, each whole or not at all.

    Args:
        report: what `build_report` gave.
        folder: is made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    _write(folder / "report.json", content + "\n")
    _write(folder / "report.md", to_markdown(report))


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    # A generated text may hold half of a surrogate pair, which UTF-8 cannot; "\\udc80" is its escape in
    # JSON, too.
    unfinished.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    os.replace(unfinished, path)
