"""N-gram models that write, and the mix of one with a network."""

import json

import numpy as np
import pytest
from helpers import tiny

from textapp.errors import UserError
from textapp.models import load
from textapp.models.mix import Mix, fit_weight
from textapp.text.generator_tokens import SharedTokens

TEXTS = [*tiny.TEXTS, "", "caf\u00e9 👍🏽", "a strange weird great boring film, " * 4]


@pytest.fixture(scope="module")
def mixed(trained):
    model = Mix.of(trained("kneser-ney"), trained("decoder"))
    model.fit(tiny.split(), tiny.split())
    return model


def test_an_ngram_model_writes(trained):
    model = trained("kneser-ney")
    texts = model.generate(["good", ""], max_new_tokens=20, temperature=0.7, seed=3)
    assert texts == model.generate(["good", ""], max_new_tokens=20, temperature=0.7, seed=3)
    assert texts[0].startswith("good")
    longer = tiny.make("kneser-ney", orders=(6,))
    longer.fit(tiny.split(), tiny.split())
    assert longer.generate(["strange weird p"], temperature=0, max_new_tokens=20) == ["strange weird puzzle"]
    assert (
        "".join(model.stream("good", max_new_tokens=9, seed=1)) == model.generate(["good"], max_new_tokens=9, seed=1)[0]
    )


@pytest.mark.parametrize("name", ["bigram", "kneser-ney"])
def test_scores_are_those_of_the_next_tokens(trained, name):
    model = trained(name)
    for ids in model.encode(TEXTS):
        rows = [[0, *ids[:place]] for place in range(len(ids))]
        expected = model.token_log_probabilities([ids])
        if rows:
            found = model.next_logits(rows)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found[np.arange(len(ids)), ids], expected, rtol=1e-5)
            np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-4)


def test_an_ngram_model_of_no_text():
    model = tiny.make("kneser-ney")
    with pytest.raises(UserError, match="training texts are empty; kneser-ney takes at least one character"):
        model.fit(tiny.split(["", ""], [0, 1]), tiny.split())


def test_the_mix_is_no_worse_than_its_parts(mixed):
    """On the texts that its weights were fitted on."""
    parts = [model.bits_per_byte(tiny.TEXTS) for model in (mixed.ngram, mixed.network)]
    assert mixed.bits_per_byte(tiny.TEXTS) <= min(parts) + 1e-6
    assert len(mixed.weights) == mixed.ngram.ngrams.order
    assert all(0 <= weight <= 1 for weight in mixed.weights)
    assert "kneser-ney and decoder" in mixed.remarks[0]


def test_the_mix_is_the_mean_of_the_probabilities(mixed):
    ids = mixed.encode(["a strange long dream"])[0]
    rows = [[0, *ids[:place]] for place in range(len(ids))]
    found = mixed.next_logits(rows)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(
        found[np.arange(len(ids)), ids], mixed.token_log_probabilities([ids]), rtol=1e-3, atol=1e-4
    )
    for row, logits in zip(rows, found, strict=True):
        probabilities, seen = mixed.ngram.ngrams.next_probabilities(row)
        network = mixed.network.next_logits([row])[0]
        network = np.exp(network - network.max()) / np.exp(network - network.max()).sum()
        weight = mixed.weights[seen]
        np.testing.assert_allclose(np.exp(logits), weight * network + (1 - weight) * probabilities, rtol=1e-3)


def test_the_mix_writes_and_is_saved(mixed, tmp_path):
    settings = {"max_new_tokens": 10, "temperature": 0.7, "seed": 2}
    texts = mixed.generate(["good", "a strange"], **settings)
    mixed.save(tmp_path)
    again = load(tmp_path)
    assert again.generate(["good", "a strange"], **settings) == texts
    assert again.weights == mixed.weights
    np.testing.assert_allclose(again.negative_log_likelihoods(TEXTS), mixed.negative_log_likelihoods(TEXTS), rtol=1e-6)
    description = json.loads((tmp_path / "model.json").read_text())
    for weights in ([0.5], [2, 0.5, 0.5]):
        description["options"]["weights"] = weights
        (tmp_path / "model.json").write_text(json.dumps(description))
        with pytest.raises(UserError, match="is damaged: its weights are"):
            load(tmp_path)


def test_only_models_of_the_same_tokens_are_mixed(trained):
    other = tiny.make("kneser-ney", vocabulary_size=270)
    other.fit(tiny.split(), tiny.split())
    with pytest.raises(UserError, match="kneser-ney and decoder have different tokens and cannot be mixed"):
        Mix.of(other, trained("decoder"))


def test_a_weight():
    first, second = np.array([0.5, 0.1]), np.array([0.1, 0.5])
    assert fit_weight(first, second) == pytest.approx(0.5)
    assert fit_weight(first, first * 2) == pytest.approx(1, abs=1e-6)
    assert fit_weight(first * 2, first) == pytest.approx(0, abs=1e-6)
    assert fit_weight(np.zeros(0), np.zeros(0)) == 0.5
    random = np.random.default_rng(0)
    first, second = random.random((2, 500))
    weights = np.linspace(0, 1, 1001)
    best = weights[np.log(np.outer(1 - weights, first) + np.outer(weights, second)).sum(axis=1).argmax()]
    assert fit_weight(first, second) == pytest.approx(best, abs=1e-3)


def test_generators_of_a_run_share_their_tokens():
    shared, split = SharedTokens(), tiny.split()
    models = [tiny.make(name) for name in ("bigram", "kneser-ney")]
    for model in models:
        model.shared_tokens = shared
        model.fit(split, tiny.split())
    assert models[0].subwords is models[1].subwords
    other = tiny.make("bigram", tokens="characters")
    other.shared_tokens = shared
    other.fit(split, tiny.split())
    assert other.subwords is not models[0].subwords


def test_private_texts_are_not_learned():
    texts = ["write to jane@example.org or call 212-555-0123", "see http://example.com/x"] * 3
    model = tiny.make("kneser-ney", tokens="characters", orders=(5,))
    model.fit(tiny.split(texts, [0, 1] * 3), tiny.split())
    assert model.scrubbed == {"email": 3, "link": 3, "phone": 3}
    written = model.generate(["write to ", "see "], temperature=0, max_new_tokens=30)
    assert written == ["write to [email] or call [phone]", "see [link]"]
    model = tiny.make("kneser-ney", tokens="characters", orders=(5,), scrub=False)
    model.fit(tiny.split(texts, [0, 1] * 3), tiny.split())
    assert model.scrubbed is None
    assert model.generate(["see "], temperature=0, max_new_tokens=30)[0].startswith("see http://example.")
