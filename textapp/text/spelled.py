"""Words and characters as the tokens of generators: raw text to ids and back, nothing lost."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Self

from textapp.errors import UserError
from textapp.text.subwords import END_ID, SPLIT_PATTERN

PIECES_FILE = "pieces.json"
FIRST_BYTE = END_ID + 1  # the token of byte 0; the others follow
FIRST_PIECE = FIRST_BYTE + 256


class Spelled:
    """Texts cut by a pattern into pieces, the frequent ones a token each.

    A piece that is no token is spelled in the bytes of its UTF-8, each a token, so that every text has tokens that
    stand for exactly its bytes, and bits per byte of different tokens compare.

    Args:
        pieces: those that are tokens, each at least two bytes long; their ids follow those of the bytes.
    """

    PATTERN: ClassVar[str]  # every character is in exactly one match
    SIZE: ClassVar[int]  # V at most where nobody chooses

    def __init__(self, pieces: Sequence[str]):
        self.pieces = list(pieces)
        self.byte_ids = {byte: FIRST_BYTE + byte for byte in range(256)}
        self._ids = {piece: [FIRST_PIECE + position] for position, piece in enumerate(self.pieces)}
        self._bytes = [b""] * FIRST_BYTE + [bytes([byte]) for byte in range(256)]
        self._bytes += [piece.encode() for piece in self.pieces]

    @classmethod
    def train(cls, texts: Iterable[str], *, size: int) -> Self:
        """Take the most frequent pieces of texts, of those as frequent as each other the first in the alphabet.

        Args:
            texts: the training texts.
            size: V at most; at least 257, for the bytes and the end of text.
        """
        counts = Counter()
        for text in texts:
            counts.update(cls.cut(_valid(text)))
        frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        pieces = [piece for piece, count in frequent if count > 1 and len(piece.encode()) > 1]
        return cls(pieces[: max(0, size - FIRST_PIECE)])

    @classmethod
    def cut(cls, text: str) -> Iterable[str]:
        """Return the pieces of a text."""
        return re.findall(cls.PATTERN, text, re.DOTALL)

    def __len__(self) -> int:
        """Return V."""
        return len(self._bytes)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, without an end of text."""
        return [
            [token_id for piece in self.cut(_valid(text)) for token_id in self._ids.get(piece) or _spell(piece)]
            for text in texts
        ]

    def decode(self, token_ids: Iterable[int]) -> str:
        """Return the text of ids; bytes that are no UTF-8 become U+FFFD, ends of text nothing."""
        return b"".join(self.token_bytes(int(i)) for i in token_ids).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; none for the end of text."""
        return self._bytes[token_id] if 0 <= token_id < len(self._bytes) else b""

    def save(self, folder: Path) -> None:
        """Write `pieces.json`, the pieces in the order of their ids."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PIECES_FILE).write_text(json.dumps(self.pieces, ensure_ascii=False, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            UserError: it is no list of different pieces.
        """
        found = json.loads((folder / PIECES_FILE).read_text(encoding="utf-8"))
        if not isinstance(found, list) or not all(isinstance(piece, str) and piece for piece in found):
            raise UserError(f"{folder / PIECES_FILE} is damaged: it is no list of pieces of text")
        if len(set(found)) < len(found):
            raise UserError(f"{folder / PIECES_FILE} is damaged: a piece stands in it twice")
        return cls(found)


class Words(Spelled):
    """Words with the blank before them, numbers, marks and line ends; rare ones are spelled in bytes."""

    PATTERN = SPLIT_PATTERN
    SIZE = 8_000


class Characters(Spelled):
    """Characters; those of ASCII are their own bytes, and of the others rare ones are spelled in bytes."""

    PATTERN = "."
    SIZE = 1_000

    @classmethod
    def cut(cls, text: str) -> Iterable[str]:
        return text

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [
            [FIRST_BYTE + byte for byte in text.encode()]
            if text.isascii()
            else super(Characters, self).encode([text])[0]
            for text in texts
        ]


def _spell(piece: str) -> list[int]:
    return [FIRST_BYTE + byte for byte in piece.encode()]


def _valid(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode()  # lone surrogates to "?"
