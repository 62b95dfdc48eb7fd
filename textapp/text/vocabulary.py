"""Words to ids: a list of words in the order of how often they stand in the training texts."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from textapp.errors import UserError
from textapp.text.ragged import Ragged
from textapp.text.tokens import Tokens

PADDING_ID = 0
UNKNOWN_ID = 1
SPECIAL_TOKENS = ("[PAD]", "[UNK]")  # no cleaned token has a bracket


class Vocabulary:
    """The V most frequent tokens, with id 0 for padding and 1 for every other token.

    Args:
        words: the tokens with the ids 2, 3, ...; each once.
    """

    def __init__(self, words: Sequence[str]):
        self.words = tuple(words)
        self._ids = {word: position + len(SPECIAL_TOKENS) for position, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            raise ValueError("a word stands twice in the vocabulary")

    @classmethod
    def build(cls, token_lists: Iterable[Sequence[str]], *, size: int, min_count: int = 1) -> Vocabulary:
        """Return the vocabulary of the most frequent tokens; equally frequent ones in alphabetical order.

        Args:
            token_lists: the tokens of each training text.
            size: V at most, the two special ids included.
            min_count: leave out tokens that stand fewer times in all texts.
        """
        if isinstance(token_lists, Tokens):
            words, counts = token_lists.words, token_lists.counts()
        else:
            counted = collections.Counter(token for tokens in token_lists for token in tokens)
            words, counts = list(counted), np.fromiter(counted.values(), np.int64, len(counted))
        most = max(size - len(SPECIAL_TOKENS), 0)
        if 0 < most < len(counts):  # so many words stand once that to sort them all would take most of the time
            min_count = max(min_count, int(np.partition(counts, -most)[-most]))
        kept = np.flatnonzero(counts >= min_count).tolist()
        kept.sort(key=words.__getitem__)
        kept.sort(key=(-counts).tolist().__getitem__)
        return cls([words[position] for position in kept[:most]])

    def __len__(self) -> int:
        """Return V."""
        return len(self.words) + len(SPECIAL_TOKENS)

    def encode(self, token_lists: Iterable[Sequence[str]]) -> Ragged:
        """Return the ids of each text, an int32 array of shape (T,) with T >= 1.

        A text without tokens becomes one unknown token: an LSTM on a GPU refuses empty rows. The ids of `Tokens` stay
        where they are, such as on the disk, and are looked up when they are read.
        """
        if isinstance(token_lists, Tokens):
            words, numbers, offsets = token_lists.words, token_lists.ids, token_lists.offsets
            table = np.fromiter(map(self._ids.get, words, itertools.repeat(UNKNOWN_ID)), np.int32, len(words))
            return Ragged(numbers, offsets, table=table, empty=UNKNOWN_ID)
        ids = [[self._ids.get(token, UNKNOWN_ID) for token in tokens] for tokens in token_lists]
        return Ragged.of([np.array(row, np.int32) for row in ids], empty=UNKNOWN_ID)

    def save(self, path: Path) -> None:
        """Write one token a line, in the order of the ids."""
        path.write_text("".join(f"{token}\n" for token in (*SPECIAL_TOKENS, *self.words)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote.

        Raises:
            UserError: the file does not begin with the special tokens.
        """
        tokens = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise UserError(f"{path} is no vocabulary: its first lines are not {list(SPECIAL_TOKENS)}")
        return cls(tokens[len(SPECIAL_TOKENS) :])
