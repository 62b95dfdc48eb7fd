"""Accuracy against what it costs: which models no other beats in both, drawn."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from textapp.reports.drawing import INK, LARGE, PAPER, SOFT, colour, draw
from textapp.reports.series import Series

MOST_TICKS = 7
_LETTER, _LINE = 6.2, 13  # a name's size in a chart, in CSS pixels
# Where a name may stand, the best place first: (horizontal shift, vertical shift, alignment).
_PLACES = ((8, -15, "left"), (9, -6, "left"), (-9, -6, "right"), (-8, 4, "right"), (0, 9, "center"), (0, -22, "center"))


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A model as a point.

    Attributes:
        name: the model's.
        cost: the less the better, above 0.
        accuracy: the more the better.
    """

    name: str
    cost: float
    accuracy: float


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that no other beats, from the cheapest to the dearest.

    One beats another that is neither cheaper nor more accurate, and is worse in one of the two.
    """
    chosen: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda each: (each.cost, -each.accuracy)):
        is_twin = chosen and (candidate.cost, candidate.accuracy) == (chosen[-1].cost, chosen[-1].accuracy)
        if not chosen or candidate.accuracy > chosen[-1].accuracy or is_twin:
            chosen.append(candidate)
    return chosen


def pareto(
    candidates: Sequence[Candidate],
    looks: Mapping[str, Series],
    *,
    name: str,
    x: str,
    unit: Callable[[float], str],
    what: str,
) -> Markup:
    """Draw accuracy against cost, the front as a step line with its models filled.

    Args:
        candidates: at least one.
        looks: of each, by its name.
        name: of the drawing.
        x: what the cost is, for the axis.
        unit: writes a cost as text.
        what: the cost in a word or two, for the title.
    """
    best = front(candidates)

    def paint(axes: Axes) -> None:
        axes.set_xscale("log")
        for each in candidates:
            look = looks[each.name]
            face = colour(look) if each in best else PAPER
            axes.plot(each.cost, each.accuracy, color=colour(look), marker=look.marker, markersize=8,
                      markerfacecolor=face, markeredgewidth=1.6, linestyle="none", zorder=3)  # fmt: skip
        _set_limits(axes, candidates)
        steps = [*[(each.cost, each.accuracy) for each in best], (axes.get_xlim()[1], best[-1].accuracy)]
        axes.step(*zip(*steps, strict=True), where="post", color=SOFT, linewidth=1, zorder=2)
        axes.set(title="accuracy", xlabel=x)
        ticks = log_ticks(*axes.get_xlim())
        axes.set_xticks(ticks, [unit(value) for value in ticks])
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        _write_names(axes, [(looks[each.name].name, each) for each in candidates], steps)

    names = ", ".join(looks[each.name].name for each in best)
    description = f"On the front, where no other model is both cheaper and more accurate: {names}."
    return draw(paint, name=name, title=f"Accuracy against {what}", description=description, size=LARGE)


def _set_limits(axes: Axes, candidates: Sequence[Candidate]) -> None:
    costs, accuracies = ([getattr(each, key) for each in candidates] for key in ("cost", "accuracy"))
    # At least a factor of ten in all, so that near costs do not look far apart.
    factor = max(costs) / min(costs)
    spread = max(factor**0.15, (10 / factor) ** 0.5)
    axes.set_xlim(min(costs) / spread, max(costs) * spread)
    margin = max(0.01, 0.2 * (max(accuracies) - min(accuracies)))
    axes.set_ylim(min(accuracies) - margin, max(accuracies) + margin)


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, ... between two numbers, or the powers of ten alone where those are enough."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in decades for factor in (1, 2, 5) if low <= factor * 10.0**power <= high]
    return ticks if len(ticks) <= MOST_TICKS else [tick for tick in ticks if math.log10(tick).is_integer()]


def _write_names(axes: Axes, named: Sequence[tuple[str, Candidate]], steps: Sequence[tuple[float, float]]) -> None:
    """Write each name where it covers nothing; a name without such a place is left to the key."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # for the places of the points
    points = [axes.transData.transform((each.cost, each.accuracy)) for _, each in named]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    corners = axes.transData.transform(steps)
    for (x, y), (next_x, next_y) in itertools.pairwise(corners):
        taken += [(x, y - 1, next_x, y + 1), (next_x - 1, y, next_x + 1, next_y)]
    frame = axes.bbox.extents
    for (name, each), (x, y) in zip(named, points, strict=True):
        width = _LETTER * len(name)
        for right, up, side in _PLACES:
            left = x + right - {"left": 0, "center": width / 2, "right": width}[side]
            box = (left, y + up, left + width, y + up + _LINE)
            inside = box[0] >= frame[0] and box[2] <= frame[2] + 8 and box[1] >= frame[1] and box[3] <= frame[3]
            if inside and not any(_overlap(box, other) for other in taken):
                axes.annotate(name, (each.cost, each.accuracy), (right, up + 2), color=INK, ha=side,
                              textcoords="offset pixels", annotation_clip=False)  # fmt: skip
                taken.append(box)
                break


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
