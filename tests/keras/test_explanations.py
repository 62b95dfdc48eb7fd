"""Words with weights: exact where a model is linear, by leaving words out elsewhere, and what they are worth."""

import dataclasses
import json
import math

import numpy as np
import pytest
from helpers import tiny
from hypothesis import given
from hypothesis import strategies as st

from textapp.evaluation.explanations import deletion_curve
from textapp.models import CLASSIFIERS
from textapp.models.classifier import Classifier
from textapp.models.explaining import explain, method
from textapp.models.linear import NgramClassifier, two_sided
from textapp.models.network import NetworkClassifier
from textapp.text.cleaning import make_cleaning
from textapp.text.pretrained_tokens import mend

NETWORKS = [name for name, known in CLASSIFIERS.items() if issubclass(known, NetworkClassifier)]
UNUSUAL = ["", "the of it is", "zzyzzx", "good\x00", "a\ud800 good", "👍🏽 ½", "not a good film " * 300]
WITH_ALL_WORDS = make_cleaning("none")


@dataclasses.dataclass(kw_only=True, eq=False)
class Known(NgramClassifier):
    """Logits of known weights."""

    name = "known"
    sublinear_counts = False
    unit_length = False

    def fit_features(self, counts, labels):
        raise NotImplementedError

    @property
    def feature_weights(self):
        return np.ones(3)

    @property
    def class_weights_and_bias(self):
        return two_sided(np.array([-2.0, -1.0, 4.0])), np.array([0.0, 0.0])


@dataclasses.dataclass(kw_only=True, eq=False)
class Goods(Classifier):
    """The odds of "good" double with each "good": its log-odds are the count times log 2."""

    kind = "toy"

    def fit(self, train, validation, *, progress=None):
        return []

    def predict_proba(self, texts):
        odds = 2.0 ** np.array([tokens.count("good") for tokens in self.cleaning(texts)])
        return np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1).astype(np.float32)

    parameters = 0

    def _save(self, folder):
        pass

    def _load(self, folder):
        pass


def goods():
    return Goods(label_names=("bad", "good"), cleaning=tiny.CLEANING)


def contrast(values, label):
    """A class's column less the mean of the others."""
    others = [column for column in range(values.shape[1]) if column != label]
    return values[:, label] - values[:, others].mean(axis=1)


def fitted(name, labels=tiny.LABELS, label_names=tiny.LABEL_NAMES):
    model = tiny.make(name, label_names=label_names)
    model.fit(tiny.split(labels=labels), tiny.split(labels=labels))
    return model


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_model_explains_the_words_that_it_reads(trained, name):
    texts = [*tiny.TEXTS, *UNUSUAL]
    read = tiny.CLEANING(texts) if CLASSIFIERS[name].cleans else [mend(text).split() for text in texts]
    explained = explain(trained(name), texts, [n % 3 for n in range(len(texts))])
    assert [[word for word, _ in words] for words in explained] == read
    weights = np.array([weight for words in explained for _, weight in words])
    assert np.isfinite(weights).all()
    assert (weights != 0).any() == (name != "majority")
    assert all(type(weight) is float for words in explained for _, weight in words)
    json.dumps(explained)
    assert explain(trained(name), [], []) == []
    assert method(trained(name)).endswith(".")


def test_ngrams_by_hand():
    """ "bad" stands twice and counts once, so -1 each; "not" -1; "not bad" gives 2 to each of its words."""
    model = Known(label_names=("no", "yes"), cleaning=WITH_ALL_WORDS)
    model.ngrams = ["bad", "not", "not bad"]
    (words,) = explain(model, ["Not bad, zebra bad"], [1])
    assert words == [("not", 1), ("bad", 1), ("zebra", 0), ("bad", -1)]
    (words,) = explain(model, ["Not bad, zebra bad"], [0])
    assert words == [("not", -1), ("bad", -1), ("zebra", 0), ("bad", 1)]


@pytest.mark.parametrize("label", [0, 1, 2])
def test_words_of_tfidf_and_the_bias_add_up_to_the_logit(label):
    model = fitted("tfidf")
    texts = [*tiny.TEXTS, "good good boring zebra", "not a good film at all " * 20, ""]
    sums = [sum(weight for _, weight in words) for words in explain(model, texts, [label] * len(texts))]
    bias = contrast(model.class_weights_and_bias[1][None], label)[0]
    # Logits and log-probabilities differ by a constant of the text, which the mean of the others has too.
    expected = contrast(np.log(model.predict_proba(texts).astype(np.float64)), label)
    np.testing.assert_allclose(np.array(sums) + bias, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["tfidf", "nbsvm"])
def test_words_and_the_bias_add_up_to_the_log_odds_of_two_classes(name):
    model = fitted(name, [int(label > 0) for label in tiny.LABELS], ("no", "yes"))
    texts = [*tiny.TEXTS, "good good boring zebra"]
    sums = [sum(weight for _, weight in words) for words in explain(model, texts, [1] * len(texts))]
    bias = np.ptp(model.class_weights_and_bias[1]) * np.sign(model.class_weights_and_bias[1][1])
    probabilities = model.predict_proba(texts).astype(np.float64)
    np.testing.assert_allclose(np.array(sums) + bias, np.log(probabilities[:, 1] / probabilities[:, 0]), atol=1e-5)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_one_class_against_the_others_adds_up_to_its_own_logit(label):
    """The model of that class alone says what its logit is."""
    model = fitted("nbsvm")
    alone = fitted("nbsvm", [int(other == label) for other in tiny.LABELS], ("others", "this"))
    sums = [sum(weight for _, weight in words) for words in explain(model, tiny.TEXTS, [label] * 8)]
    probabilities = alone.predict_proba(tiny.TEXTS).astype(np.float64)
    expected = np.log(probabilities[:, 1] / probabilities[:, 0])
    np.testing.assert_allclose(np.array(sums) + model.class_weights_and_bias[1][label], expected, atol=1e-4)


def test_leaving_out_by_hand():
    """Each "good" moves the log-odds by log 2, and nothing else does."""
    good, still = explain(goods(), ["Good, a film so good!", "the"], [1, 0])
    log2 = pytest.approx(math.log(2), abs=1e-5)
    assert good == [("good", log2), ("film", pytest.approx(0)), ("so", pytest.approx(0)), ("good", log2), ("!", 0)]
    assert still == []
    ((_, weight),) = explain(goods(), ["good"], [0])[0:1][0]
    assert weight == pytest.approx(-math.log(2), abs=1e-5)


def test_certain_probabilities_have_finite_weights():
    (words,) = explain(goods(), ["good " * 90], [1])
    assert np.isfinite([weight for _, weight in words]).all()


def test_long_texts_are_explained_in_windows(monkeypatch):
    """Five words in two windows, of three and of two."""
    monkeypatch.setattr("textapp.models.explaining.MOST_WINDOWS", 2)
    asked = []
    model = goods()
    predict = model.predict_proba
    model.predict_proba = lambda texts: asked.extend(texts) or predict(texts)
    (words,) = explain(model, ["good film good film good"], [1])
    assert asked == ["good film good film good", "film good", "good film good"]
    expected = [2 / 3 * math.log(2)] * 3 + [1 / 2 * math.log(2)] * 2
    np.testing.assert_allclose([weight for _, weight in words], expected, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_words_of_a_network_are_what_its_logit_loses_without_them(trained, name):
    model, texts = trained(name), ["good boring film", "weird", "bad bad dream fun fun"]
    explained = explain(model, texts, [1, 2, 0])
    for text, label, words in zip(texts, [1, 2, 0], explained, strict=True):
        tokens = text.split()
        without = [" ".join(tokens[:i] + tokens[i + 1 :]) for i in range(len(tokens))]
        values = contrast(model.predict_logits([text, *without]).astype(np.float64), label)
        np.testing.assert_allclose([weight for _, weight in words], values[0] - values[1:], atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_words_that_a_network_does_not_read_weigh_nothing(trained, name):
    """It reads the first 3 and the last 4 of these 10 tokens."""
    tokens = ["bad", "good", "boring", "fun", "fun", "fun", "great", "weird", "film", "long"]
    (words,) = explain(trained(name), [" ".join(tokens)], [1])
    assert [word for word, _ in words] == tokens
    weights = np.array([weight for _, weight in words])
    assert (weights[3:6] == 0).all()
    read = explain(trained(name), [" ".join(tokens[:3] + tokens[6:])], [1])[0]
    np.testing.assert_allclose(weights[[0, 1, 2, 6, 7, 8, 9]], [weight for _, weight in read], atol=1e-6)
    assert np.count_nonzero(weights) > 3


def test_methods_differ_by_kind(trained):
    assert method(trained("tfidf")).startswith("Exact: the logit of the class less the mean of the others")
    assert "against all others" in method(trained("nbsvm"))
    assert "the logit of the class" in method(trained("lstm"))
    assert "beyond the 7 that" in method(trained("lstm"))
    assert "the log-probability of the class" in method(goods())


SYMBOLS = st.text(st.sampled_from("aB'’<3/:;()-=!?！ \n.,;0&lt\0\u0301İΣß\u3099かｶﾞ½❤👍🏽\ud800"), max_size=30)


@given(st.one_of(SYMBOLS, st.text(max_size=30)))
@pytest.mark.parametrize("cleaning", [tiny.CLEANING, WITH_ALL_WORDS], ids=["default", "none"])
def test_cleaning_leaves_cleaned_tokens_as_they_are(cleaning, text):
    """So tokens joined by blanks may stand for a text when some are left out."""
    (tokens,) = cleaning([text])
    assert cleaning([" ".join(tokens)]) == [tokens]


def test_cleaning_keeps_what_turns_an_opinion():
    assert tiny.CLEANING(["isn't not good :) 7/10 !!"]) == [["isn't", "not", "good", ":)", "7/10", "!!"]]


def predict_tokens(token_lists):
    """Probabilities (N, 2): a tenth for class 1 for each "good"."""
    share = np.array([tokens.count("good") / 10 for tokens in token_lists])
    return np.stack([1 - share, share], axis=1)


def test_deletion_by_hand():
    """Four of ten tokens are "good": one, then two, then half of all, are taken out."""
    tokens = ["good", "a", "b", "good", "c", "d", "good", "e", "f", "good"]
    weights = [2.0 if token == "good" else -1.0 for token in tokens]
    curve = deletion_curve([tokens], [weights], predict_tokens, [1], shares=(0, 0.1, 0.2, 0.5, 1))
    assert curve["shares"] == [0, 0.1, 0.2, 0.5, 1]
    assert curve["most"] == pytest.approx([0.4, 0.3, 0.2, 0, 0])
    assert curve["random"][0] == pytest.approx(0.4)
    assert curve["random"][-1] == pytest.approx(0)
    assert curve["random"] == sorted(curve["random"], reverse=True)
    assert json.loads(json.dumps(curve)) == curve


def test_deletion_is_a_mean_over_texts_of_their_classes():
    curve = deletion_curve([["good"], ["a", "b"]], [[1.0], [0.0, 0.0]], predict_tokens, [1, 0], shares=(0, 0.5))
    assert curve["most"] == pytest.approx([(0.1 + 1) / 2, (0 + 1) / 2])


@pytest.mark.parametrize(
    ("length", "share", "left"), [(30, 0.1, 27), (3, 0.1, 2), (7, 0.5, 3), (10, 0.3, 7), (0, 1, 0)]
)
def test_deletion_rounds_up(length, share, left):
    asked = []

    def listening(token_lists):
        asked.extend(token_lists)
        return np.full((len(token_lists), 2), 0.5)

    deletion_curve([["w"] * length], [[0.0] * length], listening, [0], shares=(share,))
    assert [len(tokens) for tokens in asked] == [left, left]


def test_deletion_keeps_the_order_and_is_seeded():
    tokens, asked = list("abcdefghij"), []

    def listening(token_lists):
        asked.append(["".join(tokens) for tokens in token_lists])
        return np.full((len(token_lists), 2), 0.5)

    for seed in (0, 0, 1):
        deletion_curve([tokens], [list(range(10))], listening, [0], shares=(0.3, 0.5), seed=seed)
    assert asked[0][:2] == ["abcdefg", "abcde"]
    assert asked[0] == asked[1]
    assert asked[0][2:] != asked[2][2:]
    assert all(text == "".join(sorted(text)) for text in asked[2])
    assert set(asked[2][3]) < set(asked[2][2])


def test_deletion_of_an_explanation_of_a_model_falls_faster_than_chance(trained):
    model = trained("tfidf")
    classes = tiny.LABELS
    explained = explain(model, tiny.TEXTS, classes)
    curve = deletion_curve(
        [[word for word, _ in words] for words in explained],
        [[weight for _, weight in words] for words in explained],
        lambda token_lists: model.predict_proba([" ".join(tokens) for tokens in token_lists]),
        classes,
    )
    assert len(curve["most"]) == len(curve["random"]) == 5
    assert curve["most"][0] == pytest.approx(curve["random"][0])
    assert curve["most"][4] < curve["random"][4] < curve["most"][0]


@pytest.mark.parametrize(
    ("token_lists", "weights", "classes", "shares", "message"),
    [
        ([], [], [], (0,), "0 token lists"),
        ([["a"]], [[1.0, 2.0]], [0], (0,), "a weight for every token"),
        ([["a"]], [[1.0]], [0, 1], (0,), "1 lists of weights and 2 classes do not fit"),
        ([["a"]], [[1.0]], [0], (0, 1.5), r"shares is \[0, 1.5\]; each must be from 0 to 1"),
    ],
)
def test_deletion_refuses_what_does_not_fit(token_lists, weights, classes, shares, message):
    with pytest.raises(ValueError, match=message):
        deletion_curve(token_lists, weights, predict_tokens, classes, shares=shares)
