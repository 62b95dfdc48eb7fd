"""Words and characters and their twins of TensorFlow ops give the same ids and texts, whatever the text."""

import pytest
import tensorflow as tf
from helpers.texts import LEARNED_FROM, any_text
from hypothesis import given, settings
from hypothesis import strategies as st

from textapp.export.subword_ops import token_ops
from textapp.text.spelled import Characters, Words

pytestmark = pytest.mark.compiled

TOKENS = {
    "words": Words.train(LEARNED_FROM, size=275),
    "characters": Characters.train(LEARNED_FROM, size=260),
    "no pieces": Characters.train(["plain"], size=1_000),
}
OPS = {name: token_ops(tokens) for name, tokens in TOKENS.items()}
ENCODE = {
    name: tf.function(ops.encode, input_signature=[tf.TensorSpec([None], tf.string)]) for name, ops in OPS.items()
}


@pytest.mark.parametrize("name", TOKENS)
@settings(deadline=None, max_examples=60)
@given(texts=st.lists(any_text, min_size=1, max_size=8))
def test_same_ids_and_texts(name, texts):
    expected = TOKENS[name].encode(texts)
    found = ENCODE[name](tf.constant(texts))
    assert found.to_list() == expected
    decoded = [text.decode() for text in OPS[name].decode(found).numpy()]
    assert decoded == [TOKENS[name].decode(ids) for ids in expected] == texts


@pytest.mark.parametrize("name", TOKENS)
def test_hostile_texts(name):
    texts = ["a" * 20_000, "\x00" * 500, "é" * 5_000, "\n\u2028\r\n" * 50, "", "京" * 300]
    assert ENCODE[name](tf.constant(texts)).to_list() == TOKENS[name].encode(texts)
    assert ENCODE[name](tf.constant([], tf.string)).to_list() == []
    raw = ENCODE[name](tf.constant([b"a\xffb", b"\xf0\x9f"])).to_list()
    assert raw == TOKENS[name].encode(["a\ufffdb", "\ufffd"])
