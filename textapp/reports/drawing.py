"""Matplotlib figures as SVG for the inside of a page.

No pyplot and no window. The page's style sheet decides colours and the font, so one drawing serves light, dark and
print: figures are drawn in stand-in colours, which become the style sheet's variables. The same numbers give the
same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from textapp.reports.series import COLOURS, Series
from textapp.reports.visible import visible

SMALL = (300, 250)  # CSS pixels; three stand side by side, and one fits a phone
LARGE = (440, 310)
INK, SOFT, RULE, PAPER = "#000001", "#000002", "#000003", "#000004"
_SERIES = tuple(f"#0001{index:02x}" for index in range(COLOURS))
_VARIABLES = {
    **{INK: "currentColor", SOFT: "var(--soft)", RULE: "var(--rule)", PAPER: "var(--paper)"},
    **{stand_in: f"var(--s{index})" for index, stand_in in enumerate(_SERIES)},
}
_SETTINGS = {
    **{"svg.fonttype": "none", "svg.hashsalt": "textapp", "text.parse_math": False, "font.size": 11},
    **{"text.color": INK, "axes.labelcolor": SOFT, "axes.titlecolor": SOFT, "axes.edgecolor": RULE},
    **{"xtick.color": RULE, "ytick.color": RULE, "xtick.labelcolor": SOFT, "ytick.labelcolor": SOFT},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False},
    **{"axes.grid": True, "axes.grid.axis": "y", "grid.color": RULE, "grid.linewidth": 0.7, "axes.axisbelow": True},
    **{"axes.titlelocation": "left", "axes.titlesize": 11, "axes.titlepad": 8, "axes.labelsize": 11},
    **{"xtick.major.size": 3, "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0},
    **{"xtick.labelsize": 10.5, "ytick.labelsize": 10.5, "lines.linewidth": 1.8, "lines.markersize": 5},
    **{"axes.unicode_minus": True, "path.simplify": True},
}
_COLOUR = re.compile("#[0-9a-f]{6}")
_LONG_NUMBER = re.compile(r"\d+\.\d{3,}")
_FONT_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_XLINK = "{http://www.w3.org/1999/xlink}href"


def colour(series: Series) -> str:
    """Return the stand-in for a series' colour."""
    return SOFT if series.colour is None else _SERIES[series.colour]


def draw(paint: Callable[[Axes], None], *, name: str, title: str, description: str, size=SMALL) -> Markup:
    """Draw one pair of axes.

    Args:
        paint: puts marks on the axes, in colours of this module.
        name: letters and digits that no other drawing of the page has; ids begin with it.
        title: what the drawing shows, for those who do not see it.
        description: what is to be seen, with the numbers that matter.
        size: width and height in CSS pixels.

    Returns:
        An `<svg>` element without a reference to anything outside of it.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever a matplotlibrc of the machine says
        matplotlib.rcParams.update(_SETTINGS)  # pyright: ignore[reportCallIssue, reportArgumentType] - its keys are strings
        # The browser has the letters that Matplotlib's font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=72, layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        for text in figure.findobj(Text):
            text.set_text(visible(text.get_text()))  # also what XML does not allow
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())  # noqa: S314 - what Matplotlib has just written
    _strip(root)
    _rename(root, name)
    _explain(root, name, title=visible(title), description=visible(description), size=size)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - ElementTree has escaped every text


def _strip(root: ElementTree.Element) -> None:
    """Take out what a page must not have: name spaces, metadata, a style for everything, fonts; and spare digits."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if _XLINK in element.attrib:
            element.set("href", element.attrib.pop(_XLINK))
        for key, value in element.attrib.items():
            value = _FONT_FAMILY.sub("", value) if key == "style" else value.replace("\n", " ")
            value = _COLOUR.sub(lambda match: _VARIABLES.get(match[0], match[0]), value)
            element.set(key, _LONG_NUMBER.sub(lambda match: f"{float(match[0]):.2f}", value))
        if element.tag != "text":
            element.text = None
        element.tail = None
        for child in list(element):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                element.remove(child)


def _rename(root: ElementTree.Element, name: str) -> None:
    """Give the ids that something refers to new names, and take the others away."""
    values = " ".join(value for element in root.iter() for value in element.attrib.values())
    used = dict.fromkeys(re.findall(r"#([\w.]+)", values))
    names = {old: f"{name}-{number}" for number, old in enumerate(used)}
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in names:
            element.set("id", names[old])
        for key in ("href", "clip-path"):
            if key in element.attrib:
                element.set(key, re.sub(r"#([\w.]+)", lambda match: "#" + names[match[1]], element.attrib[key]))


def _explain(root: ElementTree.Element, name: str, *, title: str, description: str, size: tuple[int, int]) -> None:
    root.attrib.pop("version", None)
    root.attrib |= {"width": str(size[0]), "height": str(size[1]), "role": "img"}
    root.attrib |= {"aria-labelledby": f"{name}-title {name}-description"}
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(tag, id=f"{name}-{'title' if tag == 'title' else 'description'}")
        element.text = text
        root.insert(0, element)
