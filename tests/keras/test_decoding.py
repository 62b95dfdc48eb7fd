"""The random numbers and the choice of the next token, against values computed by hand."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textapp.models.decoding import choose_tokens, uniform_numbers

PROBABILITIES = np.array([0.2, 0.5, 0.05, 0.25])  # added up: 0.2, 0.7, 0.75, 1
LOGITS = np.log(PROBABILITIES)
TINY, ALMOST_ONE = np.float32(2**-24), np.float32(1 - 2**-24)


def choose(uniform, *, logits=LOGITS, temperature=1.0, top_k=0, top_p=1.0):
    """Return the chosen tokens for the numbers `uniform` and the same logits."""
    uniform = np.atleast_1d(np.array(uniform, np.float32))
    rows = np.tile(np.array(logits, np.float32), (len(uniform), 1))
    chosen = choose_tokens(
        keras.ops.convert_to_tensor(rows),
        keras.ops.convert_to_tensor(uniform),
        **{"temperature": np.float32(temperature), "top_k": np.int32(top_k), "top_p": np.float32(top_p)},
    )
    return keras.ops.convert_to_numpy(chosen).tolist()


def test_the_distribution_is_inverted():
    assert choose([0, 0.19, 0.21, 0.69, 0.71, 0.74, 0.76, ALMOST_ONE]) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_shares_are_those_of_the_distribution():
    chosen = choose(uniform_numbers(3, 1, 20_000)[0])
    np.testing.assert_allclose(np.bincount(chosen) / 20_000, PROBABILITIES, atol=0.01)


@pytest.mark.parametrize(
    "setting", [{"temperature": 0}, {"temperature": 1e-30}, {"top_k": 1}, {"top_p": 1e-6}, {"top_p": 0.5}]
)
def test_greedy(setting):
    assert choose([0, TINY, 0.5, ALMOST_ONE], **setting) == [1, 1, 1, 1]
    assert choose([0, ALMOST_ONE], logits=-LOGITS, **{**setting, "top_p": 0.2}) == [2, 2]


def test_top_k_by_hand():
    """1 with 0.5 and 3 with 0.25 are left: 2/3 and 1/3."""
    assert choose([0, 0.66, 0.67, ALMOST_ONE], top_k=2) == [1, 1, 3, 3]
    assert choose([0, 0.21, 0.22], top_k=3) == [0, 0, 1]  # 0.2 of 0.95
    assert choose([0.74], top_k=4) == choose([0.74], top_k=99) == choose([0.74], top_k=0) == [2]


def test_top_p_by_hand():
    """0.6 takes 1 and 3, which together first have it; 0.8 takes 0, too."""
    assert choose([0, 0.66, 0.67, ALMOST_ONE], top_p=0.6) == [1, 1, 3, 3]
    assert choose([0, 0.21, 0.22, 0.73, 0.74, ALMOST_ONE], top_p=0.8) == [0, 0, 1, 1, 3, 3]
    assert choose([0, ALMOST_ONE], top_p=0.8, top_k=2) == [1, 3]


def test_temperature_by_hand():
    """At 0.5 probabilities are squared: 0.04 0.25 0.0025 0.0625, in all 0.355."""
    first = 0.04 / 0.355
    assert choose([first - 0.01, first + 0.01], temperature=0.5) == [0, 1]
    root = np.sqrt(PROBABILITIES)
    first = root[0] / root.sum()
    assert choose([first - 0.01, first + 0.01], temperature=2) == [0, 1]


def test_of_equals_greedy_takes_the_smaller_id_and_a_limit_takes_all():
    assert choose([0, ALMOST_ONE], logits=[1, 3, 3, 0], temperature=0) == [1, 1]
    assert choose([0, 0.34, 0.67], logits=[7, 7, 7, 1], top_k=1) == [0, 1, 2]
    assert choose([0, 0.34, 0.67], logits=[7, 7, 7]) == [0, 1, 2]


def test_each_row_has_its_own_choice():
    logits = keras.ops.convert_to_tensor(np.eye(3, 5, dtype=np.float32) * 9)
    chosen = choose_tokens(logits, 0.5 * keras.ops.ones(3), temperature=1.0, top_k=0, top_p=1.0)
    assert keras.ops.convert_to_numpy(chosen).tolist() == [0, 1, 2]
    assert keras.backend.standardize_dtype(chosen.dtype) == "int32"


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(-30, 30, width=32, allow_subnormal=False), min_size=5, max_size=5),
    st.floats(0, float(ALMOST_ONE), width=32),
    st.floats(0, 4),
    st.integers(0, 7),
    st.floats(0.01, 1),
)
def test_only_tokens_that_are_left_are_chosen(logits, uniform, temperature, top_k, top_p):
    """Against the definition, sorted and summed in float64."""
    (chosen,) = choose(uniform, logits=logits, temperature=temperature, top_k=top_k, top_p=top_p)
    logits = np.array(logits, np.float32)
    if temperature == 0:
        assert logits[chosen] == logits.max()
        return
    scaled = (logits.astype(np.float64) - logits.max()) / np.float32(temperature)
    probabilities = np.exp(scaled) / np.exp(scaled).sum()
    better = scaled > scaled[chosen] + 1e-6 * max(1, abs(scaled[chosen]))  # what float32 tells apart
    assert better.sum() < (top_k or 5)
    assert probabilities[better].sum() < top_p + 1e-5


@pytest.mark.parametrize(
    "setting",
    [{}, {"top_p": 0.9}, {"top_k": 20}, {"top_k": 90}, {"top_p": 0.9, "temperature": 0.6}, {"temperature": 0}],
    ids=str,
)
def test_the_most_probable_tokens_choose_as_all_do(setting):
    """A row of equal logits beside them has the whole vocabulary asked."""
    uniform = uniform_numbers(0, 400, 1)[:, 0]
    logits = np.random.default_rng(0).normal(0, 3, 300)
    few = choose(uniform, logits=logits, **setting)
    settings = {"temperature": np.float32(1), "top_k": np.int32(0), "top_p": np.float32(1), **setting}
    rows = np.concatenate([np.tile(logits, (400, 1)), np.zeros((1, 300))]).astype(np.float32)
    every = choose_tokens(rows, np.append(uniform, np.float32(0.5)), **settings)
    assert few == keras.ops.convert_to_numpy(every).tolist()[:400]
    assert len(set(few)) > 1 or setting.get("temperature") == 0


def hashed(seed, row, column):
    """The same in whole numbers, as "lowbias32" is written down by its author."""

    def lowbias32(x):
        x ^= x >> 16
        x = x * 0x7FEB352D % 2**32
        x ^= x >> 15
        x = x * 0x846CA68B % 2**32
        return x ^ x >> 16

    row = lowbias32((row + lowbias32(seed)) % 2**32)
    return (lowbias32((row + column) % 2**32) >> 8) / 2**24


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_uniform_numbers(seed):
    numbers = uniform_numbers(seed, 3, 7)
    assert numbers.shape == (3, 7)
    assert numbers.dtype == np.float32
    assert numbers.tolist() == [[hashed(seed, row, column) for column in range(7)] for row in range(3)]
    assert (uniform_numbers(seed, 5, 9)[:3, :7] == numbers).all()


def test_uniform_numbers_are_uniform():
    numbers = uniform_numbers(5, 100, 200)
    assert 0 <= numbers.min() < 0.001 < 0.999 < numbers.max() < 1
    counts = np.histogram(numbers, 10, (0, 1))[0]
    np.testing.assert_allclose(counts, 2_000, atol=200)
    assert len(np.unique(numbers[:, 0])) == 100
    assert abs(np.corrcoef(numbers[0], numbers[1])[0, 1]) < 0.3
