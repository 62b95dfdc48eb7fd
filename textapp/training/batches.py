"""Texts of different lengths as batches of few different shapes."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from textapp.text.ragged import Ragged
from textapp.text.vocabulary import PADDING_ID, UNKNOWN_ID
from textapp.training.shapes import shapes

# Texts are sorted by length inside pools of this many batches, so that epochs still differ.
POOL = 50
# Threads that make batches before they are needed. With one, Keras leaves it to tf.data's own prefetching, whose end
# is only noticed every five seconds: every epoch and every validation would wait for it.
WORKERS = 2


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


class Batches(keras.utils.PyDataset):
    """Bucketed batches of (inputs, labels, weights), or of inputs alone, for Keras `fit` and `predict`.

    Inputs are "token_ids" int32 (B, T), padded on the right to one of the widths of `textapp.training.shapes`, and
    "padding_mask" bool (B, T), True on tokens. With labels, a batch of fewer texts is filled up with texts of weight 0
    or, where that is not worth it, as wide as the longest text needs: one more shape in all epochs. Without labels
    batches are filled up to a few numbers of rows, which `put_back` leaves out.

    On TensorFlow, Keras fetches the next batch in a thread of its own; on JAX, while the device works.

    Args:
        rows: N rows of token ids, int32.
        labels: int32 array of shape (N,), or float32 of shape (N, C) for probabilities; None to predict.
        weights: float32 array of shape (N,), how much each text counts in the loss; None for 1.
        batch_size: B; to predict, there may be more where the device is faster with them.
        sequence_length: longer texts are shortened to it.
        seed: shuffles anew every epoch; None keeps texts sorted by length, see `order`.
    """

    def __init__(
        self,
        rows: Ragged | Sequence[np.ndarray],
        labels: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        *,
        batch_size: int,
        sequence_length: int,
        seed: int | None = None,
    ):
        super().__init__(workers=WORKERS)
        self._rows = rows if isinstance(rows, Ragged) else Ragged.of(rows, empty=UNKNOWN_ID)
        self._lengths = np.minimum(self._rows.lengths, sequence_length)
        self._sequence_length = sequence_length
        self._labels = labels
        self._weights = np.ones(len(rows), np.float32) if weights is None else weights
        self._shapes = shapes()
        self._batch_size = max(self._shapes.answer_rows) if labels is None and self._shapes.answer_rows else batch_size
        self._widths = [width for width in self._shapes.widths if width < sequence_length] + [sequence_length]
        self._random = None if seed is None else np.random.default_rng(seed)
        self._plan = self._make_plan()

    @property
    def order(self) -> np.ndarray:
        """The position in `rows` of each row of the batches, an int array of shape (N,)."""
        return np.concatenate(self._plan)

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> tuple:
        chosen = self._plan[index]
        rows, width = self.shape(index)
        filled = np.pad(chosen, (0, rows - len(chosen)), mode="edge")
        if self._labels is None:
            return (self._inputs(filled, width),)
        weights = np.pad(self._weights[chosen], (0, rows - len(chosen)))
        return self._inputs(filled, width), self._labels[filled], weights

    def shape(self, index: int) -> tuple[int, int]:
        """Return B and T of a batch."""
        count = len(self._plan[index])
        if self._labels is not None:
            rows = self._batch_size if self._shapes.whole else count
        elif self._shapes.answer_rows:
            rows = next(rows for rows in self._shapes.answer_rows if rows >= count)
        else:
            rows = min(1 << (count - 1).bit_length(), self._batch_size)
        return rows, self._width(self._plan[index])

    def put_back(self, answers: Sequence[np.ndarray]) -> np.ndarray:
        """Return what was answered to each text, (N, ...), for the answers to all batches without labels."""
        found = np.concatenate([rows[: len(chosen)] for rows, chosen in zip(answers, self._plan, strict=True)])
        answered = np.empty_like(found)
        answered[self.order] = found
        return answered

    def on_epoch_end(self) -> None:
        if self._random is not None:
            self._plan = self._make_plan()

    def _inputs(self, chosen: np.ndarray, width: int) -> dict[str, np.ndarray]:
        """Return the texts at the chosen positions, shortened as `shorten` does and padded."""
        places = np.arange(width)
        padding_mask = places < self._lengths[chosen][:, None]  # (B, T)
        left_out = self._rows.lengths[chosen] - self._lengths[chosen]
        skipped = np.where(places >= self._sequence_length // 2, left_out[:, None], 0)
        positions = self._rows.starts[chosen][:, None] + places + skipped
        token_ids = np.full(padding_mask.shape, PADDING_ID, np.int32)
        token_ids[padding_mask] = self._rows.take(positions[padding_mask])
        return {"token_ids": token_ids, "padding_mask": padding_mask}

    def _width(self, chosen: np.ndarray) -> int:
        own = len(chosen) == self._batch_size or self._shapes.whole
        longest = (self._lengths[chosen] if own else self._lengths).max()
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
