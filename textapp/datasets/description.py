"""What a dataset looks like in numbers: its labels and the lengths of its texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from textapp.datasets.dataset import Split

MOST_BINS = 25


def label_balance(splits: Mapping[str, Split], label_names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many texts of each label every split has, {split: {label: count}}."""
    return {
        role: dict(zip(label_names, np.bincount(split.labels, minlength=len(label_names)).tolist(), strict=True))
        for role, split in splits.items()
    }


def length_histogram(texts: Sequence[str]) -> dict:
    """Count the texts by their number of words between white space.

    Args:
        texts: N strings; without any, the counts are empty and the rest is None.

    Returns:
        `edges`, K + 1 whole numbers, and `counts`, K of them: bin k holds the lengths from edges[k] up to, but
        without, edges[k + 1]. All bins are equally wide, up to the 99th percentile at least, but for the last one
        where longer texts remain: it takes all of them. `median`, `p95` and `unit`, "words".
    """
    lengths = np.fromiter((len(text.split()) for text in texts), dtype=np.int64, count=len(texts))
    if not len(lengths):
        return {"edges": [], "counts": [], "median": None, "p95": None, "unit": "words"}
    usual = int(np.quantile(lengths, 0.99, method="higher"))
    width = _bin_width(usual + 1)
    edges = np.arange(0, usual + 1 + width, width)
    if lengths.max() >= edges[-1]:
        edges = np.append(edges, lengths.max() + 1)
    counts = np.bincount(np.searchsorted(edges, lengths, side="right") - 1, minlength=len(edges) - 1)
    return {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "median": float(np.median(lengths)),
        "p95": float(np.percentile(lengths, 95)),
        "unit": "words",
    }


def _bin_width(extent: int) -> int:
    """Return the least of 1, 2, 5, 10, 20, 50 ... that covers the extent in at most MOST_BINS bins."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power * MOST_BINS >= extent:
                return factor * power
        power *= 10
