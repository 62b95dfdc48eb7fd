"""Charts take their colours from the page, say what they show and mark what nothing beats."""

import re

import pytest
from helpers.reports import classifier, small_report

from textapp.reports import drawing
from textapp.reports.page import TEMPLATES
from textapp.reports.pareto import Candidate, front
from textapp.reports.series import series_of


def test_front_keeps_what_nothing_beats():
    def names(*points):
        return [each.name for each in front([Candidate(name, cost, accuracy) for name, cost, accuracy in points])]

    assert names(("slow", 9, 0.9), ("quick", 1, 0.8), ("bad", 5, 0.7)) == ["quick", "slow"]
    assert names(("a", 1, 0.8), ("same cost, worse", 1, 0.7), ("dearer, as good", 2, 0.8)) == ["a"]
    assert names(("a", 1, 0.8), ("its twin", 1, 0.8)) == ["a", "its twin"]


def test_no_two_of_many_models_look_the_same():
    rows = [classifier(f"model {i}", "network") for i in range(40)]
    looks = series_of(small_report(classifiers=[*rows, classifier("majority", "dummy")]))
    assert len({(look.colour, look.marker) for look in looks.values()}) == len(looks) == 42
    assert looks["majority"].colour is None
    assert [look.symbol for look in looks.values()][:3] == ["○", "●", "■"]


def test_drawing_takes_colours_and_font_from_the_page():
    def paint(axes):
        axes.plot([0, 1], [0, 1], color=drawing.INK)
        axes.set_title("$a$ <b> -->")

    svg = drawing.draw(paint, name="n", title="<t>", description="\x1bd & e", size=(200, 100))
    assert svg.startswith('<svg width="200" height="100" viewBox="0 0 200 100" role="img"')
    assert "stroke: currentColor" in svg
    assert not re.search("#0000|font-family|xmlns|metadata|<style", svg)
    assert '<title id="n-title">&lt;t&gt;</title><desc id="n-description">�d &amp; e</desc>' in svg
    assert "$a$ &lt;b&gt; --&gt;" in svg


def luminance(colour):
    """Return WCAG's relative luminance of #rrggbb."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_can_be_read_in_light_and_in_dark():
    assert luminance("#ffffff") == pytest.approx(1)
    themes = re.findall(r":root \{(.*?)\n *\}", (TEMPLATES / "style.css").read_text(encoding="utf-8"), re.DOTALL)[:2]
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", theme))
        for name, least in (("ink", 7), ("soft", 4.5), ("accent", 4.5), ("s0", 3), ("s1", 3), ("s2", 3)):
            lighter, darker = sorted((luminance(colours[name]), luminance(colours["paper"])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= least, (name, theme)
