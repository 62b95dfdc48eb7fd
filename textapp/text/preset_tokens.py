"""The tokens that a pretrained decoder comes with: byte-level BPE, raw text to ids and back, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import tokenizers

from textapp.errors import UserError
from textapp.json_files import read_json, write_json
from textapp.text.subwords import BYTE_OF, END_ID, END_OF_TEXT, MERGES_FILE, VOCABULARY_FILE, ByteLevel

SETTINGS_FILE = "tokenizer.json"
SPLITTERS = ("Sequence", "Split", "Digits", "ByteLevel")  # what may cut a text before the merges
PROBE = "It's  a good\tfilm\r\n\n 1999 km/h,\u00e9\u4eac\U0001f44d\x00 <|endoftext|>  "  # spelled and read back


class PresetTokens(ByteLevel):
    """Byte-level BPE of a preset, with the interface of `textapp.text.subwords.Subwords` but for learning.

    The end of text has `END_ID` here as with all generators, and the token that has that id in the preset has the
    end's; `textapp.models.causal_presets` does the same with the embeddings. Special tokens in a text ("<|eot_id|>")
    are spelled out in ordinary ones, and never written. Texts are not normalized, so that nothing is lost.

    Args:
        vocabulary: token to id; that of `end` is `END_ID`.
        merges: pairs of tokens, the earliest learned first. A token that is neither a byte nor merged is special.
        end: the token that ends a text.
        start: the token that the preset saw before a text; often `end`.
        size: V, the preset's embeddings; there may be more of them than tokens.
        split: what cuts a text before the merges, as `pre_tokenizer` in Hugging Face's tokenizer.json.
        ignore_merges: whether what is a token as a whole is taken as it is.

    Raises:
        UserError: these are no byte-level tokens, or they do not belong together.
    """

    def __init__(
        self,
        vocabulary: dict[str, int],
        merges: Sequence[tuple[str, str]],
        *,
        end: str,
        start: str,
        size: int,
        split: dict,
        ignore_merges: bool = False,
    ):
        self.vocabulary, self.merges, self.end, self.start = vocabulary, list(merges), end, start
        self.size, self.split, self.ignore_merges = size, _checked(split), ignore_merges
        ids = sorted(vocabulary.values())
        if missing := [token for token in (*BYTE_OF, end, start) if token not in vocabulary]:
            raise UserError(
                f"its {len(vocabulary)} tokens lack {missing[0]!r}; only byte-level BPE, as GPT-2, Llama 3 and Qwen "
                "have it, can be used"
            )
        if ids[0] < 0 or len(set(ids)) < len(ids) or vocabulary[end] != END_ID:
            raise UserError(f"the ids of its {len(ids)} tokens are damaged: two have the same, or one is below 0")
        if ids[-1] >= size:
            raise UserError(f"it has {ids[-1] + 1} tokens, but there are {size} embeddings")
        self.start_id = vocabulary[start]
        ordinary = {*BYTE_OF, *(left + right for left, right in self.merges)} & vocabulary.keys() - {end}
        self._bytes = {vocabulary[token]: bytes(BYTE_OF[letter] for letter in token) for token in ordinary}
        self._tokenizer = _make({token: vocabulary[token] for token in ordinary}, self.merges, split, ignore_merges)
        if self.decode(self.encode([PROBE])[0]) != PROBE:
            raise UserError("it does not give a text back as it was; only byte-level BPE can be used")

    @classmethod
    def of(cls, vocabulary: dict[str, int], merges: Sequence[tuple[str, str]], *, end: str, **settings: Any) -> Self:
        """Return the tokens of a preset, whose end of text has another id; arguments as for the class."""
        if end not in vocabulary:
            raise UserError(f"its {len(vocabulary)} tokens have no end of text {end!r}")
        swapped = {END_ID: vocabulary[end], vocabulary[end]: END_ID}
        return cls({token: swapped.get(i, i) for token, i in vocabulary.items()}, merges, end=end, **settings)

    def __len__(self) -> int:
        """Return V."""
        return self.size

    @property
    def silent(self) -> np.ndarray:
        """Which ids are never written, bool (V,): special tokens, and embeddings without a token."""
        silent = np.ones(self.size, bool)
        silent[[END_ID, *self._bytes]] = False
        return silent

    def save(self, folder: Path) -> None:
        """Write `vocabulary.json`, `merges.txt` and the settings."""
        super().save(folder)
        settings = {name: getattr(self, name) for name in ("end", "start", "size", "split", "ignore_merges")}
        write_json(folder / SETTINGS_FILE, {"merges": len(self.merges), **settings})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            UserError: something is missing or damaged.
        """
        settings, vocabulary = read_json(folder / SETTINGS_FILE), read_json(folder / VOCABULARY_FILE)
        try:
            merges = read_merges(folder / MERGES_FILE)
            if len(merges) != (count := settings.pop("merges")):  # with fewer of them texts would become more tokens
                raise ValueError(f"{len(merges)} merges instead of {count}")
            return cls(vocabulary, merges, **settings)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError) as error:
            raise UserError(f"{folder} is damaged: {error}") from error


def read_merges(path: Path) -> list[tuple[str, str]]:
    """Return the pairs of a merges.txt, which may begin with a line on its version."""
    return pairs(filter(None, path.read_text(encoding="utf-8").split("\n")))


def pairs(merges: Iterable[str | Sequence[str]]) -> list[tuple[str, str]]:
    """Return merges, "a b" or ["a", "b"], as pairs; KerasHub keeps the line on the version among them."""
    lines = (merge for merge in merges if not (isinstance(merge, str) and merge.startswith("#version")))
    found = [line.split(" ") if isinstance(line, str) else line for line in lines]
    if wrong := [tuple(merge) for merge in found if len(merge) != 2]:
        raise ValueError(f"the merge {wrong[0]!r} is no pair")
    return [(merge[0], merge[1]) for merge in found]


def hugging_face_tokens(folder: Path, *, size: int, split: dict, ignore_merges: bool) -> tuple[PresetTokens, int]:
    """Return the tokens of a folder in Hugging Face's format.

    Args:
        folder: holds tokenizer.json, or vocab.json and merges.txt.
        size: V, the embeddings.
        split, ignore_merges: of the family, where there is no tokenizer.json.

    Returns:
        The tokens, and the id that the end of text has in the folder.

    Raises:
        UserError: these are no byte-level tokens.
        OSError, ValueError, KeyError, TypeError: files are missing or damaged.
    """
    if (folder / "tokenizer.json").is_file():
        content = read_json(folder / "tokenizer.json")
        model = content["model"]
        if model["type"] != "BPE":
            raise UserError(f"it is a {model['type']}; only byte-level BPE can be used")
        vocabulary, merges = dict(model["vocab"]), pairs(model["merges"])
        vocabulary |= {token["content"]: token["id"] for token in content.get("added_tokens") or ()}
        split, ignore_merges = content["pre_tokenizer"], bool(model.get("ignore_merges"))
    else:
        vocabulary, merges = read_json(folder / "vocab.json"), read_merges(folder / "merges.txt")
    named = read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    end, start = (_content(named.get(name)) for name in ("eos_token", "bos_token"))
    return with_end(vocabulary, merges, end=end, start=start, size=size, split=split, ignore_merges=ignore_merges)


def with_end(
    vocabulary: dict[str, int],
    merges: Sequence[tuple[str, str]],
    *,
    end: str | None,
    start: str | None,
    **settings: Any,
) -> tuple[PresetTokens, int]:
    """Return the tokens of a preset, and the id that their end of text has there; settings as for `PresetTokens`.

    Args:
        vocabulary, merges: as for `PresetTokens`.
        end: what a chat ends with is no end of a text, so that "<|endoftext|>" is taken where there is one.
        start: None for the end.
    """
    end = END_OF_TEXT if END_OF_TEXT in vocabulary or end is None else end
    tokens = PresetTokens.of(vocabulary, merges, end=end, start=end if start is None else start, **settings)
    return tokens, vocabulary[end]


def _content(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token


def _checked(split: Any) -> dict:
    """Return what cuts texts, no blank put before one; raise UserError for what would change them."""
    if not isinstance(split, dict) or split.get("type") not in SPLITTERS:
        found = split.get("type") if isinstance(split, dict) else split
        raise UserError(f"it cuts texts by {found!r}; only byte-level BPE can be used")
    if split["type"] == "Sequence":
        return {"type": "Sequence", "pretokenizers": [_checked(part) for part in split["pretokenizers"]]}
    return {**split, "add_prefix_space": False} if split["type"] == "ByteLevel" else split


def _make(
    vocabulary: dict[str, int], merges: Sequence[tuple[str, str]], split: dict, ignore_merges: bool
) -> tokenizers.Tokenizer:
    # The library takes what cuts texts in the format of files only.
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None}
    model |= {"end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": ignore_merges}
    content = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None}
    content |= {"pre_tokenizer": split, "post_processor": None, "decoder": None}
    content["model"] = {**model, "vocab": vocabulary, "merges": [list(pair) for pair in merges]}
    try:
        return tokenizers.Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the library raises nothing more special
        raise UserError(f"the tokenizers library refuses it: {error}") from error
