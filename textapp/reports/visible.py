"""Text from outside made fit to be shown: one line that moves no cursor and keeps its direction."""

from __future__ import annotations

import re
import unicodedata

LINE_BREAK = "⏎"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# str.splitlines knows more line ends than "\n"; a Markdown table and a terminal may know them, too.
_LINE_END = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Bidirectional controls make a line read other than it is stored.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """Returns the text on one line: line ends become ⏎, tabs blanks, control characters and half pairs �."""
    text = _LINE_END.sub(LINE_BREAK, text).replace("\t", " ")
    return "".join(REPLACEMENT if _hides(character) else character for character in text)


def _hides(character: str) -> bool:
    """Tells whether a character acts instead of showing: controls, lone surrogates, turns of direction."""
    return unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTION
