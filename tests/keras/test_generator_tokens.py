"""Words and characters as tokens: nothing is lost, and what is wrong is refused."""

import pytest
from helpers import tiny

from textapp.errors import UserError
from textapp.models import load
from textapp.text.generator_tokens import TOKENS, SharedTokens, check_tokens
from textapp.text.spelled import FIRST_PIECE, Characters, Words
from textapp.text.subwords import END_ID

LEARNED_FROM = ["A good film, a very good film!\n\nThe end.", "caf\u00e9 caf\u00e9 映画 映画 1999 don't don't"] * 2
HOSTILE = [
    *(
        "",
        " ",
        "\n \t\r\n",
        "a" * 5_000,
        "  two  blanks ",
        "\x00\x1f\x7f\x85\xa0",
        "e\u0301 \u200d",
        "𝕏 👍🏽 \U0010ffff",
    ),
    *("<|endoftext|>", "[email]", "don't DON'T", "映画館", "1999-2001", "\u2028\u2029", '{"a": 1}\\n'),
]


@pytest.fixture(params=TOKENS)
def tokens(request):
    return TOKENS[request.param].train(LEARNED_FROM, size=300)


def test_nothing_is_lost(tokens):
    texts = [*LEARNED_FROM, *HOSTILE]
    encoded = tokens.encode(texts)
    assert [tokens.decode(ids) for ids in encoded] == texts
    for text, ids in zip(texts, encoded, strict=True):
        assert b"".join(map(tokens.token_bytes, ids)) == text.encode()
        assert END_ID not in ids
        assert all(0 < token_id < len(tokens) for token_id in ids)
    assert [tokens.encode([text])[0] for text in texts] == encoded
    assert len(tokens) <= 300


def test_a_lone_surrogate_is_a_question_mark(tokens):
    assert tokens.decode(tokens.encode(["a\ud800b"])[0]) == "a?b"
    assert tokens.decode([END_ID, *tokens.encode(["a"])[0], END_ID]) == "a"
    assert tokens.decode([tokens.byte_ids[0xFF]]) == "\ufffd"


def test_saved_and_loaded(tokens, tmp_path):
    tokens.save(tmp_path)
    again = type(tokens).load(tmp_path)
    assert again.encode([*LEARNED_FROM, *HOSTILE]) == tokens.encode([*LEARNED_FROM, *HOSTILE])
    assert len(again) == len(tokens)


def test_which_words_are_tokens():
    words = Words.train(["a film a film a good film", "good, good? rare"], size=FIRST_PIECE + 3)
    assert words.pieces == [" film", " a", " good"]
    assert words.encode([" film good"]) == [[FIRST_PIECE, FIRST_PIECE + 2]]
    assert words.encode([" rare"])[0] == [words.byte_ids[byte] for byte in b" rare"]


def test_which_characters_are_tokens():
    characters = Characters.train(["caf\u00e9 \u00e9 映映 x"], size=1_000)
    assert characters.pieces == ["\u00e9", "映"]
    assert characters.encode(["x\u00e9画"])[0] == [
        characters.byte_ids[ord("x")],
        FIRST_PIECE,
        *(characters.byte_ids[byte] for byte in "画".encode()),
    ]


@pytest.mark.parametrize("content", ["{}", '["a", 1]', '["ab", "ab"]', '["", "ab"]', "null"])
@pytest.mark.parametrize("kind", [Words, Characters])
def test_a_damaged_file_is_refused(tmp_path, kind, content):
    (tmp_path / "pieces.json").write_text(content)
    with pytest.raises(UserError, match="is damaged"):
        kind.load(tmp_path)


def test_an_unknown_kind():
    with pytest.raises(UserError, match=r"unknown generator tokens 'bytes'; choose from \['bpe', 'words', 'char"):
        check_tokens("bytes")


def test_shared_tokens_scrub_and_count():
    texts = ["mail a@example.org", "see www.example.org", "nothing"]
    shared = SharedTokens()
    encoded = shared(texts, kind="characters", size=None, scrubs=True)
    assert [encoded.tokens.decode(ids) for ids in encoded.documents] == ["mail [email]", "see [link]", "nothing"]
    assert encoded.scrubbed == {"email": 1, "link": 1, "phone": 0}
    assert shared(texts, kind="characters", size=None, scrubs=True) is encoded
    plain = shared(texts, kind="characters", size=None, scrubs=False)
    assert plain.tokens.decode(plain.documents[0]) == texts[0]
    assert plain.scrubbed is None


def test_tokens_that_a_run_starts_with_are_not_learned_again():
    texts, known = ["mail a@example.org", "nothing"], TOKENS["words"].train(["nothing at all"], size=300)
    shared = SharedTokens(known)
    encoded = shared(texts, kind="words", size=None, scrubs=True)
    assert encoded.tokens is known
    assert encoded.scrubbed == {"email": 1, "link": 0, "phone": 0}
    assert shared(texts, kind="words", size=300, scrubs=True) is encoded
    own = TOKENS["characters"].train(texts, size=300)
    assert shared(texts, kind="characters", size=None, scrubs=True, known=own).tokens is own


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_a_generator_of_other_tokens_is_saved(kind, tmp_path):
    model = tiny.make("kneser-ney", tokens=kind, vocabulary_size=None)
    model.fit(tiny.split(), tiny.split())
    model.save(tmp_path)
    again = load(tmp_path)
    assert again.bits_per_byte(tiny.TEXTS) == pytest.approx(model.bits_per_byte(tiny.TEXTS))
    assert again.generate(["weird"], temperature=0, max_new_tokens=40) == model.generate(
        ["weird"], temperature=0, max_new_tokens=40
    )
