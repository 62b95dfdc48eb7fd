"""Bits per byte over texts: by hand, and what a comparison of two generators says."""

import numpy as np
import pytest

from textapp.evaluation.bits import bits_per_byte, compare_generators, fewest_bits

LN2 = np.log(2)


def test_bits_per_byte_by_hand():
    found = bits_per_byte(np.array([3.0, 5.0]) * LN2, [1, 3])
    assert found["bits_per_byte"] == pytest.approx(8 / 4)
    # Resamples hold the first text twice (3 bits a byte), the second twice (5/3), or each once.
    assert found["interval"] == pytest.approx([5 / 3, 3])


def test_of_nothing():
    assert bits_per_byte(np.zeros(2), [0, 0]) == {"bits_per_byte": 0.0, "interval": None}
    assert bits_per_byte(np.zeros(0), []) == {"bits_per_byte": 0.0, "interval": None}
    assert compare_generators({"a": np.zeros(1), "b": np.zeros(1)}, [0]) == []
    assert compare_generators({"a": np.ones(1)}, [3]) == []


def test_two_texts_show_no_difference():
    pair = compare_generators({"a": np.array([100.0, 210.0]), "b": np.array([101.0, 215.0])}, [40, 90])[0]
    # Of the four ways to swap the answers two are as far apart: a sign test of two texts ends at 2 / 4.
    assert (pair["p_value"], pair["better"]) == (0.5, None)
    # A third text that both need the same for says no more.
    three = {"a": np.array([100.0, 210.0, 5.0]), "b": np.array([101.0, 215.0, 5.0])}
    assert compare_generators(three, [40, 90, 3])[0]["p_value"] == 0.5


def test_many_generators_take_more_resamples():
    sizes = np.full(30, 100)
    nats = {str(number): np.full(30, 100.0 + number) for number in range(8)}
    pairs = compare_generators(nats, sizes)
    # 28 pairs: 2 * 28 / 1,001 would be above 0.05 for every pair.
    assert pairs[0]["p_value"] == pytest.approx(2 / (80 * 28 + 1))
    assert all(pair["better"] == pair["a"] for pair in pairs)


def test_pairs_of_generators():
    random = np.random.default_rng(0)
    sizes = random.integers(50, 500, 60)
    texts = sizes * random.normal(2, 0.3, 60)  # how hard each text is, which all generators share
    nats = {
        "worse": (texts + 0.05 * sizes) * LN2,
        "better": texts * LN2,
        "like it": (texts + random.normal(0, 20, 60)) * LN2,
    }
    pairs = {(pair["a"], pair["b"]): pair for pair in compare_generators(nats, sizes)}
    assert list(pairs) == [("worse", "better"), ("worse", "like it"), ("better", "like it")]
    found = pairs["worse", "better"]
    assert found["difference"] == pytest.approx(0.05)
    # Far less than the spread of the texts, since both are asked for the same ones.
    assert found["interval"] == pytest.approx([0.05, 0.05])
    assert found["better"] == "better"
    assert found["p_value"] <= found["p_value_holm"] < 0.05
    assert pairs["better", "like it"]["better"] is None
    # The two that need the fewest are those that the sentence is about.
    needs = {name: found.sum() / LN2 / sizes.sum() for name, found in nats.items()}
    best, second = sorted(needs, key=needs.get)[:2]
    (sentence,) = fewest_bits(nats, sizes, list(pairs.values()))
    assert {best, second} == {"better", "like it"}
    assert sentence.startswith(f"Fewest bits per byte: {best}, {needs[best]:.3f} for 60 test texts, ")
    assert f" fewer than {second}; that is not more than chance could give (paired bootstrap, Holm-" in sentence
    assert sentence.endswith(": no difference shown.")
    two = {name: nats[name] for name in ("worse", "better")}
    (sentence,) = fewest_bits(two, sizes, compare_generators(two, sizes))
    assert sentence.endswith(
        f"better, {needs['better']:.3f} for 60 test texts, 0.050 fewer than worse; that is more than chance (paired "
        "bootstrap, p = 0.002)."
    )
    same = {"a": nats["worse"], "b": nats["worse"]}
    (sentence,) = fewest_bits(same, sizes, compare_generators(same, sizes))
    assert sentence.endswith("for 60 test texts, as many as b: no difference shown.")
    assert fewest_bits({"a": nats["worse"]}, sizes, []) == []
    assert pairs["better", "like it"]["interval"][0] < 0 < pairs["better", "like it"]["interval"][1]
