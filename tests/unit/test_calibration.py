"""Reliability and temperature by hand."""

import math

import numpy as np
import pytest
from scipy import special

from textapp.evaluation.calibration import TEMPERATURES, apply_temperature, fit_temperature, reliability
from textapp.evaluation.metrics import classification_metrics

LABELS = np.array([0, 1, 1, 0])
PROBABILITIES = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]])  # right, wrong, right, wrong


def one_gap(gap, *, right, wrong):
    """Returns logits that favour one of two classes by the same gap, right and wrong so often, and labels."""
    labels = np.arange(right + wrong) % 2
    favoured = np.where(np.arange(right + wrong) < right, labels, 1 - labels)
    return gap * np.eye(2)[favoured] - 3.0, labels


def mean_log_loss(logits, labels, temperature):
    """Returns that against a label that holds N + 1 times out of N + 2 and three classes."""
    n = len(labels)
    targets = np.full(logits.shape, 0.5 / (n + 2))
    targets[np.arange(n), labels] = (n + 1) / (n + 2)
    return -(targets * special.log_softmax(logits / temperature, axis=1)).sum(axis=1).mean()


def test_reliability_by_hand():
    result = reliability(LABELS, PROBABILITIES, bins=5)
    # 0.8 is the upper edge of the bin that holds 0.7.
    assert result["ece"] == pytest.approx((abs(0.55 - 0) + abs(1.5 - 1) + abs(0.9 - 1)) / 4)
    assert [b["count"] for b in result["bins"]] == [0, 0, 1, 2, 1]
    assert [b["accuracy"] for b in result["bins"]] == [None, None, 0, 0.5, 1]
    assert [b["confidence"] for b in result["bins"]] == [None, None, *map(pytest.approx, (0.55, 0.75, 0.9))]
    assert [(b["low"], b["high"]) for b in result["bins"][:2]] == [(0, 0.2), (0.2, 0.4)]
    assert result["bins"][-1]["high"] == 1


def test_reliability_and_metrics_agree_on_the_error():
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(3), size=70), rng.integers(3, size=70)
    result = reliability(labels, probabilities)
    assert len(result["bins"]) == 15
    assert sum(b["count"] for b in result["bins"]) == 70
    assert classification_metrics(labels, probabilities, label_names="abc")["ece"] == pytest.approx(result["ece"])


def test_temperature_by_hand():
    # Right 8 times of 10, each label counted as 11/12 of a text and the other class as 1/12: 90/120 of the texts at
    # every gap of 4, so that the probability must become 0.75 = 1 / (1 + exp(-4 / T)).
    assert fit_temperature(*one_gap(4.0, right=8, wrong=2)) == pytest.approx(4 / math.log(3), rel=1e-4)
    assert fit_temperature(*one_gap(0.5, right=8, wrong=2)) == pytest.approx(0.5 / math.log(3), rel=1e-4)


def test_a_few_texts_that_are_all_right_do_not_make_a_model_certain():
    logits, labels = one_gap(math.log(0.6 / 0.4), right=10, wrong=0)
    temperature = fit_temperature(logits, labels)
    assert special.softmax(logits / temperature, axis=1).max(axis=1) == pytest.approx(np.full(10, 11 / 12), rel=1e-4)


def test_many_texts_are_taken_as_they_are():
    logits, labels = one_gap(4.0, right=2000, wrong=500)
    assert fit_temperature(logits, labels) == pytest.approx(4 / math.log(4), rel=2e-3)


def test_temperature_has_the_smallest_log_loss_of_three_classes():
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=90)
    logits = 4 * (rng.normal(size=(90, 3)) + np.eye(3)[labels])
    temperature = fit_temperature(logits, labels)
    least = mean_log_loss(logits, labels, temperature)
    assert least < min(mean_log_loss(logits, labels, factor * temperature) for factor in (0.99, 1.01))
    # Logarithms of probabilities do as well as logits.
    assert fit_temperature(special.log_softmax(logits, axis=1), labels) == pytest.approx(temperature, rel=1e-4)


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        (*one_gap(1.0, right=6, wrong=0), 1 / math.log(7)),
        (*one_gap(1.0, right=0, wrong=6), TEMPERATURES[1]),
        (*one_gap(5000.0, right=6, wrong=0), TEMPERATURES[1]),
        (*one_gap(0.0, right=3, wrong=3), 1.0),
        (np.zeros((0, 2)), np.zeros(0, dtype=int), 1.0),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1, 1]), 1.0),
    ],
    ids=["separated", "all wrong", "separated for good", "flat", "no text", "one class"],
)
def test_temperature_where_there_is_no_best_one(logits, labels, expected):
    assert fit_temperature(logits, labels) == pytest.approx(expected, rel=1e-3)


@pytest.mark.filterwarnings("error")
def test_a_probability_of_zero_is_a_very_small_one():
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.3, 0.7]])
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities)
    assert 1 < fit_temperature(logits, np.array([0, 1, 1, 1])) <= TEMPERATURES[1]
    scaled = apply_temperature(probabilities, 2.0)
    assert scaled[:3].tolist() == probabilities[:3].tolist()
    assert scaled[3] == pytest.approx(np.sqrt([0.3, 0.7]) / np.sqrt([0.3, 0.7]).sum())


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 3.0, 20.0])
def test_scaled_probabilities_are_those_of_scaled_logits(temperature):
    logits = np.random.default_rng(2).normal(size=(11, 4)) * 5
    scaled = apply_temperature(special.softmax(logits, axis=1), temperature)
    assert scaled == pytest.approx(special.softmax(logits / temperature, axis=1), abs=1e-12)
    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_many_classes_and_a_low_temperature_leave_no_empty_row():
    scaled = apply_temperature(np.full((2, 5000), 1 / 5000), 0.05)
    assert scaled == pytest.approx(np.full((2, 5000), 1 / 5000))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="bins is 0"):
        reliability(LABELS, PROBABILITIES, bins=0)
    with pytest.raises(ValueError, match=r"probabilities has shape \(3, 2\)"):
        reliability(LABELS, PROBABILITIES[:3])
    with pytest.raises(ValueError, match=r"logits has shape \(4, 2\) and labels \(3,\)"):
        fit_temperature(PROBABILITIES, LABELS[:3])
    with pytest.raises(ValueError, match="labels run from 0 to 3; allowed is 0 to 1"):
        fit_temperature(PROBABILITIES, 3 * LABELS)
    with pytest.raises(ValueError, match="NaN or infinity"):
        fit_temperature(PROBABILITIES * np.nan, LABELS)
    for temperature in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="above 0 and finite"):
            apply_temperature(PROBABILITIES, temperature)
