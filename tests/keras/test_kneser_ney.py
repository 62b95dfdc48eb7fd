"""N-grams against the formulas written out with dictionaries, against NLTK, and by hand."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from nltk.lm import KneserNeyInterpolated

from textapp.models.kneser_ney import NGrams, count, discounts

END = 0


V = 120


def texts(seed=0, size=40, most=V - 3):
    """Return texts of the tokens 2, 3, ..., small ones frequent; the last token, and 1, never stand in one."""
    random = np.random.default_rng(seed)
    return [(1 + random.zipf(1.6, size=random.integers(0, 14)).clip(max=most)).tolist() for _ in range(size)]


class Plain:
    """Chen and Goodman's modified Kneser-Ney, equation by equation, one token at a time."""

    def __init__(self, documents, *, order, vocabulary_size):
        self.order, self.vocabulary_size = order, vocabulary_size
        raw = [Counter() for _ in range(order + 1)]  # by length
        for document in documents:
            padded = (END, *document, END)
            for length in range(1, order + 1):
                for start in range(len(padded) - length + 1):
                    raw[length][padded[start : start + length]] += 1
        self.counts = [None] * order + [raw[order]]
        for length in range(1, order):
            before = {gram[1:]: set() for gram in raw[length + 1]}
            for gram in raw[length + 1]:
                before[gram[1:]].add(gram[0])
            self.counts[length] = Counter({gram: len(tokens) for gram, tokens in before.items()})
            if length > 1:
                self.counts[length] |= Counter({gram: n for gram, n in raw[length].items() if gram[0] == END})
        self.discounts = [None, *(self.discounts_of(counts) for counts in self.counts[1:])]

    @staticmethod
    def discounts_of(counts):
        n = Counter(counts.values())
        y = n[1] / (n[1] + 2 * n[2])
        return [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]

    def probability(self, token, context):
        context = tuple(context)[max(0, len(context) - self.order + 1) :]
        length = len(context) + 1
        lower = self.probability(token, context[1:]) if context else 1 / self.vocabulary_size
        counts, taken = self.counts[length], self.discounts[length]
        following = {gram[-1]: n for gram, n in counts.items() if gram[:-1] == context}
        total = sum(following.values())
        if not total:
            return lower
        n = following.get(token, 0)
        left = sum(taken[min(other, 3)] for other in following.values())
        return (n - taken[min(n, 3)]) / total + left / total * lower


@pytest.mark.parametrize("order", [2, 3, 5])
def test_agrees_with_the_formulas(order):
    train = texts(size=300)
    plain = Plain(train, order=order, vocabulary_size=V)
    assert all(0 < taken < 3 for level in plain.discounts[1:] for taken in level[1:])
    ngrams = NGrams.fit(count(train, order=order, vocabulary_size=V, end_id=END), end_id=END)
    held_out = [*texts(seed=1, size=8), [], [V - 1, V - 1, 1, 2]]
    found, seen = ngrams.probabilities(held_out)
    expected = [
        plain.probability(token, (END, *document[:place]))
        for document in held_out
        for place, token in enumerate(document)
    ]
    assert found == pytest.approx(expected, rel=1e-5)
    assert seen.max() == order - 1
    rows = [(END, *document[:place]) for document in held_out for place in range(len(document))]
    tokens = [token for document in held_out for token in document]
    for row, token, probability, length in zip(rows, tokens, found, seen, strict=True):
        after, longest = ngrams.next_probabilities(row)
        assert after.sum() == pytest.approx(1, rel=1e-5)
        assert after.min() > 0
        assert after[token] == pytest.approx(probability, rel=1e-5)
        assert longest == length


def test_agrees_with_nltk():
    """Above the single tokens, with one discount, and but for where a text ends: NLTK's have no ends."""
    stream = [token for document in texts(size=400, most=8) for token in document]
    ngrams = NGrams.fit(count([stream], order=3, vocabulary_size=11, end_id=END), end_id=END, fixed_discount=0.6)
    nltks = KneserNeyInterpolated(3, discount=0.6)
    grams = [
        tuple(map(str, stream[start : start + length]))
        for length in (1, 2, 3)
        for start in range(len(stream) - length + 1)
    ]
    nltks.fit([grams], vocabulary_text=[str(token) for token in stream])
    lowest = ngrams.next_probabilities([])[0]
    contexts = [pair for pair in sorted(set(itertools.pairwise(stream))) if pair[1] != stream[-1]]
    assert len(contexts) > 40
    for first, second in contexts:
        expected = []
        for token in range(2, 9):
            alpha, gamma = nltks.estimator.alpha_gamma(str(token), (str(first), str(second)))
            middle, weight = nltks.estimator.alpha_gamma(str(token), (str(second),))
            # What is below the pairs is defined otherwise: taken from ours.
            expected.append(alpha + gamma * (middle + weight * lowest[token]))
        assert ngrams.next_probabilities([first, second])[0][2:9] == pytest.approx(expected, rel=1e-5)


def test_bigrams_by_hand():
    # Texts 0 1 2 0 and 0 1 0: bigrams 0 1 twice; 1 2, 2 0 and 1 0 once: discount 3 / (3 + 2). One token before 1 and 2
    # each, two before 0, four in all: discount 2 / (2 + 2), three times, over the four tokens.
    levels = count([[1, 2], [1]], order=2, vocabulary_size=4, end_id=END)
    ngrams = NGrams.fit(levels, end_id=END)
    left = 3 * 0.5 / 4 / 4
    lowest = [1.5 / 4 + left, 0.5 / 4 + left, 0.5 / 4 + left, left]
    assert ngrams.next_probabilities([])[0] == pytest.approx(lowest)
    p_1 = (2 - 0.6) / 2 + 0.6 / 2 * lowest[1]
    p_2 = (1 - 0.6) / 2 + 2 * 0.6 / 2 * lowest[2]
    assert ngrams.probabilities([[1, 2]])[0] == pytest.approx([p_1, p_2])


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1] * 40 + [2] * 20 + [3] * 10 + [4] * 5 + [9], [0, 0.5, 1.25, 2.0]),
        ([1, 1, 2], [0, 0.5, 0.5, 0.5]),  # too few counts of 3 and 4: one discount, n1 / (n1 + 2 n2)
        ([1, 1, 1], [0, 0.75, 0.75, 0.75]),
        ([], [0, 0.75, 0.75, 0.75]),
    ],
)
def test_discounts(counts, expected):
    assert discounts(np.array(counts, np.int64)) == pytest.approx(expected)


def test_nothing_goes_over_the_end_of_a_text():
    ngrams = NGrams.fit(count([[1, 2], [3, 4]], order=4, vocabulary_size=5, end_id=END), end_id=END)
    after_end, seen = ngrams.next_probabilities([1, 2, END])
    assert seen == 1
    assert after_end == pytest.approx(ngrams.next_probabilities([END])[0])
    assert after_end[[1, 3]].min() > after_end[[2, 4]].max()
    # A text ends where training texts ended.
    assert ngrams.next_probabilities([END, 1, 2])[0].argmax() == END


def test_one_short_text_is_enough():
    ngrams = NGrams.fit(count([[1]], order=5, vocabulary_size=3, end_id=END), end_id=END)
    probabilities, _ = ngrams.probabilities([[2, 1, 2], [1], []])
    assert np.isfinite(np.log(probabilities)).all()
    for context in ([], [END], [END, 1], [2, 2, 2, 2]):
        assert math.fsum(ngrams.next_probabilities(context)[0]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "hold no tokens"),
        ([[], []], "hold no tokens"),
        ([[1, 4]], "token ids run from 0 to 4; allowed is 0 to 3"),
        ([[-1]], "token ids run from -1 to 0"),
    ],
)
def test_what_cannot_be_counted(documents, message):
    with pytest.raises(ValueError, match=message):
        count(documents, order=2, vocabulary_size=4, end_id=END)


def test_saved_and_loaded(tmp_path):
    ngrams = NGrams.fit(count(texts(), order=4, vocabulary_size=V, end_id=END), end_id=END)
    ngrams.save(tmp_path / "ngrams.npz")
    again = NGrams.load(tmp_path / "ngrams.npz", end_id=END)
    assert len(again) == len(ngrams)
    for mine, theirs in zip(ngrams.probabilities(texts(seed=2)), again.probabilities(texts(seed=2)), strict=True):
        assert (mine == theirs).all()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("tokens_1", lambda array: array + V),
        ("tokens_2", lambda array: array[:-1]),
        ("children_1", lambda array: array[1:]),
        ("counts_1", lambda array: array[:-1]),
        ("counts_1", lambda array: array - 5),
        ("counts_0", lambda array: array.astype(float)),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, name, change):
    path = tmp_path / "ngrams.npz"
    NGrams.fit(count(texts(), order=3, vocabulary_size=V, end_id=END), end_id=END).save(path)
    with np.load(path) as found:
        arrays = dict(found)
    np.savez(path, **(arrays | {name: change(arrays[name].astype(np.int64))}))
    with pytest.raises(ValueError, match=r"ngrams\.npz"):
        NGrams.load(path, end_id=END)
