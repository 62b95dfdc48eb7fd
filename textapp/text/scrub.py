"""E-mail addresses, links and phone numbers out of the texts that a generator learns from: it repeats what it saw."""

from __future__ import annotations

import re
from collections import Counter

# No pattern has many ways to read the same characters, and none begins within what it matches, so that no text makes
# the search slow.
_EMAIL = r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,7}\.[^\W\d_]{2,63}"  # no price ends in letters
_LINK = "|".join(
    (
        r"(?<!\w)(?i:(?:https?|ftp)://|www\.(?=\w))[^\s<>\"]+",
        # Without a scheme, by endings that no sentence has between two of its words.
        r"(?<![\w.@/-])(?i:(?:[a-z0-9][a-z0-9-]{0,62}\.){1,4}(?:com|org|net|edu|gov|co\.uk))(?![\w-])(?:/[^\s<>\"]*)?",
    )
)
# What has the form of a phone number somewhere, written as such: years, scores, prices, dates and large numbers stay.
_YEARS = r"(?:1[89]|20)\d\d[ -](?:1[89]|20)\d\d"
_PHONES = "|".join(
    (
        # With a country's code: 8 digits at least; 00 is taken for a sign only before more of them, and never in 007.
        r"(?:\+(?=(?:[ .()-]{0,3}\d){8})|00(?!7\D)(?=(?:[ .()-]{0,3}\d){9}))"
        r"[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}",
        r"(?:\+?1[ .-]?)?\([2-9]\d{2}\) ?\d{3}[ .-]?\d{4}",  # (212) 555-0123
        r"(?:1[ .-])?[2-9]\d{2}(?P<between>[ .-])\d{3}(?P=between)\d{4}",  # 212-555-0123
        r"1?[2-9](?!\d{6}000)\d{9}",  # 2125550123, but no round number
        r"\(0\d{1,4}\) ?\d{3,4}[ .-]?\d{3,4}|0[1-9]\d{1,3} \d{3,4} ?\d{3,4}",  # 020 7946 0958
        r"0[1-9]\d{8,9}",  # 07700900123
        r"0[1-9]\d{1,3} ?/ ?\d{5,8}",  # 030/1234567
        # 01 23 45 67 89; more pairs of digits are a list, and these five are one if they count.
        r"(?<!\d[ .-])(?!01.02.03)0[1-9](?P<pause>[ .-])\d{2}(?:(?P=pause)\d{2}){3}(?![ .-]\d)",
        rf"1[3-9]\d(?P<gap>[ -]?)(?!{_YEARS})\d{{4}}(?P=gap)\d{{4}}",  # mobile phones in China: 138 0013 8000
        r"(?i:(?:(?:tele)?phone|tel|call|fax)\.?:? ?)\d{3}[ .-]\d{4}",
    )
)
_PHONE = rf"(?<![0-9A-Za-z.,/+$£€-])(?<!(?i:isbn) )(?<!(?i:isbn): )(?:{_PHONES})(?![0-9A-Za-z/-]|[.,]\d)"
PLACEHOLDERS = {"email": "[email]", "link": "[link]", "phone": "[phone]"}
_PRIVATE = re.compile(f"(?P<email>{_EMAIL})|(?P<link>{_LINK})|(?P<phone>{_PHONE})")
_OF_THE_SENTENCE = ".,;:!?)]}'*"  # where a link ends with it


# What is found holds one of these, and most texts none: looking for them is much faster.
_SIGNS = ("@", "://", "www.", ".com", ".org", ".net", ".edu", ".gov", ".co.uk")
_SEVEN_DIGITS = re.compile(r"\d(?:[ .()/-]{0,3}\d){6}")


def scrub(text: str, counts: Counter[str] | None = None) -> str:
    """Replace e-mail addresses, links and phone numbers by "[email]", "[link]" and "[phone]".

    Args:
        text: any.
        counts: takes in how many of each kind were replaced, such as {"link": 2}.
    """
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS) and not _SEVEN_DIGITS.search(text):
        return text

    def replace(found: re.Match) -> str:
        kind = next(name for name in PLACEHOLDERS if found[name] is not None)
        if counts is not None:
            counts[kind] += 1
        kept = found[0].rstrip(_OF_THE_SENTENCE) if kind == "link" else found[0]
        return PLACEHOLDERS[kind] + found[0][len(kept) :]

    return _PRIVATE.sub(replace, text)
