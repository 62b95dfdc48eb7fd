"""Numbers that one can check by hand, and refusals of what does not fit."""

import math

import numpy as np
import pytest
from nltk.lm.smoothing import KneserNey

from textapp.evaluation.metrics import bootstrap_interval, classification_metrics
from textapp.evaluation.ngrams import bigram_bits_per_byte, fit_bigram
from textapp.evaluation.significance import paired_test, verdict
from textapp.evaluation.speed import prediction_speed

LABEL_NAMES = ("bad", "good", "mixed")
LABELS = np.array([0, 0, 1, 1, 1])  # (N 5,), no text is "mixed"
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.25, 0.5, 0.25], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], dtype=np.float32
)  # (N 5, C 3), predicts 0, 1, 1, 1, 2


def measured(**options):
    return classification_metrics(LABELS, PROBABILITIES, label_names=LABEL_NAMES, **options)


def predictions(*, only_a, only_b, both=0, neither=0):
    """Returns labels and two classifiers' predictions that are right on so many texts."""
    a = [1] * only_a + [0] * only_b + [1] * both + [0] * neither
    b = [0] * only_a + [1] * only_b + [1] * both + [0] * neither
    return np.ones(len(a), dtype=int), np.array(a), np.array(b)


def test_metrics_by_hand():
    result = measured()
    assert result["accuracy"] == pytest.approx(3 / 5)
    assert result["confusion_matrix"] == [[1, 1, 0], [0, 2, 1], [0, 0, 0]]
    assert result["log_loss"] == pytest.approx(-math.log(0.7 * 0.2 * 0.5 * 0.8 * 0.3) / 5, abs=1e-6)
    # F1 is 2/3 for bad (precision 1, recall 1/2) and good (2/3, 2/3), 0 for mixed: it was only predicted.
    assert result["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert result["per_class"]["bad"] == pytest.approx({"precision": 1, "recall": 0.5, "f1": 2 / 3, "support": 2})
    assert result["per_class"]["mixed"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert list(result["per_class"]) == list(LABEL_NAMES)
    assert result["n"] == 5


def test_a_class_that_nobody_knows_of_leaves_macro_f1_alone():
    two = PROBABILITIES.copy()
    two[4] = (0.2, 0.7, 0.1)
    result = classification_metrics(LABELS, two, label_names=LABEL_NAMES)
    # good: precision 3/4, recall 1.
    assert result["macro_f1"] == pytest.approx((2 / 3 + 6 / 7) / 2)


def test_a_certain_and_wrong_answer_has_a_finite_log_loss():
    result = classification_metrics(np.array([0]), np.array([[0.0, 1.0]]), label_names=("no", "yes"))
    assert result["log_loss"] == pytest.approx(-math.log(1e-15), rel=1e-6)


def test_interval_is_seeded_and_holds_the_accuracy():
    low, high = measured(seed=3)["accuracy_interval"]
    assert 0 <= low < 0.6 < high <= 1
    assert measured(seed=3)["accuracy_interval"] == [low, high]
    correct = np.arange(4000) % 5 > 0  # share 0.8, standard error 0.0063
    assert bootstrap_interval(correct, seed=1, resamples=5000) != bootstrap_interval(correct, seed=2, resamples=5000)
    assert bootstrap_interval(correct, resamples=5000) == pytest.approx(
        [0.8 - 1.96 * 0.00632, 0.8 + 1.96 * 0.00632], abs=1e-3
    )


@pytest.mark.parametrize(("correct", "expected"), [([True] * 7, [1, 1]), ([False] * 7, [0, 0]), ([True], [1, 1])])
def test_interval_without_any_spread(correct, expected):
    assert bootstrap_interval(np.array(correct)) == expected


@pytest.mark.parametrize(
    ("labels", "probabilities", "label_names", "message"),
    [
        (LABELS, PROBABILITIES[:4], LABEL_NAMES, r"probabilities has shape \(4, 3\).*ask for \(5, 3\)"),
        (LABELS, PROBABILITIES.T, LABEL_NAMES, r"probabilities has shape \(3, 5\)"),
        (LABELS, PROBABILITIES, ("bad", "good"), r"2 label names ask for \(5, 2\)"),
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
        measured(resamples=0)


def test_mcnemar_by_hand():
    result = paired_test(*predictions(only_a=10, only_b=2, both=30, neither=8))
    assert result == {
        "only_a_right": 10,
        "only_b_right": 2,
        "p_value": pytest.approx(2 * (1 + 12 + 66) / 2**12),
        "difference": pytest.approx(8 / 50),
    }


def test_mcnemar_of_a_model_with_itself():
    labels, a, _ = predictions(only_a=3, only_b=2)
    assert paired_test(labels, a, a) == {
        "only_a_right": 0,
        "only_b_right": 0,
        "p_value": 1.0,
        "difference": 0.0,
    }


def test_paired_test_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"predictions of b have shape \(4,\); the labels ask for \(5,\)"):
        paired_test(LABELS, LABELS, LABELS[:4])
    with pytest.raises(ValueError, match=r"labels has shape \(0,\)"):
        paired_test(LABELS[:0], LABELS[:0], LABELS[:0])


def test_verdict_on_a_lead_that_is_more_than_chance():
    labels, a, b = predictions(only_a=10, only_b=2, both=1200, neither=38)
    assert verdict(labels, {"tfidf": b, "nbsvm": a, "majority": 0 * a}) == {
        "best": "nbsvm",
        "runner_up": "tfidf",
        "p_value": pytest.approx(0.03857, abs=1e-5),
        "sentence": "Best on the 1,250 test texts: nbsvm, accuracy 0.968. Its lead of 0.6 points over "
        "tfidf is more than chance (McNemar, exact, p = 0.039).",
    }


@pytest.mark.parametrize(
    ("counts", "end"),
    [
        (
            {"only_a": 4, "only_b": 2, "neither": 4},
            "Its lead of 20.0 points over b is not more than chance could give (McNemar, exact, p = 0.69): "
            "no difference shown.",
        ),
        ({"only_a": 40, "only_b": 0}, "is more than chance (McNemar, exact, p < 0.001)."),
        ({"only_a": 1, "only_b": 0, "both": 2499}, "Its lead of 0.04 points over b is not more than chance"),
        (
            {"only_a": 3, "only_b": 3, "both": 1},
            "Best on the 7 test texts: a and b, each with accuracy 0.571: no difference shown.",
        ),
    ],
)
def test_verdict_sentences(counts, end):
    labels, a, b = predictions(**counts)
    assert end in verdict(labels, {"a": a, "b": b})["sentence"]


def test_verdict_on_three_that_are_equal_and_on_one_alone():
    labels, a, b = predictions(only_a=3, only_b=3)
    equal = verdict(labels, {"b": b, "a": a, "c": a})
    assert (equal["best"], equal["runner_up"], equal["p_value"]) == ("b", "a", 1.0)
    assert "b, a and c, each with accuracy 0.500: no difference shown." in equal["sentence"]
    assert verdict(labels[:1], {"a": a[:1]}) == {
        "best": "a",
        "runner_up": None,
        "p_value": None,
        "sentence": "Only a was tested, accuracy 1.000 on the 1 test text: nothing to compare it with.",
    }


def test_verdict_refuses_nothing_and_other_shapes():
    with pytest.raises(ValueError, match="at least one classifier"):
        verdict(LABELS, {})
    with pytest.raises(ValueError, match=r"predictions of cnn have shape \(2,\)"):
        verdict(LABELS, {"cnn": LABELS[:2]})


class Model:
    """A model in a world where answering is all that takes time."""

    def __init__(self, seconds_per_text):
        self.seconds_per_text, self.now, self.sizes = seconds_per_text, 0.0, []

    def predict(self, texts):
        self.sizes.append(len(texts))
        self.now += self.seconds_per_text * len(texts)


@pytest.mark.parametrize(
    ("seconds_per_text", "sizes"),
    [(0.001, [1] * 60 + [64] * 10), (0.5, [1] * 4 + [64] * 2)],
    ids=["quick", "slow"],
)
def test_speed_counts_calls_after_warm_up(seconds_per_text, sizes):
    model = Model(seconds_per_text)
    result = prediction_speed(model.predict, ["a", "b c", "d"], clock=lambda: model.now)
    assert result == pytest.approx(
        {
            "milliseconds_per_text_batch_1": 1000 * seconds_per_text,
            "texts_per_second_batch_64": 1 / seconds_per_text,
        }
    )
    assert model.sizes == sizes


def test_speed_of_a_call_too_short_to_see_is_finite():
    model = Model(0.0)
    assert all(0 < value < math.inf for value in prediction_speed(model.predict, ["a"], clock=lambda: 0).values())


def test_speed_refuses_no_texts_and_no_calls():
    with pytest.raises(ValueError, match="texts is empty"):
        prediction_speed(list, [])
    with pytest.raises(ValueError, match="both must be at least 1"):
        prediction_speed(list, ["a"], batches=0)


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
