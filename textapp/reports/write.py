"""Writes a report into its folder."""

from __future__ import annotations

import json
from pathlib import Path

from textapp.reports.markdown import to_markdown
from textapp.reports.model_card import CARD_FILE, model_card
from textapp.reports.page import to_html


def write_report(report: dict, folder: Path, *, charts: bool = True) -> None:
    r"""Write `report.json`, `report.md` and `index.html`, UTF-8 with "\n" line ends, each whole or not at all.

    Args:
        report: what `build_report` gave.
        folder: is made if it is not there.
        charts: whether `index.html`, which has them, is written.
    """
    # All of them before the first is written, so that one that cannot be drawn leaves no others behind.
    contents = {
        "report.json": json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": to_markdown(report),
    }
    if charts:
        contents["index.html"] = to_html(report)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        _write(folder / name, content)


def write_model_cards(report: dict, folder_of_run: Path) -> list[Path]:
    """Write MODEL_CARD.md into the folder of each model that has one.

    Args:
        report: what `build_report` gave.
        folder_of_run: holds a folder for a model, by its name.

    Returns:
        The files, in the order of the report.
    """
    written = []
    folders = {path.name: path for path in folder_of_run.iterdir() if path.is_dir()}
    for row in [*report["classifiers"], *report["generators"]]:
        # By its name among those that are there: no name from a report leads out of the run.
        if row["name"] in folders:
            path = folders[row["name"]] / CARD_FILE
            _write(path, model_card(report, row))
            written.append(path)
    return written


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    # A generated text may hold half of a surrogate pair, which UTF-8 cannot; "\\udc80" is its escape in
    # JSON, too.
    unfinished.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    unfinished.replace(path)
