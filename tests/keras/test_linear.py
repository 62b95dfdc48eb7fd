"""The linear models, against values computed by hand and against scikit-learn's own pipeline."""

import itertools

import numpy as np
import pytest
from helpers import tiny
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from textapp.models.linear import two_sided

TWO = [0 if label == 0 else 1 for label in tiny.LABELS]
RARE = (["bad film"] * 9 + ["good film"], [0] * 9 + [1])


def fitted(name, texts=tiny.TEXTS, labels=tiny.LABELS, label_names=tiny.LABEL_NAMES, **options):
    model = tiny.make(name, label_names=label_names, **options)
    model.fit(tiny.split(texts, labels), tiny.split(texts, labels))
    return model


@pytest.mark.parametrize(("labels", "label_names"), [(tiny.LABELS, tiny.LABEL_NAMES), (TWO, ("no", "yes"))])
def test_tfidf_is_scikit_learns_own(labels, label_names):
    model = fitted("tfidf", labels=labels, label_names=label_names)
    vectorizer = TfidfVectorizer(
        analyzer=lambda text: ngrams(tiny.CLEANING([text])[0]), sublinear_tf=True, dtype=np.float64
    )
    regression = LogisticRegression(C=10.0, max_iter=1000).fit(vectorizer.fit_transform(tiny.TEXTS), labels)
    texts = [*tiny.TEXTS, "", "good good boring zebra"]
    expected = regression.predict_proba(vectorizer.transform(texts))
    np.testing.assert_allclose(model.predict_proba(texts), expected, atol=1e-4)
    assert model.ngrams == sorted(vectorizer.vocabulary_)
    assert model.parameters == len(label_names) * (len(model.ngrams) + 1)


def ngrams(tokens):
    return [*tokens, *(f"{left} {right}" for left, right in itertools.pairwise(tokens))]


def test_tfidf_features_by_hand():
    """N = 2: "good" stands in both, idf ln(3/3) + 1 = 1; "film" in one, ln(3/2) + 1 = 1.405."""
    model = fitted("tfidf", ["good good good", "good film"], [0, 1], ("a", "b"), longest_ngram=1)
    assert model.ngrams == ["film", "good"]
    np.testing.assert_allclose(model.feature_weights, [1.405465, 1])
    features = model.features(model._counter.transform(["good good good film", "", "good"])).toarray()
    good = 1 + np.log(3)
    length = np.hypot(1.405465, good)
    np.testing.assert_allclose(features, [[1.405465 / length, good / length], [0, 0], [0, 1]], rtol=1e-6)


def test_nbsvm_ratios_by_hand():
    """Counts of (bad, film, good), 1 added: class "yes" (1, 2, 3) of 6, "no" (2, 2, 1) of 5; once a text."""
    texts = ["good good film", "good", "bad film"]
    model = fitted("nbsvm", texts, [1, 1, 0], ("no", "yes"), longest_ngram=1)
    assert model.ngrams == ["bad", "film", "good"]
    (ratios,) = model._learned["ratios"]
    np.testing.assert_allclose(ratios, np.log([(1 / 6) / (2 / 5), (2 / 6) / (2 / 5), (3 / 6) / (1 / 5)]))
    counted = model.features(model._counter.transform(["good good good bad"])).toarray()
    assert counted.tolist() == [[1, 0, 1]]
    assert not model.one_vs_rest


def test_nbsvm_of_three_classes_is_one_against_the_others():
    """Each class's own two-class model gives a sigmoid; the three are divided by their sum."""
    model = fitted("nbsvm")
    assert model.one_vs_rest
    sigmoids = []
    for label in range(3):
        labels = [int(other == label) for other in tiny.LABELS]
        alone = fitted("nbsvm", labels=labels, label_names=("others", "this"))
        sigmoids.append(alone.predict_proba(tiny.TEXTS)[:, 1])
    expected = np.stack(sigmoids, axis=1)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(tiny.TEXTS), expected, atol=1e-5)


def test_two_sided():
    """The difference of the two logits is the one that was learned."""
    assert two_sided(np.array([2.0, -6.0])).tolist() == [[-1, 1], [3, -3]]


@pytest.mark.parametrize("name", ["tfidf", "nbsvm"])
def test_rare_ngrams_are_left_out(name):
    """ "fun" stands twice, but in one text."""
    model = fitted(name, min_documents=2, longest_ngram=1)
    assert model.ngrams == ["bad", "boring", "film", "good", "great", "long", "strange", "weird"]


@pytest.mark.parametrize("name", ["tfidf", "nbsvm"])
def test_texts_without_any_ngram(name):
    """Only the shares of the classes are left to learn."""
    model = fitted(name, ["the", "of", "it is", ""], [0, 0, 0, 1], ("a", "b"))
    probabilities = model.predict_proba(["the", "anything"])
    np.testing.assert_allclose(probabilities[0], probabilities[1])
    assert probabilities[0, 0] > 0.6


@pytest.mark.parametrize("name", ["tfidf", "nbsvm"])
def test_balanced_classes_of_the_linear_models(name):
    plain, balanced = (
        fitted(name, *RARE, ("a", "b"), class_weight=weight).predict_proba(["film"])[0, 1]
        for weight in (None, "balanced")
    )
    assert balanced > plain + 0.1


@pytest.mark.parametrize("name", ["lstm", "encoder"])
def test_balanced_classes_reach_the_loss_of_the_networks(name, monkeypatch):
    """9 and 1 of 10 texts: each class counts 5 in all, so a text 10 / (2 · 9) or 10 / (2 · 1)."""
    seen = []

    def fit(network, train, validation, **_):
        seen.extend([train, validation])
        return []

    monkeypatch.setattr("textapp.models.network.fit", fit)
    for weight, rare in ((None, 1), ("balanced", 5)):
        fitted(name, *RARE, ("a", "b"), class_weight=weight)
        for batches in seen:
            for index in range(len(batches)):
                _, labels, weights = batches[index]
                common = 1 if weight is None else 5 / 9
                np.testing.assert_allclose(weights, np.where(labels == 1, rare, common), rtol=1e-6)
        assert len(seen) == 2
        seen.clear()
