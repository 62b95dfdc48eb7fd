"""What students learned from a teacher."""

from __future__ import annotations

from textapp.reports import sentences
from textapp.reports.blocks import Grid, Paragraph
from textapp.reports.section_results import Looks, model_cell
from textapp.reports.tables import distillation_table


def distillation(report: dict, looks: Looks) -> list:
    """Return a row a student: how much of the gap to its teacher it closes, and how much faster it is."""
    if not report["distillation"]:
        return []
    table = distillation_table(report)
    cells = tuple((model_cell(name, looks), *numbers) for name, *numbers in table.rows)
    return [Paragraph(sentences.distillation(report["distillation"]), soft=True), Grid(table.headers, cells)]
