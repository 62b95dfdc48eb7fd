"""Batches of texts in a file that both sides read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def save_batches(path: Path, batches: Sequence[tuple[dict[str, np.ndarray], np.ndarray]]) -> None:
    """Write batches of inputs, as textapp's networks read them, and labels; all of B rows, of any width."""
    masks = [inputs["padding_mask"] for inputs, _ in batches]
    np.savez(
        path,
        ids=np.concatenate([inputs["token_ids"][mask] for (inputs, _), mask in zip(batches, masks, strict=True)]),
        lengths=np.stack([mask.sum(axis=1) for mask in masks]),  # (batches, B)
        widths=np.array([mask.shape[1] for mask in masks]),
        labels=np.stack([labels for _, labels in batches]),
    )


def load_batches(path: Path, *, width: int | None) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return token ids int64 (B, T), 0 on padding, the mask bool (B, T) and labels int64 (B,) of each batch.

    Args:
        path: what `save_batches` wrote.
        width: T of all batches; None for each one's own.
    """
    with np.load(path, allow_pickle=False) as arrays:
        ids, lengths, widths, labels = (arrays[name] for name in ("ids", "lengths", "widths", "labels"))
    batches, start = [], 0
    for count, own, targets in zip(lengths, widths, labels, strict=True):
        mask = np.arange(width or own) < count[:, None]
        token_ids = np.zeros(mask.shape, np.int64)
        token_ids[mask] = ids[start : start + count.sum()]
        start += count.sum()
        batches.append((token_ids, mask, targets.astype(np.int64)))
    return batches
