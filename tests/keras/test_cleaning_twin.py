"""The cleaning and its twin of TensorFlow ops give the same tokens, whatever the text."""

import csv
import dataclasses
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textapp.datasets.movie_reviews import CSV
from textapp.export.cleaning_ops import CleaningOps
from textapp.text.cleaning import Cleaning, make_cleaning
from textapp.text.steps import STEPS, without

pytestmark = pytest.mark.compiled

REPO = Path(__file__).parents[2]
CLEANING = make_cleaning()
OPS = CleaningOps(CLEANING)
STRINGS = [tf.TensorSpec([None], tf.string)]
TWIN = tf.function(OPS, input_signature=STRINGS)

REVIEW = (
    "I didn’t like it.<br /><br />BUT: the 1st half (7/10) isn't bad &amp; “Σίσυφος” scored 3½ :-) "
    "...<i>Wow</i>!!! Ποιος; İstanbul, 東京タワー, ＦＩＬＭ, cafe\u0301 <3 don\x92t 😀👍🏽 10,000 "
    "rock'n'roll &#39;til a < b?"
)
# Pieces at which a rule, the pattern or lower case begins, ends or changes its mind.
_MARKUP = r"<b>|</b>|<br />|<!--|-->|<|>|<a|&|&lt;|&amp;|&#39;|\|\1|the|It's|N'T"
_SIGNS = "1/|7/10|3.5|10,|½|١|:|;|=|-|(|)|3|!|？|?|！|'|’|´|🏽| "
_CONTROLS = "\n|\r|\x00|\x01|\x85|\xa0|\u1680|\u2028|\u200d|\ufe0f|\ufeff|\ufffd|\uffff|\U0010ffff|\ud800|\udc00"
_LETTERS = "İ|Σ|ς|ß|ǅ|ﬁ|I\u0307|Į\u0300|J\u0301|\u0345|A|z|カ|ｶ|ﾞ|\u3099"
PIECES = f"{_MARKUP}|{_SIGNS}|{_CONTROLS}|{_LETTERS}".split("|")
any_text = st.lists(st.sampled_from(PIECES) | st.text(st.characters(), max_size=3), max_size=15).map("".join)


@st.composite
def mutated_review(draw) -> str:
    """The review cut to a window, with pieces put in, taken out and swapped."""
    start = draw(st.integers(0, len(REVIEW)))
    characters = list(REVIEW[start : start + draw(st.integers(0, 120))])
    for _ in range(draw(st.integers(0, 6))):
        at, other = (draw(st.integers(0, max(len(characters) - 1, 0))) for _ in range(2))
        match draw(st.sampled_from(["insert", "delete", "swap"])):
            case "insert":
                characters.insert(at, draw(st.sampled_from(PIECES) | st.characters()))
            case "delete":
                del characters[at:other]
            case "swap" if characters:
                characters[at], characters[other] = characters[other], characters[at]
    return "".join(characters)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


ABLATED = {step: without(CLEANING, step) for step in STEPS}
ABLATED_TWINS = {
    step: tf.function(CleaningOps(cleaning), input_signature=STRINGS) for step, cleaning in ABLATED.items()
}


def twin_tokens(texts: list[str | bytes], twin=TWIN) -> list[list[str]]:
    raw = [text if isinstance(text, bytes) else encoded(text) for text in texts]
    ragged = twin(tf.constant(raw, tf.string, shape=[len(raw)]))
    return [[token.decode("utf-8") for token in tokens] for tokens in ragged.to_list()]


def test_equal_on_real_reviews():
    # Importing the package would read its whole file.
    file = Path(importlib.metadata.distribution("movie-reviews").locate_file(CSV))
    with file.open(encoding="utf-8", newline="") as lines:
        texts = [row["text"] for row, _ in zip(csv.DictReader(lines), range(20_000), strict=False)][::10]
    expected = CLEANING(texts)
    assert len(texts) == 2_000
    assert sum(map(len, expected)) > 100_000
    assert twin_tokens(texts) == expected


@settings(deadline=None, max_examples=200)
@given(st.lists(any_text | mutated_review(), min_size=1, max_size=12))
def test_equal_on_any_text(texts):
    expected = CLEANING(texts)
    assert twin_tokens(texts) == expected
    assert all(token.split() == [token] for tokens in expected for token in tokens)


@pytest.mark.parametrize("step", STEPS)
@settings(deadline=None, max_examples=100)
@given(st.lists(any_text | mutated_review(), min_size=1, max_size=12))
@example([REVIEW, REVIEW.upper(), "".join(PIECES), " ".join(PIECES)])
def test_equal_on_any_text_without_a_step(step, texts):
    expected = ABLATED[step](texts)
    assert twin_tokens(texts, twin=ABLATED_TWINS[step]) == expected
    assert all(token.split() == [token] for tokens in expected for token in tokens)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=30) | any_text.map(encoded), min_size=1, max_size=12))
@example([b"<b \xff>x", b"\xe2\x82isn\xc3't", b"\xed\xa0\x80!\xf5!", b"caf\xc3"])
def test_bytes_that_are_no_utf8_count_as_replacement_characters(raw):
    assert twin_tokens(raw) == CLEANING([text.decode("utf-8", "replace") for text in raw])


@pytest.mark.parametrize("step", [None, *STEPS])
def test_equal_on_every_character_alone_and_within_a_word(step):
    """All of planes 0 and 1, where every script with upper case is, and some of the others."""
    points = [*range(0xD800), *range(0xE000, 0x20000), *range(0x20000, 0x110000, 97)]
    texts = [" ".join(f"{chr(p)} A{chr(p)}B" for p in points[i : i + 64]) for i in range(0, len(points), 64)]
    cleaning, twin = (ABLATED[step], ABLATED_TWINS[step]) if step else (CLEANING, TWIN)
    assert twin_tokens(texts, twin=twin) == cleaning(texts)


@pytest.mark.parametrize("text", ["", " ", "\x00", "\x01a\x01", "It was the"])
def test_equal_on_edges(text):
    assert twin_tokens([text, "good", text]) == CLEANING([text, "good", text])


@pytest.mark.parametrize("piece", ["!", "<a", "<!--", "&", "1", "1/", "a'", "é", "か", ":"])
def test_equal_on_long_hostile_texts(piece):
    text = piece * 40_000 + " end"
    assert twin_tokens([text]) == CLEANING([text])


def test_no_texts_give_no_tokens():
    tokens = TWIN(tf.constant([], tf.string))
    assert tokens.shape[0] == 0
    assert tokens.to_list() == []


@pytest.mark.parametrize("stopwords", [(), ("film", "été")])
def test_other_stop_words_and_settings_from_json(stopwords):
    chosen = dataclasses.replace(CLEANING, stopwords=stopwords)
    again = CleaningOps(Cleaning.from_json(chosen.to_json()))
    texts = ["The film of ÉTÉ", "not THE end"]
    assert twin_tokens(texts, twin=again) == chosen(texts)
    assert chosen(texts)[1] == ["not", "the", "end"]


def test_savedmodel_round_trip(tmp_path):
    module = CleaningOps(CLEANING)
    module.serve = tf.function(module.__call__, input_signature=STRINGS)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    texts = [REVIEW, "", "It was NOT the best 8/10"]
    assert twin_tokens(texts, twin=loaded.serve) == CLEANING(texts)
    assert twin_tokens([b"\xff\xfe good \xe2\x82"], twin=loaded.serve) == [["good"]]
    graph = loaded.serve.concrete_functions[0].graph.as_graph_def()
    ops = {node.op for part in (graph.node, *(f.node_def for f in graph.library.function)) for node in part}
    assert {"UnicodeTranscode", "StaticRegexReplace", "StringLower", "StringSplitV2"} <= ops
    assert not {op for op in ops if "PyFunc" in op}


@pytest.mark.slow
def test_the_language_of_the_machine_does_not_matter():
    """TensorFlow's own lower case of "I" is a dotless "ı" where LC_ALL says Turkish."""
    program = (
        "from textapp.export.cleaning_ops import CleaningOps\n"
        "from textapp.text.cleaning import make_cleaning\n"
        "cleaning = make_cleaning('none')\n"
        "texts = ['I IJ İ I\\u0307 Ì Í Ĩ Į\\u0300 J\\u0301', 'FILM']\n"
        "twin = [[t.decode() for t in row] for row in CleaningOps(cleaning)(texts).to_list()]\n"
        "assert twin == cleaning(texts), (twin, cleaning(texts))\n"
    )
    started = []
    for language in ("tr_TR.UTF-8", "lt_LT.UTF-8"):
        environment = os.environ | {"LC_ALL": language, "PYTHONUTF8": "1", "PYTHONPATH": str(REPO)}
        command = [sys.executable, "-c", program]
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in started:
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-2000:]
