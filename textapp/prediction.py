"""Answers of a saved model, to texts and to files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import rich.progress
from rich.console import Console

from textapp.datasets.columns import cells_to_strings, choose_text_column
from textapp.datasets.csv_lines import csv_lines
from textapp.datasets.tables import Table
from textapp.errors import UserError
from textapp.models import Classifier, Decoder, load
from textapp.training.progress import Stopwatch

ANSWER_COLUMNS = ("predicted_label", "predicted_score")


def load_classifier(folder: Path) -> Classifier:
    """Load a model that must be a classifier."""
    model = load(folder)
    if not isinstance(model, Classifier):
        raise UserError(f"{folder} holds a generator; predict takes a classifier")
    return model


def load_generator(folder: Path) -> Decoder:
    """Load a model that must be a generator."""
    model = load(folder)
    if isinstance(model, Classifier):
        raise UserError(f"{folder} holds a classifier; generate takes a generator")
    return model


def answers(classifier: Classifier, texts: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """Return (text, label, probability of the label) for each text."""
    probabilities = classifier.predict_proba(texts)
    for text, row in zip(texts, probabilities, strict=True):
        index = int(row.argmax())
        yield text, classifier.label_names[index], float(row[index])


def predict_file(
    classifier: Classifier, data: Path, output: Path, *, text_column: str | None, console: Console | None = None
) -> int:
    """Write a CSV with all columns of a file and two more, the label and its probability.

    Args:
        classifier: answers.
        data: a file that `textapp.datasets` reads, of any size: it is read, answered and written piece by piece.
        output: written whole or not at all; half a surrogate pair, which UTF-8 cannot hold, becomes "?" there.
        text_column: None to guess it.
        console: where to show how far it is; None, or one that is no terminal, to be silent.

    Returns:
        The number of rows; an empty text gets an answer too.

    Raises:
        UserError: the file cannot be read or has one of the two columns already.
    """
    if output.exists() and not output.is_file():
        raise UserError(f"--output {output} is no file; choose the path of a CSV")
    table = Table(data)
    column = choose_text_column(table, text_column=text_column)
    if taken := [name for name in ANSWER_COLUMNS if name in table.columns]:
        raise UserError(f"{data} has a column {taken[0]!r} already; rename it")
    unfinished = output.with_name(output.name + ".part")
    rows, stopwatch = 0, Stopwatch()
    try:
        with unfinished.open("w", newline="", encoding="utf-8", errors="replace") as file, _bar(console) as bar:
            task = bar.add_task("reading", total=None)
            file.write(csv_lines([name] for name in (*table.columns, *ANSWER_COLUMNS)))
            for frame in table.pieces():
                texts = cells_to_strings(frame[column], data, first_row=rows + 1)
                probabilities = classifier.predict_proba(texts)
                labels = [classifier.label_names[index] for index in probabilities.argmax(axis=1).tolist()]
                cells = [frame[name].tolist() for name in table.columns]
                file.write(csv_lines([*cells, labels, list(probabilities.max(axis=1))]))
                rows += len(frame)
                bar.update(task, description=f"{rows:,} rows, {rows / stopwatch.seconds:,.0f} per second")
        os.replace(unfinished, output)
    finally:
        unfinished.unlink(missing_ok=True)
    return rows


def _bar(console: Console | None) -> rich.progress.Progress:
    shown = (rich.progress.SpinnerColumn(), rich.progress.TextColumn("{task.description}"))
    silent = console is None or not console.is_terminal
    return rich.progress.Progress(*shown, console=console, transient=True, disable=silent)
