"""A report as Markdown (GitHub's, for the tables)."""

from __future__ import annotations

import html
import re

from textapp.reports import sentences
from textapp.reports.tables import Table, classifier_table, confusion_tables, generator_table
from textapp.reports.visible import visible

# What Markdown acts on inside a line; addresses and @names would become links on GitHub. An underscore
# inside a word and a bracket that closes no link do nothing and stay as they are, for those who read the
# source.
_ACTIVE = re.compile(r"[\\`*|~#$@]|(?<![^\W_])_|_(?![^\W_])|\](?=[\[(:])|:(?=//)|(?<=www)\.", re.IGNORECASE)


def escape(text: str) -> str:
    """Returns Markdown for the inside of a line that shows the text as it is.

    No markup, HTML, link or table cell comes of it. It must not open a line of the page: a number with a dot
    would be a list there.
    """
    return _ACTIVE.sub(r"\\\g<0>", html.escape(visible(text).strip(), quote=False))


def to_markdown(report: dict) -> str:
    """Returns the whole report, a `build_report` dict, as Markdown; the verdict is its last line."""
    parts = [f"# Report: {escape(str(report['dataset']['name']))}", _section("Data and run", _facts(report))]
    if report["classifiers"]:
        table = classifier_table(report)
        lines = [_table(table), sentences.HOW_MEASURED, _bullets(sentences.notes(report["classifiers"]))]
        parts.append(_section(table.title, *lines))
        matrices = [f"### {escape(matrix.title)}\n\n{_table(matrix)}" for matrix in confusion_tables(report)]
        parts.append(_section("Confusion matrices", "Rows are true classes.", *matrices))
    if report["generators"]:
        table = generator_table(report)
        lines = [_table(table), sentences.BITS_PER_BYTE, _bullets(sentences.notes(report["generators"]))]
        parts.append(_section(table.title, *lines, *map(_samples, report["generators"])))
    if report["verdict"]:
        # Starts with a word of ours, see `evaluation.significance`.
        parts.append(_section("Verdict", escape(report["verdict"]["sentence"])))
    return "\n\n".join(parts) + "\n"


def _section(title: str, *blocks: str) -> str:
    """Returns a heading and those blocks that are not empty, a blank line between."""
    return "\n\n".join([f"## {title}", *filter(None, blocks)])


def _facts(report: dict) -> str:
    return "\n".join(f"- {name}: {escape(value)}" for name, value in sentences.facts(report))


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)


def _samples(generator: dict) -> str:
    """Returns a generator's texts as a table; numbers are not among them, so all columns are left-aligned."""
    rows = [
        (sample["prompt"], sentences.continuation(sample), sentences.settings(sample))
        for sample in generator["samples"]
    ]
    if not rows:
        return ""
    head = f"### Continuations by {escape(generator['name'])}"
    lines = [_line(("Prompt", "Continuation", "Drawn with")), "| --- | --- | --- |", *map(_line, rows)]
    return head + "\n\n" + "\n".join(lines)


def _table(table: Table) -> str:
    rule = "| --- |" + " ---: |" * (len(table.headers) - 1)
    return "\n".join([_line(table.headers), rule, *map(_line, table.rows)])


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"
