"""Answers of a saved model, to texts and to files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import rich.progress
from rich.console import Console

from textapp.datasets.columns import cells_to_strings, choose_text_column
from textapp.datasets.csv_lines import csv_lines
from textapp.datasets.tables import Table
from textapp.errors import UserError
from textapp.models import Classifier, Generator, load
from textapp.training.progress import Stopwatch

ANSWER_COLUMNS = ("predicted_label", "predicted_score")


def load_classifier(folder: Path) -> Classifier:
    """Load a model that must be a classifier."""
    model = load(folder)
    if not isinstance(model, Classifier):
        raise UserError(f"{folder} holds a generator; predict takes a classifier")
    return model


def load_generator(folder: Path) -> Generator:
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


def read_lines(path: Path | None) -> list[str]:
    """Return the lines of a text file without their ends, none of no file.

    Raises:
        UserError: there is no such file.
    """
    if path is None:
        return []
    if not path.is_file():
        raise UserError(f"there is no file {path}; give a text file with one entry a line")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return text.removesuffix("\n").split("\n") if text else []


def write_texts(
    generator: Generator,
    prompts: Sequence[str],
    *,
    label: str | None = None,
    judge: Classifier | None = None,
    best_of: int | None = None,
    samples: int = 1,
    **settings,
) -> list[str]:
    """Return `samples` texts for each prompt, of `best_of` those that the judge is most sure to be of the label.

    Args:
        generator: writes.
        prompts: N texts.
        label: as for `Generator.generate`; a generator that knows no labels just writes, and the judge alone decides.
        judge: a classifier with that label; goes with `best_of`.
        best_of: how many texts to write for each prompt.
        samples: how many of them to return, the best first.
        settings: as for `Generator.generate`.

    Raises:
        UserError: a setting is out of range, or the judge does not know the label.
    """
    if judge is None or best_of is None:
        return generator.generate(prompts, label=label, samples=samples, **settings)
    if label not in judge.label_names:
        raise UserError(f"the classifier knows no label {label!r}; choose from {list(judge.label_names)}")
    if samples > best_of:
        raise UserError(f"--samples is {samples}, but --best-of {best_of} writes fewer; raise --best-of")
    steered = label if getattr(generator, "label_names", ()) else None
    written = generator.generate(prompts, label=steered, samples=best_of, **settings)
    sure = judge.predict_proba(written)[:, judge.label_names.index(label)].reshape(len(prompts), best_of)
    kept = np.argsort(-sure, axis=1, kind="stable")[:, :samples]
    return [written[row * best_of + place] for row, places in enumerate(kept) for place in places]


@contextlib.contextmanager
def whole_csv(output: Path) -> Iterator[TextIO]:
    """Give a file to write to, which becomes `output` if all goes well and vanishes otherwise.

    Half a surrogate pair, which UTF-8 cannot hold, becomes "?" there.

    Raises:
        UserError: `output` is there and no file.
        OSError: it cannot be written; before the work, as far as that can be told then.
    """
    if output.exists() and not output.is_file():
        raise UserError(f"--output {output} is no file; choose the path of a CSV")
    unfinished = output.with_name(output.name + ".part")
    try:
        with unfinished.open("w", newline="", encoding="utf-8", errors="replace") as file:
            yield file
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)


def save_texts(file: TextIO, prompts: Sequence[str], texts: Sequence[str], *, samples: int) -> None:
    """Write columns prompt, sample and text, as CSV."""
    columns = {
        "prompt": [prompt for prompt in prompts for _ in range(samples)],
        "sample": [number + 1 for _ in prompts for number in range(samples)],
        "text": list(texts),
    }
    file.write(csv_lines([name] for name in columns) + csv_lines(columns.values()))


def predict_file(
    classifier: Classifier, data: Path, output: Path, *, text_column: str | None, console: Console | None = None
) -> int:
    """Write a CSV with all columns of a file and two more, the label and its probability.

    Args:
        classifier: answers.
        data: a file that `textapp.datasets` reads, of any size: it is read, answered and written piece by piece.
        output: written whole or not at all.
        text_column: None to guess it.
        console: where to show how far it is; None, or one that is no terminal, to be silent.

    Returns:
        The number of rows; an empty text gets an answer too.

    Raises:
        UserError: the file cannot be read or has one of the two columns already.
    """
    table = Table(data)
    column = choose_text_column(table, text_column=text_column)
    if taken := [name for name in ANSWER_COLUMNS if name in table.columns]:
        raise UserError(f"{data} has a column {taken[0]!r} already; rename it")
    rows, stopwatch = 0, Stopwatch()
    with whole_csv(output) as file, _bar(console) as bar:
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
    return rows


def _bar(console: Console | None) -> rich.progress.Progress:
    shown = (rich.progress.SpinnerColumn(), rich.progress.TextColumn("{task.description}"))
    silent = console is None or not console.is_terminal
    return rich.progress.Progress(*shown, console=console, transient=True, disable=silent)
