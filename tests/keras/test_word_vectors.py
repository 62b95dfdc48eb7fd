"""Vectors from the company that words keep."""

import math
import random

import numpy as np
import pytest
from helpers import tiny

from textapp.datasets import Split
from textapp.models import Decoder, Encoder
from textapp.models import decoder as decoder_module
from textapp.models.lstm_language import LSTMLanguage
from textapp.text import word_vectors as module
from textapp.text.cleaning import make_cleaning
from textapp.text.ragged import Ragged
from textapp.text.subwords import END_ID
from textapp.text.vocabulary import UNKNOWN_ID
from textapp.text.word_vectors import _information, _joined, word_vectors


def rows_of(*texts):
    return Ragged.of([np.array(text, np.int32) for text in texts], empty=UNKNOWN_ID)


def formula(texts, size):
    """Positive pointwise mutual information, written out pair by pair."""
    counts = np.zeros((size, size))
    for text in texts:
        for here, word in enumerate(text):
            for there, other in enumerate(text):
                if 0 < abs(here - there) <= 5 and min(word, other) > UNKNOWN_ID:
                    counts[word, other] += 1 / abs(here - there)
    totals = counts.sum(axis=1)
    shares = totals**0.75 / (totals**0.75).sum()
    found = np.zeros((size, size))
    for word, other in zip(*np.nonzero(counts), strict=True):
        found[word, other] = max(0, math.log(counts[word, other] / (totals[word] * shares[other])))
    return found


@pytest.fixture(scope="module")
def texts():
    chance = random.Random(0)
    return [[chance.randrange(12) for _ in range(chance.randrange(1, 30))] for _ in range(20)]


def test_information_is_the_formulas(texts):
    information = _information(*_joined(rows_of(*texts)), size=12, first=2)
    np.testing.assert_allclose(information.toarray(), formula(texts, 12), rtol=1e-5)
    assert information.nnz == np.count_nonzero(information.toarray())


def test_vectors_hold_the_most_information_that_so_few_numbers_can(texts):
    left, values, _ = np.linalg.svd(formula(texts, 12))
    vectors = word_vectors(rows_of(*texts), size=12, width=3)
    assert vectors.dtype == np.float32
    assert vectors.std() == pytest.approx(1, rel=1e-5)
    wanted = (left[:, :3] * values[:3]) @ left[:, :3].T
    found = vectors @ vectors.T
    np.testing.assert_allclose(found / np.linalg.norm(found), wanted / np.linalg.norm(wanted), atol=1e-4)


def test_words_in_the_same_company_are_near():
    texts = [[2, 4, 5], [3, 4, 5], [2, 5, 4], [3, 5, 4], [6, 7, 8], [6, 8, 7]] * 3  # 2 and 3 never meet
    vectors = word_vectors(rows_of(*texts), size=9, width=4)

    def cosine(one, other):
        return vectors[one] @ vectors[other] / np.linalg.norm(vectors[one]) / np.linalg.norm(vectors[other])

    assert cosine(2, 3) > 0.99
    assert abs(cosine(2, 6)) < 0.01


def test_more_columns_than_words_are_zero():
    vectors = word_vectors(rows_of([2, 3, 4], [2, 3]), size=5, width=8)
    assert vectors.shape == (5, 8)
    assert vectors[2:, :5].any()
    assert not vectors[:, 5:].any()


@pytest.mark.parametrize("texts", [[[1]], [[2], [3]], [[2, 1, 1, 1, 1, 1, 3]], [[1, 1], [0, 2]]])
def test_words_that_never_meet_have_no_vector(texts):
    assert not word_vectors(rows_of(*texts), size=4, width=2).any()


def test_of_very_many_texts_every_second_or_third_is_read(monkeypatch):
    texts = [[2, 3], [4, 5], [6, 7], [2, 3], [4, 5], [6, 7]]
    monkeypatch.setattr(module, "MOST_TOKENS", 4)
    ids, numbers = _joined(rows_of(*texts))
    assert ids.tolist() == [2, 3, 2, 3]
    assert numbers.tolist() == [0, 0, 1, 1]


def test_an_embedding_starts_from_them():
    texts = ["a good film", "a bad film", "one good book", "one bad book"]
    model = Encoder(label_names=("no", "yes"), cleaning=make_cleaning("none"), embedding_dim=4, sequence_length=8)
    model.vocabulary = model._make_vocabulary(model.cleaning(texts))
    model.network = model.build()
    rows, size = model.encode(texts), len(model.vocabulary)
    model.start_embedding(model.network, rows)
    wanted = model.corpus_embeddings * word_vectors(rows, size=size, width=4)
    found = model.network.get_layer("embedding").get_weights()[0]
    np.testing.assert_allclose(found[2:], wanted[2:], rtol=1e-6)
    assert found[:2].any(axis=1).all()  # padding and unknown words keep what they had
    before = [array.copy() for array in model.network.get_weights()]
    model.start_embedding(model.network, rows_of([1]))  # no word beside another: as it is
    for one, other in zip(before, model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("decoder", [Decoder, LSTMLanguage])
def test_a_decoder_starts_from_them(decoder, monkeypatch):
    """The training is left out: what it would begin with is looked at."""
    model = decoder(label_names=tiny.LABEL_NAMES, hidden_dim=8, vocabulary_size=270, context=8, epochs=1)
    started = []
    monkeypatch.setattr(decoder_module, "fit", lambda network, *_, **__: started.append(network) or [])
    split = Split(texts=tiny.TEXTS, labels=np.zeros(len(tiny.TEXTS), np.int32), rows=np.arange(len(tiny.TEXTS)))
    model.fit(split, split)
    rows = Ragged.of(model.learn_tokens(split), empty=END_ID)
    wanted = word_vectors(rows, size=len(model.subwords), width=8, first=1)
    found = started[0].get_layer("token_embedding").get_weights()[0]
    assert len(found) == len(wanted) + len(tiny.LABEL_NAMES)
    stands = wanted.any(axis=1)
    assert 20 < stands.sum() < len(stands)
    np.testing.assert_allclose(found[: len(wanted)][stands], model.corpus_embeddings * wanted[stands], rtol=1e-6)
    assert len(np.unique(found, axis=0)) == len(found)  # of two tokens that never stand in a text neither is the other


def test_a_first_word_may_have_any_id():
    texts = [[1, 2], [1, 3], [0, 1]]
    assert not word_vectors(rows_of(*texts), size=4, width=2, first=2).any()
    vectors = word_vectors(rows_of(*texts), size=4, width=2, first=1)
    assert vectors[1:].any(axis=1).all()
    assert not vectors[0].any()
