"""What classifiers get wrong, text by text."""

from __future__ import annotations

from textapp.reports import figures
from textapp.reports.blocks import Cell, Details, Grid, Heading, Matrices, Paragraph, Texts
from textapp.reports.section_results import Looks
from textapp.reports.visible import cut

LONGEST_TEXT = 1000  # characters
LONGEST_LABEL = 40
MOST_CLASSES = 20  # of a matrix; beyond that only what is confused most often
MOST_CONFUSIONS = 20


def errors(report: dict, looks: Looks) -> list:
    """Return confusion matrices and the texts that were read wrongly."""
    rows = report["classifiers"]
    return [
        *_matrices(rows),
        *_confident(rows),
        *_disagreements(report["disagreements"]),
        *_labels(report["label_errors"]),
    ]


def _matrices(rows: list[dict]) -> list:
    if not rows:
        return []
    heading = Heading("Confusion matrices")
    if len(rows[0]["metrics"]["per_class"]) > MOST_CLASSES:
        grids = tuple(_confusions(row) for row in rows)
        note = f"What is taken for what, the {MOST_CONFUSIONS} most frequent; report.md has the whole matrices."
        return [heading, Details(note, (Matrices(grids),))]
    note = "A row is a true class, a column a predicted one; the darker, the larger the share of the row."
    return [heading, Paragraph(note, soft=True), Matrices(tuple(_matrix(row) for row in rows))]


def _matrix(row: dict) -> Grid:
    names = [cut(name, LONGEST_LABEL) for name in row["metrics"]["per_class"]]
    rows = []
    for name, counts in zip(names, row["metrics"]["confusion_matrix"], strict=True):
        total = max(sum(counts), 1)
        rows.append((name, *(Cell(figures.count(count), shade=0.6 * count / total) for count in counts)))
    return Grid(("true \\ predicted", *names), tuple(rows), caption=row["name"])


def _confusions(row: dict) -> Grid:
    names = list(row["metrics"]["per_class"])
    found = [
        (count, true, predicted)
        for true, counts in zip(names, row["metrics"]["confusion_matrix"], strict=True)
        for predicted, count in zip(names, counts, strict=True)
        if true != predicted and count
    ]
    found.sort(key=lambda item: -item[0])
    rows = tuple((true, predicted, figures.count(count)) for count, true, predicted in found[:MOST_CONFUSIONS])
    return Grid(("True class", "Predicted class", "Texts"), rows, caption=row["name"], left=frozenset({1}))


def _confident(rows: list[dict]) -> list:
    # A dummy is equally sure of all of its answers.
    shown_rows = [row for row in rows if row["kind"] != "dummy"] or rows
    wrong = [
        Details(f"{row['name']}: {len(row['errors'])} of its errors", (Texts(tuple(map(_error, row["errors"]))),))
        for row in shown_rows
        if row["errors"]
    ]
    return [Heading("Most confident errors"), *wrong] if wrong else []


def _error(item: dict) -> tuple[str, str]:
    probability = figures.percent(item["probability"])
    return f"Row {item['row']}: is {item['label']}, read as {item['predicted']} with {probability}", shown(item["text"])


def shown(text: str) -> str:
    """Return as much of a text as a page shows."""
    return cut(text, LONGEST_TEXT)


def _disagreements(pairs: list[dict]) -> list:
    blocks = []
    for pair in pairs:
        sides = (("only_a_wrong", pair["a"], pair["b"]), ("only_b_wrong", pair["b"], pair["a"]))
        for (side, wrong, right), total in zip(sides, pair["counts"], strict=True):
            if items := pair[side]:
                summary = f"{wrong} wrong, {right} right: {figures.count(total)} texts, {len(items)} shown"
                blocks.append(Details(summary, (Texts(tuple(map(_answers, items))),)))
    return [Heading("Where only one of two is wrong"), *blocks] if blocks else []


def _answers(item: dict) -> tuple[str, str]:
    said = ", ".join(f"{name} says {answer}" for name, answer in item["answers"].items())
    return f"Row {item['row']}: is {item['label']}; {said}", shown(item["text"])


def _labels(items: list[dict]) -> list:
    if not items:
        return []
    texts = tuple(
        (
            f"Row {item['row']}: labelled {item['label']}, the models say {item['suggested']}; mean probability of the "
            f"label {figures.percent(item['probability'])}",
            shown(item["text"]),
        )
        for item in items
    )
    note = (
        "Test texts whose given label all models together find least likely. Some of the labels may be wrong, and then "
        "no model can be right: look before training harder."
    )
    return [Heading("Labels to look at"), Paragraph(note, soft=True), Details(f"Texts: {len(items)}", (Texts(texts),))]
