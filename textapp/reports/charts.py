"""The charts of the page but for the Pareto charts: numbers in, an `<svg>` out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator, PercentFormatter

from textapp.reports import figures
from textapp.reports.drawing import LARGE, PAPER, SMALL, SOFT, colour, draw
from textapp.reports.pareto import log_ticks
from textapp.reports.series import Series

Points = Sequence[tuple[float, float]]
SQUARE = (300, 310)


def reliability(calibration: dict, series: Series, *, lowest: float, name: str) -> Markup:
    """Draw how often a model is right against how sure it is, before and after temperature scaling.

    Args:
        calibration: `before` and `after`, each with `ece` and `bins`.
        series: the model's look.
        lowest: where both axes begin, the same for all models of a page.
        name: of the drawing.
    """

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=(0, (2, 2)))
        for when, line, face in (("before", (0, (4, 2)), PAPER), ("after", "-", colour(series))):
            bins = [item for item in calibration[when]["bins"] if item["count"]]
            x, y = ([item[key] for item in bins] for key in ("confidence", "accuracy"))
            areas = [_area(item["count"], bins) for item in bins]
            axes.plot(x, y, color=colour(series), linewidth=1.2, linestyle=line)
            axes.scatter(x, y, areas, marker=series.marker, facecolor=face, edgecolor=colour(series), zorder=3)
        margin = 0.04 * (1 - lowest)
        axes.set(title="share right", xlabel="probability of the answer")
        axes.set(xlim=(lowest - margin, 1 + margin), ylim=(lowest - margin, 1 + margin), aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MultipleLocator(0.2))
        axes.grid(True, axis="both")

    eces = [figures.score(calibration[when]["ece"]) for when in ("before", "after")]
    description = f"Expected calibration error {eces[0]} before temperature scaling (hollow, dashed), {eces[1]} after."
    return draw(paint, name=name, title=f"Reliability of {series.name}", description=description, size=SQUARE)


def lowest_of(calibrations: Iterable[dict]) -> float:
    """Return where the axes of reliability diagrams begin: the fifth below the lowest point, at most 0.4."""
    bins = [item for each in calibrations for when in ("before", "after") for item in each[when]["bins"]]
    values = [item[key] for item in bins if item["count"] for key in ("confidence", "accuracy")]
    return min(0.4, math.floor(5 * min(values, default=0)) / 5)


def _area(count: int, bins: Sequence[dict]) -> float:
    """Return the size of a point in square pixels by its share of the texts."""
    return 14 + 90 * count / sum(item["count"] for item in bins)


def lines(
    curves: Mapping[str, tuple[Series, Points]], *, name: str, title: str, description: str, x: str, y: str, **options
) -> Markup:
    """Draw a line for each model.

    Args:
        curves: {a key: the look and the points of a line}.
        name, title, description: of the drawing.
        x, y: what the axes show.
        options: `percent`, "x", "y" or "xy", the axes whose numbers are shares; `smooth`, whether the points are too
            many to mark each; `light`, keys of lines that are drawn thin and dashed; `ticks` of x; `log`, whether x,
            above 0, is drawn by its logarithm; `bounds`, places of x that get an upright line; `spans`, {key:
            (place, low, high) of each upright stroke, such as an interval}; `size`.
    """
    percent, light, bounds = options.get("percent", ""), options.get("light", ()), options.get("bounds", ())

    def paint(axes: Axes) -> None:
        for key, (series, points) in curves.items():
            thin = {"linewidth": 1.1, "linestyle": (0, (2, 2)), "markerfacecolor": PAPER} if key in light else {}
            every = max(1, len(points) // 6) if options.get("smooth") else None
            axes.plot(*_columns(points), color=colour(series), marker=series.marker, markevery=every, **thin)
        axes.set(title=y, xlabel=x)
        for key, spans in options.get("spans", {}).items():
            for place, low, high in spans:
                axes.plot([place, place], [low, high], color=colour(curves[key][0]), linewidth=1, alpha=0.5)
        for bound in bounds:
            axes.axvline(bound, color=SOFT, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        if options.get("ticks"):
            axes.set_xticks(options["ticks"])
        elif options.get("log"):
            _set_log(axes, [*bounds, *(place for _, points in curves.values() for place, _ in points)])
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.margins(y=0.08)
        for axis in percent:
            {"x": axes.xaxis, "y": axes.yaxis}[axis].set_major_formatter(PercentFormatter(1, symbol=" %"))

    return draw(paint, name=name, title=title, description=description, size=options.get("size", SMALL))


def coverage(curves: Mapping[str, tuple[Series, Points]], *, name: str) -> Markup:
    """Draw accuracy against the share of texts that are answered when the least sure are left to a person.

    Args:
        curves: {model: its look and (coverage, accuracy) points}.
        name: of the drawing.
    """
    lowest = min((accuracy for _, points in curves.values() for _, accuracy in points), default=0)
    return lines(
        curves,
        name=name,
        title="Accuracy against coverage",
        description=f"One line a model, from answering few texts (left) to all (right); lowest {lowest:.3f}.",
        x="share of texts answered",
        y="accuracy on those",
        percent="xy",
        smooth=True,
        size=LARGE,
    )


def has_open_end(edges: Sequence[float]) -> bool:
    """Tell whether the last bin is wider than the first: what takes all that is left."""
    return len(edges) > 2 and edges[-1] - edges[-2] > edges[1] - edges[0]


def histogram(
    edges: Sequence[float], counts: Sequence[int], *, name: str, title: str, description: str, x: str
) -> Markup:
    """Draw counts between edges; a last bin with an open end is hollow and as wide as the others.

    Args:
        edges: one more than counts.
        counts: how many lie between an edge and the next.
        name, title, description: of the drawing.
        x: what the edges are.
    """
    width = edges[1] - edges[0]
    is_open = has_open_end(edges)

    def paint(axes: Axes) -> None:
        bars = axes.bar(edges[:-1], counts, 0.92 * width, align="edge", color=SOFT, alpha=0.6, linewidth=0)
        if is_open:
            bars[-1].set(facecolor=PAPER, edgecolor=SOFT, linewidth=1, linestyle=(0, (2, 2)))
        axes.set(title="texts", xlabel=x)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: figures.measure(value)))

    return draw(paint, name=name, title=title, description=description, size=LARGE)


def _set_log(axes: Axes, values: Sequence[float]) -> None:
    """Draw x by its logarithm, with a little room at both ends and more where all values are alike."""
    spread = max((max(values) / min(values)) ** 0.04, (3 * min(values) / max(values)) ** 0.5)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / spread, max(values) * spread)
    ticks = log_ticks(*axes.get_xlim())
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    axes.set_xticks([], minor=True)


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
