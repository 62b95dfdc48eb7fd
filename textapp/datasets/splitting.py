"""Stratified parts of a set of labels: the same for the same seed on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stratified_split(labels: np.ndarray, *, shares: Sequence[float], seed: int) -> list[np.ndarray]:
    """Split off parts, each with its share, and at least one, of the examples of every class.

    scikit-learn's `train_test_split` may leave a rare class out of a part, so it is done by class here.

    Args:
        labels: int array of shape (N,); each class has more than `len(shares)` examples.
        shares: how much of each class every part gets, for instance (0.1, 0.1).
        seed: decides which example goes where.

    Returns:
        `len(shares) + 1` shuffled int64 arrays of positions: the parts in order, and last the rest.
    """
    # RandomState and not default_rng: NumPy promises that its stream never changes (NEP 19).
    random = np.random.RandomState(seed)
    parts = [[] for _ in range(len(shares) + 1)]
    for members in _members_by_class(labels):
        sizes = [max(1, round(share * len(members))) for share in shares]
        pieces = np.split(random.permutation(members), np.cumsum(sizes))
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    return [random.permutation(np.concatenate(part)) for part in parts]


def stratified_subset(labels: np.ndarray, *, size: int, seed: int) -> np.ndarray:
    """Choose `size` examples in the classes' proportions, at least one of each class.

    Args:
        labels: int array of shape (N,) with C classes in it.
        size: from C to N.
        seed: decides which examples.

    Returns:
        Sorted int64 array of shape (size,): positions.
    """
    random = np.random.RandomState(seed)
    classes = _members_by_class(labels)
    # One for each class, then the others by largest remainder, in integers: no rounding differs by machine.
    spare = np.array([len(members) - 1 for members in classes], dtype=np.int64)  # (C,)
    quotas, remainders = np.divmod(spare * (size - len(classes)), max(1, spare.sum()))
    left_over = size - len(classes) - quotas.sum()
    quotas[np.argsort(-remainders, kind="stable")[:left_over]] += 1
    chosen = [random.permutation(members)[: quota + 1] for members, quota in zip(classes, quotas, strict=True)]
    return np.sort(np.concatenate(chosen))


def representative(labels: np.ndarray, *, most: int) -> np.ndarray:
    """Choose examples to measure on where all would take long, the same ones every time.

    The first would not do: a split in the order of its file may begin with all texts of one class.

    Args:
        labels: int array of shape (N,).
        most: how many to choose, where there are more.

    Returns:
        Sorted int64 array of positions: all; else a `stratified_subset`, or, of more classes than that, any examples.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    if len(np.unique(labels)) > most:
        return np.sort(np.random.RandomState(0).permutation(len(labels))[:most])
    return stratified_subset(labels, size=most, seed=0)


def _members_by_class(labels: np.ndarray) -> list[np.ndarray]:
    """Return the positions of each class that occurs, in the order of the classes."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
