"""A report in the terminal."""

from __future__ import annotations

from rich import box
from rich import table as rich_table
from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from textapp.reports import sentences
from textapp.reports.tables import Table, classifier_table, confusion_tables, generator_table
from textapp.reports.visible import visible

# Below this width columns stand one blank apart and their headers wrap, so that nine of them fit into 80.
ROOMY = 110
# A matrix of more classes does not fit beside its names; it is in report.md.
MOST_CLASSES = 10


def print_report(report: dict, console: Console) -> None:
    """Print the tables and texts of a `build_report` dict; the verdict is the last line.

    Texts go to Rich as `Text`, which reads no markup, after `visible` took out what could move the cursor.
    """
    for name, value in sentences.facts(report):
        console.print(_text(f"{name}: {value}"))
    console.print()
    if report["classifiers"]:
        console.print(_drawn(classifier_table(report), roomy=console.width >= ROOMY))
        _print_notes(sentences.notes(report, "classifiers"), console)
        _print_matrices(report, console)
    if report["generators"]:
        console.print(_drawn(generator_table(report)))
        _print_notes(sentences.notes(report, "generators"), console)
        for generator in report["generators"]:
            _print_samples(generator, console)
        console.print()
    if report["verdict"]:
        for sentence in report["verdict"]["sentences"][1:]:
            console.print(_text(sentence))
        console.print(_text(report["verdict"]["sentence"], style="bold"))


def _text(text: str, *, style: str = "") -> Text:
    return Text(visible(text), style=style)


def _print_notes(lines: list[str], console: Console) -> None:
    for line in lines:
        console.print(_text(line, style="dim"))


def _print_matrices(report: dict, console: Console) -> None:
    """Print the matrices that fit, beside one another while there is room."""
    matrices = confusion_tables(report)
    console.print()
    if len(matrices[0].rows) > MOST_CLASSES:
        classes = len(matrices[0].rows)
        console.print(_text(f"Confusion matrices: {classes} classes are too many for a terminal; see report.md."))
        return
    console.print(_text("Confusion matrices: a row a true class, a column a predicted one"))
    console.print()
    drawn = [Padding(_drawn(_numbered(matrix)), (0, 0, 1, 0)) for matrix in matrices]
    console.print(Columns(drawn, padding=(0, 4)))


def _numbered(matrix: Table) -> Table:
    """Return the matrix with its classes numbered, since names above columns take too much room."""
    headers = (matrix.title, *(str(i) for i in range(1, len(matrix.rows) + 1)))
    rows = tuple((f"{i} {name}", *counts) for i, (name, *counts) in enumerate(matrix.rows, start=1))
    return Table(matrix.title, headers, rows)


def _print_samples(generator: dict, console: Console) -> None:
    console.print()
    console.print(_text(f"Continuations by {generator['name']}"))
    for sample in generator["samples"]:
        line = Text.assemble(
            ("> ", "dim"),
            _text(sample["prompt"], style="bold"),
            # What separates the two is the continuation's own blank, or its lack.
            _text(sentences.continuation(sample)),
            _text(f"  ({sentences.settings(sample)})", style="dim"),
        )
        console.print(line)


def _drawn(table: Table, *, roomy: bool = True) -> rich_table.Table:
    """Return a Rich table: numbers to the right and never broken, names folded where there is no room."""
    drawn = rich_table.Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1 if roomy else 0),
        collapse_padding=True,
        pad_edge=False,
    )
    drawn.add_column(_text(table.headers[0]), overflow="fold")
    for index, header in enumerate(table.headers[1:], start=1):
        cells = [row[index] for row in table.rows]
        widest = max(map(cell_len, [*cells, *([header] if roomy else header.split())]))
        drawn.add_column(_text(header), justify="right", width=widest)
    for row in table.rows:
        drawn.add_row(*map(_text, row))
    return drawn
