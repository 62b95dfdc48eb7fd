"""Texts of different lengths as batches of few different shapes."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from textapp.text.vocabulary import PADDING_ID

# Batches are padded to one of these widths: each one is a shape to trace or compile, each gap is padding.
WIDTHS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
# Texts are sorted by length inside pools of this many batches, so that epochs still differ.
POOL = 50


def shorten(token_ids: np.ndarray, sequence_length: int) -> np.ndarray:
    """Return the first and the last half of a text that is too long; a review's end tells as much as its start.

    Args:
        token_ids: int32 array of shape (T,).
        sequence_length: the most tokens to keep.
    """
    if len(token_ids) <= sequence_length:
        return token_ids
    head = sequence_length // 2
    return np.concatenate([token_ids[:head], token_ids[head - sequence_length :]])


def pad(rows: Sequence[np.ndarray], width: int) -> dict[str, np.ndarray]:
    """Return what every network takes.

    Args:
        rows: B int32 arrays of shape (T,), T <= width.
        width: the padded length.

    Returns:
        "token_ids" int32 (B, width), padded on the right, and "padding_mask" bool (B, width), True on tokens.
    """
    lengths = np.array([len(row) for row in rows])
    padding_mask = np.arange(width) < lengths[:, None]
    token_ids = np.full((len(rows), width), PADDING_ID, dtype=np.int32)
    token_ids[padding_mask] = np.concatenate(rows)
    return {"token_ids": token_ids, "padding_mask": padding_mask}


class Batches(keras.utils.PyDataset):
    """Bucketed batches of (inputs, labels, weights), or of inputs alone, for Keras `fit` and `predict`.

    Args:
        rows: N int32 arrays of token ids.
        labels: int32 array of shape (N,); None to predict.
        weights: float32 array of shape (N,), how much each text counts in the loss; None for 1.
        batch_size: B.
        sequence_length: longer texts are shortened to it.
        seed: shuffles anew every epoch; None keeps texts sorted by length, see `order`.
    """

    def __init__(
        self,
        rows: Sequence[np.ndarray],
        labels: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        *,
        batch_size: int,
        sequence_length: int,
        seed: int | None = None,
    ):
        super().__init__()
        self._rows = [shorten(row, sequence_length) for row in rows]
        self._lengths = np.array([len(row) for row in self._rows])
        self._labels = labels
        self._weights = np.ones(len(rows), np.float32) if weights is None else weights
        self._batch_size = batch_size
        self._widths = [width for width in WIDTHS if width < sequence_length] + [sequence_length]
        self._random = None if seed is None else np.random.default_rng(seed)
        self._plan = self._make_plan()

    @property
    def order(self) -> np.ndarray:
        """The position in `rows` of each row of the batches, an int array of shape (N,)."""
        return np.concatenate(self._plan)

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int):
        chosen = self._plan[index]
        inputs = pad([self._rows[position] for position in chosen], self._width(chosen))
        if self._labels is None:
            return (inputs,)
        return inputs, self._labels[chosen], self._weights[chosen]

    def on_epoch_end(self) -> None:
        if self._random is not None:
            self._plan = self._make_plan()

    def _width(self, chosen: np.ndarray) -> int:
        longest = self._lengths[chosen].max()
        return next(width for width in self._widths if width >= longest)

    def _make_plan(self) -> list[np.ndarray]:
        """Return the positions of each batch's texts."""
        size, count = self._batch_size, len(self._rows)
        if self._random is None:
            pools = [np.arange(count)]
        else:
            shuffled = self._random.permutation(count)
            pools = [shuffled[start : start + POOL * size] for start in range(0, count, POOL * size)]
        plan = []
        for pool in pools:
            by_length = pool[np.argsort(self._lengths[pool], kind="stable")]
            plan += [by_length[start : start + size] for start in range(0, len(pool), size)]
        if self._random is not None:
            plan = [plan[position] for position in self._random.permutation(len(plan))]
        # Keras on TensorFlow looks at the first two batches to learn which dimensions vary.
        other = next((i for i in range(1, len(plan)) if self._width(plan[i]) != self._width(plan[0])), None)
        if other is not None:
            plan[1], plan[other] = plan[other], plan[1]
        return plan
