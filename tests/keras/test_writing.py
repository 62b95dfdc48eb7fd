"""How texts are written: searches, phrases, penalties and streams, each against its definition."""

import dataclasses
import re
from collections import Counter

import keras
import keras_hub
import numpy as np
import pytest
from helpers import tiny

from textapp.errors import UserError
from textapp.models import load, writing
from textapp.models.decoder import TextGPT2
from textapp.models.decoding import choose_tokens, uniform_numbers
from textapp.models.generator import Generator
from textapp.models.sampling import Sampling, adjusted, choose, log_softmax
from textapp.models.writing import Reader, _steps
from textapp.text.spelled import Characters
from textapp.text.subwords import END_ID

pytestmark = pytest.mark.compiled

PROMPTS = ["strange", "weird film", "bad", "", "é 👍🏽", "a good and great"]
WILD = {"temperature": 1.5, "max_new_tokens": 14, "top_p": 1.0}


@pytest.fixture(scope="module")
def writer():
    """Trained a little: it writes, but what comes next is open."""
    model = tiny.make(
        "decoder",
        **{"vocabulary_size": 300, "context": 40, "hidden_dim": 16, "batch_size": 8, "epochs": 4},
        **{"training_tokens": 10**6, "learning_rate": 0.03, "checks": 1, "label_names": tiny.LABEL_NAMES},
    )
    model.fit(tiny.split(tiny.TEXTS * 20, tiny.LABELS * 20), tiny.split())
    return model


@dataclasses.dataclass(kw_only=True, eq=False)
class Constant(Generator):
    """Writes characters with the same probabilities whatever came before, and what is not among them hardly ever."""

    name = "constant"
    kind = "n-gram"
    shares: dict = dataclasses.field(default_factory=dict)
    end: float = 1e-9

    def __post_init__(self):
        super().__post_init__()
        self.subwords = Characters([piece for piece in self.shares if len(piece.encode()) > 1])
        self.logits = np.full(len(self.subwords), np.log(1e-9), np.float32)
        self.logits[END_ID] = np.log(self.end)
        for piece, share in self.shares.items():
            self.logits[self.encode([piece])[0]] = np.log(share)

    def next_logits(self, rows):
        return np.tile(self.logits, (len(rows), 1))

    def fit(self, train, validation, *, progress=None): ...
    def token_log_probabilities(self, documents): ...
    def _save(self, folder): ...
    def _load(self, folder): ...

    parameters = 0


def row_of(model, prompt):
    return [END_ID, *model.subwords.encode([prompt])[0]]


def written_ids(model, prompt, text):
    return model.subwords.encode([text.removeprefix(prompt)])[0]


def test_choose_is_choose_tokens():
    logits = np.random.default_rng(0).normal(0, 3, (200, 50)).astype(np.float32)
    uniform = uniform_numbers(1, 200, 1)[:, 0]
    for temperature in (0, 0.5, 1.7):
        for top_k, top_p in ((0, 1.0), (5, 1.0), (0, 0.8), (7, 0.6), (99, 1e-6)):
            settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
            found = choose(logits, uniform, **settings)
            assert found.tolist() == keras.ops.convert_to_numpy(choose_tokens(logits, uniform, **settings)).tolist()


def test_adjusted_by_hand():
    """Probabilities 0.2 0.5 0.05 0.25; the first is the end of text."""
    probabilities = np.array([[0.2, 0.5, 0.05, 0.25]] * 2, np.float32)
    for xp in (np, keras.ops):
        scores = adjusted(
            np.log(probabilities) + 7,
            np.array([[False, True, False, False], [True, False, False, False]]),
            np.array([True, False]),
            end=np.arange(4) == 0,
            temperature=np.float32(1),
            min_p=np.float32(0.3),
            repetition_penalty=np.float32(2),
            xp=xp,
        )
        # 0.5 squared is 0.25: then 0.05 has less than 0.3 of the best. In the second row 0.2 has more than 0.15: the
        # end of text is no repetition, though it stands before every text.
        expected = [[0, 0.25, 0, 0.25], [0.2, 0.5, 0, 0.25]]
        np.testing.assert_allclose(np.exp(keras.ops.convert_to_numpy(scores)), expected, atol=1e-6)


def test_min_p_compares_at_the_temperature():
    settings = {"end": np.arange(3) == 9, "repetition_penalty": np.float32(1), "min_p": np.float32(0.3)}
    scores = np.log(np.array([[0.8, 0.16, 0.04]], np.float32))
    for temperature, kept in ((1, 1), (2, 2), (0.1, 1), (4, 3)):  # at 2 the second has sqrt(0.2) = 0.45 of the best
        found = adjusted(
            scores, np.zeros((1, 3), bool), np.zeros(1, bool), temperature=np.float32(temperature), **settings
        )
        assert np.isfinite(found).sum() == kept


def test_a_stream_is_what_generate_writes(writer):
    for prompt in PROMPTS:
        for settings in (WILD, {**WILD, "temperature": 0}, {**WILD, "min_p": 0.1, "repetition_penalty": 1.3}):
            pieces = list(writer.stream(prompt, seed=3, **settings))
            assert "".join(pieces) == writer.generate([prompt], seed=3, **settings)[0]
            assert all(pieces)
    assert len(list(writer.stream("weird", **WILD))) > 3


def test_pieces_end_between_characters(writer):
    """Bytes in any order, many of them no UTF-8, with a network that knows nothing."""
    silly = tiny.make("decoder", context=70)
    silly.subwords = writer.subwords
    silly.network = silly.build()
    settings = {"max_new_tokens": 60, "temperature": 1.0, "top_p": 1.0, "min_new_tokens": 60}
    for seed in range(4):
        pieces = list(silly.stream("", seed=seed, **settings))
        assert "".join(pieces) == silly.generate([""], seed=seed, **settings)[0]
    text = "aé👍🏽é" * 3
    forced = list(silly.stream("", forced=[text], **settings))
    assert text in "".join(forced)
    assert "\ufffd" not in "".join(piece for piece in forced if piece in text)


def test_the_loop_in_python_is_the_loop_in_the_graph(writer):
    """A stop string that never comes makes it take the way through Python; prompts of many lengths."""
    for settings in (
        WILD,
        {**WILD, "temperature": 0},
        {**WILD, "samples": 3},
        {**WILD, "min_p": 0.05, "min_new_tokens": 9, "repetition_penalty": 1.2},
    ):
        expected = writer.generate(PROMPTS, seed=5, **settings)
        assert writer.generate(PROMPTS, seed=5, stop=["\x00never"], **settings) == expected
        assert len(expected) == len(PROMPTS) * settings.get("samples", 1)


def test_the_reader_with_a_cache_is_the_reader_without(writer):
    row, steps = row_of(writer, "weird film"), [[5, 70, 80], [90, 91, 92], [93, 94, 95]]
    cached, plain = writer.reader(), Reader(writer)
    np.testing.assert_allclose(cached.start(row, 3), plain.start(row, 3), atol=1e-4)
    for tokens, parents in zip(steps, (None, [2, 2, 0], [1, 0, 0]), strict=True):
        found, expected = cached.step(tokens, parents), plain.step(tokens, parents)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert found.shape == (3, len(writer.subwords))


def test_next_logits_are_the_networks(writer):
    rows = [row_of(writer, "weird"), row_of(writer, "a good film and " * 30)]
    for row, found in zip(rows, writer.next_logits(rows), strict=True):
        token_ids = np.array([row[-writer.context :]])
        logits = writer.network({"token_ids": token_ids, "padding_mask": np.ones(token_ids.shape, bool)})
        logits = keras.ops.convert_to_numpy(logits)[0, -1, : len(writer.subwords)]
        np.testing.assert_allclose(found, logits, atol=1e-4)


def test_nothing_is_traced_twice(writer, monkeypatch):
    traced = []
    step = TextGPT2.generate_step

    def counted(self, inputs, stop_token_ids=None):
        traced.append(sorted(inputs))
        return step(self, inputs, stop_token_ids)

    monkeypatch.setattr(TextGPT2, "generate_step", counted)
    writer.network.generate_function = None
    ways = [{}, {"min_p": 0.1}, {"stop": ["x"]}, {"beams": 4}, {"contrastive": 0.5, "top_k": 3}]
    for way in ways:
        writer.generate(["weird"], **{**WILD, **way})
    before = len(traced)
    assert before > 0
    other = {"temperature": 0.7, "max_new_tokens": 9, "top_p": 0.9, "seed": 8, "repetition_penalty": 1.5}
    for way in ways:
        writer.generate(["a longer prompt"], **{**other, **way, **({} if way else {"repetition_penalty": 1})})
    assert len(traced) == before
    writer.network.generate_function = None


def runs_that_come_twice(model, prompt, size, **settings):
    """Return how many runs of `size` tokens end in the new text and stand somewhere before, and the new tokens."""
    row, sampling = row_of(model, prompt), Sampling(temperature=0, max_new_tokens=25, **settings)
    *_, (text,) = _steps(model.reader(), model, row, sampling, 0)
    ids = [*row, *text.ids]
    runs = [tuple(ids[end - size : end]) for end in range(size, len(ids) + 1)]
    first = max(0, len(row) + 1 - size)  # the first run that ends in the new text
    return sum(run in runs[:place] for place, run in enumerate(runs) if place >= first), text.ids


def test_no_run_of_tokens_comes_twice(writer):
    for size in (1, 2, 3):
        settings = {"temperature": 0, "max_new_tokens": 25, "min_new_tokens": 25, "no_repeat_ngram": size}
        twice, ids = runs_that_come_twice(writer, "weird weird", size, min_new_tokens=25)
        assert twice
        assert len(ids) == 25
        twice, ids = runs_that_come_twice(writer, "weird weird", size, min_new_tokens=25, no_repeat_ngram=size)
        assert not twice
        assert len(ids) == 25
        text = writer.generate(["weird weird"], **settings)[0]
        assert text == "weird weird" + writer.subwords.decode(ids)
        assert "".join(writer.stream("weird weird", **settings)) == text
    repeated = writer.generate(["boring"], temperature=0, max_new_tokens=30, min_new_tokens=30)[0]
    once = writer.generate(["boring"], temperature=0, max_new_tokens=30, min_new_tokens=30, no_repeat_ngram=2)[0]
    assert repeated != once


def test_a_repetition_penalty_repeats_less(writer):
    settings = {"temperature": 0, "max_new_tokens": 30, "min_new_tokens": 30}
    counts = [len(set(writer.generate(["boring"], repetition_penalty=penalty, **settings)[0])) for penalty in (1, 3)]
    assert counts[0] < counts[1]


@pytest.mark.parametrize("way", [{}, {"beams": 3}, {"contrastive": 0.4, "top_k": 8}])
def test_banned_words_are_not_written(writer, way):
    settings = {"max_new_tokens": 30, "min_new_tokens": 25, "temperature": 1.0, "seed": 2, **way}
    for prompt in ("weird", "", "good"):
        free = writer.generate([prompt], **settings)[0]
        words = {found[0] for found in re.finditer(r"\w+", free) if found.end() > len(prompt) and found[0].isascii()}
        text = writer.generate([prompt], banned=[word.upper() for word in words], **settings)[0]
        assert words or way
        assert len(text) > len(prompt)
        found = [found for word in words for found in re.finditer(rf"\b{word}", text, re.IGNORECASE)]
        assert not [match for match in found if match.end() > len(prompt)]


def test_a_banned_word_in_the_prompt_forbids_only_itself():
    model = Constant(shares={"o": 0.5, " ": 0.2, "g": 0.1, "d": 0.1, "f": 0.05, "a": 0.05})
    settings = {"max_new_tokens": 39, "min_new_tokens": 39, "seed": 1, "temperature": 1.0}
    for prompt in ("good", "a goo", "film good f", ""):
        (text,) = model.generate([prompt], banned=["good", "good film", "f"], **settings)
        assert len(text) == len(prompt) + 39
        assert all(found.end() <= len(prompt) for found in re.finditer("(?<!\\w)(?:good|f)", text))
    # What ends in the new text may begin where or within what something shorter is there already.
    longer, phrases = Constant(shares={"f": 0.99, "a": 0.01}), ["so good", "good f", "much longer"]
    assert longer.generate(["good "], banned=["good", "good f"], max_new_tokens=1, temperature=0) == ["good a"]
    assert longer.generate(["so good "], banned=phrases, max_new_tokens=1, temperature=0) == ["so good a"]


@pytest.mark.parametrize(
    ("phrase", "prompt", "shares"),
    [
        ("!", "great", {"!": 0.6, "e": 0.4}),
        (" t", "of", {" ": 0.4, "t": 0.4, "e": 0.2}),
        ("\u7535\u5f71", "\u770b", {"\u7535": 0.5, "\u5f71": 0.5}),  # "film" after "see"
        ("\u30d5\u30a3", "a", {"\u30d5": 0.5, "\u30a3": 0.5}),
    ],
)
def test_marks_blanks_and_ideographs_are_banned_within_words(phrase, prompt, shares):
    model, settings = Constant(shares=shares), {"max_new_tokens": 60, "seed": 4, "temperature": 1.0}
    assert phrase in model.generate([prompt], **settings)[0]
    (text,) = model.generate([prompt], banned=[phrase], **settings)
    assert phrase not in text
    assert len(text) > len(prompt) + 30
    # A word is banned at its beginning alone.
    assert "e" in Constant(shares={"e": 1}).generate(["gr"], banned=["e"], **settings)[0]


def test_what_is_drawn_again_has_the_probabilities_of_what_may_come():
    """Of 0.1, 0.6, 0.2 and 0.1, in this order, the second may not come: a quarter, a half and a quarter."""
    model = Constant(shares={"!": 0.6, "#": 0.2, "$": 0.1, " ": 0.1})
    settings = {"max_new_tokens": 1, "temperature": 1.0, "top_p": 1.0, "samples": 64}
    for way in ({"banned": ["!"]}, {"no_repeat_ngram": 1}):
        found = Counter()
        for seed in range(60):
            found.update(text[1:] for text in model.generate(["!"], seed=seed, **settings, **way))
        shares = [found[character] / found.total() for character in " !#$"]
        np.testing.assert_allclose(shares, [0.25, 0, 0.5, 0.25], atol=0.03)


def test_what_is_drawn_again_hangs_on_the_seed_and_the_row_alone():
    model = Constant(shares={"!": 0.6, "a": 0.2, "b": 0.1, " ": 0.1})
    settings = {"max_new_tokens": 30, "temperature": 1.0, "banned": ["!"]}
    texts = model.generate(["x"] * 4, seed=2, **settings)
    assert len(set(texts)) == 4
    assert model.generate(["x", "x y"], seed=2, **settings)[0] == texts[0]
    assert model.generate(["x"], seed=2, samples=3, **settings) == texts[:3]
    assert "".join(model.stream("x", seed=2, **settings)) == texts[0]
    assert model.generate(["x"] * 4, seed=3, **settings) != texts
    shorter = model.generate(["x"], seed=2, **{**settings, "max_new_tokens": 9})[0]
    assert texts[0].startswith(shorter)


def test_what_is_drawn_again_is_drawn_among_what_was_left_already(monkeypatch):
    """To find out what the settings leave takes sorting the vocabulary: once a token, not once a draw."""
    found, drawn = [], []
    left_over, invert = writing.left_over, writing.invert
    monkeypatch.setattr(writing, "left_over", lambda scores, **given: found.append(1) or left_over(scores, **given))
    monkeypatch.setattr(writing, "invert", lambda *given: drawn.append(1) or invert(*given))
    marks = "!#$%&*+-/:;<=>?@"
    model = Constant(shares=dict.fromkeys(marks, 1 / len(marks)))
    model.generate([""], banned=list(marks[1:]), max_new_tokens=8, temperature=1.0, top_p=1.0)
    assert len(found) == 8
    assert len(drawn) > 30


def test_where_no_token_that_is_left_may_come_the_rest_may():
    model = Constant(shares={"!": 0.9, "#": 0.06, "$": 0.03, "%": 0.01})
    for settings in ({"top_k": 1}, {"top_p": 0.5}, {"temperature": 0}):
        assert model.generate([""], banned=["!"], max_new_tokens=3, **settings) == ["###"]
        assert model.generate([""], banned=["!", "#"], max_new_tokens=3, **settings) == ["$$$"]


def test_forced_phrases_are_written(writer):
    for temperature in (0, 1.0):
        for phrases in (["zebra"], ["Über alles", "good"], ["x", "y", "z"]):
            text = writer.generate(["weird"], forced=phrases, max_new_tokens=30, temperature=temperature)[0]
            assert all(phrase in text.removeprefix("weird") for phrase in phrases)


def test_texts_end_before_a_stop_string(writer):
    settings = {"max_new_tokens": 30, "temperature": 1.0, "min_new_tokens": 30}
    free = writer.generate(["weird"], **settings)[0].removeprefix("weird")
    stop = free[7:10]
    stopped = writer.generate(["weird"], stop=["\x00", stop], **settings)[0].removeprefix("weird")
    assert stopped == free[: free.index(stop)]
    assert "".join(writer.stream("weird", stop=["\x00", stop], **settings)) == "weird" + stopped
    # The prompt may have it.
    assert writer.generate(["weird"], stop=["weird"], **settings)[0].startswith("weird")


def test_a_stop_string_waits_for_what_is_forced():
    """The model would write it at once, and finds many tokens likelier than those of the phrase."""
    model = Constant(shares={".": 0.9, **dict.fromkeys(" bc", 1e-12)})
    settings = {"temperature": 0, "max_new_tokens": 20, "stop": [".", "never"]}
    assert model.generate(["a"], **settings) == ["a"]
    assert model.generate(["a"], forced=["b"], **settings) == ["a b"]
    assert model.generate(["a"], forced=["c", "b"], **settings) == ["a c b"]
    assert "".join(model.stream("a", forced=["c", "b"], **settings)) == "a c b"


def test_a_repetition_penalty_lets_a_text_end():
    """The end of text stands before every text, and is no repetition."""
    model = Constant(shares={"a": 0.3, "b": 0.3}, end=0.4)
    assert model.generate([""], temperature=0, repetition_penalty=50) == [""]


def test_fewest_tokens(writer):
    for least in (0, 8):
        (text,) = writer.generate(["strange weird puzzle"], temperature=0, max_new_tokens=12, min_new_tokens=least)
        assert len(text) >= len("strange weird puzzle") + least


def test_one_beam_for_each_token_finds_the_most_probable_text(writer):
    """With more beams than texts of two tokens it is the best of them all."""
    prompt = "weird film"
    row = row_of(writer, prompt)
    first = log_softmax(writer.next_logits([row]))[0]
    firsts = np.argsort(-first)[:60]
    best, best_score = None, -np.inf
    for token in firsts:
        if token == END_ID:
            pairs = [(first[token], [])]
        else:
            second = log_softmax(writer.next_logits([[*row, int(token)]]))[0]
            after = int(second.argmax())
            pairs = [((first[token] + second[after]) / 2, [int(token), after])]
        for score, ids in pairs:
            if score > best_score:
                best, best_score = ids, score
    assert writer.generate([prompt], beams=60, max_new_tokens=2)[0] == prompt + writer.subwords.decode(best)


def test_beams_are_those_of_keras_hub(writer):
    """Where no text ends there is nothing to normalise; their search asks for the scores of whole rows each time."""
    prompt, count, new = "weird film", 4, 9
    row = row_of(writer, prompt)

    def following(token_ids, cache, index):
        ids = keras.ops.convert_to_numpy(token_ids)[:, : int(index)]
        logits = writer.next_logits(ids.tolist())
        logits[:, END_ID] = -1e9
        return keras.ops.convert_to_tensor(logits), None, cache

    padded = np.full((1, len(row) + new), END_ID, np.int32)
    padded[0, : len(row)] = row
    sampler = keras_hub.samplers.BeamSampler(num_beams=count)
    tokens = beam_by_definition(writer, row, count, new)
    if keras.backend.backend() == "tensorflow":
        found = sampler(
            following, keras.ops.convert_to_tensor(padded), cache=(), index=len(row), stop_token_ids=None,
            mask=keras.ops.convert_to_tensor(np.arange(padded.shape[1])[None] < len(row)),
        )  # fmt: skip
        assert keras.ops.convert_to_numpy(found)[0, len(row) :].tolist() == tokens
    text = writer.generate([prompt], beams=count, max_new_tokens=new, min_new_tokens=new)[0]
    assert text == prompt + writer.subwords.decode(tokens)


def beam_by_definition(model, row, count, new):
    """Return the best beam after `new` tokens, each step through the whole network."""
    beams = [([], 0.0)]
    for _ in range(new):
        ways = []
        for ids, score in beams:
            scores = model.next_logits([[*row, *ids]])
            scores[:, END_ID] = -np.inf
            scores = log_softmax(scores)[0]
            ways += [([*ids, int(token)], score + scores[token]) for token in np.argsort(-scores)[: 2 * count]]
        beams = sorted(ways, key=lambda way: -way[1])[:count]
    return beams[0][0]


def test_beams_find_more_probable_texts_than_greed(writer):
    def mean(text, prompt):
        row = row_of(writer, prompt)
        ids, total = written_ids(writer, prompt, text), 0.0
        for position, token in enumerate(ids):
            total += log_softmax(writer.next_logits([[*row, *ids[:position]]]))[0, token]
        return total

    settings = {"max_new_tokens": 6, "min_new_tokens": 6}
    for prompt in ("weird", "good"):
        texts = writer.generate([prompt], beams=8, samples=3, **settings)
        assert len(set(texts)) == 3
        greedy = writer.generate([prompt], temperature=0, **settings)[0]
        assert mean(texts[0], prompt) >= mean(greedy, prompt) - 1e-4


def test_beams_give_as_many_texts_as_are_asked_for():
    """Where only one way is left there is one text."""
    model = Constant(shares={"a": 0.9, "b": 0.05})
    assert model.generate(["x"], beams=3, samples=3, min_p=1.0, max_new_tokens=2) == ["xaa"] * 3


def test_contrastive_search_by_its_definition(writer):
    alpha, count, prompt, new = 0.6, 4, "weird film", 8
    row, added = row_of(writer, prompt), []

    def states(ids):
        inputs = {"token_ids": np.array([ids]), "padding_mask": np.ones((1, len(ids)), bool)}
        hidden = keras.ops.convert_to_numpy(writer.network.backbone(inputs))[0]
        return hidden / np.linalg.norm(hidden, axis=1, keepdims=True)

    for _ in range(new):
        probabilities = np.exp(log_softmax(writer.next_logits([row + added]))[0])
        worth = {}
        for token in np.argsort(-probabilities, kind="stable")[:count].tolist():
            hidden = states([*row, *added, token])
            worth[token] = (1 - alpha) * probabilities[token] - alpha * (hidden[-1] @ hidden[:-1].T).max()
        token = max(worth, key=worth.get)
        if token == END_ID:
            break
        added.append(token)
    settings = {"contrastive": alpha, "top_k": count, "max_new_tokens": new}
    assert writer.generate([prompt], **settings) == [prompt + writer.subwords.decode(added)]
    assert "".join(writer.stream(prompt, **settings)) == prompt + writer.subwords.decode(added)
    greedy = writer.generate([prompt], temperature=0, max_new_tokens=new)
    assert writer.generate([prompt], **{**settings, "contrastive": 1e-9}) == greedy


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_new_tokens": 6}, "min-new-tokens is 6; it must be from 0 to max-new-tokens, 5"),
        ({"min_p": 1.1}, "min-p is 1.1"),
        ({"min_p": float("nan")}, "min-p is nan"),
        ({"repetition_penalty": 0.9}, "repetition-penalty is 0.9; it must be from 1"),
        ({"no_repeat_ngram": -1}, "no-repeat-ngram is -1"),
        ({"samples": 0}, "samples is 0; it must be from 1 to 64"),
        ({"beams": 65}, "beams is 65"),
        ({"beams": 2, "samples": 3}, "samples is 3, but beams is 2"),
        ({"beams": 2, "contrastive": 0.5}, "two ways to search"),
        ({"beams": 2, "forced": ["a"]}, "forced goes neither with beams"),
        ({"contrastive": 0.5, "samples": 2}, "contrastive search gives one text"),
        ({"contrastive": 0.5, "top_k": 65}, "at most 64 candidates"),
        ({"contrastive": 1.5}, "contrastive is 1.5"),
        ({"stop": [""]}, "stop has ''"),
        ({"banned": ["a" * 201]}, "each phrase must have 1 to 200 characters"),
        ({"banned": ["a"] * 1_001}, "there are 1001 phrases for banned"),
        ({"forced": ["many tokens to write"]}, "the forced phrases take [0-9]+ tokens, but max-new-tokens is 5"),
        ({"forced": ["film"], "banned": ["fil"]}, "'film' is forced and banned"),
        ({"forced": ["film"], "banned": [" fil"]}, "'film' is forced and banned"),
        ({"forced": ["film"], "stop": ["x", "il"]}, "'film' is forced, but the text ends before 'il'"),
        ({"guidance": 21}, "guidance is 21"),
        ({"label": "ugly"}, r"unknown label 'ugly'; choose from \['bad', 'good', 'odd'\]"),
    ],
)
def test_settings_that_cannot_be(writer, settings, message):
    with pytest.raises(UserError, match=message):
        writer.generate(["a"], **{"max_new_tokens": 5, **settings})


def test_one_text_at_a_time_is_streamed(writer):
    with pytest.raises(UserError, match="samples is 2; one text at a time can be streamed"):
        writer.stream("a", samples=2)
    with pytest.raises(UserError, match="temperature is -1"):
        writer.stream("a", temperature=-1)


@pytest.fixture(scope="module")
def steered():
    """Trained until it knows which texts have which label."""
    model = tiny.make(
        "decoder",
        **{"vocabulary_size": 300, "context": 24, "hidden_dim": 16, "batch_size": 8, "epochs": 30},
        **{"training_tokens": 10**7, "learning_rate": 0.03, "checks": 1, "label_names": tiny.LABEL_NAMES},
    )
    model.fit(tiny.split(tiny.TEXTS * 20, tiny.LABELS * 20), tiny.split())
    return model


def label_of(text):
    return next((tiny.LABEL_NAMES[tiny.LABELS[i]] for i, known in enumerate(tiny.TEXTS) if known[:9] == text[:9]), None)


def likely_labels(model, texts):
    """Return the label of each text by its tokens alone."""
    scores = [model.label_bias[:, ids].sum(axis=1) for ids in model.encode(texts)]
    return [tiny.LABEL_NAMES[score.argmax()] for score in scores]


def test_a_label_steers(steered, tmp_path):
    settings = {"temperature": 0.5, "max_new_tokens": 14, "samples": 10}
    steered.save(tmp_path / "decoder")
    loaded = load(tmp_path / "decoder")
    for label in tiny.LABEL_NAMES:
        texts = steered.generate([""], label=label, guidance=0, **settings)
        assert [label_of(text) for text in texts].count(label) >= 8
        for guidance in (0, 0.5, 2):
            texts = steered.generate([""], label=label, guidance=guidance, **settings)
            assert likely_labels(steered, texts).count(label) >= 8
            assert loaded.generate([""], label=label, guidance=guidance, **settings) == texts
    assert len({label_of(text) for text in steered.generate([""], **settings)}) > 1
    assert steered.bits_per_byte(tiny.TEXTS) < 0.6


def test_labels_are_never_written(steered, tmp_path):
    """Not even where the network is sure of one."""
    steered.save(tmp_path / "decoder")
    sure, size = load(tmp_path / "decoder"), len(steered.subwords)
    row = row_of(sure, "weird")
    inputs = {"token_ids": np.array([row]), "padding_mask": np.ones((1, len(row)), bool)}
    state = keras.ops.convert_to_numpy(sure.network.backbone(inputs))[0, -1]
    embeddings = sure.network.backbone.token_embedding.embeddings
    rows = keras.ops.convert_to_numpy(embeddings).copy()
    rows[size:] = 9 * state  # the logits of labels are those of the state with itself
    embeddings.assign(rows)
    logits = keras.ops.convert_to_numpy(sure.network(inputs))[0, -1]
    assert logits.shape == (size + 3,)
    assert np.exp(log_softmax(logits))[size:].sum() > 0.99
    np.testing.assert_allclose(sure.next_logits([row]), steered.next_logits([row]), atol=1e-4)
    for way in ({}, {"stop": ["\x00never"]}):
        settings = {"max_new_tokens": 5, "min_new_tokens": 5, **way}
        assert sure.generate(["weird"], **settings) == steered.generate(["weird"], **settings)


def test_guidance_by_its_definition(steered):
    """What sets the label's training texts apart, token by token, is added to the logits."""
    row = [*steered.start_ids("good"), *steered.subwords.encode(["g"])[0]]
    counts = np.zeros((2, len(steered.subwords)))
    for ids, label in zip(steered.subwords.encode(tiny.TEXTS * 20), tiny.LABELS * 20, strict=True):
        np.add.at(counts[int(label == 1)], ids, 1)
    share = counts[1].sum() / counts.sum()
    bias = np.log((counts[1] + 10 * share) / (counts[0] + 10 * (1 - share))) - np.log(share / (1 - share))
    np.testing.assert_allclose(steered.label_bias[1], bias, atol=1e-5)
    assert abs(bias[counts.sum(axis=0) == 0]).max() < 1e-5
    for guidance in (0, 1, 3):
        best = int((steered.next_logits([row])[0] + guidance * bias).argmax())
        settings = {"temperature": 0, "max_new_tokens": 1, "guidance": guidance}
        expected = ["g" + steered.subwords.decode([best])]
        for way in ({}, {"stop": ["\x00never"]}):
            assert steered.generate(["g"], label="good", **settings, **way) == expected


def test_an_n_gram_model_obeys_a_label(trained):
    model = tiny.make("kneser-ney", label_names=tiny.LABEL_NAMES)
    model.fit(tiny.split(tiny.TEXTS * 20, tiny.LABELS * 20), tiny.split())
    for label in tiny.LABEL_NAMES:
        texts = model.generate([""], label=label, temperature=0.5, max_new_tokens=14, samples=10)
        assert likely_labels(model, texts).count(label) >= 8


def test_a_long_prompt_keeps_the_label(steered):
    sampling = Sampling(max_new_tokens=10)
    rows = steered._prompt_ids(["weird " * 50, ""], sampling, "odd")
    label = len(steered.subwords) + 2
    assert rows[0] == [label, *steered.subwords.encode(["weird " * 50])[0][-13:]]
    assert rows[1] == [END_ID, label]


@pytest.mark.parametrize("label", [None, "odd"])
def test_no_room_is_left_for_a_prompt_but_a_row_is_never_empty(steered, label):
    prompts = ["", "weird film, a strange long dream"]
    ids, start = steered.subwords.encode(prompts)[1], steered.start_ids(label)
    for room in (1, 2, 3):
        sampling = Sampling(max_new_tokens=steered.context - room)
        rows = steered._prompt_ids(prompts, sampling, label)
        assert rows[0] == start[-room:]
        assert rows[1] == ([] if label is None else start[1:]) + ids[len(ids) - room + (label is not None) :]
        settings = {"label": label, "max_new_tokens": sampling.max_new_tokens, "seed": 1}
        texts = steered.generate(prompts, **settings)
        assert texts == steered.generate(prompts, stop=["\x00never"], **settings)
        assert texts[0]


def test_a_model_without_labels_says_so(trained):
    with pytest.raises(UserError, match="decoder was not trained with labels; leave out the label 'good'"):
        trained("decoder").generate(["a"], label="good", max_new_tokens=5)
