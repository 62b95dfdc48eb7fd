"""Answers of a saved model, to texts and to files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from textapp.datasets.columns import cells_to_strings, choose_text_column
from textapp.datasets.tables import read_table
from textapp.errors import UserError
from textapp.models import Classifier, Decoder, load

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


def predict_file(classifier: Classifier, data: Path, output: Path, *, text_column: str | None) -> int:
    """Write a CSV with all columns of a file and two more, the label and its probability.

    Args:
        classifier: answers.
        data: a file that `textapp.datasets` reads.
        output: written whole or not at all.
        text_column: None to guess it.

    Returns:
        The number of rows; an empty text gets an answer too.

    Raises:
        UserError: the file cannot be read or has one of the two columns already.
    """
    if output.exists() and not output.is_file():
        raise UserError(f"--output {output} is no file; choose the path of a CSV")
    frame, _ = read_table(data)
    column = choose_text_column(frame, data, text_column=text_column)
    if taken := [name for name in ANSWER_COLUMNS if name in frame.columns]:
        raise UserError(f"{data} has a column {taken[0]!r} already; rename it")
    texts = cells_to_strings(frame[column], data)
    results = [(label, score) for _, label, score in answers(classifier, texts)]
    for name, values in zip(ANSWER_COLUMNS, zip(*results, strict=True), strict=True):
        frame[name] = values
    unfinished = output.with_name(output.name + ".part")
    try:
        frame.to_csv(unfinished, index=False)
        os.replace(unfinished, output)
    finally:
        unfinished.unlink(missing_ok=True)
    return len(frame)
