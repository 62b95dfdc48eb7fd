"""Cleaned tokens kept in memory, so that the models of one run clean each text once."""

from __future__ import annotations

from collections.abc import Iterable

from textapp.text.cleaning import Cleaning


class RememberingCleaning:
    """A `Cleaning` that looks a text up before it cleans it.

    Args:
        cleaning: does the work.
    """

    def __init__(self, cleaning: Cleaning):
        self._cleaning = cleaning
        self._known: dict[str, list[str]] = {}

    def __call__(self, texts: Iterable[str]) -> list[list[str]]:
        """Return the tokens of each text."""
        texts = list(texts)
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        self._known.update(zip(new, self._cleaning(new), strict=True))
        return [self._known[text] for text in texts]

    def to_json(self) -> dict:
        """Return the settings, for cleaning.json."""
        return self._cleaning.to_json()

    def forget(self) -> None:
        """Free the memory; from now on texts are cleaned anew."""
        self._known.clear()
