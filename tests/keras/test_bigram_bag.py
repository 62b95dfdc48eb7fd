"""Vectors of pairs of tokens, summed up."""

import keras
import numpy as np

from textapp.models.layers import FIRST_FACTOR, SECOND_FACTOR, BigramBag

TOKEN_IDS = np.array([[5, 3, 5, 3, 0], [4, 0, 0, 0, 0]], np.int32)
MASK = TOKEN_IDS > 0


def test_it_sums_the_pairs_over_the_root_of_their_number():
    bag = BigramBag(17, 2)
    assert not keras.ops.convert_to_numpy(bag(TOKEN_IDS, MASK)).any()  # all begin as 0
    vectors = np.random.default_rng(0).normal(size=(17, 2)).astype(np.float32)
    bag.embedding.embeddings.assign(vectors)
    pairs = [(5, 3), (3, 5), (5, 3)]
    hashes = [(a * FIRST_FACTOR + b * SECOND_FACTOR) % 17 for a, b in pairs]
    found = keras.ops.convert_to_numpy(bag(TOKEN_IDS, MASK))
    np.testing.assert_allclose(found[0], vectors[hashes].sum(axis=0) / np.sqrt(3), rtol=1e-5)
    assert found[1].tolist() == [0, 0]  # one token is no pair
    assert keras.ops.convert_to_numpy(bag(TOKEN_IDS[1:, :1], MASK[1:, :1])).tolist() == [[0, 0]]


def test_the_largest_ids_do_not_overflow():
    assert 200_000 * (FIRST_FACTOR + SECOND_FACTOR) < 2**31
