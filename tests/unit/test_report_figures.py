"""Numbers and texts as a reader sees them."""

import pytest

from textapp.reports import figures
from textapp.reports.visible import cut, visible


def test_visible_hides_what_is_no_character():
    assert visible("a\ufffeb\U0001ffffc\ufdd0d\ufdef") == "a�b�c�d�"
    assert visible("\ufdcf\ufdf0\ufffd\ufffc") == "\ufdcf\ufdf0\ufffd\ufffc"


def test_cut_says_that_something_is_missing():
    assert [cut("four", 4), cut("four and more", 6), cut("abcdef", 4)] == ["four", "four…", "abc…"]


def test_visible_keeps_letters_and_shows_line_ends():
    assert visible("a\r\nb\nc\u2028d\te\x1bf\udc80g\u202eh 👩‍🚀 ü") == "a⏎b⏎c⏎d e�f�g�h 👩‍🚀 ü"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "–"), (0, "0"), (1e-5, "<0.001"), (0.0314, "0.031"), (0.996, "1.0"), (3.24, "3.2"), (9.96, "10"),
     (41.2, "41"), (3600, "3,600"), (1.2e6, "1.2 M")],
)  # fmt: skip
def test_measures(value, expected):
    assert figures.measure(value) == expected


def test_quantities_and_sizes():
    assert [figures.quantity(n) for n in (0, 999, 1300, 999_600, 4_385_920)] == [
        "0",
        "999",
        "1.3 K",
        "1.0 M",
        "4.4 M",
    ]
    assert [figures.size(n) for n in (None, 410, 5_120_000, 1.02e9)] == ["–", "410 B", "5.1 MB", "1.0 GB"]
    assert figures.interval(0.5, None) == "0.500"


def test_shares_and_differences():
    assert [figures.percent(0.123), figures.whole_percent(0.9), figures.percent(None)] == ["12.3 %", "90 %", "–"]
    points = [0.011, -0.002, 0.0004, -0.00096, 0.0, None]
    assert [figures.points(value) for value in points] == ["+1.1", "−0.2", "+0.04", "−0.1", "+0.0", "–"]
    assert figures.points_interval(0.011, [-0.002, 0.02]) == "+1.1 [−0.2, +2.0]"
    assert figures.points_interval(0.011, None) == "+1.1"
    assert [figures.signed(-0.25, 1), figures.signed(None), figures.score(-0.5)] == ["−0.2", "–", "−0.500"]


def test_p_values_and_powers():
    values = [0.5, 0.0996, 0.0994, 0.0231, 0.0005, 0.0004, 0, None]
    assert [figures.p_value(p) for p in values] == ["0.50", "0.10", "0.099", "0.023", "0.001", "<0.001", "<0.001", "–"]
    assert [figures.power(value) for value in (3.44e-7, 0, 12, None)] == ["3.4e-7", "0.0e0", "1.2e1", "–"]
