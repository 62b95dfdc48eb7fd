"""What accuracy classifiers have after so many labelled texts, with pretraining and without."""

from __future__ import annotations

from textapp.reports import charts, sentences
from textapp.reports.blocks import Cell, Charts, Grid, Key, Paragraph
from textapp.reports.drawing import LARGE
from textapp.reports.section_results import Looks
from textapp.reports.tables import few_labels_name, few_labels_table


def against_labels(report: dict, looks: Looks) -> list:
    """Return a line a classifier, dashed where a pretrained one was trained without that, and their numbers."""
    rows = [row for row in report["few_labels"] or () if row["name"] in looks]
    if not rows:
        return []
    names = [few_labels_name(row) for row in rows]
    pretrained = {row["name"] for row in rows if row["pretrained"]}
    curves = {
        name: (looks[row["name"]], [(point["labels"], point["accuracy"]) for point in row["points"]])
        for name, row in zip(names, rows, strict=True)
    }
    spans = {
        name: [(point["labels"], *point["interval"]) for point in row["points"] if point["interval"]]
        for name, row in zip(names, rows, strict=True)
    }
    fewest = ", ".join(f"{name} {points[0][1]:.3f}" for name, (_, points) in curves.items())
    chart = charts.lines(
        curves,
        name="labels-accuracy",
        title="Accuracy against labelled texts",
        description=f"With the fewest: {fewest}.",
        x="labelled texts",
        y="accuracy on the test texts, with its interval",
        log=True,
        light={row["name"] for row in rows if not row["pretrained"] and row["name"] in pretrained},
        spans=spans,
        size=LARGE,
    )
    table = few_labels_table(report)
    cells = tuple(
        (Cell(name, series=looks.get(row["name"])), *numbers)
        for row, (name, *numbers) in zip(report["few_labels"], table.rows, strict=True)
    )
    said = " Thin and dashed: without pretraining." if pretrained else ""
    return [
        Paragraph(sentences.few_labels(rows) + said, soft=True),
        Charts(((chart, ""),)),
        Key(tuple(looks[name] for name in dict.fromkeys(row["name"] for row in rows))),
        Grid(table.headers, cells),
    ]
