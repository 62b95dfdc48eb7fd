"""Drops rows without text or label and texts that stand twice, across all files of a source."""

from __future__ import annotations

import collections

import numpy as np

from textapp.datasets.source import Examples, Source


def clean(source: Source, counts: collections.Counter) -> dict[str, Examples]:
    """Drop rows without text or label, and every text that stands twice.

    Test rows go first, so that what stands in the test file is dropped from the others; of two
    rows in one file the first stays.

    Args:
        source: the rows.
        counts: counts what is dropped or mended; changed in place.

    Returns:
        The rows left, by "test", "validation" and "train", with the positions filled in.
    """
    seen: dict[str, tuple[str, str]] = {}  # folded text -> its label and the part it stands in
    kept = {}
    for role in ("test", "validation", "train"):
        examples = getattr(source, role)
        if examples is None:
            continue
        rows = examples.rows if examples.rows is not None else np.arange(len(examples.texts))
        counts["rows_read"] += len(examples.texts)
        texts, labels, positions = [], [], []
        for raw_text, raw_label, row in zip(examples.texts, examples.labels, rows, strict=True):
            text = _mend(raw_text)
            label = " ".join(_mend(raw_label).split())
            folded = " ".join(text.split()).casefold()
            if not folded:
                counts["empty_text"] += 1
            elif not label:
                counts["missing_label"] += 1
            elif folded in seen:
                first_label, first_role = seen[folded]
                counts["duplicates" if first_role == role else "across_files"] += 1
                counts["conflicting"] += label != first_label
            else:
                seen[folded] = (label, role)
                counts["mended_texts"] += text != raw_text
                texts.append(text)
                labels.append(label)
                positions.append(row)
        kept[role] = Examples(texts=texts, labels=labels, rows=np.array(positions, dtype=np.int64))
    return kept


def _mend(text: str) -> str:
    """Replace what many tools cannot carry: NUL by a space, half a surrogate pair by U+FFFD."""
    text = text.replace("\0", " ")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
