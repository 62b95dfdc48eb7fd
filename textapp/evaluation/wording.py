"""What numbers are called in the sentences of a report."""

from __future__ import annotations

# A smaller p-value is called more than chance.
SIGNIFICANCE_LEVEL = 0.05
# How likely a test is to show the smallest difference that it is said to be able to show.
POWER = 0.8


def pair_verdict(pair: dict, *, n: int, corrected: bool) -> str:
    """Return what McNemar's test says of a pair; a word of ours stands first, as Markdown wants it."""
    a, b = (pair["a"], pair["b"]) if pair["difference"] >= 0 else (pair["b"], pair["a"])
    shown = pair["smallest_difference"]
    bound = (
        f" These {texts(n)} show one of {points(shown)} with {100 * POWER:.0f} % probability."
        if shown is not None
        else ""
    )
    if not pair["difference"]:
        return f"No difference shown: {a} and {b} are right equally often.{bound}"
    significant = pair["p_value_holm"] < SIGNIFICANCE_LEVEL
    head = f"The lead of {points(pair['difference'])} of {a} over {b} {chance(pair, corrected=corrected)}."
    return head if significant else head + bound


def chance(test: dict, *, corrected: bool) -> str:
    """Return the end of the sentence that starts with a lead, without its full stop."""
    corrected_p = f"{'Holm-corrected ' if corrected else ''}{p_value(test['p_value_holm'])}"
    how = f"(McNemar, {test['test']}, {corrected_p})"
    if test["p_value_holm"] < SIGNIFICANCE_LEVEL:
        return f"is more than chance {how}"
    return f"is not more than chance could give {how}: no difference shown"


def texts(n: int) -> str:
    """Return 1,250 test texts."""
    return f"{n:,} test text{'s' if n != 1 else ''}"


def points(difference: float) -> str:
    """Return how far two accuracies lie apart in percentage points, two digits where one decimal hides it."""
    percent = 100 * abs(difference)
    return f"{f'{percent:.1f}' if percent >= 0.1 else f'{percent:.2g}'} points"


def p_value(p: float) -> str:
    """Return p = 0.039, or p < 0.001 where three digits hide it."""
    return f"p = {p:.{2 if p >= 0.1 else 3}f}" if p >= 0.0005 else "p < 0.001"
