"""Numbers as a reader wants them: as many digits as mean something, a dash where there is none."""

from __future__ import annotations

MISSING = "–"


def score(value: float | None) -> str:
    """Return a score or a loss with three decimals: 0.912."""
    return MISSING if value is None else f"{value:.3f}".replace("-", "−")


def interval(value: float | None, bounds: list[float] | None) -> str:
    """Return a score with its interval: 0.912 [0.901, 0.923]."""
    if value is None or bounds is None:
        return score(value)
    return f"{score(value)} [{score(bounds[0])}, {score(bounds[1])}]"


def percent(value: float | None) -> str:
    """Return a share in percent with one decimal: 12.3 %."""
    return MISSING if value is None else f"{100 * value:.1f} %"


def whole_percent(value: float) -> str:
    """Return a round share: 90 %."""
    return f"{100 * value:.0f} %"


def signed(value: float | None, decimals: int = 3) -> str:
    """Return a number with its sign, the minus as long as the plus: +0.031, −0.2."""
    return MISSING if value is None else f"{value:+.{decimals}f}".replace("-", "−")


def points(difference: float | None) -> str:
    """Return a difference of two shares in percentage points: +1.1, and with more digits where one hides it: +0.04."""
    if difference is None:
        return MISSING
    return signed(100 * difference, 2 if 0 < abs(difference) < 0.00095 else 1)


def points_interval(difference: float | None, bounds: list[float] | None) -> str:
    """Return a difference in points with its interval: +1.1 [+0.2, +2.0]."""
    if difference is None or bounds is None:
        return points(difference)
    return f"{points(difference)} [{points(bounds[0])}, {points(bounds[1])}]"


def p_value(value: float | None) -> str:
    """Return a p-value as it is quoted: 0.35, 0.023, <0.001."""
    if value is None:
        return MISSING
    if value < 0.0005:
        return "<0.001"
    return f"{value:.{2 if value >= 0.0995 else 3}f}"


def power(value: float | None) -> str:
    """Return a number of any size by its power of ten: 3.4e-7."""
    if value is None:
        return MISSING
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def count(value: int | None) -> str:
    """Return a count with its thousands apart: 12,345."""
    return MISSING if value is None else f"{value:,}"


def measure(value: float | None) -> str:
    """Return a time or a rate with two digits, or as a whole number from 10 on: 0.031, 3.2, 41, 3,600."""
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
    """Return a count in thousands, millions or billions: 812, 4.1 K, 1.3 M."""
    return MISSING if value is None else _scaled(value, ("", " K", " M", " G", " T"))


def size(value: float | None) -> str:
    """Return bytes in decimal units, as disks are sold: 812 B, 4.1 KB, 5.1 MB."""
    return MISSING if value is None else _scaled(value, (" B", " KB", " MB", " GB", " TB"))


def _scaled(value: float, units: tuple[str, ...]) -> str:
    """Return the value in the largest unit that leaves it at least 1, with a decimal below 10."""
    scaled, step = float(value), 0
    while scaled >= 999.5 and step < len(units) - 1:
        scaled, step = scaled / 1000, step + 1
    decimals = 1 if step and scaled < 9.95 else 0
    return f"{scaled:,.{decimals}f}{units[step]}"
