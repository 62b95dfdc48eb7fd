"""What a report holds: the content of report.json, from which every page is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

SCHEMA_VERSION = 1
# The order of the rows: what is to be beaten stands first.
KINDS = ("dummy", "linear", "network")
RUN_KEYS = ("command", "seed", "versions", "device", "dataset")
CLASSIFIER_KEYS = ("name", "kind", "metrics", "cost")
METRIC_KEYS = (
    "accuracy",
    "accuracy_interval",
    "macro_f1",
    "log_loss",
    "confusion_matrix",
    "per_class",
    "n",
)
COST_KEYS = (
    "training_seconds",
    "parameters",
    "bytes_on_disk",
    "milliseconds_per_text_batch_1",
    "texts_per_second_batch_64",
)
GENERATOR_KEYS = ("name", "bits_per_byte", "test_documents", "samples", "cost")
GENERATOR_COST_KEYS = ("training_seconds", "parameters", "bytes_on_disk")


def build_report(
    run: Mapping,
    classifiers: Iterable[Mapping] = (),
    verdict: Mapping | None = None,
    generators: Iterable[Mapping] = (),
) -> dict:
    """Puts a run's facts and numbers together into the content of report.json.

    Keys that are not named here are kept as they are, in JSON and not on the pages. A number that is
    unknown, or not finite, is null.

    Args:
        run: `command`, `seed`, `versions` {package: version}, `device`, and `dataset`: {`name`, `sizes`
            {split: texts}, optional `notes` [sentence], and other facts}.
        classifiers: each a row: `name`; `kind`, one of `KINDS`; `metrics`, as `evaluation.metrics` gives
            them; `cost`, the keys of `COST_KEYS`; optional `exported`, False if there is no SavedModel
            (default True), and `notes` [sentence].
        verdict: as `evaluation.significance.verdict` gives it; None where there is nothing to compare.
        generators: each `name`; `bits_per_byte`; `test_documents`, how many texts that rests on; `samples`,
            [{`prompt`, `text`, and the settings: `seed`, `temperature`, ...}]; `cost`, with
            `GENERATOR_COST_KEYS`; optional `bigram_bits_per_byte` with `bigram_name`; optional `exported`
            and `notes`.

    Returns:
        A dict of plain Python values: `schema_version` (1), the keys of `run`, `classifiers` (ordered by
        kind, then as given), `verdict`, `generators`.

    Raises:
        ValueError: if a key is missing, a kind is unknown, or a value cannot be written as JSON.
    """
    classifiers, generators = list(classifiers), list(generators)
    _require(run, RUN_KEYS, what="run")
    _require(run["dataset"], ("name", "sizes"), what="dataset")
    for row in classifiers:
        _require(row, CLASSIFIER_KEYS, what="classifier")
        _require(row["metrics"], METRIC_KEYS, what=f"metrics of {row['name']}")
        _require(row["cost"], COST_KEYS, what=f"cost of {row['name']}")
        if row["kind"] not in KINDS:
            raise ValueError(f"unknown kind {row['kind']!r} of {row['name']}; choose from {KINDS}")
    for row in generators:
        _require(row, GENERATOR_KEYS, what="generator")
        _require(row["cost"], GENERATOR_COST_KEYS, what=f"cost of {row['name']}")
        for sample in row["samples"]:
            _require(sample, ("prompt", "text"), what=f"sample of {row['name']}")
    if verdict is not None:
        _require(verdict, ("sentence",), what="verdict")
    content = {
        "schema_version": SCHEMA_VERSION,
        **run,
        "classifiers": [_with_defaults(row) for row in sorted(classifiers, key=_place)],
        "verdict": verdict,
        "generators": [_with_defaults(row) for row in generators],
    }
    return _plain(content)


def _place(row: Mapping) -> int:
    """Returns where a classifier's kind stands among the rows."""
    return KINDS.index(row["kind"])


def _with_defaults(row: Mapping) -> dict:
    """Returns the row with its optional keys filled in."""
    return {"exported": True, "notes": [], **row}


def _require(mapping: Mapping, keys: Iterable[str], *, what: str) -> None:
    """Raises ValueError for keys that are not there."""
    missing = [key for key in keys if key not in mapping]
    if missing:
        raise ValueError(f"{what} lacks {missing}; it holds {sorted(mapping)}")


def _plain(value: object) -> object:
    """Returns a copy that the json module can write and that reads back as the same value."""
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    raise ValueError(f"a report cannot hold {value!r} of type {type(value).__name__}; JSON's types are allowed")
