"""Which patterns give the same on a text and on its pieces between white space.

No token holds white space and nearly no rule looks across it. So a text can be cut at its white space once the few
rules that do were applied, and each different piece needs to be cleaned only once.
"""

from __future__ import annotations

import functools
import re

# What str.split() cuts at; no character of these is a letter, or hangs on a letter, for str.lower().
WHITE_SPACE = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
WHITE_SPACE += "\u2028\u2029\u202f\u205f\u3000"

# A character class, an escape, the start of a group, or one more character.
_ATOM = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|\(\?:|\(\?|.", re.DOTALL)


@functools.lru_cache(maxsize=100)
def stays_within_pieces(pattern: str) -> bool:
    """Return whether a pattern gives the same on a text as on each of its pieces between white space.

    So it is where the pattern can match no white space, asks for nothing beside what it matches and never matches
    nothing. What is not surely so counts as not so: besides classes, escaped signs, (?:...) and plain characters
    nothing is looked into.
    """
    for atom in _ATOM.findall(pattern):
        if atom in {".", "^", "$", "(?"}:
            return False
        if atom[0] == "\\" and atom[1].isalnum():  # \b, \s, \1, \Z and all others
            return False
        if len(atom) > 1 and atom != "(?:":
            matches = re.compile(atom).match
            if any(matches(character) for character in WHITE_SPACE):
                return False
        elif atom in WHITE_SPACE:
            return False
    return re.compile(pattern).match("") is None
