"""Words and subwords to ids and back."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textapp.errors import UserError
from textapp.text.cleaning import make_cleaning
from textapp.text.ragged import Ragged
from textapp.text.subwords import END_ID, END_OF_TEXT, Subwords
from textapp.text.tokenizing import tokenize
from textapp.text.vocabulary import Vocabulary

TOKENS = [["good", "film", "good"], ["bad", "film"], ["a", "é", "good"]]
SUBWORDS = Subwords.train(["a good film, a very good film", "the good, the bad"] * 3, size=270)


def test_vocabulary_order():
    """By count, then by alphabet: good 3, film 2, then a, bad, é."""
    vocabulary = Vocabulary.build(TOKENS, size=12)
    assert vocabulary.words == ("good", "film", "a", "bad", "é")
    assert len(vocabulary) == 7
    assert Vocabulary.build(reversed(TOKENS), size=12).words == vocabulary.words


def test_vocabulary_size_counts_the_special_ids():
    assert Vocabulary.build(TOKENS, size=4).words == ("good", "film")
    assert Vocabulary.build(TOKENS, size=2).words == ()
    assert Vocabulary.build(TOKENS, size=12, min_count=2).words == ("good", "film")


@given(st.lists(st.sampled_from("abcdefgé東"), max_size=40), st.integers(2, 14), st.integers(1, 3))
def test_the_most_frequent_by_count_then_by_alphabet(tokens, size, min_count):
    ranked = sorted(set(tokens), key=lambda token: (-tokens.count(token), token))
    expected = tuple(token for token in ranked if tokens.count(token) >= min_count)[: size - 2]
    assert Vocabulary.build([tokens], size=size, min_count=min_count).words == expected


def test_encode():
    ids = Vocabulary.build(TOKENS, size=4).encode([["film", "bad", "good"], [], ["zebra"]])
    assert [row.tolist() for row in ids] == [[3, 1, 2], [1], [1]]
    assert {str(row.dtype) for row in ids} == {"int32"}


def test_vocabulary_file(tmp_path):
    vocabulary = Vocabulary.build(TOKENS, size=12)
    vocabulary.save(tmp_path / "vocabulary.txt")
    assert (tmp_path / "vocabulary.txt").read_bytes() == "[PAD]\n[UNK]\ngood\nfilm\na\nbad\né\n".encode()
    assert Vocabulary.load(tmp_path / "vocabulary.txt").words == vocabulary.words


@pytest.mark.parametrize("content", ["", "good\nfilm\n", "[UNK]\n[PAD]\n"])
def test_damaged_vocabulary_file(tmp_path, content):
    (tmp_path / "vocabulary.txt").write_text(content)
    with pytest.raises(UserError, match=r"vocabulary\.txt is no vocabulary"):
        Vocabulary.load(tmp_path / "vocabulary.txt")


def test_a_word_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        Vocabulary(["good", "good"])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(), max_size=5))
@example(["", " ", "  two  blanks ", "it's\r\n\ttabs", "é 東京 👍🏽\u200d", "\x00", END_OF_TEXT])
def test_subwords_lose_nothing(texts):
    encoded = SUBWORDS.encode(texts)
    assert [SUBWORDS.decode(ids) for ids in encoded] == texts
    assert all(END_ID < token_id < len(SUBWORDS) for ids in encoded for token_id in ids)


def test_subwords_learn_what_stands_often():
    assert len(SUBWORDS) == 270
    assert len(SUBWORDS.encode([" good"])[0]) < len(" good")
    assert SUBWORDS.vocabulary[END_OF_TEXT] == END_ID


def test_subwords_of_no_text_and_of_a_lone_surrogate():
    assert SUBWORDS.encode([]) == []
    assert SUBWORDS.encode([""]) == [[]]
    assert SUBWORDS.decode(SUBWORDS.encode(["x\ud800y"])[0]) == "x?y"


def test_decode_leaves_out_the_end_and_replaces_half_characters():
    ids = SUBWORDS.encode(["é"])[0]
    assert len(ids) == 2
    assert SUBWORDS.decode([END_ID, ids[0], END_ID]) == "\ufffd"
    assert SUBWORDS.decode([END_ID, *ids, END_ID]) == "é"


def test_subword_files(tmp_path):
    SUBWORDS.save(tmp_path / "tokenizer")
    again = Subwords.load(tmp_path / "tokenizer")
    texts = ["A good film!", "\xa0\u2028\x85 odd white space", "東京"]
    assert again.vocabulary == SUBWORDS.vocabulary
    assert again.merges == SUBWORDS.merges
    assert again.encode(texts) == SUBWORDS.encode(texts)


def test_more_texts_than_are_encoded_at_a_time(monkeypatch):
    texts = [f"film {number}" for number in range(7)]
    whole = SUBWORDS.encode(texts)
    monkeypatch.setattr("textapp.text.subwords.CHUNK", 3)
    assert SUBWORDS.encode(texts) == whole


def test_numbered_tokens_give_the_same_vocabulary_and_ids():
    texts = ["Good film, good!", "", "bad film", "zebra ZEBRA zebra", "The", "a very é film"]
    lists, numbered = make_cleaning()(texts), tokenize(make_cleaning(), texts)
    for options in ({"size": 12}, {"size": 5}, {"size": 2}, {"size": 12, "min_count": 2}):
        vocabulary = Vocabulary.build(lists, **options)
        assert Vocabulary.build(numbered, **options).words == vocabulary.words
        rows, expected = vocabulary.encode(numbered), vocabulary.encode(lists)
        assert [row.tolist() for row in rows] == [row.tolist() for row in expected]
        assert rows.lengths.tolist() == expected.lengths.tolist() == [max(len(tokens), 1) for tokens in lists]
        assert {row.dtype for row in rows} == {np.dtype(np.int32)}


def test_ids_of_no_tokens_at_all():
    for texts in ([], ["", "The"]):
        numbered = tokenize(make_cleaning(), texts)
        vocabulary = Vocabulary.build(numbered, size=12)
        assert [row.tolist() for row in vocabulary.encode(numbered)] == [[1]] * len(texts)


def test_ragged_by_hand():
    rows = Ragged(np.array([2, 0, 1], np.int32), np.array([0, 2, 2, 3]), table=np.array([7, 8, 9], np.int32), empty=5)
    assert [row.tolist() for row in rows] == [[9, 7], [5], [8]]
    assert rows[-1].tolist() == [8]
    with pytest.raises(IndexError):
        rows[3]
    assert rows.take(np.array([[2, 0], [-1, 1]])).tolist() == [[8, 9], [5, 7]]
