"""The subwords and their twin of TensorFlow ops give the same ids and texts, whatever the text."""

import pytest
import tensorflow as tf
from helpers.texts import LEARNED_FROM, any_text
from hypothesis import given, settings
from hypothesis import strategies as st

from textapp.export.subword_ops import SubwordOps
from textapp.text.subwords import END_ID, Subwords

pytestmark = pytest.mark.compiled

SUBWORDS = Subwords.train(LEARNED_FROM, size=340)
OPS = SubwordOps(SUBWORDS)
ENCODE = tf.function(OPS.encode, input_signature=[tf.TensorSpec([None], tf.string)])
DECODE = tf.function(OPS.decode, input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])


def encode(texts: list[bytes]) -> list[list[int]]:
    return ENCODE(tf.constant(texts, tf.string, shape=[len(texts)])).to_list()


def decode(token_ids: list[list[int]]) -> list[str]:
    ragged = tf.ragged.constant(token_ids, tf.int32, ragged_rank=1)
    return [text.decode() for text in DECODE(ragged).numpy()]


@settings(deadline=None, max_examples=200)
@given(st.lists(any_text, min_size=1, max_size=8))
def test_equal_on_any_text(texts):
    texts = [text.encode(errors="replace").decode() for text in texts]
    expected = SUBWORDS.encode(texts)
    assert encode([text.encode() for text in texts]) == expected
    assert decode(expected) == texts == [SUBWORDS.decode(ids) for ids in expected]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=8))
def test_bytes_that_are_no_utf8_count_as_replacement_characters(raw):
    assert encode(raw) == SUBWORDS.encode([text.decode(errors="replace") for text in raw])


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.integers(0, len(SUBWORDS) - 1), max_size=12), min_size=1, max_size=5))
def test_any_ids_become_the_same_text(token_ids):
    assert decode(token_ids) == [SUBWORDS.decode(ids) for ids in token_ids]


def test_the_merges_that_were_learned_are_used():
    (ids,) = encode([b"the film isn't"])
    assert len(ids) < 8
    assert END_ID not in ids


def test_overlapping_pairs_are_merged_from_the_left():
    texts = ["a" * length for length in range(1, 40)] + ["ab" * 7 + "a", "aab" * 5]
    assert encode([text.encode() for text in texts]) == SUBWORDS.encode(texts)


def test_every_character_alone_and_within_a_word():
    points = [*range(0xD800), *range(0xE000, 0x20000, 3), *range(0x20000, 0x110000, 97)]
    texts = ["".join(f"a{chr(p)} {chr(p)}" for p in points[i : i + 64]) for i in range(0, len(points), 64)]
    assert encode([text.encode() for text in texts]) == SUBWORDS.encode(texts)


def test_long_hostile_words_and_no_texts():
    texts = ["a" * 20_000, "ab" * 5_000, "'" * 5_000, " " * 5_000, "\x00" * 500, "é" * 5_000]
    assert encode([text.encode() for text in texts]) == SUBWORDS.encode(texts)
    assert encode([]) == []


def test_no_merges_at_all():
    bare = Subwords.train(["x"], size=257)
    assert not bare.merges
    assert SubwordOps(bare).encode(tf.constant(["aé"])).to_list() == bare.encode(["aé"])
