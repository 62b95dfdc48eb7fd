"""Vectors that stay as they are while what comes after them is trained."""

from __future__ import annotations

import keras
import numpy as np

from textapp.training.batches import WORKERS


class VectorBatches(keras.utils.PyDataset):
    """Batches of (vectors, labels, weights).

    Args:
        vectors: float32 array of shape (N, D).
        labels: int32 array of shape (N,).
        weights: float32 array of shape (N,), how much each text counts in the loss.
        batch_size: B.
        seed: shuffles anew every epoch; None keeps the order.
    """

    def __init__(
        self, vectors: np.ndarray, labels: np.ndarray, weights: np.ndarray, *, batch_size: int, seed: int | None = None
    ):
        super().__init__(workers=WORKERS)
        self._parts = vectors, labels, weights
        self._batch_size = batch_size
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(vectors))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, index: int):
        chosen = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return tuple(part[chosen] for part in self._parts)

    def shape(self, index: int) -> tuple[int]:
        """Return how many vectors a batch has."""
        return (min(self._batch_size, len(self._order) - index * self._batch_size),)

    def on_epoch_end(self) -> None:
        if self._random is not None:
            self._order = self._random.permutation(len(self._order))
