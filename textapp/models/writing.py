"""Texts token by token in Python, for what a compiled loop cannot know: texts, phrases, searches.

KerasHub's samplers (`keras_hub.samplers.BeamSampler`, `ContrastiveSampler`, ...) are no help here: their settings are
part of the compiled graph, so that each new value is compiled anew, they know no stop strings, phrases or penalties,
they take the network's own loop and its seeds differ from backend to backend. A test holds the beams against theirs.
"""

from __future__ import annotations

import codecs
import copy
import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from textapp.errors import UserError
from textapp.models.decoding import uniform_numbers
from textapp.models.sampling import Sampling, adjusted, invert, left_over, log_softmax
from textapp.text.cleaning import IDEOGRAPHS
from textapp.text.subwords import END_ID

if TYPE_CHECKING:
    from textapp.models.generator import Generator

Ids = Sequence[int] | np.ndarray
FORCED_RANK = 10  # a forced phrase is written where its first token is among this many most probable


class Reader:
    """Reads rows of tokens, the same number in each, and says what may come next.

    Attributes:
        has_hidden: whether there is a network with states.
        hidden: what a network's last layer says of the tokens just read, float32 (1, T, D) after `start` and (B, D)
            after `step`; empty where there is none.
    """

    has_hidden: bool = False
    hidden: np.ndarray = np.zeros(0)

    def __init__(self, generator: Generator):
        self._generator, self._rows = generator, []

    def start(self, ids: Sequence[int], rows: int) -> np.ndarray:
        """Read one row and return the logits after it for as many rows as go on from it, float32 (rows, V)."""
        self._rows = [list(ids)] * rows
        return np.repeat(self._generator.next_logits([list(ids)]), rows, axis=0)

    def step(self, tokens: Ids, parents: Ids | None = None) -> np.ndarray:
        """Read a token in each of B rows and return the logits after it, float32 (B, V).

        Args:
            tokens: B ids.
            parents: which of the rows so far each goes on from; None for each from its own.
        """
        parents = range(len(tokens)) if parents is None else parents
        self._rows = [[*self._rows[parent], int(token)] for parent, token in zip(parents, tokens, strict=True)]
        return self._generator.next_logits(self._rows)


class BiasedReader(Reader):
    """A reader whose logits have something added, such as what makes a label likely.

    Args:
        reader: reads.
        bias: float32 (V,).
    """

    def __init__(self, reader: Reader, bias: np.ndarray):
        self._reader, self._bias = reader, bias

    def start(self, ids: Sequence[int], rows: int) -> np.ndarray:
        return self._biased(self._reader.start(ids, rows))

    def step(self, tokens: Ids, parents: Ids | None = None) -> np.ndarray:
        return self._biased(self._reader.step(tokens, parents))

    def _biased(self, logits: np.ndarray) -> np.ndarray:
        self.hidden = self._reader.hidden
        return logits + self._bias


@dataclasses.dataclass(kw_only=True, eq=False)
class Text:
    """One text on its way.

    Attributes:
        generator, sampling: whose tokens, and which settings.
        prompt_ids: what was read.
        ids: the tokens written since.
        written: their bytes.
        ended: whether nothing is to come.
        forcing: tokens of a phrase that must come next.
        score: the sum of the tokens' log-probabilities.
        length: how many tokens that is, the end of text included.
    """

    generator: Generator
    sampling: Sampling
    prompt_ids: list[int]
    ids: list[int] = dataclasses.field(default_factory=list)
    written: bytes = b""
    ended: bool = False
    forcing: list[int] = dataclasses.field(default_factory=list)
    score: float = 0.0
    length: int = 0

    def __post_init__(self) -> None:
        self._before = self.generator.decode(self.prompt_ids)[-1_000:]
        self._pending = list(self.sampling.forced)
        self._banned = _finder(self.sampling.banned)
        self._longest = max(map(len, self.sampling.banned), default=0)

    def copy(self) -> Self:
        """Return a text that goes on from here by itself."""
        other = copy.copy(self)
        other.ids, other.forcing, other._pending = list(self.ids), list(self.forcing), list(self._pending)
        return other

    @property
    def text(self) -> str:
        """What was written, up to a stop string."""
        return self._until_stop(self.written.decode("utf-8", errors="replace"))

    @property
    def settled(self) -> str:
        """What no later token can change: whole characters, and none that may begin a stop string."""
        if self.ended:
            return self.text
        known = self._whole_characters
        cut = len(known)
        for stop in self.sampling.stop:
            for size in range(min(len(stop) - 1, len(known)), 0, -1):
                if known.endswith(stop[:size]):
                    cut = min(cut, len(known) - size)
                    break
        return known[:cut]

    @property
    def _whole_characters(self) -> str:
        """What was written, without the bytes at its end that may become a character."""
        return codecs.getincrementaldecoder("utf-8")("replace").decode(self.written)

    def _until_stop(self, text: str) -> str:
        found = [text.find(stop) for stop in self.sampling.stop]
        return text[: min((index for index in found if index >= 0), default=len(text))]

    def add(self, token: int, score: float = 0.0) -> None:
        """Write a token; the text may end with it."""
        self.score, self.length = self.score + score, self.length + 1
        self.ended = self.ends_with(token)
        if token == END_ID:
            return
        self.ids.append(token)
        self.written += self.generator.subwords.token_bytes(token)
        self.ended = self.ended or len(self.ids) >= self.sampling.max_new_tokens
        if self._pending and not self.forcing:
            whole = self.written.decode("utf-8", errors="replace")
            self._pending = [phrase for phrase in self._pending if phrase not in whole]

    def ends_with(self, token: int) -> bool:
        """Return whether a token is the end of text or completes a stop string."""
        if token == END_ID or not self.sampling.stop:
            return token == END_ID
        whole = (self.written + self.generator.subwords.token_bytes(token)).decode("utf-8", errors="replace")
        return any(stop in whole for stop in self.sampling.stop)

    def forbidden(self, token: int) -> bool:
        """Return whether a token would bring a banned phrase or a run of tokens that is there already."""
        if token == END_ID:
            return False
        size = self.sampling.no_repeat_ngram
        if size:
            ids = [*self.prompt_ids, *self.ids]
            last = [*ids[len(ids) - size + 1 :], token] if size > 1 else [token]
            if len(last) == size and any(ids[i : i + size] == last for i in range(len(ids) - size + 1)):
                return True
        if self._banned is None:
            return False
        piece = self.generator.subwords.token_bytes(token)
        changed = self._before + (self.written + piece).decode("utf-8", errors="replace")
        # What is there already, such as in the prompt, forbids nothing: a new match ends in the piece.
        known = len(self._before) + len(self._whole_characters)
        start = max(0, known - self._longest)
        while (found := self._banned.search(changed, start)) and found.end() <= known:
            start = found.start() + 1
        return found is not None

    def allowed(self, scores: np.ndarray, count: int) -> list[int]:
        """Return the most probable tokens that may come, at most `count` of them."""
        found = []
        for token in np.argsort(-scores, kind="stable"):
            if len(found) == count or np.isneginf(scores[token]):
                break
            if not self.forbidden(int(token)):
                found.append(int(token))
        return found or [END_ID]

    def draw(self, scores: np.ndarray, numbers: Iterator[np.float32]) -> int:
        """Return a token that may come, drawn among those that the settings leave or, if none of them may, the rest.

        Args:
            scores: float32 (V,).
            numbers: from 0 up to 1, one for each token that is drawn: the one that led to a token that may not come
                says too much about the others to draw again with.
        """
        settings = {name: getattr(self.sampling, name) for name in ("temperature", "top_k", "top_p")}
        scores, left = np.array(scores), np.zeros(len(scores), np.float32)
        while not np.isneginf(scores).all():
            if not left.any():
                (left,) = left_over(scores[None], **settings)
            (token,) = invert(left[None], np.array([next(numbers)], np.float32)).tolist()
            if not self.forbidden(token):
                return token
            scores[token], left[token] = -np.inf, 0
        return END_ID

    def forced(self, scores: np.ndarray) -> int | None:
        """Return the token that must come next, None where any may."""
        if not self.forcing and self._pending:
            phrases = [self._spelled(phrase) for phrase in self._pending]
            left = self.sampling.max_new_tokens - len(self.ids)
            least = np.partition(scores, -FORCED_RANK)[-FORCED_RANK] if len(scores) > FORCED_RANK else -np.inf
            likely = [index for index, ids in enumerate(phrases) if scores[ids[0]] >= least]
            if likely or left <= sum(map(len, phrases)):
                chosen = max(likely or range(len(phrases)), key=lambda index: scores[phrases[index][0]])
                self.forcing = phrases[chosen]
                del self._pending[chosen]
        return self.forcing.pop(0) if self.forcing else None

    def force_before_the_end(self) -> int | None:
        """Return the first token of a forced phrase that the text must not end without; None without any."""
        if not self._pending:
            return None
        self.forcing = self._spelled(self._pending.pop(0))
        return self.forcing.pop(0)

    def _spelled(self, phrase: str) -> list[int]:
        before = self._before + self.text
        blank = "" if not before or before[-1].isspace() else " "
        return self.generator.encode([blank + phrase.lstrip(" ")])[0]


def _finder(phrases: Sequence[str]) -> re.Pattern | None:
    """Return what finds phrases, of several at a place the longest; None without any.

    Of a phrase that begins with a letter a word must begin there. Han and kana have no blanks between words.
    """
    found = {r"(?<!\w)": [], "": []}  # what stands before phrases
    for phrase in sorted(phrases, key=len, reverse=True):
        begins_a_word = re.match(r"\w", phrase) and not re.match(IDEOGRAPHS, phrase)
        found[r"(?<!\w)" if begins_a_word else ""].append(re.escape(phrase))
    parts = [f"{before}(?:{'|'.join(group)})" for before, group in found.items() if group]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def write(
    generator: Generator,
    ids: list[int],
    sampling: Sampling,
    *,
    first_row: int = 0,
    bias: np.ndarray | None = None,
) -> list[str]:
    """Return what comes after a prompt, as many texts as `sampling.samples`.

    Args:
        generator: whose tokens.
        ids: the prompt's, `END_ID` or a label before it.
        sampling: the settings.
        first_row: how many texts were written before these, so that each has random numbers of its own.
        bias: added to the logits, float32 (V,); None for nothing.
    """
    _check(generator, sampling)
    reader = _reader(generator, bias)
    if sampling.beams > 1:
        return [text.text for text in _beams(reader, Text(generator=generator, sampling=sampling, prompt_ids=ids))]
    texts = []
    for texts in _steps(reader, generator, ids, sampling, first_row):  # noqa: B007
        pass
    return [text.text for text in texts]


def stream(
    generator: Generator,
    prompt: str,
    ids: list[int],
    sampling: Sampling,
    *,
    bias: np.ndarray | None = None,
) -> Iterator[str]:
    """Return the pieces of a prompt and what comes after it; arguments as for `write`."""
    _check(generator, sampling)

    def pieces() -> Iterator[str]:
        if prompt:
            yield prompt
        if sampling.beams > 1:
            yield from filter(None, write(generator, ids, sampling, bias=bias))
            return
        given = 0
        for (text,) in _steps(_reader(generator, bias), generator, ids, sampling, 0):
            settled = text.settled
            if len(settled) > given:
                yield settled[given:]
                given = len(settled)

    return pieces()


def _reader(generator: Generator, bias: np.ndarray | None) -> Reader:
    reader = generator.reader()
    return reader if bias is None else BiasedReader(reader, bias)


def _check(generator: Generator, sampling: Sampling) -> None:
    """Raise UserError for what this generator cannot do."""
    if sampling.contrastive and not generator.reader().has_hidden:
        raise UserError(f"{generator.name} has no hidden states, so it cannot search contrastively")
    if not sampling.forced:
        return
    size = sum(map(len, generator.encode([f" {phrase}" for phrase in sampling.forced])))
    if size > sampling.max_new_tokens:
        raise UserError(
            f"the forced phrases take {size} tokens, but max-new-tokens is {sampling.max_new_tokens}; allow more or "
            "force fewer"
        )
    text = Text(generator=generator, sampling=sampling, prompt_ids=[])
    for phrase in sampling.forced:
        written = f" {phrase.lstrip(' ')}"
        if text._banned is not None and text._banned.search(written):
            raise UserError(f"{phrase!r} is forced and banned at once; take it out of one of the lists")
        if stop := next((stop for stop in sampling.stop if stop in written), None):
            raise UserError(f"{phrase!r} is forced, but the text ends before {stop!r}; take one out of its list")


def _steps(
    reader: Reader, generator: Generator, ids: list[int], sampling: Sampling, first_row: int
) -> Iterator[list[Text]]:
    """Yield the texts after each token, the last time when all have ended."""
    if sampling.contrastive:
        yield from _contrastive(reader, Text(generator=generator, sampling=sampling, prompt_ids=ids))
        return
    texts = [Text(generator=generator, sampling=sampling, prompt_ids=ids) for _ in range(sampling.samples)]
    columns = len(ids) + sampling.max_new_tokens
    uniform = uniform_numbers(sampling.seed, len(texts), columns, first=first_row)
    logits = reader.start(ids, len(texts))
    for column in range(len(ids), columns):
        scores, tokens = _adjusted(logits, texts, sampling), np.full(len(texts), END_ID)
        for row, text in enumerate(texts):
            if text.ended:
                continue
            token = text.forced(scores[row])
            if token is None:
                more = _more_numbers(uniform[row, column], [sampling.seed, first_row + row, column])
                token = text.draw(scores[row], more)
                if text.ends_with(token):
                    token = text.force_before_the_end() or token
            text.add(token)
            tokens[row] = token
        yield texts
        if all(text.ended for text in texts):
            return
        logits = reader.step(tokens)


def _more_numbers(first: np.float32, seed: Sequence[int]) -> Iterator[np.float32]:
    """Yield a number from 0 up to 1 and then others, which only `seed` decides."""
    yield first
    random = np.random.default_rng(seed)
    while True:
        yield np.float32(random.random(dtype=np.float32))


def _adjusted(logits: np.ndarray, texts: Sequence[Text], sampling: Sampling, *, temperature: float | None = None):
    """Return the scores (B, V) after the settings that change those of single tokens."""
    if not sampling.adjusts:
        return logits
    seen = np.zeros(logits.shape, bool)
    for row, text in zip(seen, texts, strict=True):
        known = np.array([*text.prompt_ids, *text.ids])
        row[known[known < logits.shape[1]]] = True
    return adjusted(
        logits,
        seen,
        np.array([len(text.ids) < sampling.min_new_tokens for text in texts]),
        end=np.arange(logits.shape[1]) == END_ID,
        temperature=np.float32(sampling.temperature if temperature is None else temperature),
        min_p=np.float32(sampling.min_p),
        repetition_penalty=np.float32(sampling.repetition_penalty),
    )


def _contrastive(reader: Reader, text: Text) -> Iterator[list[Text]]:
    """Su et al. 2022: of the most probable tokens the one with the largest (1 - a) p - a (likeness to the past)."""
    alpha, count = text.sampling.contrastive, text.sampling.candidates
    logits = reader.start(text.prompt_ids, count)[0]
    past, parent = _directions(reader.hidden[0]), 0
    while not text.ended:
        scores = log_softmax(_adjusted(logits[None], [text], text.sampling, temperature=1.0)[0])
        tokens = text.allowed(scores, count)
        # Always as many rows, so that nothing is traced anew.
        rows = np.array(tokens + tokens[:1] * (count - len(tokens)))
        following = reader.step(rows, np.full(count, parent))
        directions = _directions(reader.hidden)[: len(tokens)]
        worth = (1 - alpha) * np.exp(scores[tokens]) - alpha * (directions @ past.T).max(axis=1)
        parent = int(worth.argmax())
        text.add(tokens[parent])
        logits, past = following[parent], np.concatenate([past, directions[parent : parent + 1]])
        yield [text]


def _directions(hidden: np.ndarray) -> np.ndarray:
    return hidden / np.maximum(np.linalg.norm(hidden, axis=-1, keepdims=True), 1e-12)


def _beams(reader: Reader, text: Text) -> list[Text]:
    """Return the texts with the largest mean log-probability of a token, the best first."""
    sampling, count = text.sampling, text.sampling.beams
    living, finished = [text], []
    logits = reader.start(text.prompt_ids, count)
    while True:
        scores = log_softmax(_adjusted(logits[: len(living)], living, sampling, temperature=1.0))
        ways = []
        for row, beam in enumerate(living):
            ways += [(beam.score + scores[row, token], row, token) for token in beam.allowed(scores[row], 2 * count)]
        ways.sort(key=lambda way: -way[0])
        kept, parents = [], []
        for _, row, token in ways:
            longer = living[row].copy()
            longer.add(token, float(scores[row, token]))
            if longer.ended:
                finished.append(longer)
            else:
                kept.append(longer)
                parents.append(row)
            if len(kept) == count:
                break
        finished = sorted(finished, key=_mean, reverse=True)[:count]
        living = kept
        # The score of a living one only sinks; its mean is largest if all tokens to come are sure.
        best = max((beam.score / sampling.max_new_tokens for beam in living), default=-math.inf)
        if not living or (len(finished) == count and best <= _mean(finished[-1])):
            found = finished[: sampling.samples]
            return found + found[-1:] * (sampling.samples - len(found))
        missing = count - len(living)
        tokens = np.array([beam.ids[-1] for beam in living] + [END_ID] * missing)
        logits = reader.step(tokens, np.array(parents + [0] * missing))


def _mean(text: Text) -> float:
    return text.score / text.length
