"""Texts as windows of tokens for the generators: packed to train on, one after the other to score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import keras
import numpy as np

from textapp.training.batches import WORKERS

SCORED_ROWS = 32  # windows that go through a network together


def pack(documents: Sequence[Iterable[int]], *, context: int, end_id: int, seed: int) -> np.ndarray:
    """Return all texts one after the other, cut into windows without any padding.

    Args:
        documents: the ids of each text.
        context: T.
        end_id: put before every text.
        seed: shuffles the texts.

    Returns:
        int32 array of shape (windows, T + 1), each window beginning with the last token of the one before; what
        does not fill a window is left out, unless there is no window, which is then filled with `end_id`.
    """
    order = np.random.default_rng(seed).permutation(len(documents))
    pieces = [np.array([end_id, *documents[position]], np.int32) for position in order]
    stream = np.concatenate([*pieces, np.array([end_id], np.int32)])
    if len(stream) < context + 1:
        stream = np.pad(stream, (0, context + 1 - len(stream)), constant_values=end_id)
    count = (len(stream) - 1) // context
    starts = np.arange(count)[:, None] * context
    return stream[starts + np.arange(context + 1)]


def _inputs(token_ids: np.ndarray) -> dict[str, np.ndarray]:
    # Attention is causal: what stands on the right of a token, padding too, changes nothing for it.
    return {"token_ids": token_ids, "padding_mask": np.ones(token_ids.shape, bool)}


class Windows(keras.utils.PyDataset):
    """Batches of packed windows, in a number of parts: one part is an "epoch" for Keras.

    Args:
        windows: int32 array of shape (windows, T + 1).
        batch_size: B.
        training_tokens: stop after about this many tokens.
        epochs: the most passes over the windows; None for no limit.
        checks: how many parts to make of it all; where there are more, they go on with new passes.
        seed: shuffles the windows of each pass.
        vocabulary_size: a larger id, which stands for a label, is given and never to be predicted; None for no such.
    """

    def __init__(
        self,
        windows: np.ndarray,
        *,
        batch_size: int,
        training_tokens: int,
        epochs: int | None,
        checks: int,
        seed: int,
        vocabulary_size: int | None = None,
    ):
        super().__init__(workers=WORKERS)
        self._windows = windows
        self._batch_size = min(batch_size, len(windows))
        wanted = training_tokens // (windows.shape[1] - 1)
        wanted = wanted if epochs is None else min(wanted, epochs * len(windows))
        self._steps = max(1, wanted // (self._batch_size * checks))
        self._random, self._order = np.random.default_rng(seed), np.zeros(0, np.int64)
        self._part, self._checks = 0, checks
        self._extend(checks)
        self._vocabulary_size = vocabulary_size or np.iinfo(windows.dtype).max

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int):
        # Keras says once before the first epoch, too, that an epoch has ended, so that the first part comes last.
        part = self._part % self._checks if self._part <= self._checks else self._part - 1
        start = (part * self._steps + index) * self._batch_size
        windows = self._windows[self._order[start : start + self._batch_size]]
        targets = windows[:, 1:]
        return _inputs(windows[:, :-1]), targets, (targets < self._vocabulary_size).astype(np.float32)

    def shape(self, index: int) -> tuple[int, int]:
        """Return B and T of a batch."""
        return self._batch_size, self._windows.shape[1] - 1

    @property
    def passes(self) -> float:
        """How many passes over the windows a part is."""
        return self._steps * self._batch_size / len(self._windows)

    def on_epoch_end(self) -> None:
        self._part += 1
        self._extend(self._part)

    def _extend(self, parts: int) -> None:
        """Have as many passes, each in an order of its own, as so many parts take."""
        while len(self._order) < parts * self._steps * self._batch_size:
            self._order = np.concatenate([self._order, self._random.permutation(len(self._windows))])


class ScoreWindows(keras.utils.PyDataset):
    """Batches that hold every token of every text once as a target.

    The last batch is filled with windows of weight 0: all batches have one shape.

    Attributes:
        document_of: for each batch the position of each row's text, an int array of shape (B,).
    """

    def __init__(
        self, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray, document_of: np.ndarray, *, batch_size: int
    ):
        super().__init__(workers=WORKERS)
        self._batch_size = batch_size
        missing = -len(rows) % self._batch_size
        self._parts = [np.pad(part, ((0, missing), (0, 0))) for part in (rows, targets, weights)]
        self._document_of = np.pad(document_of, (0, missing))
        self.document_of = [self._document_of[self._slice(index)] for index in range(len(self))]

    def _slice(self, index: int) -> slice:
        return slice(index * self._batch_size, (index + 1) * self._batch_size)

    def __len__(self) -> int:
        return -(-len(self._document_of) // self._batch_size)

    def __getitem__(self, index: int):
        rows, targets, weights = (part[self._slice(index)] for part in self._parts)
        return _inputs(rows), targets, weights


def score_windows(
    documents: Sequence[Sequence[int]], *, context: int, end_id: int, batch_size: int = SCORED_ROWS
) -> ScoreWindows:
    """Return the windows of each text, one after the other, padded on the right.

    Args:
        documents: the ids of each text; the first token is predicted from `end_id`.
        context: T.
        end_id: stands before each text, and as padding, which has weight 0.
        batch_size: B.
    """
    rows, targets, weights, document_of = [], [], [], []
    for position, ids in enumerate(documents):
        given = [end_id, *ids]
        for start in range(0, len(ids), context):
            wanted = given[start + 1 : start + 1 + context]
            row = given[start : start + len(wanted)]
            missing = context - len(wanted)
            rows.append(row + [end_id] * missing)
            targets.append(wanted + [end_id] * missing)
            weights.append([1.0] * len(wanted) + [0.0] * missing)
            document_of.append(position)
    shape = (len(rows), context)
    return ScoreWindows(
        np.array(rows, np.int32).reshape(shape),
        np.array(targets, np.int32).reshape(shape),
        np.array(weights, np.float32).reshape(shape),
        np.array(document_of, np.int64),
        batch_size=batch_size,
    )
