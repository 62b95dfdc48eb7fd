"""A report as Markdown (GitHub's, for the tables)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from textapp.reports import sentences
from textapp.reports.tables import (
    Table,
    budgets,
    classifier_table,
    confusion_tables,
    control_table,
    distillation_table,
    few_labels_table,
    generation_table,
    generator_pair_table,
    generator_table,
    pair_table,
    seconds_table,
    worst_slice_table,
    writing_speed_table,
)
from textapp.reports.visible import visible

# What Markdown acts on inside a line; addresses and @names would become links on GitHub. An underscore
# inside a word and a bracket that closes no link do nothing and stay as they are, for those who read the
# source.
_ACTIVE = re.compile(r"[\\`*|~#$@]|(?<![^\W_])_|_(?![^\W_])|\](?=[\[(:])|:(?=//)|(?<=www)\.", re.IGNORECASE)

WHOLE_REPORT = "[The whole report](index.html) has charts, errors and much more."


def escape(text: str) -> str:
    """Return Markdown for the inside of a line that shows the text as it is.

    No markup, HTML, link or table cell comes of it. It must not open a line of the page: a number with a dot
    would be a list there.
    """
    return _ACTIVE.sub(r"\\\g<0>", html.escape(visible(text).strip(), quote=False))


def to_markdown(report: dict) -> str:
    """Return the short form of a report, a `build_report` dict, as Markdown; index.html has the rest."""
    parts = [f"# Report: {escape(str(report['dataset']['name']))}", WHOLE_REPORT]
    if report["verdict"]:
        parts.append(section("Verdict", bullets(report["verdict"]["sentences"])))
    parts.append(section("Data and run", bullets(f"{name}: {value}" for name, value in sentences.facts(report))))
    parts += _classifiers(report) if report["classifiers"] else []
    if report["generators"]:
        found = generator_table(report)
        said = (sentences.BITS_PER_BYTE, escape(sentences.trained_in(report["generators"])))
        lines = [table(found), *said, bullets(sentences.notes(report, "generators"))]
        if (pairs := generator_pair_table(report)).rows:
            lines += [f"### {pairs.title}", escape(sentences.GENERATORS_COMPARED), table(pairs)]
        parts.append(section(found.title, *lines, *map(_samples, report["generators"])))
    parts += _generation(report) if report["generation"] else []
    return "\n\n".join(parts) + "\n"


def _generation(report: dict) -> list[str]:
    """Return the section about what generators write."""
    found, measured = report["generation"], generation_table(report)
    lines = [escape(sentences.generation(found)), table(measured), escape(sentences.GENERATION)]
    if found["control"]:
        lines += [escape(sentences.control(found)), table(control_table(report))]
    return [section(measured.title, *lines, table(writing_speed_table(report)))]


def _classifiers(report: dict) -> list[str]:
    """Return the sections about classifiers."""
    found = classifier_table(report, with_calibration=True)
    said = (sentences.HOW_MEASURED, escape(sentences.trained_in(report["classifiers"])))
    lines = [table(found), *said, bullets(sentences.notes(report, "classifiers"))]
    parts = [section(found.title, *lines)]
    if report["comparisons"]:
        pairs = pair_table(report)
        said = (sentences.smallest_difference(report["comparisons"]), sentences.how_compared(report["comparisons"]))
        parts.append(section(pairs.title, table(pairs), bullets(filter(None, said))))
    worst = worst_slice_table(report)
    if worst.rows:
        parts.append(section(worst.title, table(worst)))
    timed = seconds_table(report)
    if timed.rows:
        said = (sentences.budget(budgets(report)), sentences.AGAINST_SECONDS)
        parts.append(section(timed.title, *map(escape, filter(None, said)), table(timed)))
    if report["distillation"]:
        taught = distillation_table(report)
        parts.append(section(taught.title, escape(sentences.distillation(report["distillation"])), table(taught)))
    if report["few_labels"]:
        fewer = few_labels_table(report)
        parts.append(section(fewer.title, escape(sentences.few_labels(report["few_labels"])), table(fewer)))
    matrices = [f"### {escape(matrix.title)}\n\n{table(matrix)}" for matrix in confusion_tables(report)]
    return [*parts, section("Confusion matrices", "Rows are true classes.", *matrices)]


def section(title: str, *blocks: str) -> str:
    """Return a heading and those blocks that are not empty, a blank line between."""
    return "\n\n".join([f"## {title}", *filter(None, blocks)])


def bullets(lines: Iterable[str]) -> str:
    """Return a list of lines, each escaped."""
    return "\n".join(f"- {escape(line)}" for line in lines)


def table(content: Table) -> str:
    """Return a table with its numbers to the right, each cell escaped."""
    rule = "| --- |" + " ---: |" * (len(content.headers) - 1)
    return "\n".join([_line(content.headers), rule, *map(_line, content.rows)])


def _samples(generator: dict) -> str:
    """Return a generator's texts as a table; numbers are not among them, so all columns are left-aligned."""
    rows = [
        (sample["prompt"], sentences.continuation(sample), sentences.settings(sample))
        for sample in generator["samples"]
    ]
    if not rows:
        return ""
    head = f"### Continuations by {escape(generator['name'])}"
    lines = [_line(("Prompt", "Continuation", "Drawn with")), "| --- | --- | --- |", *map(_line, rows)]
    return head + "\n\n" + "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"
