"""The generator: what it learns, how it writes and how it is scored."""

import math

import keras
import numpy as np
import pytest
from helpers import tiny

from textapp.errors import UserError
from textapp.models import load
from textapp.text.subwords import END_ID

pytestmark = pytest.mark.compiled

CONTEXT = 24
PROMPTS = ["strange", "weird film", "bad", "", "é 👍🏽", "a good and great"]
GREEDY = {"temperature": 0, "max_new_tokens": 12}


@pytest.fixture(scope="module")
def writer():
    """Trained until it knows the eight texts by heart, wherever in a window they stand."""
    model = tiny.make(
        "decoder",
        **{"vocabulary_size": 300, "context": CONTEXT, "hidden_dim": 16, "batch_size": 8, "epochs": 24},
        **{"training_tokens": 10**7, "learning_rate": 0.03, "checks": 1},
    )
    history = model.fit(tiny.split(tiny.TEXTS * 20, tiny.LABELS * 20), tiny.split())
    assert len(history) == 1
    return model


def logits_of(model, token_ids: list[int]) -> np.ndarray:
    """Return the logits after each token, float32 of shape (T, V)."""
    inputs = {"token_ids": np.array([token_ids]), "padding_mask": np.ones((1, len(token_ids)), bool)}
    return keras.ops.convert_to_numpy(model.network(inputs))[0]


def without_cache(model, prompt: str, *, max_new_tokens: int, **_) -> str:
    """Continue greedily the slow way: the whole text through the network for each token."""
    token_ids = [END_ID, *model.subwords.encode([prompt])[0]][-(model.context - max_new_tokens) :]
    added = []
    for _ in range(max_new_tokens):
        logits = logits_of(model, token_ids + added)[-1]
        if logits.argmax() == END_ID:
            break
        added.append(int(logits.argmax()))
    return prompt + model.subwords.decode(added)


def test_it_overfits_eight_texts(writer):
    assert writer.bits_per_byte(tiny.TEXTS) < 0.4
    assert writer.generate(["strange"], **GREEDY) == ["strange weird puzzle"]
    assert writer.generate([""], **GREEDY)[0] in tiny.TEXTS
    assert set(writer.generate([""] * 9, temperature=0.3, max_new_tokens=12)) & set(tiny.TEXTS)


def test_greedy_with_the_cache_is_greedy_without_it(writer):
    expected = [without_cache(writer, prompt, **GREEDY) for prompt in PROMPTS]
    assert writer.generate(PROMPTS, **GREEDY) == expected
    assert [writer.generate([prompt], **GREEDY)[0] for prompt in PROMPTS] == expected
    assert len(set(expected)) == len(PROMPTS)


@pytest.mark.parametrize("max_new_tokens", [1, 5, CONTEXT - 1])
def test_a_long_prompt_keeps_its_last_tokens(writer, max_new_tokens):
    prompt = "boring boring " * 20 + "strange weird"
    settings = {"temperature": 0, "max_new_tokens": max_new_tokens}
    for given in (prompt, "", "a"):
        expected = [without_cache(writer, given, **settings)]
        assert writer.generate([given], **settings) == expected
        assert writer.generate([given], stop=["\x00never"], **settings) == expected
    ids = writer.subwords.encode([prompt])[0]
    last = writer.subwords.decode(ids[-(CONTEXT - max_new_tokens) :])
    changed = "great fun " * 40 + last
    found = writer.generate([changed], **settings)[0].removeprefix(changed)
    assert found == writer.generate([prompt], **settings)[0].removeprefix(prompt)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="SavedModels are made on the TensorFlow backend")
def test_the_graph_writes_as_many_tokens_as_there_is_room_for(writer, tmp_path):
    import tensorflow as tf

    from textapp.export.generator import GeneratorModule

    prompts, most = ["", "a", "strange weird"], CONTEXT - 1
    numbers = {name: tf.constant(value) for name, value in {"max_new_tokens": most, "top_k": 0, "seed": 7}.items()}
    numbers |= {"temperature": tf.constant(1.3), "top_p": tf.constant(0.95)}
    module = GeneratorModule(writer, tmp_path)  # its function does not keep it
    found = module.generate(prompt=tf.constant(prompts), **numbers)["text"]
    expected = writer.generate(prompts, max_new_tokens=most, temperature=1.3, top_p=0.95, seed=7)
    assert [text.decode() for text in found.numpy()] == expected
    assert expected[0]


def test_seeds(writer):
    settings = {"temperature": 1.5, "max_new_tokens": 12}
    first, again, other = (writer.generate(PROMPTS, seed=seed, **settings) for seed in (1, 1, 2))
    assert first == again != other
    samples = writer.generate(["a"] * 6, seed=1, **settings)
    assert len(set(samples)) > 1
    assert writer.generate(["a"] * 2, seed=1, **settings) == samples[:2]


def test_settings_reach_the_choice(writer):
    greedy = writer.generate(PROMPTS, **GREEDY)
    assert writer.generate(PROMPTS, temperature=5, top_k=1, max_new_tokens=12) == greedy
    assert writer.generate(PROMPTS, temperature=5, top_p=1e-6, max_new_tokens=12) == greedy
    assert writer.generate(PROMPTS, temperature=5, max_new_tokens=12) != greedy


def test_more_tokens_go_on_where_fewer_end(writer):
    texts = [writer.generate(PROMPTS, temperature=0, max_new_tokens=count) for count in (1, 4, 12)]
    for prompt, *growing in zip(PROMPTS, *texts, strict=True):
        for shorter, longer in zip([prompt, *growing], growing, strict=False):
            assert longer.startswith(shorter.rstrip("\ufffd"))
    assert texts[0] != texts[1] != texts[2]
    assert writer.generate([], max_new_tokens=1) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"max_new_tokens": 0}, "max-new-tokens is 0; it must be 1 or more"),
        ({"max_new_tokens": CONTEXT}, "max-new-tokens is 24; this model takes 1 to 23"),
        ({"temperature": -0.1}, "temperature is -0.1; it must be 0 or more"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"top_k": -1}, "top-k is -1; it must be 0"),
        ({"top_p": 0}, "top-p is 0; it must be above 0 and at most 1"),
        ({"top_p": 1.01}, "top-p is 1.01"),
        ({"top_p": math.nan}, "top-p is nan"),
        ({"seed": -1}, "the seed is -1; it must be from 0 to 2147483647"),
        ({"seed": 2**31}, "the seed is 2147483648"),
    ],
)
def test_settings_out_of_range(writer, setting, message):
    with pytest.raises(UserError, match=message):
        writer.generate(["a"], **{"max_new_tokens": 5, **setting})


def test_bits_per_byte_of_a_uniform_model(writer, tmp_path):
    """With all weights 0 each token is one of V: log2 V bits, for each token of the texts."""
    writer.save(tmp_path)
    uniform = load(tmp_path)
    for weight in uniform.network.weights:
        weight.assign(keras.ops.zeros(weight.shape))
    texts = [*tiny.TEXTS, "", "é" * 40, "long " * 50]  # 40 é are more than one window
    tokens = sum(map(len, uniform.subwords.encode(texts)))
    expected = math.log2(len(uniform.subwords)) * tokens / sum(len(text.encode()) for text in texts)
    assert uniform.bits_per_byte(texts) == pytest.approx(expected, rel=1e-5)
    assert uniform.bits_per_byte([""]) == uniform.bits_per_byte([]) == 0


def test_bits_per_byte_by_the_definition(writer):
    """The texts are shorter than a window: the sum of -log2 p(token | all tokens before)."""
    bits = 0
    for ids in writer.subwords.encode(tiny.TEXTS[:3]):
        logits = logits_of(writer, [END_ID, *ids]).astype(float)
        logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        bits -= logarithms[np.arange(len(ids)), ids].sum() / math.log(2)
    size = sum(len(text.encode()) for text in tiny.TEXTS[:3])
    assert writer.bits_per_byte(tiny.TEXTS[:3]) == pytest.approx(bits / size, rel=1e-4)


def test_the_lstm_writes_by_what_it_scores(trained):
    """The logits of the next token are those that a text is scored with; of a long row the end is read."""
    model = trained("lstm-lm")
    (ids,) = model.encode(["a good film"])
    logits = model.next_logits([[END_ID, *ids[:count]] for count in range(len(ids))]).astype(np.float64)
    scores = logits[np.arange(len(ids)), ids] - np.log(np.exp(logits).sum(axis=1))
    np.testing.assert_allclose(scores, model.token_log_probabilities([ids]), atol=1e-5)
    long = [5, *([7] * model.context)]
    np.testing.assert_allclose(model.next_logits([long]), model.next_logits([long[1:]]))
    assert model.generate(["a good"], max_new_tokens=5, seed=1)[0].startswith("a good")
