"""What generators write: measured by sampler, shown side by side."""

from __future__ import annotations

from textapp.reports import sentences
from textapp.reports.blocks import Cell, Details, Grid, Heading, Paragraph
from textapp.reports.section_errors import shown
from textapp.reports.section_results import Looks
from textapp.reports.tables import Table, control_table, generation_table, writing_speed_table


def generation(report: dict, looks: Looks) -> list:
    """Return the measures of each sampler, control by labels, speed, and the texts themselves."""
    found = report["generation"]
    if not found:
        return []
    blocks = [
        Paragraph(sentences.generation(found)),
        _grid(generation_table(report)),
        Paragraph(sentences.GENERATION, soft=True),
    ]
    if found["control"]:
        control = control_table(report)
        blocks += [Heading(control.title), Paragraph(sentences.control(found), soft=True), _grid(control)]
    speed = writing_speed_table(report)
    blocks += [Heading(speed.title), _grid(speed)]
    for generator in dict.fromkeys(sample["generator"] for sample in found["samples"]):
        samples = [sample for sample in found["samples"] if sample["generator"] == generator]
        blocks.append(Details(f"Texts by {generator}, sampler beside sampler", (_side_by_side(samples),)))
    return blocks


def _grid(table: Table) -> Grid:
    return Grid(table.headers, table.rows).without_empty_columns()


def _side_by_side(samples: list[dict]) -> Grid:
    samplers = list(dict.fromkeys(name for sample in samples for name in sample["texts"]))
    rows = []
    for sample in samples:
        texts = (Cell(shown(sample["texts"].get(name, "")), quote=True) for name in samplers)
        rows.append((Cell(sample["prompt"], quote=True), *texts))
    left = frozenset(range(1, len(samplers) + 1))
    return Grid(("Prompt", *samplers), tuple(rows), left=left, wide=True)
