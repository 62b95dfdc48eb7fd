"""Masked words and pairs of segments: the rule, counted."""

import keras_hub
import numpy as np
import pytest

from textapp.training.batches import Batches
from textapp.training.masking import NEXT, WORDS, MaskedBatches, Masking, mask, pair

# Ids 0 and 1 are padding and unknown, 2 to 99 words, 100 the mask, 101 the separator.
MASKING = Masking(mask_id=100, words=(2, 100), separator_id=101, segments=True)


def texts(count=2_000, width=40):
    """Return ids and padding mask of random texts with 10 to 40 tokens, a tenth of them unknown."""
    random = np.random.default_rng(3)
    token_ids = random.integers(2, 100, (count, width)).astype(np.int32)
    token_ids[random.random(token_ids.shape) < 0.1] = 1
    padding_mask = np.arange(width) < random.integers(10, width + 1, count)[:, None]
    return np.where(padding_mask, token_ids, 0), padding_mask


def shares(before, after):
    """Return the shares of words that were masked and that became another word."""
    words = before >= 2
    return (after[words] == 100).mean(), ((after != before) & (after != 100))[words].mean()


def test_15_percent_are_told_and_of_these_80_percent_masked_10_changed_10_kept():
    token_ids, padding_mask = texts()
    masked, positions, ids, weights = mask(token_ids, padding_mask, MASKING, np.random.default_rng(0))
    assert (masked.shape, positions.shape, ids.shape, weights.shape) == ((2000, 40), (2000, 6), (2000, 6), (2000, 6))
    assert [array.dtype for array in (masked, positions, ids, weights)] == [np.int32, np.int32, np.int32, np.float32]
    available = (token_ids >= 2).sum(axis=1)
    np.testing.assert_array_equal(weights.sum(axis=1), np.maximum(1, np.rint(0.15 * available)))
    told = weights > 0
    rows = np.arange(len(token_ids))[:, None] + 0 * positions
    np.testing.assert_array_equal(ids[told], token_ids[rows[told], positions[told]])
    assert (ids[told] >= 2).all()  # neither padding nor an unknown word
    assert (ids[~told] == 0).all()
    assert (positions[~told] == 0).all()
    assert len(set(zip(rows[told], positions[told], strict=True))) == told.sum()  # no position twice
    fate = masked[rows[told], positions[told]]
    assert (fate == 100).mean() == pytest.approx(0.8, abs=0.02)
    assert (fate == ids[told]).mean() == pytest.approx(0.1, abs=0.02)
    untouched = np.ones(token_ids.shape, bool)
    untouched[rows[told], positions[told]] = False
    np.testing.assert_array_equal(masked[untouched], token_ids[untouched])


def test_it_is_kerashubs_rule():
    token_ids, padding_mask = texts(1_000)
    theirs = keras_hub.layers.MaskedLMMaskGenerator(
        vocabulary_size=101, mask_selection_rate=0.15, mask_token_id=100, unselectable_token_ids=[0, 1, 100]
    )(token_ids)["token_ids"]
    ours = mask(token_ids, padding_mask, MASKING, np.random.default_rng(0))[0]
    np.testing.assert_allclose(shares(token_ids, ours), shares(token_ids, np.asarray(theirs)), atol=0.012)


def test_a_text_without_words_has_nothing_to_tell_and_one_word_is_told():
    token_ids = np.array([[1, 1, 0], [1, 7, 0]], np.int32)
    masked, positions, ids, weights = mask(token_ids, token_ids > 0, MASKING, np.random.default_rng(0))
    np.testing.assert_array_equal(masked[0], token_ids[0])
    assert weights.tolist() == [[0], [1]]
    assert (positions[1, 0], ids[1, 0]) == (1, 7)


def test_padding_is_never_told_even_where_words_begin_with_its_id():
    """A preset's words are all of its ids but a few."""
    token_ids, padding_mask = texts()
    every = Masking(mask_id=100, words=(0, 101), unselectable=(100,))
    masked, positions, ids, weights = mask(token_ids, padding_mask, every, np.random.default_rng(0))
    np.testing.assert_array_equal(weights.sum(axis=1), np.maximum(1, np.rint(0.15 * padding_mask.sum(axis=1))))
    assert (ids[weights > 0] > 0).all()
    assert np.take_along_axis(padding_mask, positions, axis=1)[weights > 0].all()
    assert (masked[~padding_mask] == 0).all()


def test_pairs_by_hand():
    token_ids = np.array([[11, 12, 13, 14, 15], [21, 22, 23, 24, 0], [31, 32, 0, 0, 0]], np.int32)
    seen = set()
    for seed in range(40):
        paired, inside, segments, own, weights = pair(token_ids, token_ids > 0, MASKING, np.random.default_rng(seed))
        np.testing.assert_array_equal(inside, paired > 0)
        for row, weight in enumerate(weights):
            seen.add((row, int(own[row]) if weight else None, tuple(paired[row][inside[row]])))
            assert segments[row].sum() == (0 if not weight else inside[row].sum() - (paired[row] == 101).argmax() - 1)
    assert seen == {
        (0, 1, (11, 12, 101, 13)), (0, 0, (11, 12, 101, 23)), (0, None, (11, 12, 13, 14, 15)),
        (1, 1, (21, 22, 101, 23)), (1, 0, (21, 22, 101, 13)), (1, None, (21, 22, 23, 24)),
        (2, None, (31, 32)),
    }  # fmt: skip


def test_the_length_does_not_tell_whose_the_second_segment_is():
    token_ids, padding_mask = texts(4_000)
    _, inside, segments, own, weights = pair(token_ids, padding_mask, MASKING, np.random.default_rng(1))
    assert weights.all()
    assert own.mean() == pytest.approx(0.5, abs=0.03)
    for lengths in (inside.sum(axis=1), segments.sum(axis=1)):
        assert lengths[own == 1].mean() == pytest.approx(lengths[own == 0].mean(), abs=0.5)


def test_batches_have_other_masks_in_every_epoch_unless_they_are_fixed():
    token_ids, padding_mask = texts(20)
    rows = [row[kept] for row, kept in zip(token_ids, padding_mask, strict=True)]

    def made(**options):
        batches = Batches(rows, np.zeros(20), batch_size=8, sequence_length=32)
        return MaskedBatches(batches, MASKING, seed=5, **options)

    for fixed in (True, False):
        batches, again = made(fixed=fixed), made(fixed=fixed)
        inputs, targets, weights = batches[1]
        assert sorted(inputs) == ["mask_positions", "padding_mask", "segment_ids", "token_ids"]
        assert sorted(targets) == sorted(weights) == sorted([WORDS, NEXT])
        np.testing.assert_array_equal(again[1][0]["token_ids"], inputs["token_ids"])
        batches.on_epoch_end()
        same = np.array_equal(batches[1][0]["token_ids"], inputs["token_ids"])
        assert same == fixed
    plain = MaskedBatches(
        Batches(rows, np.zeros(20), batch_size=8, sequence_length=32),
        Masking(mask_id=100, words=(2, 100), unselectable=(7,)),
        seed=5,
    )
    inputs, targets, _ = plain[0]
    assert sorted(inputs) == ["mask_positions", "padding_mask", "token_ids"]
    assert list(targets) == [WORDS]
    assert 7 not in targets[WORDS]
