"""How texts are written: all settings in one place, and what they do to the scores of the next token."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from textapp.errors import UserError

LEAST = -40.0  # a token with e**-40 of the best one's probability is as good as impossible
CANDIDATES = 4  # of contrastive search, where `top_k` does not say; as in the paper
MOST_ROWS = 64  # samples, beams or candidates of one prompt
MOST_PHRASES, LONGEST_PHRASE = 1_000, 200  # of `banned`, `forced` and `stop`; characters


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """The settings of `Generator.generate`.

    Attributes:
        max_new_tokens: the most tokens to add; fewer where the model ends the text.
        min_new_tokens: the model does not end the text before this many.
        temperature: 0 always takes the most probable token; above 1 gets wild.
        top_k: choose among this many most probable tokens; 0 for all.
        top_p: choose among the fewest tokens that have this probability together.
        min_p: choose among the tokens that have this share of the most probable one's probability (Nguyen et al.
            2024, arXiv:2407.01082).
        repetition_penalty: the log-probability of a token that the prompt or the text has already is multiplied by
            this, but not that of the end; 1 for none. Keskar et al. 2019 divide logits, which turns around where they
            are negative.
        no_repeat_ngram: no run of this many tokens comes twice; 0 lets them.
        banned: no word of the new text begins with one of these, in whatever case. What begins with a mark or a
            blank, or in Han or kana, which put no blanks between words, comes nowhere.
        forced: the new text has each of these: where the model finds its first token likely, at the latest where
            the last tokens must be taken for it. A short text that cannot hold them all ends within them.
        stop: the text ends before the first of these, which does not come before what is forced.
        samples: how many texts to write for each prompt.
        seed: the same seed gives the same texts.
        beams: 1, or how many beginnings to keep for a text that is probable as a whole; nothing is drawn then. Where
            there are fewer texts than `samples`, the last one comes again.
        contrastive: 0, or the weight of contrastive search (Su et al. 2022, arXiv:2202.06417), from 0 to 1: the most
            probable of `top_k` (4 if 0) tokens after which the network is not in a state that it was in before;
            nothing is drawn then.
        guidance: how far a label is obeyed: 0 as the network learned it; more adds to the score of each token, that
            many times, how much more likely it is in the training texts with the label. Of no use without a label.
    """

    max_new_tokens: int = 60
    min_new_tokens: int = 0
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    banned: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    samples: int = 1
    seed: int = 0
    beams: int = 1
    contrastive: float = 0.0
    guidance: float = 1.0

    def __post_init__(self) -> None:
        """Raise UserError for a setting that is out of range."""
        if self.max_new_tokens < 1:
            raise UserError(f"max-new-tokens is {self.max_new_tokens}; it must be 1 or more")
        if not 0 <= self.min_new_tokens <= self.max_new_tokens:
            raise UserError(
                f"min-new-tokens is {self.min_new_tokens}; it must be from 0 to max-new-tokens, {self.max_new_tokens}"
            )
        if not 0 <= self.temperature < math.inf:
            raise UserError(f"temperature is {self.temperature}; it must be 0 or more")
        if not 0 <= self.top_k < 2**31:
            raise UserError(f"top-k is {self.top_k}; it must be 0 (for all tokens) or more, and less than 2**31")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top-p is {self.top_p}; it must be above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise UserError(f"min-p is {self.min_p}; it must be from 0 (for all tokens) to 1")
        if not 1 <= self.repetition_penalty <= 100:
            raise UserError(f"repetition-penalty is {self.repetition_penalty}; it must be from 1 (for none) to 100")
        if self.no_repeat_ngram < 0:
            raise UserError(f"no-repeat-ngram is {self.no_repeat_ngram}; it must be 0 (to let them) or more")
        for name in ("banned", "forced", "stop"):
            phrases = (getattr(self, name),) if isinstance(getattr(self, name), str) else tuple(getattr(self, name))
            object.__setattr__(self, name, phrases)
            if len(phrases) > MOST_PHRASES:
                raise UserError(f"there are {len(phrases)} phrases for {name}; at most {MOST_PHRASES} are taken")
            if wrong := [phrase for phrase in phrases if not phrase.strip(" ") or len(phrase) > LONGEST_PHRASE]:
                raise UserError(
                    f"{name} has {wrong[0][:30]!r}; each phrase must have 1 to {LONGEST_PHRASE} characters, and not "
                    "blanks alone"
                )
        for name in ("samples", "beams"):
            if not 1 <= getattr(self, name) <= MOST_ROWS:
                raise UserError(f"{name} is {getattr(self, name)}; it must be from 1 to {MOST_ROWS}")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"the seed is {self.seed}; it must be from 0 to {2**31 - 1}")
        if not 0 <= self.contrastive <= 1:
            raise UserError(f"contrastive is {self.contrastive}; it must be from 0 (for none) to 1")
        if not 0 <= self.guidance <= 20:
            raise UserError(f"guidance is {self.guidance}; it must be from 0 to 20")
        self._check_searches()

    def _check_searches(self) -> None:
        if self.beams > 1 and self.contrastive:
            raise UserError("beams and contrastive are two ways to search; choose one of them")
        if self.beams > 1 and self.samples > self.beams:
            raise UserError(f"samples is {self.samples}, but beams is {self.beams}; use at least as many beams")
        if self.forced and (self.beams > 1 or self.contrastive):
            raise UserError("forced goes neither with beams nor with contrastive; leave one of them out")
        if self.contrastive and self.samples > 1:
            raise UserError(f"samples is {self.samples}, but contrastive search gives one text; use samples=1")
        if self.contrastive and self.candidates > MOST_ROWS:
            raise UserError(f"top-k is {self.top_k}; contrastive search takes at most {MOST_ROWS} candidates")

    @property
    def candidates(self) -> int:
        """How many tokens contrastive search tries."""
        return self.top_k or CANDIDATES

    @property
    def plain(self) -> bool:
        """Whether nothing is wanted but temperature, top-k and top-p."""
        return not self.adjusts and self.in_one_loop

    @property
    def adjusts(self) -> bool:
        """Whether the scores of single tokens are changed before one is drawn."""
        return self.min_p > 0 or self.repetition_penalty > 1 or self.min_new_tokens > 0

    @property
    def in_one_loop(self) -> bool:
        """Whether a compiled loop can do it all, knowing tokens and not texts."""
        words = self.no_repeat_ngram or self.banned or self.forced or self.stop
        return not (words or self.beams > 1 or self.contrastive)


def adjusted(
    logits: Any,
    seen: Any,
    too_early: Any,
    *,
    end: Any,
    temperature: Any,
    min_p: Any,
    repetition_penalty: Any,
    xp: Any = np,
) -> Any:
    """Return the scores after `repetition_penalty`, `min_new_tokens` and `min_p`, in this order.

    Args:
        logits: float32 of shape (B, V), in NumPy or a backend.
        seen: bool (B, V), the tokens that a text has already.
        too_early: bool (B,), whether a text may not end yet.
        end: bool (V,), True for the end of text.
        temperature, min_p, repetition_penalty: float scalars. `min_p` compares probabilities at this temperature.
        xp: `numpy` or `keras.ops`.

    Returns:
        Log-probabilities, of shape (B, V), that are -inf where a token cannot be chosen.
    """
    scores = log_softmax(logits, xp=xp)
    # The end of text stands before every text: to end one is no repetition.
    repeated = xp.logical_and(seen, xp.logical_not(xp.expand_dims(end, 0)))
    scores = xp.where(repeated, scores * repetition_penalty, scores)
    scores = xp.where(xp.logical_and(xp.expand_dims(too_early, 1), xp.expand_dims(end, 0)), -math.inf, scores)
    best = xp.max(scores, axis=-1, keepdims=True)
    # p >= min_p * p of the best one, where p ~ exp(score / temperature); log(0) would be a warning in NumPy.
    least = best + temperature * xp.log(xp.maximum(min_p, 1e-30))
    return xp.where(xp.logical_and(min_p > 0, scores < least), -math.inf, scores)


def log_softmax(logits: Any, *, xp: Any = np) -> Any:
    """Return log-probabilities over the last axis; -inf stays."""
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def choose(scores: np.ndarray, uniform: np.ndarray, *, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """Return what `textapp.models.decoding.choose_tokens` returns, in NumPy, which can sort.

    Args:
        scores: float32 of shape (B, V), of which at least one a row is finite.
        uniform: float32 of shape (B,), from 0 up to 1.
        temperature, top_k, top_p: as there.

    Returns:
        int64 array of shape (B,).
    """
    return invert(left_over(scores, temperature=temperature, top_k=top_k, top_p=top_p), uniform)


def is_decided(
    scores: np.ndarray,
    uniform: np.ndarray,
    *,
    difference: float,
    temperature: float,
    top_k: int,
    top_p: float,
) -> np.ndarray:
    """Return whether another model draws the same tokens, as far as its log-probabilities differ by no more than this.

    A token is not decided where the number that it was drawn with is that near to another token, or where that little
    decides which tokens are drawn from at all, and those that it decides have as much probability as lies between.

    Args:
        scores: logits or log-probabilities of T steps, (T, V).
        uniform: what each was drawn with, (T,), from 0 up to 1.
        difference: the largest of a log-probability.
        temperature, top_k, top_p: as for `choose`.

    Returns:
        bool array of shape (T,).
    """
    scores = np.asarray(scores, np.float64)
    ordered = -np.sort(-scores, axis=-1)
    if temperature <= 0:
        return ordered[:, 0] - ordered[:, 1] > 2 * difference
    difference = difference / temperature
    scaled = np.maximum((scores - ordered[:, :1]) / temperature, LEAST)
    probabilities = np.exp(scaled)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    order = np.argsort(-scaled, axis=-1, kind="stable")
    sorted_scores = np.take_along_axis(scaled, order, axis=-1)
    sorted_probabilities = np.take_along_axis(probabilities, order, axis=-1)
    before = np.cumsum(sorted_probabilities, axis=-1) - sorted_probabilities  # the mass of the more probable ones
    kept = before < top_p
    if top_k:
        kept &= np.arange(scores.shape[-1]) < top_k
    least = np.take_along_axis(sorted_scores, kept.sum(axis=-1, keepdims=True) - 1, axis=-1)
    kept = sorted_scores >= least  # equals of the last one, too
    # Those whose mass before them is at the limit, and those that are as probable as the last one, or nearly, where
    # some of these are kept and others are not.
    open_ = (np.abs(before - top_p) <= difference) if top_p < 1 else np.zeros_like(kept)
    near = np.abs(sorted_scores - least) <= 2 * difference
    open_ |= near & (near & ~kept).any(axis=-1, keepdims=True)
    open_mass = (sorted_probabilities * open_).sum(axis=-1)
    sure_mass = (sorted_probabilities * (kept & ~open_)).sum(axis=-1)
    uncertain = open_mass / np.maximum(sure_mass, 1e-12)  # how far the others may move a border
    by_id = np.empty_like(probabilities)
    np.put_along_axis(by_id, order, np.where(kept, sorted_probabilities, 0), axis=-1)
    borders = np.cumsum(by_id, axis=-1)
    borders /= borders[:, -1:]
    # The last border, 1, is no border to another token.
    inner = np.where((by_id > 0) & (borders < 1 - 1e-12), borders, np.inf)
    distance = np.abs(inner - np.asarray(uniform, np.float64)[:, None]).min(axis=-1)
    return distance > difference + uncertain


def left_over(scores: np.ndarray, *, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """Return the probabilities that the settings leave, float32 (B, V); the others are 0, so that less than 1 is left.

    Args:
        scores, temperature, top_k, top_p: as for `choose`.
    """
    scores = np.asarray(scores, np.float32)
    if temperature <= 0:
        return (np.arange(scores.shape[-1]) == scores.argmax(axis=-1)[:, None]).astype(np.float32)
    scaled = np.maximum((scores - scores.max(axis=-1, keepdims=True)) / np.float32(temperature), np.float32(LEAST))
    scaled[np.isneginf(scores)] = -np.inf
    probabilities = np.exp(scaled)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    ordered = np.sort(scaled, axis=-1)[:, ::-1]
    mass = np.cumsum(np.sort(probabilities, axis=-1)[:, ::-1], axis=-1)
    count = np.minimum((mass < np.float32(top_p)).sum(axis=-1) + 1, top_k or scores.shape[-1])
    least = np.take_along_axis(ordered, np.minimum(count, scores.shape[-1])[:, None] - 1, axis=-1)
    return np.where(scaled >= least, probabilities, np.float32(0))


def invert(probabilities: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return the tokens at which the distributions pass `uniform`, int64 (B,).

    Args:
        probabilities: float32 of shape (B, V), of which at least one a row is above 0; they need not add up to 1.
        uniform: float32 of shape (B,), from 0 up to 1.
    """
    cumulative = np.cumsum(probabilities, axis=-1)
    passed = (cumulative <= uniform[:, None] * cumulative[:, -1:]) & (cumulative < cumulative[:, -1:])
    return passed.sum(axis=-1)
