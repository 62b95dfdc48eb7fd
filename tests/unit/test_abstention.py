"""Answers that are held back, and answers that are sets, by hand."""

import numpy as np
import pytest
from scipy import stats

from textapp.evaluation.abstention import accuracy_coverage, conformal


def binary(probabilities_of_one):
    ones = np.asarray(probabilities_of_one)
    return np.stack([1 - ones, ones], axis=1)


def test_accuracy_coverage_by_hand():
    labels = np.array([1, 1, 0, 1, 0])
    probabilities = binary([0.625, 0.9, 0.25, 0.75, 0.875])  # right but for the last
    assert accuracy_coverage(labels, probabilities) == [
        {"coverage": 0.2, "accuracy": 1, "threshold": 0.9},
        {"coverage": 0.4, "accuracy": 0.5, "threshold": 0.875},
        # Two texts of confidence 0.75 come together.
        {"coverage": 0.8, "accuracy": 0.75, "threshold": 0.75},
        {"coverage": 1, "accuracy": 0.8, "threshold": 0.625},
    ]


def test_accuracy_coverage_has_at_most_so_many_points():
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(3, size=101), rng.dirichlet(np.ones(3), size=101)
    curve = accuracy_coverage(labels, probabilities, points=4)
    assert [point["coverage"] for point in curve] == pytest.approx([26 / 101, 51 / 101, 76 / 101, 1])
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    for point in curve:
        given = confidence >= point["threshold"]
        assert point["coverage"] == pytest.approx(given.mean())
        assert point["accuracy"] == pytest.approx((answers == labels)[given].mean())
    assert len(accuracy_coverage(labels, probabilities)) == 50
    assert accuracy_coverage(labels, probabilities, points=1) == curve[-1:]


def test_one_certain_answer_gives_one_point():
    assert accuracy_coverage(np.array([1, 0, 1]), binary([1.0, 1.0, 1.0])) == [
        {"coverage": 1, "accuracy": pytest.approx(2 / 3), "threshold": 1}
    ]


def test_conformal_by_hand():
    # Probabilities of the true class 0.1 to 0.9: at 0.3 the rank is ceil(10 * 0.7) = 7, the threshold the
    # seventh largest of them, 0.3.
    validation = binary([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    test = np.array([[0.8, 0.1, 0.1], [0.3, 0.5, 0.2], [0.35, 0.35, 0.3], [0.29, 0.31, 0.4]])
    two = conformal(np.ones(9, dtype=int), validation, np.array([1, 1, 0]), binary([0.9, 0.6, 0.8]), error_rate=0.3)
    assert two["threshold"] == 0.3
    # 10 * (1 - 0.7) is 3, though floating point makes it 3.0000000000000004.
    many = conformal(np.ones(9, dtype=int), validation, np.array([1, 1, 0]), binary([0.9, 0.6, 0.8]), error_rate=0.7)
    assert many["threshold"] == 0.7
    three = np.concatenate([validation, np.zeros((9, 1))], axis=1)
    result = conformal(np.ones(9, dtype=int), three, np.array([1, 0, 2, 0]), test, error_rate=0.3)
    # Sets {0}, {0, 1}, {0, 1, 2}, {1, 2}; the first and the last miss the true class.
    interval = stats.beta.ppf([0.025, 0.975], [2, 3], [3, 2])
    assert result == {
        "error_rate": 0.3,
        "threshold": 0.3,
        "coverage": 0.5,
        "coverage_interval": pytest.approx(interval.tolist()),
        "singletons": 0.25,
        "empty": 0,
        "mean_set_size": 2,
        "accuracy_of_singletons": 0,
        "n_calibration": 9,
    }


def test_a_confident_model_leaves_sets_empty():
    result = conformal(np.zeros(9, dtype=int), binary([0.05] * 9), np.array([0, 1]), binary([0.5, 0.5]))
    assert (result["empty"], result["coverage"], result["accuracy_of_singletons"]) == (1, 0, None)


def test_conformal_takes_enough_validation_texts():
    labels, probabilities = np.zeros(9, dtype=int), binary(np.linspace(0.1, 0.3, 9))
    # ceil((9 + 1) * 0.9) = 9 is the largest score; eight texts have no ninth.
    assert conformal(labels, probabilities, labels, probabilities)["threshold"] == pytest.approx(0.7)
    assert conformal(labels[:8], probabilities[:8], labels, probabilities) is None
    assert conformal(labels[:0], probabilities[:0], labels, probabilities) is None
    assert conformal(labels, probabilities, labels, probabilities, error_rate=0.09) is None


def test_conformal_keeps_its_promise_on_average():
    rng = np.random.default_rng(0)
    coverages = []
    for _ in range(300):
        probabilities = rng.dirichlet(np.ones(4), size=139)
        # The promise does not ask that the probabilities be right: here low classes come more often than they say.
        labels = (probabilities.cumsum(axis=1) ** 0.5 > rng.random((139, 1))).argmax(axis=1)
        result = conformal(labels[:39], probabilities[:39], labels[39:], probabilities[39:], error_rate=0.2)
        coverages.append(result["coverage"])
    # Exactly ceil(40 * 0.8) / 40 = 0.8 in expectation; the mean's standard error is 0.004.
    assert np.mean(coverages) == pytest.approx(0.8, abs=0.015)


@pytest.mark.parametrize("error_rate", [0, 1, -0.1])
def test_error_rates_that_are_none_are_refused(error_rate):
    with pytest.raises(ValueError, match="between 0 and 1"):
        conformal(np.array([0]), binary([0.5]), np.array([0]), binary([0.5]), error_rate=error_rate)


def test_what_does_not_fit_is_refused():
    labels, probabilities = np.zeros(9, dtype=int), binary([0.5] * 9)
    with pytest.raises(ValueError, match="points is 0"):
        accuracy_coverage(labels, probabilities, points=0)
    with pytest.raises(ValueError, match=r"probabilities has shape \(9, 3\).*2 classes"):
        conformal(labels, probabilities, labels, np.full((9, 3), 1 / 3))
