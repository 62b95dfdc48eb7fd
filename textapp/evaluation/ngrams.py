"""A bigram model over token ids: what a generator has to beat in bits per byte."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from nltk.lm import NgramCounter, Vocabulary
from nltk.lm.models import InterpolatedLanguageModel
from nltk.lm.smoothing import KneserNey

BIGRAM_NAME = "bigram, Kneser-Ney"
# The discount where the training text is too small to estimate one; the value that is common in the
# literature.
DEFAULT_DISCOUNT = 0.75


class BigramKneserNey(KneserNey):
    """NLTK's Kneser-Ney smoothing for bigrams, with its sums taken once instead of at every question.

    NLTK goes through every bigram type for each word it scores, and gives probability 0 to a word it never
    saw. Here the lowest level is itself discounted and mixed with the uniform distribution over the
    vocabulary, as in Chen and Goodman (1999, "An empirical study of smoothing techniques for language
    modeling"), so that every token of the vocabulary has a probability and all of them sum to 1.
    """

    def __init__(self, vocabulary: Vocabulary, counter: NgramCounter, *, vocabulary_size: int) -> None:
        bigrams = counter[2]  # {context: {word: count}}
        repeats = Counter(count for words in bigrams.values() for count in words.values())
        super().__init__(vocabulary, counter, order=2, discount=_discount(repeats))
        self.vocabulary_size = vocabulary_size
        self.continuations = Counter(word for words in bigrams.values() for word in words)
        self.bigram_types = self.continuations.total()

    def alpha_gamma(self, word: str, context: tuple[str]) -> tuple[float, float]:
        """Returns the discounted share of a word after a context, and the weight of `unigram_score`."""
        following = self.counts[context]
        alpha = max(following[word] - self.discount, 0.0) / following.N()
        return alpha, self.discount * len(following) / following.N()

    def unigram_score(self, word: str) -> float:
        """Returns the probability of a word by the number of different words it follows."""
        kept = max(self.continuations[word] - self.discount, 0.0)
        given_back = self.discount * len(self.continuations) / self.vocabulary_size
        return (kept + given_back) / self.bigram_types


def fit_bigram(sequences: Iterable[Sequence[int]], *, vocabulary_size: int, start_id: int) -> InterpolatedLanguageModel:
    """Fits a bigram model with interpolated Kneser-Ney smoothing.

    Args:
        sequences: token ids of the training texts, each below `vocabulary_size`, without the start token.
        vocabulary_size: V.
        start_id: the token that stands before the first of each text.

    Returns:
        An nltk.lm model; its words are the ids as strings: `model.score("7", ("0",))`.

    Raises:
        ValueError: if there is no token, or an id is not below V.
    """
    pairs, counts = _bigram_counts(sequences, vocabulary_size=vocabulary_size, start_id=start_id)
    names = [str(token_id) for token_id in range(vocabulary_size)]
    counter = NgramCounter()
    # The pairs are sorted: all the words of one context lie in a row.
    contexts, starts = np.unique(pairs[:, 0], return_index=True)
    for context, start, end in zip(contexts, starts, [*starts[1:], len(pairs)], strict=True):
        words = map(names.__getitem__, pairs[start:end, 1].tolist())
        counter[2][(names[context],)].update(dict(zip(words, counts[start:end].tolist(), strict=True)))
    return InterpolatedLanguageModel(
        BigramKneserNey,
        order=2,
        vocabulary=Vocabulary(names),
        counter=counter,
        params={"vocabulary_size": vocabulary_size},
    )


def bigram_bits_per_byte(
    train_sequences: Iterable[Sequence[int]],
    test_sequences: Iterable[Sequence[int]],
    test_bytes: Sequence[int],
    *,
    vocabulary_size: int,
    start_id: int,
) -> float:
    """Returns what a bigram model needs per UTF-8 byte of the test texts, in bits.

    It is the sum of -log2 P(token | token before it) over every token given, divided by all bytes, so it may
    be set beside a generator's number where that one is summed over the same tokens: an end token counts if
    it is given.

    Args:
        train_sequences: token ids of the training texts, without the start token.
        test_sequences: token ids of the test texts, without the start token.
        test_bytes: for each test text its length in UTF-8 bytes.
        vocabulary_size: V; every id is below it.
        start_id: the token that stands before the first of each text.

    Raises:
        ValueError: if an id is not below V, or there are no tokens or bytes, or not as many byte counts as
        texts.
    """
    test_sequences = list(test_sequences)
    if len(test_bytes) != len(test_sequences) or sum(test_bytes) <= 0:
        raise ValueError(
            f"test_bytes holds {len(test_bytes)} counts, in all {sum(test_bytes)} bytes; there are "
            f"{len(test_sequences)} test sequences, and it takes one count for each and at least one byte"
        )
    model = fit_bigram(train_sequences, vocabulary_size=vocabulary_size, start_id=start_id)
    pairs, counts = _bigram_counts(test_sequences, vocabulary_size=vocabulary_size, start_id=start_id)
    bits = math.fsum(
        -count * model.logscore(str(word), (str(context),))
        for (context, word), count in zip(pairs.tolist(), counts.tolist(), strict=True)
    )
    return bits / sum(test_bytes)


def _bigram_counts(
    sequences: Iterable[Sequence[int]], *, vocabulary_size: int, start_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts bigrams, each text opened by the start token.

    Counted in NumPy: `nltk.lm`'s own `fit` takes a Python step for each of millions of tokens.

    Returns:
        The different bigrams in sorted order, int64 array of shape (bigrams, 2), and their counts (bigrams,).
    """
    opened = [np.concatenate(([start_id], np.asarray(ids, dtype=np.int64))) for ids in sequences]
    contexts = np.concatenate([np.empty(0, np.int64), *(ids[:-1] for ids in opened)])
    words = np.concatenate([np.empty(0, np.int64), *(ids[1:] for ids in opened)])
    if not len(words):
        raise ValueError("the sequences hold no tokens; a bigram model takes at least one")
    low, high = min(contexts.min(), words.min()), max(contexts.max(), words.max())
    if low < 0 or high >= vocabulary_size:
        raise ValueError(f"token ids run from {low} to {high}; allowed is 0 to {vocabulary_size - 1}")
    keys, counts = np.unique(contexts * vocabulary_size + words, return_counts=True)
    return np.stack(np.divmod(keys, vocabulary_size), axis=1), counts


def _discount(repeats: Counter[int]) -> float:
    """Returns n1 / (n1 + 2 n2), n1 bigrams seen once and n2 seen twice (Ney, Essen and Kneser 1994)."""
    once, twice = repeats[1], repeats[2]
    return once / (once + 2 * twice) if once and twice else DEFAULT_DISCOUNT
