"""The cleaning's steps by hand-made values, its stop lists, its settings and hostile texts."""

import dataclasses
import json
import os
import zipfile

import nltk.data
import pytest
from nltk.tokenize import RegexpTokenizer

from textapp.errors import UserError
from textapp.text.cleaning import Cleaning, load_stopwords, make_cleaning
from textapp.text.steps import STEPS, without

PLAIN = make_cleaning("none")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        (" \t\n\x0b\u2028\u3000\u1680\xa0", []),
        ("Isn't it <b>great</b>?", ["isn't", "it", "great", "?"]),
        ("DON’T don´t don`t don\x92t", ["don't"] * 4),
        ("'quoted' rock'n'roll ''tis dogs'", ["quoted", "rock'n'roll", "tis", "dogs"]),
        ("well-made _very_ 80s 3D", ["well", "made", "very", "80s", "3d"]),
        ("a 8/10, 7.5/10 or 10,000.", ["a", "8/10", "7.5/10", "or", "10,000"]),
        ("1½ of ⅔", ["1", "½", "of", "⅔"]),
        ("http://www.imdb.com/title?id=7", ["http", "www", "imdb", "com", "title", "?", "id", "7"]),
        ("No! No!!!! Why??? ！！！", ["no", "!", "no", "!!", "why", "??", "!!"]),
        ("good:) ;-( :'( :-D =) I <3 it", ["good", ":)", ";-(", ":'(", ":-d", "=)", "i", "<3", "it"]),
        ("😀👍🏽❤️ ★★☆", ["😀", "👍", "❤", "★", "★", "☆"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("か\u3099ｶﾞ", ["か\u3099", "ｶﾞ"]),
        ("영화는 최고", ["영화는", "최고"]),
        ("ＦＵＬＬ１ width", ["ｆｕｌｌ１", "width"]),
        ("Cafe\u0301 ÉTÉ naïve", ["cafe\u0301", "été", "naïve"]),
        ("Фильм, ΣΟΦΟΣ σοφος", ["фильм", "σοφοσ", "σοφοσ"]),
        ("फ़िल्म। فيلم؟", ["फ़िल्म", "فيلم"]),
        ("İSTANBUL", ["istanbul"]),
        ("won\u00adder zero\u200bwidth", ["wonder", "zero", "width"]),
        ("a\x00b\x01c\x7fd", ["a", "b", "c", "d"]),
        ("lone \ud83d half\udc00s", ["lone", "half", "s"]),
    ],
)
def test_tokens(text, tokens):
    assert PLAIN([text]) == [tokens]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("one<br /><br />two", ["one", "two"]),
        ('<a href="x.html"\nclass=y>link</a >', ["link"]),
        ("<!DOCTYPE html><?xml v?><!-- gone -->kept", ["kept"]),
        ("a < b and c > d", ["a", "b", "and", "c", "d"]),
        ("a <b never closed", ["a", "b", "never", "closed"]),
        ("AT&amp;T &lt;i&gt; it&#39;s it&apos;s&nbsp;x", ["at", "t", "i", "it's", "it's", "x"]),
        ("I &lt;3 R&D", ["i", "<3", "r", "d"]),
    ],
)
def test_html(text, tokens):
    assert PLAIN([text]) == [tokens]


def test_steps_show_what_each_step_did():
    steps = make_cleaning().steps("Isn't it <b>great</b>?")
    assert steps == [
        ("text", "Isn't it <b>great</b>?"),
        ("HTML and characters", "Isn't it  great ?"),
        ("lower case", "isn't it  great ?"),
        ("tokens", ["isn't", "it", "great", "?"]),
        ("without stop words (default)", ["isn't", "great", "?"]),
    ]


def test_steps_name_no_lower_case_where_there_is_none():
    steps = dataclasses.replace(PLAIN, lowercase=False).steps("Ein Film")
    assert [name for name, _ in steps] == ["text", "HTML and characters", "tokens", "without stop words (none)"]
    assert steps[-1][1] == ["Ein", "Film"]


# For each step a text, its tokens by the whole cleaning, and its tokens without the step.
ABLATED = {
    "removing HTML and entities": (
        "<b>great</b> R&amp;B &#39;tis",
        ["great", "r", "b", "tis"],
        ["b", "great", "b", "r", "amp", "b", "39", "tis"],
    ),
    "mending apostrophes and invisible characters": (
        "don’t won\u00adder 👍🏽",
        ["don't", "wonder", "👍"],
        ["don", "t", "won", "der", "👍", "🏽"],
    ),
    "lower case": (  # stop words still go, in the three cases that one writes
        "The FILM, THE end: it's It'S ÉTÉ ΣΟΦΟΣ İZMİR :-D",
        ["film", "end", "été", "σοφοσ", "izmir", ":-d"],
        ["FILM", "end", "It'S", "ÉTÉ", "ΣΟΦΟΣ", "İZMİR", ":-D"],
    ),
    "leaving out stop words": ("This is it", [], ["this", "is", "it"]),
    "numbers in one piece": ("7/10, 3.5 of 80s", ["7/10", "3.5", "80s"], ["7", "10", "3", "5", "80s"]),
    "keeping ! and ?": ("Wow!!!! Why? :)", ["wow", "!!", "why", "?", ":)"], ["wow", "why", ":)"]),
    "keeping emoticons and symbols": (
        "great :-) <3 ★ 😀 3½",
        ["great", ":-)", "<3", "★", "😀", "3", "½"],
        ["great", "3", "3"],
    ),
    "Han and kana one by one": (
        "東京タワー か\u3099 ｶﾞ 80s",
        ["東", "京", "タ", "ワ", "ー", "か\u3099", "ｶﾞ", "80s"],
        ["東京タワー", "か\u3099", "ｶﾞ", "80s"],
    ),
}


def test_every_step_has_an_example():
    assert list(ABLATED) == list(STEPS)


@pytest.mark.parametrize("step", ABLATED)
def test_a_cleaning_without_a_step(step):
    text, tokens, ablated = ABLATED[step]
    cleaning = make_cleaning()
    assert cleaning([text]) == [tokens]
    assert without(cleaning, step)([text]) == [ablated]
    assert without(without(cleaning, step), step)([text]) == [ablated]


def test_an_unknown_step_is_refused():
    with pytest.raises(UserError, match="unknown step 'stemming' of the cleaning; choose from \\['removing HTML"):
        without(PLAIN, "stemming")


def test_steps_can_be_printed_when_the_text_has_a_lone_surrogate():
    for _, result in PLAIN.steps("x\ud800y"):
        "".join(result).encode("utf-8")
    assert PLAIN.steps("x\ud800y")[0][1] == "x\ufffdy"


def test_a_text_of_stop_words_only_has_no_tokens():
    assert make_cleaning()(["It was the", "It's I'VE", "good"]) == [[], [], ["good"]]


def test_a_string_instead_of_texts_is_refused():
    with pytest.raises(TypeError, match="the string 'abc'; pass a list"):
        PLAIN("abc")


def test_the_compiled_pattern_is_the_one_that_nltk_would_compile():
    text = "Isn't 8/10 東京 é😀 :-) ½!? <3".lower()
    assert PLAIN([text]) == [RegexpTokenizer(PLAIN.pattern).tokenize(text)]


def test_default_list_keeps_what_turns_or_strengthens_a_judgement():
    keep = "not no never nor neither none nothing cannot very but too only even just so more most less least"
    keep += " however although though yet without against off out up down again should could would hardly rarely"
    keep += " isn't don't didn't wasn't can't couldn't won't wouldn't shouldn't doesn't haven't aren't"
    words = load_stopwords("default")
    assert not set(keep.split()) & set(words)
    assert {"the", "a", "is", "it", "it's", "i'm", "of", "and"} <= set(words)
    assert list(words) == sorted(set(words))


def test_every_default_stop_word_is_one_token():
    words = load_stopwords("default")
    assert PLAIN(words) == [[word] for word in words]


def test_a_stop_list_that_a_group_may_write_is_read(tmp_path):
    """As git leaves it where a user's files are their group's, too; NLTK's own reader refuses such a file."""
    file = tmp_path / "words"
    file.write_text("The\n\n don’t \n", encoding="utf-8")
    file.chmod(0o664)
    assert load_stopwords(str(file)) == ("don't", "the")


def test_none_turns_stop_words_off():
    assert load_stopwords("none") == ()
    assert PLAIN.stopwords_name == "none"


@pytest.fixture
def nltk_folder(tmp_path, monkeypatch):
    before = os.umask(0o022)  # NLTK reads no file that others may write
    folder = tmp_path / "nltk_data" / "corpora"
    folder.mkdir(parents=True)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    yield folder
    os.umask(before)


def test_nltk_corpus_that_the_user_installed(nltk_folder):
    (nltk_folder / "stopwords").mkdir()
    (nltk_folder / "stopwords" / "english").write_text("the\nnot\nA\n", encoding="utf-8")
    (nltk_folder / "stopwords" / "README").write_text("about", encoding="utf-8")
    cleaning = make_cleaning("nltk:english")
    assert cleaning.stopwords == ("a", "not", "the")
    assert cleaning.stopwords_name == "nltk:english"
    with pytest.raises(UserError, match=r"no language 'klingon'.*choose from \['english'\]"):
        make_cleaning("nltk:klingon")


def test_nltk_corpus_as_the_zip_that_its_downloader_leaves(nltk_folder):
    with zipfile.ZipFile(nltk_folder / "stopwords.zip", "w") as archive:
        archive.writestr("stopwords/", "")
        archive.writestr("stopwords/german", "und\nnicht\n")
    assert load_stopwords("nltk:german") == ("nicht", "und")


def test_missing_nltk_corpus_is_not_downloaded(nltk_folder):
    with pytest.raises(UserError, match=r'needs NLTK\'s corpus "stopwords".*is not downloaded'):
        load_stopwords("nltk:english")
    assert list(nltk_folder.iterdir()) == []


def test_word_list_of_the_user(tmp_path):
    searched = list(nltk.data.path)
    file = tmp_path / "my words.txt"
    file.write_bytes("\ufeffFilm\r\n\r\ndon’t\nfilm \n".encode())
    cleaning = make_cleaning(str(file))
    assert cleaning.stopwords == ("don't", "film")
    assert cleaning.stopwords_name == "my words.txt"
    assert nltk.data.path == searched


def test_missing_word_list(tmp_path):
    with pytest.raises(UserError, match="no stop list 'englsh'; choose default, none, nltk:LANGUAGE"):
        load_stopwords("englsh")
    file = tmp_path / "latin1.txt"
    file.write_bytes(b"caf\xe9\n")
    with pytest.raises(UserError, match=r"'latin1\.txt' is no UTF-8"):
        load_stopwords(str(file))


def test_settings_survive_json():
    for cleaning in (without(make_cleaning(), "lower case"), make_cleaning()):
        again = Cleaning.from_json(json.loads(json.dumps(cleaning.to_json())))
        assert again == cleaning
    assert again(["It’s not <i>bad</i> 7/10"]) == [["not", "bad", "7/10"]]


def test_settings_of_another_format_or_with_a_hole_are_refused():
    settings = PLAIN.to_json()
    with pytest.raises(UserError, match="has format 99; this version of textapp reads 2"):
        Cleaning.from_json(settings | {"format": 99})
    del settings["patterns"], settings["lowercase"]
    with pytest.raises(UserError, match=r"lacks \['lowercase', 'patterns'\]"):
        Cleaning.from_json(settings)


# A pattern that backtracks or rescans would need hours for these; nothing here is timed.
HOSTILE = [
    "<",
    "<a",
    "<!--",
    "</",
    "&",
    "&#",
    "'",
    "a'",
    "1",
    "1/",
    "1.1",
    "!",
    "?",
    ":",
    ":'-",
    "a",
    "é",
    "か",
    "\x00",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_hostile_text(piece):
    text = piece * (1_000_000 // len(piece))
    tokens = PLAIN([text + " end"])[0]
    assert tokens[-1] == "end"
    assert sum(map(len, tokens)) <= len(text) + 3
