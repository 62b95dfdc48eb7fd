"""The one way from a source to a dataset: clean, drop duplicates, order the labels, split."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from textapp.datasets.cleaning import clean
from textapp.datasets.dataset import Dataset, Split, fingerprint
from textapp.datasets.description import label_balance
from textapp.datasets.labels import check_labels, order_labels, shorten
from textapp.datasets.source import Source
from textapp.datasets.splitting import stratified_split, stratified_subset
from textapp.datasets.texts import Texts
from textapp.errors import UserError

HELD_OUT_SHARE = 0.1  # of every class, for validation and for test each


def prepare(source: Source, *, limit: int | None = None, seed: int = 0) -> Dataset:
    """Turn the rows of a source into clean, labelled, disjoint splits.

    Args:
        source: what a reader found.
        limit: at most this many texts per split, in the classes' proportions; None for all.
        seed: decides the split and the choice of `limit`.

    Raises:
        UserError: fewer than two classes, a class too small to split, a label that only
            validation or test has, a limit below the number of classes, a seed out of range.
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"the seed is {seed}; it must be from 0 to {2**32 - 1}")
    counts = collections.Counter()
    kept, labels = clean(source, counts)
    label_names = order_labels(labels[index] for index in np.unique(kept["train"].labels))
    check_labels(kept, labels, label_names)
    if limit is not None and limit < len(label_names):
        raise UserError(f"the limit is {limit}; it must be at least the number of classes, {len(label_names)}")

    splits = {role: _encode(split, labels, label_names) for role, split in kept.items()}
    given = "validation" in splits
    _split_off_missing(splits, seed=seed)
    for role, split in splits.items():
        if limit is not None and len(split) > limit:
            counts["over_limit"] += len(split) - limit
            splits[role] = take(split, stratified_subset(split.labels, size=limit, seed=seed))

    if given:  # generators look at its first texts, and it may be in the order of its classes
        order = np.random.RandomState(seed).permutation(len(splits["validation"]))
        splits["validation"] = take(splits["validation"], order)

    ordered = {role: splits[role] for role in ("train", "validation", "test")}
    return Dataset(
        name=source.name,
        label_names=label_names,
        **ordered,
        facts=_facts(source, ordered, label_names, counts),
        notes=(*source.notes, *_notes(ordered, label_names, counts)),
        test_groups=None if ordered["test"].groups is None else tuple(ordered["test"].groups),
    )


def _split_off_missing(splits: dict[str, Split], *, seed: int) -> None:
    """Take test and validation, where the source has none, out of train; in place."""
    missing = [role for role in ("test", "validation") if role not in splits]
    if missing:
        whole = splits["train"]
        parts = stratified_split(whole.labels, shares=[HELD_OUT_SHARE] * len(missing), seed=seed)
        for role, positions in zip([*missing, "train"], parts, strict=True):
            splits[role] = take(whole, positions)


def _encode(split: Split, labels: Sequence[str], label_names: tuple[str, ...]) -> Split:
    """Return a split whose labels are indices into `label_names` instead of `labels`."""
    index = {name: position for position, name in enumerate(label_names)}
    indices = np.array([index.get(label, -1) for label in labels], dtype=np.int32)  # (all labels,)
    return dataclasses.replace(split, labels=indices[split.labels])


def take(split: Split, positions: np.ndarray) -> Split:
    """Return the examples at `positions`, an int array, in that order."""
    texts = split.texts
    return Split(
        texts=texts.take(positions) if isinstance(texts, Texts) else [texts[int(position)] for position in positions],
        labels=split.labels[positions],
        rows=split.rows[positions],
        groups=None if split.groups is None else split.groups[positions],
    )


DROPPED = {
    "duplicates": "duplicate text",
    "across_files": "text also standing in the validation or test file",
    "empty_text": "empty text",
    "missing_label": "text without a label",
    "over_limit": "text over the limit",
}


def _facts(source: Source, splits: dict[str, Split], label_names: tuple[str, ...], counts: collections.Counter) -> dict:
    """Return what run.json records; rows_read is the sum of the sizes and of what was dropped."""
    return {
        "text_column": None,
        "label_column": None,
        "columns_guessed": False,
        **source.facts,
        "rows_read": counts["rows_read"],
        "dropped": {reason: counts[reason] for reason in DROPPED},
        "conflicting_duplicates": int(counts["conflicting"]),
        "mended_texts": int(counts["mended_texts"]),
        "sizes": {role: len(split) for role, split in splits.items()},
        "label_counts": label_balance(splits, label_names),
        "fingerprint": fingerprint(splits.values(), label_names),
        "test_fingerprint": fingerprint([splits["test"]], label_names),
    }


def _notes(splits: dict[str, Split], label_names: tuple[str, ...], counts: collections.Counter) -> list[str]:
    notes = []
    dropped = [_plural(counts[reason], name) for reason, name in DROPPED.items() if counts[reason]]
    if dropped:
        notes.append(f"Dropped {', '.join(dropped)}.")
    if counts["conflicting"]:
        notes.append(f"Of the duplicates, {counts['conflicting']} had another label than the text that was kept.")
    if counts["mended_texts"]:
        notes.append(
            f"Replaced NUL characters by spaces or broken surrogates by U+FFFD in "
            f"{_plural(counts['mended_texts'], 'text')}."
        )
    for role, split in splits.items():
        absent = [name for label, name in enumerate(label_names) if label not in split.labels]
        if absent:
            notes.append(f"The {role} split has no text of {shorten(absent)}.")
    return notes


def _plural(count: int, name: str) -> str:
    return f"{count:,} {name if count == 1 else name.replace('text', 'texts', 1)}"
