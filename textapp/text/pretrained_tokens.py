"""Raw texts to the ids of a pretrained encoder: the tokenizers that such encoders come with."""

from __future__ import annotations

import abc
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import tokenizers

from textapp.errors import UserError
from textapp.json_files import read_json, write_json
from textapp.text.cleaning import HTML_RULES, NUL_RULES
from textapp.text.ragged import Ragged
from textapp.text.subwords import MERGES_FILE, Subwords, pair

FOLDER = "tokenizer"  # in a model's folder
SETTINGS_FILE = "tokenizer.json"
WORDS_FILE = "vocabulary.txt"
SUBWORDS_FILE = "vocabulary.json"
PIECES_FILE = "sentencepiece.model"
# What is mended in a text before it is cut: such encoders have seen no tags. They do read "&" and curly quotes.
RULES = NUL_RULES + HTML_RULES
UNKNOWN = "[UNK]"
LONGEST_WORD = 100  # characters; longer ones are unknown, as in BERT
CHUNK = 1_000  # texts encoded at a time: the library keeps some 100 bytes a token beside the id

_COMPILED = [(re.compile(pattern), replacement) for pattern, replacement in RULES]


def mend(text: str) -> str:
    """Return a text without tags; half a surrogate pair becomes "?"."""
    if not text.isascii():
        text = text.encode("utf-8", errors="replace").decode()
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return text


class PretrainedTokens(abc.ABC):
    """Texts to ids, each text between the two ids that begin and end one.

    Attributes:
        kind: names the class in tokenizer.json.
        start_id, end_id: what stands around every text, [CLS] and [SEP] in BERT.
        mask_id: what a hidden token is replaced by, for masked language models.
    """

    kind: ClassVar[str]
    start_id: int
    end_id: int
    mask_id: int

    @abc.abstractmethod
    def __len__(self) -> int:
        """Return V."""

    @abc.abstractmethod
    def _ids(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        """Return the ids of each of a few mended texts, nothing around them."""

    @abc.abstractmethod
    def _save(self, folder: Path) -> dict:
        """Write the vocabulary and return the settings."""

    @classmethod
    @abc.abstractmethod
    def _load(cls, folder: Path, settings: dict) -> Self:
        """Read what `_save` wrote."""

    def encode(self, texts: Iterable[str]) -> Ragged:
        """Return the ids of N texts, each at least `start_id` and `end_id`."""
        rows = [
            np.array([self.start_id, *ids, self.end_id], np.int32)
            for chunk in _chunks(texts)
            for ids in self._ids([mend(text) for text in chunk])
        ]
        return Ragged.of(rows, empty=self.end_id)

    def save(self, folder: Path) -> None:
        """Write all that `load_tokens` needs."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = self._save(folder)
        write_json(folder / SETTINGS_FILE, {"kind": self.kind, "size": len(self), **settings})


class WordPieces(PretrainedTokens):
    """BERT's tokens: words and marks, in lower case or not, cut into the longest pieces that are known.

    Text that looks like a special token ("[SEP]") is cut like any other.

    Args:
        words: V tokens; a token's id is its position.
        lowercase: whether letters become small.
        strip_accents: whether accents go; None where `lowercase` decides.
    """

    kind: ClassVar[str] = "wordpiece"

    def __init__(self, words: Sequence[str], *, lowercase: bool, strip_accents: bool | None = None):
        self.words, self.lowercase, self.strip_accents = list(words), lowercase, strip_accents
        vocabulary = {word: position for position, word in enumerate(self.words)}
        needed = ("[CLS]", "[SEP]", "[MASK]", UNKNOWN)
        if missing := [word for word in needed if word not in vocabulary]:
            raise UserError(f"a vocabulary of {len(self.words)} word pieces lacks {missing}; it is none of BERT's")
        self.start_id, self.end_id, self.mask_id, self.unknown_id = (vocabulary[word] for word in needed)
        self.tokenizer = tokenizers.Tokenizer(
            tokenizers.models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD)
        )
        self.tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=strip_accents, lowercase=lowercase
        )
        self.tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()

    def __len__(self) -> int:
        return len(self.words)

    def _ids(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        return (encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False))

    def _save(self, folder: Path) -> dict:
        (folder / WORDS_FILE).write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")
        return {"lowercase": self.lowercase, "strip_accents": self.strip_accents}

    @classmethod
    def _load(cls, folder: Path, settings: dict) -> Self:
        words = (folder / WORDS_FILE).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        return cls(words, lowercase=settings["lowercase"], strip_accents=settings["strip_accents"])


class BytePieces(PretrainedTokens):
    """RoBERTa's tokens: byte-level BPE, cut before the merges as `textapp.text.subwords` cuts.

    Args:
        vocabulary: token to id.
        merges: pairs of tokens, the earliest learned first.
    """

    kind: ClassVar[str] = "bytes"

    def __init__(self, vocabulary: dict[str, int], merges: Sequence[tuple[str, str]]):
        needed = ("<s>", "</s>", "<mask>")
        if missing := [token for token in needed if token not in vocabulary]:
            raise UserError(f"a vocabulary of {len(vocabulary)} byte pieces lacks {missing}; it is none of RoBERTa's")
        self.start_id, self.end_id, self.mask_id = (vocabulary[token] for token in needed)
        self.subwords = Subwords(vocabulary, merges)

    def __len__(self) -> int:
        return max(self.subwords.vocabulary.values()) + 1

    def _ids(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        return self.subwords.encode(texts)

    def _save(self, folder: Path) -> dict:
        vocabulary = json.dumps(self.subwords.vocabulary, ensure_ascii=False, indent=0)
        (folder / SUBWORDS_FILE).write_text(vocabulary, encoding="utf-8")
        merges = "".join(f"{left} {right}\n" for left, right in self.subwords.merges)
        (folder / MERGES_FILE).write_text(merges, encoding="utf-8")
        return {"merges": len(self.subwords.merges)}

    @classmethod
    def _load(cls, folder: Path, settings: dict) -> Self:
        lines = (folder / MERGES_FILE).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        if len(lines) != settings["merges"]:  # with fewer of them texts would silently become more tokens
            raise ValueError(f"{len(lines)} merges instead of {settings['merges']}")
        return cls(read_json(folder / SUBWORDS_FILE), list(map(pair, lines)))


class SentencePieces(PretrainedTokens):
    """DeBERTa's tokens, by KerasHub's tokenizer; there is no twin of it for a SavedModel.

    Args:
        proto: the content of a SentencePiece model.
    """

    kind: ClassVar[str] = "sentencepiece"

    def __init__(self, proto: bytes):
        import keras_hub

        self.proto = proto
        self._tokenizer = keras_hub.models.DebertaV3Tokenizer(proto=proto)
        self.start_id, self.end_id = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        self.mask_id = self._tokenizer.mask_token_id

    def __len__(self) -> int:
        return self._tokenizer.vocabulary_size()

    def _ids(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        return self._tokenizer(list(texts))

    def _save(self, folder: Path) -> dict:
        (folder / PIECES_FILE).write_bytes(self.proto)
        return {}

    @classmethod
    def _load(cls, folder: Path, settings: dict) -> Self:
        return cls((folder / PIECES_FILE).read_bytes())


KINDS: dict[str, type[PretrainedTokens]] = {kind.kind: kind for kind in (WordPieces, BytePieces, SentencePieces)}


def load_tokens(folder: Path) -> PretrainedTokens:
    """Read what `PretrainedTokens.save` wrote.

    Raises:
        UserError: something is missing or damaged.
    """
    settings = read_json(folder / SETTINGS_FILE)
    if not isinstance(settings, dict) or settings.get("kind") not in KINDS:
        raise UserError(f"{folder / SETTINGS_FILE} is damaged: it names none of {list(KINDS)}")
    try:
        tokens = KINDS[settings["kind"]]._load(folder, settings)
        if len(tokens) != settings["size"]:
            raise ValueError(f"{len(tokens)} tokens instead of {settings['size']}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, UserError) as error:
        raise UserError(f"{folder} is damaged: {error}") from error
    return tokens


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
