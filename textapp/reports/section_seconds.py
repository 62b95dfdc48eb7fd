"""What accuracy models have after seconds of training."""

from __future__ import annotations

from textapp.reports import charts, sentences
from textapp.reports.blocks import Charts, Grid, Key, Paragraph
from textapp.reports.drawing import LARGE
from textapp.reports.section_results import Looks, model_cell
from textapp.reports.tables import budgets, seconds_table, validation_curve


def against_seconds(report: dict, looks: Looks) -> list:
    """Return a line a network and a point a linear model, then the best so far after some times."""
    rows = report["classifiers"]
    found = {row["name"]: (looks[row["name"]], curve) for row in rows if (curve := validation_curve(row))}
    if not found:
        return []
    limits, table = budgets(report), seconds_table(report)
    best = ", ".join(f"{look.name} {max(accuracy for _, accuracy in curve):.3f}" for look, curve in found.values())
    chart = charts.lines(
        found,
        name="seconds-accuracy",
        title="Validation accuracy against seconds of training",
        description=f"At their best: {best}.",
        x="seconds of training" + ("; upright, the budget" if limits else ""),
        y="validation accuracy",
        log=True,
        bounds=limits,
        size=LARGE,
    )
    said = sentences.budget(limits)
    cells = tuple((model_cell(name, looks), *numbers) for name, *numbers in table.rows)
    return [
        *([Paragraph(said)] if said else []),
        Paragraph(sentences.AGAINST_SECONDS, soft=True),
        Charts(((chart, ""),)),
        Key(tuple(look for look, _ in found.values())),
        Grid(table.headers, cells),
    ]
