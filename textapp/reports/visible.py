"""Text from outside made fit to be shown: one line that moves no cursor and keeps its direction."""

from __future__ import annotations

import re
import unicodedata

LINE_BREAK = "⏎"
ELLIPSIS = "…"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# str.splitlines knows more line ends than "\n"; a Markdown table and a terminal may know them, too.
_LINE_END = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Bidirectional controls make a line read other than it is stored.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """Return the text on one line: line ends become ⏎, tabs blanks, control characters and half pairs �."""
    text = _LINE_END.sub(LINE_BREAK, text).replace("\t", " ")
    return "".join(REPLACEMENT if _hides(character) else character for character in text)


def cut(text: str, length: int) -> str:
    """Return the text, or where it is longer its first `length` - 1 characters and an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + ELLIPSIS


def _hides(character: str) -> bool:
    """Tell whether a character acts instead of showing: controls, lone surrogates, turns of direction."""
    return unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTION or _is_no_character(character)


def _is_no_character(character: str) -> bool:
    """Tell the 66 code points that Unicode gives to no character; XML, and so SVG, forbids some of them."""
    return ord(character) & 0xFFFE == 0xFFFE or "\ufdd0" <= character <= "\ufdef"
