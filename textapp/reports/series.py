"""How a model looks wherever it is drawn: one colour, one shape and one dash for each, in charts and in tables."""

from __future__ import annotations

import dataclasses
import itertools

from textapp.reports.visible import cut, visible

COLOURS = 7  # Okabe and Ito's eight less yellow, which cannot be seen on white
# Colour is never alone: Matplotlib's marker and the character that stands for it in a text.
MARKERS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("P", "✚"), ("X", "✖"), ("*", "★"))
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
LONGEST_NAME = 24  # in a chart; a table has all of it


@dataclasses.dataclass(frozen=True)
class Series:
    """A model's look.

    Attributes:
        name: the model's, fit to be shown and short enough for a chart.
        colour: an index below `COLOURS`; None for models that are only there to be beaten.
        marker: Matplotlib's.
        symbol: the marker as a character.
        dash: Matplotlib's line style.
    """

    name: str
    colour: int | None
    marker: str
    symbol: str
    dash: object


def series_of(report: dict) -> dict[str, Series]:
    """Return the look of every model that a report names, by its name."""
    dummies = {row["name"] for row in report["classifiers"] if row["kind"] == "dummy"}
    names = [row["name"] for row in [*report["classifiers"], *report["generators"]]]
    if report["explanations"]:
        explained = [report["explanations"]["deletion"], *(text["models"] for text in report["explanations"]["texts"])]
        names += [name for models in explained for name in models]
    numbers = itertools.count()
    return {name: _look(name, None if name in dummies else next(numbers)) for name in dict.fromkeys(names)}


def _look(name: str, number: int | None) -> Series:
    name = cut(visible(name), LONGEST_NAME)
    if number is None:
        return Series(name, None, "o", "○", ":")
    marker, symbol = MARKERS[number % len(MARKERS)]
    return Series(name, number % COLOURS, marker, symbol, DASHES[number // COLOURS % len(DASHES)])
