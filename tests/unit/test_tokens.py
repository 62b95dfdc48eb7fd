"""Tokens as numbers: the same as the plain way gives, from one process or several, from the disk or anew."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textapp.errors import UserError
from textapp.text import cache, numbering, tokenizing, tokens
from textapp.text.cache import CachedCleaning, fingerprint
from textapp.text.cleaning import RULES, Cleaning, make_cleaning
from textapp.text.numbering import Numbering
from textapp.text.pieces import WHITE_SPACE, stays_within_pieces
from textapp.text.steps import STEPS, without
from textapp.text.tokenizing import tokenize, tokenize_to_disk
from textapp.text.tokens import Tokens

CLEANING = make_cleaning()
# Pieces at which a rule, the pattern, lower case or str.split() begins, ends or changes its mind.
PIECES = "<b>|<br />|</b|<!--|-->|<|>|<a|&|&lt;|&amp;|&nbsp;|&#39;|the|Isn't|'|’|7/10|3.|½|:|-|)|<3|!!!|?|！|🏽| |  "
PIECES += "|\n|\r|\x00|\x01|\x1c|\x1f|\x85|\xa0|\u1680|\u2028|\u3000|\u200b|\u200d|\ufeff|\ufffd|\ud800|\udc00"
PIECES += "|İ|Σ|ς|ΑΣ|ß|I\u0307|\u0345|カ|ﾞ|東京|é|x"
any_text = st.lists(st.sampled_from(PIECES.split("|")) | st.text(st.characters(), max_size=3), max_size=20).map("".join)
OTHER_CLEANINGS = {
    "a rule that looks across white space comes late": Cleaning(
        (*RULES, (r"not\s+", "not_")), CLEANING.patterns, CLEANING.stopwords, "default"
    ),
    "a rule puts in what pieces are joined with": Cleaning(
        (("x", "a\nb"), ("Isn", r"\n"), ("the", "&lt;")), CLEANING.patterns, (), "none"
    ),
    "a token holds white space": Cleaning(RULES, ("[a-z]+ [a-z]+", "[^ ]+"), ("the",), "none"),
    "a token hangs on its neighbours": Cleaning(RULES, (r"(?<= )x|\bthe\b|^.", "[a-zé]+"), (), "none"),
    "a group is the token": Cleaning(RULES, ("([a-z])[a-z]*",), ("t",), "none"),
    "the case stays": Cleaning(RULES, CLEANING.patterns, ("The",), "none", lowercase=False),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The cache, in a folder of its own."""
    monkeypatch.setenv("TEXTAPP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SMALL", 3)
    return tmp_path / "cache" / "tokens"


def plain(texts, cleaning=CLEANING):
    return [cleaning.steps(text)[-1][1] for text in texts]


def reviews(count):
    return [f"Review {n}: the film's {n * 7919 % 101}th <b>scene</b> is {'not ' * (n % 3)}good!!" for n in range(count)]


@settings(deadline=None, max_examples=300)
@given(st.lists(any_text, max_size=6))
@example([PIECES, PIECES.replace("|", ""), PIECES.replace("|", " "), PIECES.upper()])
def test_the_tokens_are_those_of_the_plain_way(texts):
    assert list(tokenize(CLEANING, texts)) == plain(texts) == CLEANING(texts)


@pytest.mark.parametrize("name", [*STEPS, *OTHER_CLEANINGS])
@settings(deadline=None, max_examples=60)
@given(texts=st.lists(any_text, max_size=6))
@example(texts=[PIECES, PIECES.replace("|", ""), PIECES.replace("|", " "), "x the Isn't x", "not  good x"])
def test_other_cleanings_too(name, texts):
    cleaning = OTHER_CLEANINGS[name] if name in OTHER_CLEANINGS else without(CLEANING, name)
    assert list(tokenize(cleaning, texts)) == plain(texts, cleaning)


def test_every_character_beside_every_kind_of_neighbour():
    points = [*range(0x3100), *range(0xD7F0, 0xE010), *range(0xF900, 0x10000), *range(0x1F000, 0x1FB00)]
    texts = [
        " ".join(f"{chr(p)} AΣ{chr(p)} {chr(p)}Σ {chr(p)}B<" for p in points[i : i + 64])
        for i in range(0, len(points), 64)
    ]
    assert list(tokenize(CLEANING, texts)) == plain(texts)


def test_white_space_is_what_python_cuts_at():
    assert set(WHITE_SPACE) == {chr(point) for point in range(0x110000) if not chr(point).split()}
    for character in WHITE_SPACE:  # it ends a word for Greek's lower case, and is no letter
        assert f"ΑΣ{character}ΑΣ".lower() == f"{'ΑΣ'.lower()}{character}{'ΑΣ'.lower()}"


LOOKING = [" ", "a b", "a.b", r"\s", r"a\sb", r"[^<>]+", r"[\s]", "[\x1b-!]", "[\u1000-\u3fff]", r"\ ", "^a", "a$"]
LOOKING += [r"\ba", "(?=a)b", "(?<!a)b", "(?i)a", "(?s:a)", r"(a)\1", r"\W", r"[\W]", r"[^\]]", "[]\n]", "\\\n"]
LOOKING += ["a*", "a|", "(?:)"]


@pytest.mark.parametrize("pattern", LOOKING)
def test_patterns_that_may_look_beyond_a_piece(pattern):
    assert not stays_within_pieces(pattern)


@pytest.mark.parametrize(
    "pattern", ["a", "[a-z]+(?:'[a-z]+)*", r"\.\(", r"[^\s]", r"[\S]", "a|b", "[]a]", "[.^$ａ]+?b{2,3}"]
)
def test_patterns_that_stay_within_a_piece(pattern):
    assert stays_within_pieces(pattern)


def test_only_the_first_two_rules_see_the_whole_text():
    assert [stays_within_pieces(pattern) for pattern, _ in RULES] == [False] * 2 + [True] * (len(RULES) - 2)
    assert all(without(CLEANING, step).by_pieces for step in STEPS)


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(numbering, "MOST_WORDS", 20)
    monkeypatch.setattr(numbering, "MOST_CHARACTERS", 30)
    monkeypatch.setattr(tokenizing, "CHUNK", 2)
    texts = [*reviews(30), "longer " + "x" * 100, *reviews(9)]
    forgetful = tokenize(CLEANING, texts)
    assert list(forgetful) == plain(texts)
    again = Numbering(CLEANING)
    for start in range(0, 30, 2):
        again(texts[start : start + 2])
    assert again._words.count < 40
    assert len(again._pieces) < 40
    monkeypatch.undo()
    assert forgetful.words == tokenize(CLEANING, texts).words


@pytest.mark.parametrize("by_pieces", [True, False])
def test_one_process_or_several(tmp_path, monkeypatch, by_pieces):
    monkeypatch.setattr(tokenizing, "CHUNK", 7)
    cleaning = CLEANING if by_pieces else OTHER_CLEANINGS["a token holds white space"]
    texts = [*reviews(40), "", "lone \ud83d half", "東京", *reviews(60)]
    found = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        tokenize_to_disk(cleaning, texts, folder, processes=processes)
        found.append({file.name: file.read_bytes() for file in folder.iterdir()})
        assert list(Tokens.load(folder)) == plain(texts, cleaning)
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_a_process_for_pieces_does_without_nltk():
    code = "import sys; from textapp.text.cleaning import Cleaning; from textapp.text.numbering import Numbering\n"
    code += "print(Numbering(Cleaning((), ('[a-z]+',), (), 'none'))(['a b']).words, 'nltk' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tokenizing.ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "['a', 'b'] False\n"


def test_a_process_that_fails(tmp_path, monkeypatch):
    bad = Cleaning(RULES, ("[",), (), "none")
    with pytest.raises(UserError, match=r"a process that cleans texts failed: .*unterminated character set"):
        tokenize_to_disk(bad, ["a"], tmp_path, processes=2)
    monkeypatch.setattr(tokenizing, "ROOT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(UserError, match=r"a process that cleans texts ended with 1: .*textapp"):
        tokenize_to_disk(CLEANING, ["a"], tmp_path, processes=2)


def test_tokens_are_a_sequence_of_lists(monkeypatch):
    monkeypatch.setattr(tokens, "BLOCK", 2)
    found = tokenize(CLEANING, ["Good film, good film", "", "bad"])
    assert len(found) == 3
    assert found[0] == ["good", "film", "good", "film"]
    assert found[-1] == ["bad"]
    assert found[1:] == [[], ["bad"]]
    assert found.words == ["good", "film", "bad"]
    assert found.counts().tolist() == [2, 2, 1]
    with pytest.raises(IndexError):
        found[3]


class Counted:
    """A sequence that is no list and says how often it was passed over."""

    def __init__(self, texts):
        self.texts, self.passes = texts, 0

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        raise AssertionError("texts are read in their order")

    def __iter__(self):
        self.passes += 1
        return iter(self.texts)


@pytest.fixture
def cleaned(monkeypatch):
    """The texts that are cleaned from now on."""
    seen, known = [], tokenizing.tokenize_to_disk

    def noted(cleaning, texts, folder, **options):
        seen.append(list(texts))
        known(cleaning, seen[-1], folder, **options)

    monkeypatch.setattr(cache, "tokenize_to_disk", noted)
    return seen


def test_the_second_time_nothing_is_cleaned(folder, cleaned):
    texts = reviews(9)
    first = CachedCleaning(CLEANING)(texts)
    assert isinstance(first, Tokens)
    assert list(first) == plain(texts)
    again = CachedCleaning(make_cleaning())(tuple(texts))
    assert list(again) == plain(texts)
    assert cleaned == [texts]
    assert [path.name for path in folder.iterdir()] == [fingerprint(CLEANING, texts)]


def test_other_texts_or_settings_are_cleaned(folder, cleaned):
    texts = reviews(9)
    CachedCleaning(CLEANING)(texts)
    CachedCleaning(CLEANING)(texts[::-1])
    CachedCleaning(CLEANING)([texts[0] + texts[1][:3], texts[1][3:], *texts[2:]])
    CachedCleaning(make_cleaning("none"))(texts)
    assert len(cleaned) == len(list(folder.iterdir())) == 4


def test_the_same_object_is_looked_up_once(folder, cleaned):
    cleaning, texts = CachedCleaning(CLEANING), Counted(reviews(9))
    assert cleaning(texts) is cleaning(texts)
    assert texts.passes == 2  # its fingerprint and its tokens
    cleaning.forget()
    assert list(cleaning(texts)) == plain(texts.texts)
    assert texts.passes == 3
    assert len(cleaned) == 1


def test_few_texts_do_not_touch_the_disk(folder):
    assert list(CachedCleaning(CLEANING)(["Good film", "bad", ""])) == [["good", "film"], ["bad"], []]
    assert not folder.exists()


def test_it_is_called_as_a_cleaning():
    assert CachedCleaning(make_cleaning("none")).to_json() == make_cleaning("none").to_json()
    with pytest.raises(TypeError, match="the string 'abcd'; pass a list"):
        CachedCleaning(CLEANING)("abcd")


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


DAMAGES = {
    "no words": lambda entry: (entry / "words.json").unlink(),
    "half the words": lambda entry: cut(entry / "words.json", 20),
    "fewer words": lambda entry: (entry / "words.json").write_text('["good"]'),
    "numbers for words": lambda entry: (entry / "words.json").write_text(str(list(range(999)))),
    "half the ids": lambda entry: cut(entry / "ids.npy", 150),
    "no header": lambda entry: cut(entry / "ids.npy", 5),
    "empty ids": lambda entry: cut(entry / "ids.npy", 0),
    "negative ids": lambda entry: np.save(entry / "ids.npy", -np.load(entry / "ids.npy") - 1),
    "ids of another type": lambda entry: np.save(entry / "ids.npy", np.load(entry / "ids.npy").astype(np.int64)),
    "objects": lambda entry: np.save(entry / "ids.npy", np.array([{}]), allow_pickle=True),
    "other offsets": lambda entry: np.save(entry / "offsets.npy", np.load(entry / "offsets.npy")[::-1]),
    "fewer texts": lambda entry: np.save(entry / "offsets.npy", np.delete(np.load(entry / "offsets.npy"), 1)),
    "no offsets": lambda entry: np.save(entry / "offsets.npy", np.zeros(0, np.int64)),
    "an archive": lambda entry: np.savez((entry / "ids.npy").open("wb"), a=[1]),
    "a file": lambda entry: (shutil.rmtree(entry), entry.write_text("")),
    "an empty folder": lambda entry: (shutil.rmtree(entry), entry.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_anew(folder, cleaned, damage):
    texts = reviews(9)
    CachedCleaning(CLEANING)(texts)
    DAMAGES[damage](folder / fingerprint(CLEANING, texts))
    for _ in range(2):
        assert list(CachedCleaning(CLEANING)(texts)) == plain(texts)
    assert len(cleaned) == 2
    assert len(list(folder.iterdir())) == 1


def test_nothing_is_left_of_what_failed(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "tokenize_to_disk", full)
    with pytest.raises(UserError, match=r"cannot write tokens to .*: No space left on device; make room"):
        CachedCleaning(CLEANING)(reviews(9))
    assert list(folder.iterdir()) == []


def test_another_process_was_faster(folder, monkeypatch):
    texts, known = reviews(9), tokenizing.tokenize_to_disk

    def beaten(cleaning, given, made):
        known(cleaning, given, made)
        shutil.copytree(made, folder / fingerprint(cleaning, texts))

    monkeypatch.setattr(cache, "tokenize_to_disk", beaten)
    assert list(CachedCleaning(CLEANING)(texts)) == plain(texts)
    assert [path.name for path in folder.iterdir()] == [fingerprint(CLEANING, texts)]


def test_a_folder_that_cannot_be_written(folder, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    texts = reviews(9)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = CachedCleaning(CLEANING)(texts)
    assert list(tmp_path.iterdir()) == [tmp_path / "cache"]
    assert list(found) == plain(texts)


def test_the_entries_unused_longest_are_removed(folder, monkeypatch):
    names = [fingerprint(CLEANING, reviews(count)) for count in range(5, 10)]
    for count in range(5, 9):
        CachedCleaning(CLEANING)(reviews(count))
        os.utime(folder / names[count - 5], (count, count))
    size = sum(file.stat().st_size for file in (folder / names[3]).iterdir())
    CachedCleaning(CLEANING)(reviews(5))  # used again
    killed = folder / f".x{cache.UNFINISHED}"
    killed.mkdir()
    os.utime(killed, (1, 1))
    monkeypatch.setattr(cache, "MOST_BYTES", 3.5 * size)
    in_use = CachedCleaning(CLEANING)
    in_use(texts := reviews(6))
    os.utime(folder / names[1], (2, 2))
    CachedCleaning(CLEANING)(reviews(9))
    assert {path.name for path in folder.iterdir()} == {names[0], names[3], names[4]}
    assert list(in_use(texts)) == plain(texts)
    assert (folder / names[0]).stat().st_mtime > time.time() - 9999
