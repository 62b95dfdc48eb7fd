"""What every generator can do, and what lies in its folder."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.folder import require_file, write_description
from textapp.models.sampling import Sampling
from textapp.models.writing import Reader, stream, write
from textapp.text.generator_tokens import TOKENS, SharedTokens, Tokens, check_tokens
from textapp.text.subwords import END_ID
from textapp.training.progress import Progress

TOKENIZER_FOLDER = "tokenizer"
LABEL_FILE = "labels.npy"
PRIOR_TOKENS = 10  # that each token of the vocabulary is taken to have been seen more often, in every label alike


@dataclasses.dataclass(kw_only=True, eq=False)
class Generator(abc.ABC):
    """Prompts to texts, seen as they are, never cleaned.

    Subclasses are dataclasses: their fields are what a person may tune.

    Attributes:
        seed: for everything that is random while training.
        context: the most tokens that a prompt and what is written after it have together, T.
        kind: "n-gram" or "network": where the model stands in the report.
        exports: whether it becomes a SavedModel.
        quantizes: whether `quantized` can make it smaller.
        by_default: whether the main job trains it where nobody says which models.
        own_tokens: whether its tokens are others than those of the run's other generators.
        tokens: "bpe", "words" or "characters".
        vocabulary_size: the most tokens, V; None for what is usual for their kind.
        scrub: whether e-mail addresses, links and phone numbers of the training texts are replaced first.
        subwords: V tokens; `fit` learns them.
        label_names: C names, in the order of the labels' numbers, that `generate` can be asked for; empty for none.
        label_bias: how much more likely each token is in the training texts of a label than in the others, log of the
            ratio, float32 (C, V); None without labels.
        scrubbed: how many of each kind `fit` replaced; None where it did not look for them.
        shared_tokens: the tokens of the training texts, which the generators of a run learn once.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    exports: ClassVar[bool] = True
    quantizes: ClassVar[bool] = False
    by_default: ClassVar[bool] = True
    own_tokens: ClassVar[bool] = False

    seed: int = 0
    context: int = 1_024

    tokens: str = "bpe"
    vocabulary_size: int | None = None
    scrub: bool = True
    label_names: tuple[str, ...] = ()

    subwords: Tokens = dataclasses.field(init=False, repr=False)
    scrubbed: dict[str, int] | None = dataclasses.field(init=False, repr=False, default=None)
    shared_tokens: SharedTokens = dataclasses.field(init=False, repr=False, default_factory=SharedTokens)
    label_bias: np.ndarray | None = dataclasses.field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.label_names = tuple(self.label_names)  # JSON has lists

    @property
    def most_new_tokens(self) -> int:
        """How many tokens it can write: one at least stands before them."""
        return self.context - 1

    @abc.abstractmethod
    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        """Train on one split, choose on the other.

        Returns:
            A row for every look at the validation texts, for history.csv; empty where there are none.
        """

    @abc.abstractmethod
    def token_log_probabilities(self, documents: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the logarithm of the probability of every token, float64 (tokens,), one text after the other.

        Args:
            documents: the ids of each text, as `encode` returns them.
        """

    @abc.abstractmethod
    def next_logits(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the logits of the token after each of B rows, float32 of shape (B, V).

        Args:
            rows: the ids of texts so far, `END_ID` before the first of a text; at least one id a row, and any number.
        """

    @property
    @abc.abstractmethod
    def parameters(self) -> int:
        """How many numbers were learned."""

    @abc.abstractmethod
    def _save(self, folder: Path) -> None:
        """Write what was learned besides the subwords."""

    @abc.abstractmethod
    def _load(self, folder: Path) -> None:
        """Read what `_save` wrote; the subwords are there."""

    def quantized(self, quantization: str) -> Self:
        """Return a copy with smaller weights.

        Args:
            quantization: "int8".

        Raises:
            UserError: there is none for this kind of model.
        """
        raise UserError(f"{self.name} cannot be quantized: {quantization} is for Keras networks")

    def negative_log_likelihoods(self, texts: Sequence[str]) -> np.ndarray:
        """Return the nats of each of N texts, float64 of shape (N,)."""
        documents = self.encode(texts)
        document_of = np.repeat(np.arange(len(documents)), [len(ids) for ids in documents])
        return np.bincount(document_of, -self.token_log_probabilities(documents), minlength=len(documents))

    @property
    def remarks(self) -> list[str]:
        """Sentences for the report on what training chose."""
        return []

    def bits_per_byte(self, texts: Sequence[str]) -> float:
        """Return the information in the texts by this model, in bits per byte of UTF-8."""
        nats = math.fsum(self.negative_log_likelihoods(texts))
        return nats / math.log(2) / max(sum(len(text.encode("utf-8", errors="replace")) for text in texts), 1)

    def learn_tokens(self, train: Split) -> list[np.ndarray]:
        """Learn the tokens; return the ids of each training text, int32 arrays that are not to be changed."""
        encoded = self.shared_tokens(
            train.texts,
            kind=self.tokens,
            size=self.vocabulary_size,
            scrubs=self.scrub,
            known=self._known_tokens(),
        )
        self.subwords, self.scrubbed = encoded.tokens, encoded.scrubbed
        if self.label_names:
            self.label_bias = label_bias(
                encoded.documents, train.labels, labels_count=len(self.label_names), vocabulary_size=len(self.subwords)
            )
        return encoded.documents

    def _known_tokens(self) -> Tokens | None:
        """Return tokens that were learned before; None where there are none."""
        return None

    def _load_tokens(self, folder: Path) -> Tokens:
        """Read the tokens of a model's folder."""
        return TOKENS[check_tokens(self.tokens)].load(folder)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, without an end of text."""
        return self.subwords.encode(texts)

    def decode(self, token_ids: Iterable[int]) -> str:
        """Return the text of ids."""
        return self.subwords.decode(token_ids)

    def generate(self, prompts: Sequence[str], *, label: str | None = None, **settings) -> list[str]:
        """Continue prompts.

        Args:
            prompts: N texts; of one that is too long the last tokens are read. May be empty texts.
            label: what the text is to be like, one of the names that the model was trained with; None for any.
            settings: the fields of `textapp.models.sampling.Sampling`, such as max_new_tokens=60, temperature=0.8,
                top_p=0.95, seed=0.

        Returns:
            N texts, each beginning with its prompt; with samples=S as many as that of each prompt, one after the other.

        Raises:
            UserError: a setting is out of range, or the model cannot do it.
        """
        sampling = Sampling(**settings)
        prompts = valid(prompts)
        rows = self._prompt_ids(prompts, sampling, label)
        texts = []
        bias = self.bias(label, sampling)
        for prompt, row in zip(prompts, rows, strict=True):
            texts += [prompt + text for text in write(self, row, sampling, first_row=len(texts), bias=bias)]
        return texts

    def stream(self, prompt: str, *, label: str | None = None, **settings) -> Iterator[str]:
        """Yield the text that `generate` returns for one prompt, piece by piece, the prompt first.

        No piece ends within a character. Where a text cannot be known before its end (`beams`), it comes whole.

        Args:
            prompt, label, settings: as for `generate`; one sample.

        Raises:
            UserError: a setting is out of range, or the model cannot do it; before the first piece.
        """
        sampling = Sampling(**settings)
        if sampling.samples != 1:
            raise UserError(f"samples is {sampling.samples}; one text at a time can be streamed")
        (prompt,) = valid([prompt])
        (row,) = self._prompt_ids([prompt], sampling, label)
        return stream(self, prompt, row, sampling, bias=self.bias(label, sampling))

    def reader(self) -> Reader:
        """Return what reads rows of tokens one after the other; a network has a faster one."""
        return Reader(self)

    def start_ids(self, label: str | None) -> list[int]:
        """Return the tokens before a text.

        Raises:
            UserError: the model knows no such label.
        """
        self._label_number(label)
        return [END_ID]

    def bias(self, label: str | None, sampling: Sampling) -> np.ndarray | None:
        """Return what a label adds to the logits, float32 (V,); None where it adds nothing."""
        number = self._label_number(label)
        if number is None or self.label_bias is None or not sampling.guidance:
            return None
        return sampling.guidance * self.label_bias[number]

    def _label_number(self, label: str | None) -> int | None:
        """Return the number of a label; raise UserError where there is no such label."""
        if label is None:
            return None
        if not self.label_names:
            raise UserError(f"{self.name} was not trained with labels; leave out the label {label!r}")
        if label not in self.label_names:
            raise UserError(f"unknown label {label!r}; choose from {list(self.label_names)}")
        return self.label_names.index(label)

    def _prompt_ids(self, prompts: Sequence[str], sampling: Sampling, label: str | None) -> list[list[int]]:
        """Return the ids of each prompt, as many of the last ones as there is room for."""
        if sampling.max_new_tokens > self.most_new_tokens:
            wrong = f"max-new-tokens is {sampling.max_new_tokens}"
            raise UserError(f"{wrong}; this model takes 1 to {self.most_new_tokens}")
        start, room = self.start_ids(label), self.context - sampling.max_new_tokens
        rows = []
        for ids in self.encode(prompts):
            # What stands for the label stays, however long the prompt is; the end of text before it, which stands
            # for the start of a text, does not: the model saw it there alone.
            kept = start[1:] if len(start) + len(ids) > room else start
            taken = min(len(ids), room - len(kept))
            rows.append([*kept, *ids[len(ids) - taken :]])
        return rows

    def save(self, folder: Path) -> None:
        """Write everything that `textapp.load` needs into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.subwords.save(folder / TOKENIZER_FOLDER)
        self._save(folder)
        if self.label_bias is not None:
            np.save(folder / LABEL_FILE, self.label_bias, allow_pickle=False)
        write_description(folder, self)

    @classmethod
    def load(cls, folder: Path, options: dict) -> Self:
        """Return the model that `save` wrote; `textapp.load` finds the class and the options."""
        model = cls(**options)
        model.subwords = model._load_tokens(require_file(folder, TOKENIZER_FOLDER))
        model._load(folder)
        if model.label_names:
            bias = np.load(require_file(folder, LABEL_FILE), allow_pickle=False)
            if bias.shape != (shape := (len(model.label_names), len(model.subwords))):
                raise UserError(f"{folder / LABEL_FILE} is damaged: its shape is {bias.shape}, not {shape}")
            model.label_bias = bias
        return model


def valid(texts: Iterable[str]) -> list[str]:
    """Return texts of which half a surrogate pair, as bytes of a command line that are no UTF-8 become, is "?"."""
    return [text.encode("utf-8", errors="replace").decode() for text in texts]


def label_bias(
    documents: Sequence[np.ndarray], labels: np.ndarray, *, labels_count: int, vocabulary_size: int
) -> np.ndarray:
    """Return log P(token | label) - log P(token | another label), float32 of shape (C, V), of the training texts.

    Added to a model's logits it makes texts of a label more likely, as Naive Bayes sees labels: "weighted decoding"
    (Ghazvininejad et al. 2017, https://aclanthology.org/P17-4008). Rare tokens, of which the counts tell little, are
    drawn to 0.

    Args:
        documents: the ids of each text.
        labels: int array, the number of each text's label.
        labels_count: C.
        vocabulary_size: V.
    """
    counts = np.zeros((labels_count, vocabulary_size))
    for label in range(labels_count):
        chosen = [ids for ids, found in zip(documents, labels, strict=True) if found == label]
        if chosen:
            counts[label] = np.bincount(np.concatenate(chosen), minlength=vocabulary_size)
    share = counts.sum(axis=1, keepdims=True) / max(counts.sum(), 1)
    share = np.clip(share, 1e-9, 1 - 1e-9)  # of a label that has every token, or none
    odds = (counts + PRIOR_TOKENS * share) / (counts.sum(axis=0) - counts + PRIOR_TOKENS * (1 - share))
    return (np.log(odds) - np.log(share / (1 - share))).astype(np.float32)
