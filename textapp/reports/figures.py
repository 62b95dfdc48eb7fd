"""Numbers as a reader wants them: as many digits as mean something, a dash where there is none."""

from __future__ import annotations

MISSING = "–"


def score(value: float | None) -> str:
    """Returns a score or a loss with three decimals: 0.912."""
    return MISSING if value is None else f"{value:.3f}"


def interval(value: float | None, bounds: list[float] | None) -> str:
    """Returns a score with its interval: 0.912 [0.901, 0.923]."""
    if value is None or bounds is None:
        return score(value)
    return f"{score(value)} [{score(bounds[0])}, {score(bounds[1])}]"


def measure(value: float | None) -> str:
    """Returns a time or a rate with two digits, or as a whole number from 10 on: 0.031, 3.2, 41, 3,600."""
    if value is None:
        return MISSING
    if 0 < value < 0.0005:
        return "<0.001"
    # The bounds lie where rounding would lead to one digit more than meant.
    for bound, decimals in ((0.0995, 3), (0.995, 2), (9.95, 1)):
        if 0 < value < bound:
            return f"{value:.{decimals}f}"
    return f"{value:,.0f}" if value < 99_999.5 else quantity(value)


def quantity(value: float | None) -> str:
    """Returns a count in thousands, millions or billions: 812, 4.1 K, 1.3 M."""
    return MISSING if value is None else _scaled(value, ("", " K", " M", " G", " T"))


def size(value: float | None) -> str:
    """Returns bytes in decimal units, as disks are sold: 812 B, 4.1 KB, 5.1 MB."""
    return MISSING if value is None else _scaled(value, (" B", " KB", " MB", " GB", " TB"))


def _scaled(value: float, units: tuple[str, ...]) -> str:
    """Returns the value in the largest unit that leaves it at least 1, with a decimal below 10."""
    scaled, step = float(value), 0
    while scaled >= 999.5 and step < len(units) - 1:
        scaled, step = scaled / 1000, step + 1
    decimals = 1 if step and scaled < 9.95 else 0
    return f"{scaled:,.{decimals}f}{units[step]}"
