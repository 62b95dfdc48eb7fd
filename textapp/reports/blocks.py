"""What a section of the page is made of: plain values, which templates/blocks.html draws by their class's name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup

from textapp.reports.series import Series


@dataclasses.dataclass(frozen=True)
class Span:
    """A mark on a scale that all rows of a column share, in percent of its width.

    Attributes:
        value: where the number lies.
        low, high: where its interval lies; None where there is none.
        zero: where a line stands to compare with; None for none.
        dots: more marks, such as single seeds.
    """

    value: float
    low: float | None = None
    high: float | None = None
    zero: float | None = None
    dots: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Ends:
    """A header above marks on a scale: what stands at its left and at its right end."""

    low: str
    high: str


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell that is more than a text.

    Attributes:
        text: the main thing.
        small: beside or below it, such as an interval.
        series: the look of a model, whose symbol stands first.
        strong: whether it is the best of its column, or what is to be seen.
        shade: how dark the ground is, 0 to 1; None for none.
        span: a mark on a scale instead of a text.
        quote: whether it is a text from the data, set as such.
    """

    text: str = ""
    small: str = ""
    series: Series | None = None
    strong: bool = False
    shade: float | None = None
    span: Span | None = None
    quote: bool = False


@dataclasses.dataclass(frozen=True)
class Scale:
    """From a number to its place on a scale."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float | None], *, zero: bool = False) -> Scale:
        """Return a scale that holds all values, and zero if that is asked, with a little room at both ends."""
        known = [value for value in values if value is not None] + ([0.0] if zero else [])
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        room = 0.04 * (high - low) or 0.01
        return cls(low - room, high + room)

    def place(self, value: float) -> float:
        """Return percent of the width."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def ends(self, write: Callable[[float], str]) -> Ends:
        """Return the header of a column of marks."""
        return Ends(write(self.low), write(self.high))

    def span(self, value: float | None, interval: Sequence[float] | None = None, *, zero: bool = False) -> Cell | str:
        """Return a cell with the mark of a number and its interval; empty where the number is unknown."""
        if value is None:
            return ""
        low, high = (None, None) if interval is None else map(self.place, interval)
        return Cell(span=Span(self.place(value), low, high, self.place(0) if zero else None))


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        headers: of the columns.
        rows: as many cells each as there are headers.
        left: the columns, by number, whose cells are words; the first is always.
        caption: says what the table shows, above it.
        wide: whether words have room and wrap.
    """

    headers: tuple[str | Ends, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    left: frozenset[int] = frozenset()
    caption: str = ""
    wide: bool = False

    def without_empty_columns(self) -> Grid:
        """Return the table without columns that hold nothing or a dash in every row."""
        kept = [i for i in range(len(self.headers)) if i == 0 or any(not _is_empty(row[i]) for row in self.rows)]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        left = frozenset(new for new, old in enumerate(kept) if old in self.left)
        return dataclasses.replace(self, headers=tuple(self.headers[i] for i in kept), rows=rows, left=left)


def _is_empty(cell: Cell | str) -> bool:
    if isinstance(cell, Cell):
        return cell.span is None and cell.text in ("", "–")
    return cell in ("", "–")


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A sentence or two; `soft` where it explains how to read what follows."""

    text: str
    soft: bool = False


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading below that of the section."""

    text: str


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """The sentences that the reader came for, each as a question, which may be empty, and its answer."""

    items: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Facts:
    """Names with their values; `code` where values are to be copied."""

    pairs: tuple[tuple[str, str], ...]
    code: bool = False


@dataclasses.dataclass(frozen=True)
class Key:
    """Which symbol is which model."""

    series: tuple[Series, ...]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Charts:
    """Drawings side by side, each with a line below."""

    charts: tuple[tuple[Markup, str], ...]


@dataclasses.dataclass(frozen=True)
class Matrices:
    """Tables of counts side by side."""

    grids: tuple[Grid, ...]


@dataclasses.dataclass(frozen=True)
class Texts:
    """Texts of the data, each below a line that says what it is about."""

    items: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Word:
    """A word of an explained text: `weight` of 0 to 5 steps, `sign` "for", "against" or "", and the number."""

    text: str
    steps: int = 0
    sign: str = ""
    number: str = ""


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A text as a model reads it: its answer, the words, and the strongest of them with their numbers."""

    series: Series
    name: str
    answer: str
    words: tuple[Word, ...]
    strongest: str


@dataclasses.dataclass(frozen=True)
class Explained:
    """One text with what each model makes of it."""

    head: str
    models: tuple[Explanation, ...]


@dataclasses.dataclass(frozen=True)
class Code:
    """Lines to copy."""

    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Details:
    """Blocks that open when asked for."""

    summary: str
    blocks: tuple[object, ...]
    opened: bool = False
