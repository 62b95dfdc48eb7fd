"""The tokens of generators by name, and those of a run's training texts, made once for all of its generators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from textapp.errors import UserError
from textapp.text.preset_tokens import PresetTokens
from textapp.text.scrub import PLACEHOLDERS, scrub
from textapp.text.spelled import Characters, Spelled, Words
from textapp.text.subwords import Subwords

# Each has encode, decode, token_bytes, save, load and len: V; and train, but for a preset's, which are there already.
# The id of the end of text is END_ID in all.
Tokens = Subwords | Spelled | PresetTokens
TOKENS: dict[str, type[Subwords | Spelled]] = {
    "bpe": Subwords,
    "words": Words,
    "characters": Characters,
}


CHUNK = 1_000  # texts whose ids are Python's numbers at a time


class Encoded(NamedTuple):
    """The training texts of a generator.

    Attributes:
        tokens: learned from them.
        documents: the ids of each, int32 arrays.
        scrubbed: how many e-mail addresses, links and phone numbers were replaced; None where nobody looked.
    """

    tokens: Tokens
    documents: list[np.ndarray]
    scrubbed: dict[str, int] | None


class SharedTokens:
    """Learns tokens from training texts and keeps the last ones: the next generator of a run has the same.

    Args:
        known: tokens to read the texts in instead of learning some, those of the decoder that a run starts from.
    """

    def __init__(self, known: Tokens | None = None):
        self.known = known
        self._texts, self._settings, self._kept = None, None, None

    def __call__(
        self, texts: Sequence[str], *, kind: str, size: int | None, scrubs: bool, known: Tokens | None = None
    ) -> Encoded:
        """Return tokens learned from texts, and their ids.

        Args:
            texts: the training texts.
            kind: a name in `TOKENS`.
            size: V at most; None for the kind's own.
            scrubs: whether to replace e-mail addresses, links and phone numbers first.
            known: tokens of this generator's own, to read the texts in.

        Raises:
            UserError: there is no such kind.
        """
        known = known or self.known
        learner = TOKENS[check_tokens(kind)]
        size = size or learner.SIZE
        settings = (kind, None if known else size, scrubs, known)
        if self._kept is None or self._texts is not texts or self._settings != settings:
            self.forget()
            counts = Counter(dict.fromkeys(PLACEHOLDERS, 0))
            learned = (scrub(text, counts) for text in texts) if scrubs else texts
            tokens = known or learner.train(learned, size=size)
            documents = []
            for start in range(0, len(texts), CHUNK):
                again = None if known is None else counts
                chunk = [scrub(text, again) if scrubs else text for text in texts[start : start + CHUNK]]
                # Arrays take a tenth of the memory that lists of Python's numbers do.
                documents += [np.array(ids, np.int32) for ids in tokens.encode(chunk)]
            self._kept = Encoded(tokens, documents, dict(counts) if scrubs else None)
            self._texts, self._settings = texts, settings
        return self._kept

    def forget(self) -> None:
        """Keep nothing any longer."""
        self._texts, self._settings, self._kept = None, None, None


def check_tokens(kind: str) -> str:
    """Return the kind.

    Raises:
        UserError: it is not in `TOKENS`.
    """
    if kind not in TOKENS:
        raise UserError(f"unknown generator tokens {kind!r}; choose from {list(TOKENS)}")
    return kind
