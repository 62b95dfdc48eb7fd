"""Speed: numbers that one can check by hand, and refusals of what does not fit."""

import math

import pytest

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
    result = prediction_speed(model.predict, ["a", "b c", "d"], calls=5, seconds=4, clock=lambda: model.now)
    assert result["milliseconds_per_text_batch_1"] == pytest.approx(1000 * seconds_per_text)
    assert result["texts_per_second_batch_64"] == pytest.approx(1 / seconds_per_text)
    for latency, size in zip(result["latency"], (1, 32), strict=True):
        assert (latency["batch_size"], latency["calls"]) == (size, sizes.count(size) // 2)
        assert latency["milliseconds_p50"] == pytest.approx(1000 * seconds_per_text * size)
        assert (latency["milliseconds_p95"], latency["milliseconds_p99"]) == (None, None)  # of five calls at most
    assert model.sizes == sizes


@pytest.mark.parametrize(("calls", "known"), [(19, [50]), (20, [50, 95]), (99, [50, 95]), (100, [50, 95, 99])])
def test_a_percentile_takes_as_many_calls_as_it_has_parts(calls, known):
    model = Model(0.001)
    latency = prediction_speed(model.predict, ["a"], calls=calls, seconds=1e6, clock=lambda: model.now)["latency"]
    for item in latency:
        assert item["calls"] == calls
        assert [p for p in (50, 95, 99) if item[f"milliseconds_p{p}"] is not None] == known


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
