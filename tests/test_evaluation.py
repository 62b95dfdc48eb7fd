"""Speed and bigrams: numbers that one can check by hand, and refusals of what does not fit."""

import math

import numpy as np
import pytest
from nltk.lm.smoothing import KneserNey

from textapp.evaluation.ngrams import bigram_bits_per_byte, fit_bigram
from textapp.evaluation.speed import prediction_speed


class Model:
    """A model in a world where answering is all that takes time."""

    def __init__(self, seconds_per_text):
        self.seconds_per_text, self.now, self.sizes = seconds_per_text, 0.0, []

    def predict(self, texts):
        self.sizes.append(len(texts))
        self.now += self.seconds_per_text * len(texts)


@pytest.mark.parametrize(
    ("seconds_per_text", "sizes"),
    [(0.001, [1] * 10 + [32] * 10 + [64] * 10), (0.5, [1] * 4 + [32] * 2 + [64] * 2)],
    ids=["quick", "slow"],
)
def test_speed_counts_calls_after_warm_up(seconds_per_text, sizes):
    model = Model(seconds_per_text)
    result = prediction_speed(model.predict, ["a", "b c", "d"], calls=5, clock=lambda: model.now)
    assert result["milliseconds_per_text_batch_1"] == pytest.approx(1000 * seconds_per_text)
    assert result["texts_per_second_batch_64"] == pytest.approx(1 / seconds_per_text)
    for latency, size in zip(result["latency"], (1, 32), strict=True):
        assert (latency["batch_size"], latency["calls"]) == (size, sizes.count(size) // 2)
        for percentile in (50, 95, 99):
            assert latency[f"milliseconds_p{percentile}"] == pytest.approx(1000 * seconds_per_text * size)
    assert model.sizes == sizes


def test_speed_percentiles():
    """Of a model that takes longer from call to call."""
    model = Model(0.0)

    def predict(texts):
        model.sizes.append(len(texts))
        model.now += len(model.sizes) * 1e-6

    latency = prediction_speed(predict, ["a"], calls=101, clock=lambda: model.now)["latency"][0]
    # Calls 102 to 202 are timed.
    found = [latency[f"milliseconds_p{percentile}"] for percentile in (50, 95, 99)]
    assert found == pytest.approx([0.152, 0.197, 0.201])


def test_speed_of_a_call_too_short_to_see_is_finite():
    result = prediction_speed(Model(0.0).predict, ["a"], clock=lambda: 0)
    values = [result["milliseconds_per_text_batch_1"], result["texts_per_second_batch_64"]]
    assert all(0 < value < math.inf for value in values)


def test_speed_refuses_no_texts_and_no_calls():
    with pytest.raises(ValueError, match="texts is empty"):
        prediction_speed(list, [])
    with pytest.raises(ValueError, match="calls is 0; it must be at least 1"):
        prediction_speed(list, ["a"], calls=0)


def test_bigram_by_hand():
    # Bigrams 0 1 (twice) and 1 2 (once): discount 1 / (1 + 2) = 1/3. Tokens 1 and 2 each follow one other:
    # lowest level (1 - 1/3 + 1/3 * 2/4) / 2 = 5/12 for them, 1/12 for 0 and 3. Token 2 was never a context.
    p_1_after_start = (2 - 1 / 3) / 2 + (1 / 3 / 2) * 5 / 12
    p_2_after_1 = (1 - 1 / 3) / 1 + (1 / 3) * 5 / 12
    bits = -math.log2(p_1_after_start * p_2_after_1 / 12) - math.log2(p_1_after_start)
    result = bigram_bits_per_byte([[1, 2], [1]], [[1, 2, 3], [1]], [7, 2], vocabulary_size=4, start_id=0)
    assert result == pytest.approx(bits / 9)


def test_bigram_probabilities_sum_to_one():
    sequences = np.random.default_rng(0).zipf(1.5, size=(40, 9)).clip(max=10)  # token 11 never occurs
    model = fit_bigram(sequences.tolist(), vocabulary_size=12, start_id=0)
    for context in map(str, range(12)):
        probabilities = [model.score(str(word), (context,)) for word in range(12)]
        assert min(probabilities) > 0
        assert math.fsum(probabilities) == pytest.approx(1)


def test_bigram_level_is_nltks():
    sequences = [[1, 2, 1, 3, 1, 2], [2, 1, 2, 4]]
    model = fit_bigram(sequences, vocabulary_size=6, start_id=0)
    nltks = KneserNey(model.vocab, model.counts, order=2, discount=model.estimator.discount)
    pairs = [(word, (context,)) for word in "12345" for context in "0123"]
    assert [model.estimator.alpha_gamma(*pair) for pair in pairs] == [nltks.alpha_gamma(*pair) for pair in pairs]


@pytest.mark.parametrize(
    ("train", "test", "test_bytes", "message"),
    [
        ([[1, 4]], [[1]], [2], "token ids run from 0 to 4; allowed is 0 to 3"),
        ([[1]], [[-1]], [2], "token ids run from -1 to 0"),
        ([[]], [[1]], [2], "hold no tokens"),
        ([], [[1]], [2], "hold no tokens"),
        ([[1]], [[1], [2]], [2], "test_bytes holds 1 counts, in all 2 bytes; there are 2 test sequences"),
        ([[1]], [[1]], [0], "at least one byte"),
    ],
)
def test_bigram_refuses_what_does_not_fit(train, test, test_bytes, message):
    with pytest.raises(ValueError, match=message):
        bigram_bits_per_byte(train, test, test_bytes, vocabulary_size=4, start_id=0)
