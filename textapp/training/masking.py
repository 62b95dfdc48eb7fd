"""Texts with masked words, for a network to say what stood there, and pairs of segments, as BERT was trained."""

from __future__ import annotations

import dataclasses
import math

import keras
import numpy as np

from textapp.text.vocabulary import PADDING_ID
from textapp.training.batches import WORKERS, Batches

# Of Devlin et al. (2019), BERT, section 3.1; the defaults of KerasHub's MaskedLMMaskGenerator. That is not used: one
# of its paths is TensorFlow's alone, the other a loop over tokens, which takes longer than the training step.
MASKED_SHARE = 0.15  # of the words of a text that are to be told
MASK_RATE, RANDOM_RATE = 0.8, 0.1  # of those: become the mask, become any word; the rest stays as it is
WORDS, NEXT = "words", "next"  # the outputs of a network that is trained on this


@dataclasses.dataclass(frozen=True, kw_only=True)
class Masking:
    """Which ids are what.

    Attributes:
        mask_id: stands for a word that is to be told.
        words: the first id of a word and the last one, plus one: what is masked, and what comes in its place.
        unselectable: ids between these that are no words.
        separator_id: between two segments; None for texts as they are.
        segments: whether the inputs say to which segment each token belongs, without pairs as well.
    """

    mask_id: int
    words: tuple[int, int]
    unselectable: tuple[int, ...] = ()
    separator_id: int | None = None
    segments: bool = False


def mask(
    token_ids: np.ndarray, padding_mask: np.ndarray, masking: Masking, random: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Put masks over some words of each text.

    Args:
        token_ids: int32 array of shape (B, T), padded on the right.
        padding_mask: bool array of shape (B, T), True on tokens.
        masking: which ids are words.
        random: chooses.

    Returns:
        Token ids, int32 (B, T), with masks; the positions of M words a text, int32 (B, M), M being `MASKED_SHARE` of
        T; the ids that stood there, int32 (B, M); and float32 (B, M), 1 for each of these and 0 where a text has
        fewer, whose position is 0. At least one word a text is masked.
    """
    low, high = masking.words
    # A preset's words may begin with the id of padding.
    selectable = padding_mask & (token_ids >= low) & (token_ids < high) & ~np.isin(token_ids, masking.unselectable)
    most = max(1, math.ceil(MASKED_SHARE * token_ids.shape[1]))
    available = selectable.sum(axis=1)
    wanted = np.minimum(np.maximum(1, np.rint(MASKED_SHARE * available).astype(int)), available)  # (B,)
    drawn = np.where(selectable, random.random(token_ids.shape), 2.0)
    chosen = np.argpartition(drawn, most - 1, axis=1)[:, :most]  # (B, M), in no order
    chosen = np.take_along_axis(chosen, np.argsort(np.take_along_axis(drawn, chosen, axis=1), axis=1), axis=1)
    taken = np.arange(most) < wanted[:, None]
    positions = np.where(taken, chosen, 0).astype(np.int32)
    ids = np.where(taken, np.take_along_axis(token_ids, positions, axis=1), 0)

    fate = random.random(positions.shape)
    instead = np.where(fate < MASK_RATE, masking.mask_id, random.integers(low, high, positions.shape))
    instead = np.where(fate < MASK_RATE + RANDOM_RATE, instead, ids)
    masked = token_ids.copy()
    rows = np.broadcast_to(np.arange(len(token_ids))[:, None], positions.shape)
    masked[rows[taken], positions[taken]] = instead[taken]
    return masked, positions, ids.astype(np.int32), taken.astype(np.float32)


def pair(
    token_ids: np.ndarray, padding_mask: np.ndarray, masking: Masking, random: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Make each text its first half, a separator and a second half: its own, or for every other one another text's.

    Texts of a batch have about the same length, and the second half is as long as the shorter of the two that could
    stand there: its length does not tell whose it is.

    Args:
        token_ids: int32 array of shape (B, T), padded on the right.
        padding_mask: bool array of shape (B, T), True on tokens.
        masking: has the separator.
        random: chooses.

    Returns:
        Token ids int32 (B, T); their padding mask; segments int32 (B, T), 1 on a second half; whether it is the
        text's own, int32 (B,); float32 (B,), 0 for texts that are too short for two halves and stay as they are.

    Raises:
        ValueError: there is no separator.
    """
    if masking.separator_id is None:
        raise ValueError("pairs take a separator, and the masking has none")
    count, width = token_ids.shape
    places = np.arange(width)
    lengths = padding_mask.sum(axis=1)
    first = lengths // 2
    second = lengths - first - 1  # the separator takes a place
    other = (np.arange(count) + random.integers(1, max(2, count))) % count
    follows = random.random(count) < 0.5
    source = np.where(follows, np.arange(count), other)  # whose second half
    size = np.minimum(second, second[other])
    usable = (size > 0) & (count > 1)
    begin, end = first[:, None], (first + size)[:, None]
    segments = (places > begin) & (places <= end) & usable[:, None]
    columns = np.clip(first[source][:, None] + places - begin - 1, 0, width - 1)
    paired = np.where(segments, token_ids[source[:, None], columns], token_ids)
    paired = np.where(usable[:, None] & (places == begin), masking.separator_id, paired).astype(np.int32)
    inside = padding_mask & (~usable[:, None] | (places <= end))
    paired[~inside] = PADDING_ID
    return paired, inside, segments.astype(np.int32), follows.astype(np.int32), usable.astype(np.float32)


class MaskedBatches(keras.utils.PyDataset):
    """Batches of (inputs, targets, weights) with other masks in every epoch.

    Inputs are those of `Batches` and "mask_positions" int32 (B, M), with segments "segment_ids" int32 (B, T), too;
    targets and weights by the names of the outputs: `WORDS` (B, M) and, for pairs, `NEXT` (B,).

    Args:
        batches: of the texts, with labels, which are left out; no word of a text of weight 0 is to be told.
        masking: which ids are what.
        seed: of the masks.
        fixed: whether every epoch has the same, to compare what is measured on them.
    """

    def __init__(self, batches: Batches, masking: Masking, *, seed: int, fixed: bool = False):
        super().__init__(workers=WORKERS)
        self._batches, self._masking = batches, masking
        self._seed, self._fixed, self._epoch = seed, fixed, 0

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int):
        # Threads fetch batches in any order, so that each has numbers of its own.
        random = np.random.default_rng([self._seed, 0 if self._fixed else self._epoch, index])
        given, _, alive = self._batches[index]
        inputs, targets, weights = dict(given), {}, {}
        segments = np.zeros(inputs["token_ids"].shape, np.int32)
        if self._masking.separator_id is not None:
            paired = pair(inputs["token_ids"], inputs["padding_mask"], self._masking, random)
            inputs["token_ids"], inputs["padding_mask"], segments, targets[NEXT], weights[NEXT] = paired
        if self._masking.segments:
            inputs["segment_ids"] = segments
        inputs["token_ids"], inputs["mask_positions"], targets[WORDS], weights[WORDS] = mask(
            inputs["token_ids"], inputs["padding_mask"], self._masking, random
        )
        weights = {name: (found.T * alive).T for name, found in weights.items()}
        return inputs, targets, weights

    def shape(self, index: int) -> tuple[int, int]:
        """Return B and T of a batch."""
        return self._batches.shape(index)

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._batches.on_epoch_end()
