"""Where a benchmark's table goes."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def write_table(
    name: str,
    title: str,
    command: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    notes: Sequence[str] = (),
    folder: Path = RESULTS,
) -> None:
    """Print a Markdown table and write it to a folder's NAME.md, with machine, date and command, and notes below it."""
    from textapp import machine  # takes Keras, and its backend's log lines, so not before the work

    lines = table_lines(header, rows)
    versions = ", ".join(f"{package} {version}" for package, version in machine.versions().items())
    content = [
        f"# {title}",
        "",
        f"`{command}`, {datetime.datetime.now(datetime.UTC).date()}, {machine.device()}",
        f"({versions}).",
        "",
        *lines,
        *(line for note in notes for line in ("", note)),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text("\n".join(content) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")


def command_line(module: str) -> str:
    """Return how this program was called; of a path its last part, since where a file lies belongs to the machine."""
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    return " ".join(["python -m", module, *words])


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
