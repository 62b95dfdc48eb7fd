"""What generated texts are like, against values computed by hand and the plain way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textapp.evaluation.generation import control, diversity, longest_copies, novelty, self_bleu, words

TRAINING = ["The movie was good. Really good!", "a bad film", "the movie was bad", ""]


def test_words():
    assert words("Isn't it 8/10, é?") == ["Isn", "'", "t", "it", "8", "/", "10", ",", "é", "?"]


def test_diversity_by_hand():
    found = diversity(["a b a b a b", "a b c"])
    assert found["distinct_1"] == 3 / 9
    assert found["distinct_2"] == 3 / 7  # ab ba ab ba ab, ab bc
    assert found["distinct_3"] == 3 / 5  # aba bab aba bab, abc
    assert found["repetition"] == pytest.approx(1 / 3)  # abab baba abab
    assert found["mean_words"] == 4.5


def test_equal_texts_have_a_self_bleu_of_1():
    text = ["the", "movie", "was", "good", "and", "long"]
    assert self_bleu([text, text, text]) == pytest.approx(1)
    other = list("xyzuvw")
    assert self_bleu([text, other]) < 0.1
    assert self_bleu([text]) is None
    assert self_bleu([[], []]) is None
    assert self_bleu([]) is None


def test_nothing_to_measure():
    assert set(diversity([]).values()) == {None}
    assert diversity([""])["distinct_1"] is None
    found = novelty({"none": [], "empty": [""]}, TRAINING)
    assert found["none"] == {"seen_2": None, "seen_3": None, "seen_4": None, "longest_copy": None, "copied": None}
    assert found["empty"]["longest_copy"] == 0
    assert novelty({"a": ["text"]}, [])["a"]["longest_copy"] == 0


def test_novelty_by_hand():
    found = novelty({"a": ["the movie was good", "a film"], "b": ["a bad film, a bad film"]}, TRAINING)
    # the-movie movie-was was-good stand there, a-film does not, nor a run over the end of a text.
    assert found["a"]["seen_2"] == 3 / 4
    assert found["a"]["seen_3"] == 1  # the-movie-was in the third, movie-was-good in the first
    assert found["a"]["seen_4"] == 0  # "The" is written otherwise
    assert found["a"]["longest_copy"] == len("he movie was good")
    assert found["a"]["copied"] == 0
    assert found["b"]["longest_copy"] == len("a bad film")
    long = "x" * 30 + "y" * 21
    assert novelty({"a": [f"b{long}c", long[:50]]}, [long])["a"]["copied"] == 1 / 2


def plainly(sample, texts):
    spans = (sample[i:j] for i in range(len(sample)) for j in range(i + 1, len(sample) + 1))
    return max((len(span) for span in spans if any(span in text for text in texts)), default=0)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.text("ab\0é\U0010ffff", max_size=40), max_size=4),
    st.lists(st.text("ab\0é\U0010ffff", max_size=60), max_size=4),
)
def test_longest_copies_the_plain_way(samples, texts):
    assert longest_copies(samples, texts).tolist() == [plainly(sample, texts) for sample in samples]


def test_longest_copies_over_many_chunks(monkeypatch):
    monkeypatch.setattr("textapp.evaluation.generation.CHUNK", 10)
    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("abc"), 70)) for _ in range(9)]
    samples = [texts[4][10:45] + "q", "zz" + texts[8], "q"]
    assert longest_copies(samples, texts).tolist() == [plainly(sample, texts) for sample in samples]


def test_control():
    assert control(["good", "bad", "good"], ["good", "good", "good"]) == 2 / 3
    assert control([], []) is None
