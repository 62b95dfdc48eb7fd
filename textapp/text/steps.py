"""The cleaning without one of its steps, to see what the step is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from textapp.errors import UserError
from textapp.text import cleaning as parts
from textapp.text.cleaning import Cleaning


def without(cleaning: Cleaning, step: str) -> Cleaning:
    """Return the cleaning without one of `STEPS`; the same one where it does not have that step.

    Raises:
        UserError: there is no such step.
    """
    if step not in STEPS:
        raise UserError(f"unknown step {step!r} of the cleaning; choose from {list(STEPS)}")
    return STEPS[step](cleaning)


def _without_rules(cleaning: Cleaning, rules: tuple[tuple[str, str], ...]) -> Cleaning:
    return dataclasses.replace(cleaning, rules=tuple(rule for rule in cleaning.rules if rule not in rules))


def _without_tokens(cleaning: Cleaning, *patterns: str) -> Cleaning:
    return dataclasses.replace(cleaning, patterns=tuple(p for p in cleaning.patterns if p not in patterns))


def _without_lower_case(cleaning: Cleaning) -> Cleaning:
    # A stop word at the start of a sentence stays one: that is the worth of the stop list, not of lower case.
    words = {case for word in cleaning.stopwords for case in (word, word.capitalize(), word.upper())}
    kept = dataclasses.replace(cleaning, lowercase=False, stopwords=tuple(sorted(words)))
    return _without_rules(kept, parts.LOWERCASE_RULES)


def _without_stop_words(cleaning: Cleaning) -> Cleaning:
    return dataclasses.replace(cleaning, stopwords=(), stopwords_name="none")


def _without_single_ideographs(cleaning: Cleaning) -> Cleaning:
    longer = {parts.WORDS: parts.WORDS_AND_IDEOGRAPHS}
    words = tuple(longer.get(pattern, pattern) for pattern in cleaning.patterns)
    return _without_tokens(dataclasses.replace(cleaning, patterns=words), parts.IDEOGRAPHS)


STEPS: dict[str, Callable[[Cleaning], Cleaning]] = {
    "removing HTML and entities": lambda cleaning: _without_rules(cleaning, parts.HTML_RULES),
    "mending apostrophes and invisible characters": lambda cleaning: _without_rules(cleaning, parts.CHARACTER_RULES),
    "lower case": _without_lower_case,
    "leaving out stop words": _without_stop_words,
    "numbers in one piece": lambda cleaning: _without_tokens(cleaning, parts.NUMBERS),
    "keeping ! and ?": lambda cleaning: _without_tokens(cleaning, parts.MARKS),
    "keeping emoticons and symbols": lambda cleaning: _without_tokens(cleaning, parts.EMOTICONS, parts.SYMBOLS),
    "Han and kana one by one": _without_single_ideographs,
}
