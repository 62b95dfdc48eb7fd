"""Metrics by hand and by scikit-learn, and the bootstrap that sets intervals around them."""

import math

import numpy as np
import pytest
from sklearn import metrics

from textapp.evaluation import bootstrap
from textapp.evaluation.bootstrap import (
    bootstrap_interval,
    enough_resamples,
    measured,
    paired_difference,
    percentile_interval,
    resampled,
    two_sided_p_value,
)
from textapp.evaluation.metrics import (
    answer_measure,
    classification_metrics,
    confidence_bin,
    probability_measure,
    ranking_measure,
)

LABEL_NAMES = ("bad", "good", "mixed")
LABELS = np.array([0, 0, 1, 1, 1])  # (N 5,), no text is "mixed"
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.25, 0.5, 0.25], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], dtype=np.float32
)  # (N 5, C 3), predicts 0, 1, 1, 1, 2
METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "mcc",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "ece",
)


def metrics_of(**options):
    return classification_metrics(LABELS, PROBABILITIES, label_names=LABEL_NAMES, **options)


def drawn(n, classes, *, seed=0, decimals=2):
    """Returns labels and probabilities with many ties that know a little about them."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=n - classes)])
    scores = rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[labels]
    parts = np.round(np.exp(scores), decimals) + 10.0**-decimals
    return labels, parts / parts.sum(axis=1, keepdims=True)


def by_scikit_learn(labels, probabilities):
    """Returns what scikit-learn makes of texts that hold every class."""
    classes, answers = probabilities.shape[1], probabilities.argmax(axis=1)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    onehot = labels if classes == 2 else np.eye(classes)[labels]
    return {
        "accuracy": metrics.accuracy_score(labels, answers),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, answers),
        "macro_f1": metrics.f1_score(labels, answers, average="macro"),
        "mcc": metrics.matthews_corrcoef(labels, answers),
        "roc_auc": metrics.roc_auc_score(onehot, scores),
        "average_precision": metrics.average_precision_score(onehot, scores),
        "log_loss": metrics.log_loss(labels, probabilities),
        "brier": metrics.brier_score_loss(labels, scores),
    }


def test_metrics_by_hand():
    result = metrics_of()
    assert result["accuracy"] == pytest.approx(3 / 5)
    assert result["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result["confusion_matrix"] == [[1, 1, 0], [0, 2, 1], [0, 0, 0]]
    assert result["log_loss"] == pytest.approx(-math.log(0.7 * 0.2 * 0.5 * 0.8 * 0.3) / 5, abs=1e-6)
    # F1 is 2/3 for bad (precision 1, recall 1/2) and good (2/3, 2/3), 0 for mixed: it was only predicted.
    assert result["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    # Labels 2, 3, 0 and answers 1, 3, 1 of each class, 3 right: (3 * 5 - 2 - 9) / sqrt((25 - 13) (25 - 11)).
    assert result["mcc"] == pytest.approx(4 / math.sqrt(12 * 14))
    assert result["brier"] == pytest.approx((0.14 + 0.98 + 0.375 + 0.06 + 0.74) / 5, abs=1e-6)
    # Confidence 0.7, 0.8 and 0.4 lie alone in their bins; the two of 0.5, one right, cancel out.
    assert result["ece"] == pytest.approx((0.3 + 0.2 + 0.4) / 5, abs=1e-6)
    assert result["per_class"]["bad"] == pytest.approx({"precision": 1, "recall": 0.5, "f1": 2 / 3, "support": 2})
    assert result["per_class"]["mixed"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert list(result["per_class"]) == list(LABEL_NAMES)
    assert result["n"] == 5


def test_binary_brier_is_the_square_of_one_difference():
    result = classification_metrics(np.array([1, 0]), np.array([[0.3, 0.7], [0.6, 0.4]]), label_names=("no", "yes"))
    assert result["brier"] == pytest.approx((0.3**2 + 0.4**2) / 2)


def test_ranking_by_hand():
    # Scores of the second class, the highest first: yes, no, then yes and no on one step.
    probabilities = np.array([[0.1, 0.9], [0.3, 0.7], [0.6, 0.4], [0.6, 0.4]])
    result = classification_metrics(np.array([1, 0, 1, 0]), probabilities, label_names=("no", "yes"))
    # Of four pairs the first yes wins two; the second loses one and draws one.
    assert result["roc_auc"] == pytest.approx(2.5 / 4)
    assert result["average_precision"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 4)


@pytest.mark.parametrize(("n", "classes"), [(41, 2), (60, 3), (90, 7)])
def test_metrics_are_scikit_learns(n, classes):
    labels, probabilities = drawn(n, classes)
    result = classification_metrics(labels, probabilities, label_names=[str(k) for k in range(classes)], resamples=1)
    expected = by_scikit_learn(labels, probabilities)
    assert {name: result[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_resample_is_measured_as_copies_of_its_texts(classes):
    labels, probabilities = drawn(50, classes, seed=1)
    counts = np.random.default_rng(2).multinomial(50, np.full(50, 1 / 50), size=6).T.astype(float)  # (N 50, R 6)
    values = {
        **answer_measure(labels, probabilities.argmax(axis=1), classes=classes)(counts),
        **ranking_measure(labels, probabilities)(counts),
        **probability_measure(labels, probabilities)(counts),
    }
    for resample in range(6):
        copies = np.repeat(np.arange(50), counts[:, resample].astype(int))
        expected = by_scikit_learn(labels[copies], probabilities[copies])
        assert {name: values[name][resample] for name in expected} == pytest.approx(expected)
        whole = classification_metrics(labels[copies], probabilities[copies], label_names="abc"[:classes], resamples=1)
        assert values["ece"][resample] == pytest.approx(whole["ece"])


def test_a_class_that_nobody_knows_of_leaves_macro_f1_alone():
    two = PROBABILITIES.copy()
    two[4] = (0.2, 0.7, 0.1)
    result = classification_metrics(LABELS, two, label_names=LABEL_NAMES)
    # good: precision 3/4, recall 1.
    assert result["macro_f1"] == pytest.approx((2 / 3 + 6 / 7) / 2)


def test_a_certain_and_wrong_answer_has_a_finite_log_loss():
    result = classification_metrics(np.array([0]), np.array([[0.0, 1.0]]), label_names=("no", "yes"))
    assert result["log_loss"] == pytest.approx(-math.log(1e-15), rel=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("labels", "probabilities", "undefined"),
    [
        ([1, 1, 1], [[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]], {"mcc", "roc_auc", "average_precision"}),
        ([1], [[0.0, 1.0]], {"mcc", "roc_auc", "average_precision"}),
        ([0, 1, 1], [[0.2, 0.7, 0.1]] * 3, {"roc_auc", "average_precision"}),
        ([0, 1, 2], [[0.2, 0.7, 0.1]] * 3, set()),
        ([0, 1], [[1.0, 0.0]] * 2, set()),
    ],
    ids=["one class", "one text", "one class lacks", "one answer of three", "one certain answer"],
)
def test_what_the_texts_leave_undefined_is_none(labels, probabilities, undefined):
    names = ("a", "b", "c")[: len(probabilities[0])]
    result = classification_metrics(np.array(labels), np.array(probabilities), label_names=names)
    assert {name for name in METRICS if result[name] is None} == undefined
    assert {name for name in METRICS if result["intervals"][name] is None} == undefined | {"ece"}
    numbers = [result[name] for name in METRICS if name not in undefined]
    numbers += [bound for name in METRICS if name not in undefined | {"ece"} for bound in result["intervals"][name]]
    assert all(type(number) is float and math.isfinite(number) for number in numbers)


def test_a_model_with_one_answer_is_worth_nothing():
    result = classification_metrics(np.array([0, 1, 1, 0]), np.array([[0.4, 0.6]] * 4), label_names=("no", "yes"))
    assert (result["mcc"], result["roc_auc"], result["balanced_accuracy"]) == (0, 0.5, 0.5)
    assert (result["intervals"]["mcc"], result["intervals"]["roc_auc"]) == ([0, 0], [0.5, 0.5])


def test_intervals_are_seeded_and_hold_their_metric():
    labels, probabilities = drawn(200, 3)
    result = classification_metrics(labels, probabilities, label_names=LABEL_NAMES, seed=3)
    assert tuple(result["intervals"]) == METRICS
    assert result["intervals"]["ece"] is None  # a resample's bins hold more noise, so its ece is larger
    for name in set(METRICS) - {"ece"}:
        low, high = result["intervals"][name]
        assert low < result[name] < high, name
    assert result["accuracy_interval"] == result["intervals"]["accuracy"]
    assert classification_metrics(labels, probabilities, label_names=LABEL_NAMES, seed=3) == result
    other = classification_metrics(labels, probabilities, label_names=LABEL_NAMES, seed=4)
    assert other["intervals"]["roc_auc"] != result["intervals"]["roc_auc"]


def test_interval_of_a_share_is_the_normal_one_where_texts_are_many():
    correct = np.arange(4000) % 5 > 0  # share 0.8, standard error 0.0063
    expected = pytest.approx([0.8 - 1.96 * 0.00632, 0.8 + 1.96 * 0.00632], abs=1e-3)
    assert bootstrap_interval(correct, resamples=5000) == expected
    assert bootstrap_interval(correct, seed=1, resamples=5000) != bootstrap_interval(correct, seed=2, resamples=5000)
    samples = resampled(lambda counts: {"share": correct @ counts / 4000}, 4000, resamples=5000)
    assert percentile_interval(samples["share"]) == expected


@pytest.mark.parametrize("n", [1, 7, 200])
def test_interval_without_any_spread_is_wilsons(n):
    end = n / (n + 1.959964**2)
    assert bootstrap_interval(np.ones(n, bool)) == pytest.approx([end, 1])
    assert bootstrap_interval(np.zeros(n, bool)) == pytest.approx([0, 1 - end])


def test_many_pairs_take_more_resamples():
    assert enough_resamples(10, size=100) == 1_000
    assert enough_resamples(45, size=100) == 3_600
    assert enough_resamples(45, size=10 * 200_000 * 10) == 1_000  # more would take minutes


def test_resamples_draw_with_replacement(monkeypatch):
    monkeypatch.setattr(bootstrap, "COUNTS_AT_A_TIME", 7 * 300)  # 300 columns at a time, the last 100
    shapes = []

    def measure(counts):
        shapes.append(counts.shape)
        return {"texts": counts.sum(axis=0), "first": counts[0]}

    values = resampled(measure, 7, seed=5, resamples=4000)
    assert shapes == [(7, 300)] * 13 + [(7, 100)]
    assert (values["texts"] == 7).all()
    # Binomial(7, 1/7)
    assert values["first"].mean() == pytest.approx(1, abs=0.06)
    assert values["first"].var() == pytest.approx(6 / 7, abs=0.08)


def test_undefined_resamples_are_left_out():
    values = np.array([np.nan, 1.0, 2.0, np.nan, 3.0])
    assert percentile_interval(values) == pytest.approx([1.05, 2.95])
    assert percentile_interval(np.array([np.nan])) is None
    assert measured(lambda counts: {"a": counts.sum(axis=0), "b": np.array([np.nan])}, 3) == {"a": 3.0, "b": None}


def test_bootstrap_p_value_by_hand():
    differences = np.concatenate([np.full(96, 0.1), [0.0, -0.1, -0.2], [np.nan]])
    assert two_sided_p_value(differences) == pytest.approx(2 * (1 + 3) / 100)
    assert two_sided_p_value(-differences) == two_sided_p_value(differences)
    assert two_sided_p_value(np.zeros(9)) == 1
    assert two_sided_p_value(np.full(999, 0.1)) == pytest.approx(2 / 1000)
    assert paired_difference(None, 0.5, differences, differences, differing=9) is None
    assert paired_difference(0.75, 0.5, np.full(9, 0.8), np.full(9, 0.4), differing=2490) == {
        "difference": 0.25,
        "interval": pytest.approx([0.4, 0.4]),
        "p_value": pytest.approx(0.2),
    }


@pytest.mark.parametrize(("differing", "p_value"), [(0, 1), (1, 1), (2, 0.5), (6, 1 / 32), (11, 2 / 1000)])
def test_a_bootstrap_of_few_texts_claims_no_more_than_a_sign_test(differing, p_value):
    found = paired_difference(0.8, 0.4, np.full(999, 0.8), np.full(999, 0.4), differing=differing)
    assert found["p_value"] == pytest.approx(p_value)


def test_a_bin_holds_its_upper_edge():
    confidence = np.array([0.0, 0.2, 0.2 + 1e-9, 0.6, 1.0])
    assert confidence_bin(confidence, bins=5).tolist() == [0, 0, 1, 2, 4]


@pytest.mark.parametrize(
    ("labels", "probabilities", "label_names", "message"),
    [
        (LABELS, PROBABILITIES[:4], LABEL_NAMES, r"probabilities has shape \(4, 3\).*ask for \(5, 3\)"),
        (LABELS, PROBABILITIES.T, LABEL_NAMES, r"probabilities has shape \(3, 5\)"),
        (LABELS, PROBABILITIES, ("bad", "good"), r"2 classes ask for \(5, 2\)"),
        (LABELS, PROBABILITIES, ("bad", "bad", "good"), "two or more different names"),
        (LABELS + 2, PROBABILITIES, LABEL_NAMES, "labels run from 2 to 3; allowed is 0 to 2"),
        (LABELS - 1, PROBABILITIES, LABEL_NAMES, "labels run from -1 to 0"),
        (LABELS.astype(float), PROBABILITIES, LABEL_NAMES, "must be integers"),
        (LABELS[:0], PROBABILITIES[:0], LABEL_NAMES, "N > 0"),
        (LABELS, PROBABILITIES * 2, LABEL_NAMES, "not between 0 and 1"),
        (LABELS, PROBABILITIES * np.nan, LABEL_NAMES, "not between 0 and 1"),
        (LABELS, PROBABILITIES / 2, LABEL_NAMES, "sum to 0.5 to 0.5; each must sum to 1"),
    ],
)
def test_metrics_refuse_what_does_not_fit(labels, probabilities, label_names, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(labels, probabilities, label_names=label_names)


def test_no_resamples_are_refused():
    with pytest.raises(ValueError, match="resamples is 0; it must be at least 1"):
        metrics_of(resamples=0)
    with pytest.raises(ValueError, match="resamples is 0; it must be at least 1"):
        bootstrap_interval(np.array([True]), resamples=0)
