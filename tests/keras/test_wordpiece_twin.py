"""BERT's word pieces and their twin of TensorFlow ops give the same ids, whatever the text."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textapp.export.parity import UNUSUAL_TEXTS
from textapp.export.wordpiece_ops import WordPieceOps
from textapp.text.pretrained_tokens import WordPieces

pytestmark = pytest.mark.compiled

LETTERS = "abcdeéglmnoprstu'!.,½京都αβ"
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS if letter != "g"),
]
WORDS += ["the", "great", "##est", "##s", "movie", "Great", "É", "##É", "un", "##break", "##able", "a" * 30, "[", "##]"]
SMALL = WordPieces(WORDS, lowercase=True)
CASED = WordPieces(WORDS, lowercase=False)
PIECES = [
    *" \t\n\r\x00\x01\x0b\x1c\x7f\x85\xa0\xad½٣éÉÅßẞİıſΣςǅﬁ京ー가ガ",
    *"\u0301\u0345\u1e9b\u200d\u2028\u3000\ufeff\ufffd\uffff",
    *("greatest", "Unbreakables", "xyz", "[SEP]", "[UNK]", "##s", "isn't", "a" * 99, "b" * 101, "\U0010ffff", "👍🏽"),
]
any_text = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=20).map("".join)


def make(pieces):
    return tf.function(WordPieceOps(pieces).encode, input_signature=[tf.TensorSpec([None], tf.string)])


OPS = {"small": (SMALL, make(SMALL)), "cased": (CASED, make(CASED))}


def check(texts, name="small"):
    pieces, encode = OPS[name]
    found = encode(tf.constant([text.encode() for text in texts], tf.string, shape=[len(texts)])).to_list()
    assert found == [list(ids) for ids in pieces._ids(texts)]


@settings(deadline=None, max_examples=200)
@given(st.lists(any_text, min_size=1, max_size=8), st.sampled_from(sorted(OPS)))
def test_equal_on_any_text(texts, name):
    check([text.encode(errors="replace").decode() for text in texts], name)


def test_equal_on_unusual_texts_and_on_none():
    check([text.decode(errors="replace") for text in UNUSUAL_TEXTS.values()])
    check([])
    check(["", " ", "\u200d"])


@pytest.mark.parametrize("name", OPS)
def test_every_character_alone_and_within_a_word(name):
    points = [*range(0xD800), *range(0xE000, 0x20000, 3), *range(0x20000, 0x110000, 997)]
    check(["".join(f"a{chr(p)} {chr(p)}s" for p in points[i : i + 64]) for i in range(0, len(points), 64)], name)


def test_longest_pieces_first_and_words_that_are_unknown_as_a_whole():
    ids = {word: position for position, word in enumerate(WORDS)}
    (found,) = OPS["small"][1](tf.constant(["greatest unbreakable greatg"])).to_list()
    assert found == [ids["great"], ids["##est"], ids["un"], ids["##break"], ids["##able"], ids["[UNK]"]]


def test_long_hostile_words():
    check(["a" * length for length in (29, 30, 31, 60, 99, 100, 101, 20_000)] + ["ab" * 50, "é" * 100, "e\u0301" * 100])
