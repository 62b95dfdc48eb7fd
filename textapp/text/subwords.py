"""Byte-level BPE for the generators: raw text to ids and back, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import tokenizers

from textapp.errors import UserError

END_OF_TEXT = "<|endoftext|>"  # GPT-2's name for it
END_ID = 0
VOCABULARY_FILE = "vocabulary.json"  # as GPT-2 and KerasHub name them
MERGES_FILE = "merges.txt"
# Every character is in exactly one match; no merge goes over the end of one. GPT-2's pattern in the syntax that the
# tokenizers library and RE2 share, so that `textapp.export.subword_ops` splits alike: explicit ranges instead of
# Unicode's classes, which differ from version to version, and no look-ahead, so that of several blanks each is alone.
SPLIT_PATTERN = "|".join(
    (
        "'(?:[sdmt]|ll|ve|re)",
        " ?[A-Za-z\x80-\U0010ffff]+",
        " ?[0-9]+",
        " ?[!-/:-@\\[-`{-~]+",
        r"[\t\n\r]+",
        r"[\x00-\x20\x7f]",
    )
)
CHUNK = 1_000  # texts encoded at a time: the library keeps some 100 bytes a token beside the id


class ByteLevel:
    """What byte-level BPE does with the tokens of a vocabulary, however they were come by.

    Attributes:
        vocabulary: token to id, each byte spelled as a character of `BYTE_OF`.
        merges: pairs of tokens, the earliest learned first.
    """

    vocabulary: dict[str, int]
    merges: list[tuple[str, str]]
    _tokenizer: tokenizers.Tokenizer
    _bytes: dict[int, bytes]  # of each id that stands for some

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, without an end of text."""
        texts = [text.encode("utf-8", errors="replace").decode() for text in texts]  # lone surrogates to "?"
        chunks = (texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK))
        return [encoding.ids for chunk in chunks for encoding in self._tokenizer.encode_batch_fast(chunk)]

    def decode(self, token_ids: Iterable[int]) -> str:
        """Return the text of ids; bytes that are no UTF-8 become U+FFFD, ends of text nothing."""
        return b"".join(self.token_bytes(int(i)) for i in token_ids).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; none for one that is never written, and for the end of text."""
        return self._bytes.get(token_id, b"")

    def save(self, folder: Path) -> None:
        """Write `vocabulary.json` and `merges.txt`, in the format of GPT-2 and KerasHub."""
        folder.mkdir(parents=True, exist_ok=True)
        vocabulary = json.dumps(self.vocabulary, ensure_ascii=False, indent=0)
        (folder / VOCABULARY_FILE).write_text(vocabulary, encoding="utf-8")
        merges = "".join(f"{left} {right}\n" for left, right in self.merges)
        (folder / MERGES_FILE).write_text(merges, encoding="utf-8")


class Subwords(ByteLevel):
    """Byte-level BPE, as GPT-2's, with merges of its own.

    The text "<|endoftext|>" inside a review is spelled out in ordinary tokens, so that no text can end itself.

    Args:
        vocabulary: token to id; `END_OF_TEXT` has `END_ID`.
        merges: pairs of tokens, the earliest learned first.
    """

    SIZE = 2_000  # V at most where nobody chooses

    def __init__(self, vocabulary: dict[str, int], merges: Sequence[tuple[str, str]]):
        self.vocabulary = vocabulary
        self.merges = list(merges)
        self._tokenizer = _byte_level(tokenizers.models.BPE(vocabulary, self.merges))
        self._bytes = {
            token_id: bytes(BYTE_OF[character] for character in token)
            for token, token_id in vocabulary.items()
            if token_id != END_ID
        }
        self.byte_ids = {byte: vocabulary[character] for character, byte in BYTE_OF.items()}

    @classmethod
    def train(cls, texts: Iterable[str], *, size: int) -> Subwords:
        """Learn the merges from texts.

        Args:
            texts: the training texts.
            size: V at most; at least 257, for the bytes and the end of text.
        """
        learner = _byte_level(tokenizers.models.BPE())
        learner.train_from_iterator(
            texts,
            tokenizers.trainers.BpeTrainer(
                vocab_size=size,
                special_tokens=[END_OF_TEXT],
                initial_alphabet=sorted(BYTE_OF),
                show_progress=False,
            ),
        )
        model = json.loads(learner.to_str())["model"]
        return cls(model["vocab"], [tuple(merge) for merge in model["merges"]])

    def __len__(self) -> int:
        """Return V."""
        return len(self.vocabulary)

    @classmethod
    def load(cls, folder: Path) -> Subwords:
        """Read what `save` wrote.

        Raises:
            UserError: merges are missing.
        """
        vocabulary = json.loads((folder / VOCABULARY_FILE).read_text(encoding="utf-8"))
        lines = (folder / MERGES_FILE).read_text(encoding="utf-8").splitlines()
        # A merge makes one token at most: with fewer of them texts would silently become more tokens.
        if len(lines) < len(vocabulary) - len(BYTE_OF) - 1:
            raise UserError(f"{folder} is damaged: {len(lines)} merges for {len(vocabulary)} tokens")
        return cls(vocabulary, list(map(pair, lines)))


def pair(line: str) -> tuple[str, str]:
    """Return the two tokens of a merge, "a b".

    Raises:
        ValueError: these are not two.
    """
    left, right = line.split(" ")
    return left, right


def _byte_level(model: tokenizers.models.BPE) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(model)
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(SPLIT_PATTERN), behavior="isolated")
    spelled = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split, spelled])
    return tokenizer


def _byte_characters() -> dict[str, int]:
    """Return the character that stands for each byte in GPT-2's files: itself where it is printable."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{chr(byte): byte for byte in printable},
        **{chr(256 + position): byte for position, byte in enumerate(others)},
    }


BYTE_OF = _byte_characters()
