"""Which texts are shown as errors, by hand."""

import json

import numpy as np
import pytest

from textapp.evaluation.errors import confident_errors, disagreements, likely_label_errors

LABEL_NAMES = ("bad", "good", "odd")
TEXTS = ["a", "b\0", "", "d\ud800", "e"]
ROWS = np.array([10, 11, 12, 13, 14])
LABELS = np.array([0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.05, 0.9, 0.05]], dtype=np.float32
)  # (N 5, C 3), predicts 0, 1, 2, 1, 1


def test_the_most_confident_errors_come_first():
    found = confident_errors(TEXTS, ROWS, LABELS, PROBABILITIES, LABEL_NAMES, count=2)
    assert found == [
        {"row": 14, "text": "e", "label": "odd", "predicted": "good", "probability": pytest.approx(0.9)},
        {"row": 12, "text": "", "label": "good", "predicted": "odd", "probability": pytest.approx(0.8)},
    ]
    everything = confident_errors(TEXTS, ROWS, LABELS, PROBABILITIES, LABEL_NAMES)
    assert [error["row"] for error in everything] == [14, 12, 11]
    assert json.loads(json.dumps(everything)) == everything


def test_equally_confident_errors_keep_their_order_and_right_answers_are_none():
    even = np.tile([0.1, 0.1, 0.8], (5, 1))
    assert [e["row"] for e in confident_errors(TEXTS, ROWS, LABELS, even, LABEL_NAMES)] == [10, 11, 12, 13]
    assert confident_errors(TEXTS, ROWS, LABELS, np.eye(3)[LABELS], LABEL_NAMES) == []


def test_disagreements_by_hand():
    predictions = {
        "a": np.array([0, 1, 2, 1, 2]),  # right: yes no no yes yes
        "b": np.array([1, 0, 0, 1, 2]),  # right: no yes no yes yes
        "c": np.array([0, 0, 0, 1, 2]),  # right: yes yes no yes yes
    }
    first, second = disagreements(TEXTS, ROWS, LABELS, predictions, [("a", "b"), ("c", "b")], LABEL_NAMES)
    assert first == {
        "a": "a",
        "b": "b",
        "only_a_wrong": [{"row": 11, "text": "b\0", "label": "bad", "answers": {"a": "good", "b": "bad"}}],
        "only_b_wrong": [{"row": 10, "text": "a", "label": "bad", "answers": {"a": "bad", "b": "good"}}],
        "counts": [1, 1],
    }
    assert (second["only_a_wrong"], second["counts"]) == ([], [0, 1])
    assert json.loads(json.dumps(first)) == first


def test_disagreements_show_a_few_and_count_all():
    texts, labels = ["x"] * 20, np.zeros(20, int)
    predictions = {"a": labels, "b": np.arange(20) % 2}
    (table,) = disagreements(texts, range(20), labels, predictions, [("a", "b")], LABEL_NAMES, count=3)
    assert [found["row"] for found in table["only_b_wrong"]] == [1, 3, 5]
    assert table["counts"] == [0, 10]


def test_likely_label_errors_by_the_mean_of_the_models():
    """The mean is 0 on text 0, 1 on text 1 with 0.05 on its label 0, 0 on text 2 with 0.2 on its label 1."""
    one = np.array([[0.4, 0.6, 0], [0.1, 0.9, 0], [0.5, 0.4, 0.1], [0, 1, 0], [0, 0, 1]])
    other = np.array([[0.9, 0.1, 0], [0.0, 1.0, 0], [0.9, 0.0, 0.1], [0, 1, 0], [0, 0, 1]])
    found = likely_label_errors(TEXTS, ROWS, LABELS, {"one": one, "other": other}, LABEL_NAMES)
    assert found == [
        {"row": 11, "text": "b\0", "label": "bad", "suggested": "good", "probability": pytest.approx(0.05)},
        {"row": 12, "text": "", "label": "good", "suggested": "bad", "probability": pytest.approx(0.2)},
    ]
    assert likely_label_errors(TEXTS, ROWS, LABELS, {"one": one}, LABEL_NAMES, count=1) == [
        {"row": 11, "text": "b\0", "label": "bad", "suggested": "good", "probability": pytest.approx(0.1)}
    ]
    assert likely_label_errors(TEXTS, ROWS, LABELS, {}, LABEL_NAMES) == []


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"there are 4 texts, 5 rows and classes of shape \(5,\)"):
        confident_errors(TEXTS[:4], ROWS, LABELS, PROBABILITIES, LABEL_NAMES)
    with pytest.raises(ValueError, match=r"probabilities has shape \(5, 2\).*ask for \(5, 3\)"):
        likely_label_errors(TEXTS, ROWS, LABELS, {"a": PROBABILITIES[:, :2]}, LABEL_NAMES)
    with pytest.raises(ValueError, match=r"classes of shape \(3,\)"):
        disagreements(TEXTS, ROWS, LABELS, {"a": LABELS, "b": LABELS[:3]}, [("a", "b")], LABEL_NAMES)
