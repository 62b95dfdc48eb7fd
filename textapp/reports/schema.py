"""What a report holds: the content of report.json, from which every page is drawn; schema.json describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA_VERSION = 2
LONGEST_FAULT = 200  # characters of a message, which may quote a whole part
# The order of the rows: what is to be beaten stands first.
KINDS = ("dummy", "linear", "network", "ensemble")
RUN_KEYS = ("command", "seed", "versions", "device", "dataset")
CLASSIFIER_KEYS = ("name", "kind", "metrics", "cost")
METRIC_KEYS = ("accuracy", "macro_f1", "log_loss", "confusion_matrix", "per_class", "n")
# The numbers of `metrics` that may have an interval, in the order of the pages' columns.
SCORES = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "mcc",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "ece",
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

# What a page may ask for although nobody measured it.
RUN_DEFAULTS = {"config": None, "created": None, "runs": [], "saved_models_missing": None}
DATASET_DEFAULTS = {
    "notes": [],
    "fingerprint": None,
    "licence": None,
    "label_balance": None,
    "lengths": None,
    "duplicates_dropped": None,
    "near_duplicates": None,
    "scrubbed": None,
}
ROW_DEFAULTS = {"exported": True, "notes": [], "history": [], "export": None}
CLASSIFIER_DEFAULTS = ROW_DEFAULTS | {
    "calibration": None,
    "abstention": None,
    "errors": [],
    "slices": [],
    "worst_slice": None,
    "robustness": [],
    "seeds": None,
    "validation_accuracy": None,
    "weights": None,
}
COST_DEFAULTS = {
    "budget_seconds": None,
    "computation": None,
    "peak_memory_bytes": None,
    "device": None,
    "latency": [],
    "texts_per_second": None,
}
# Older runs have a bigram model as a number of each generator.
GENERATOR_DEFAULTS = ROW_DEFAULTS | {
    "bits_per_byte_interval": None,
    "bigram_bits_per_byte": None,
    "bigram_name": "bigram",
}
PART_DEFAULTS = {
    "comparisons": None,
    "disagreements": [],
    "label_errors": [],
    "explanations": None,
    "ablation": None,
    "distillation": None,
    "generator_comparisons": [],
    "few_labels": None,
    "generation": None,
}


def build_report(
    run: Mapping,
    classifiers: Iterable[Mapping] = (),
    verdict: Mapping | None = None,
    generators: Iterable[Mapping] = (),
    **parts: object,
) -> dict:
    """Put a run's facts and numbers together into the content of report.json, which `schema.json` describes.

    What is optional and missing becomes None or an empty list; the pages leave it out and say so. Keys that are
    not named here or in schema.json are kept as they are, in JSON and not on the pages. A number that is unknown,
    or not finite, is null.

    Args:
        run: `command`, `seed`, `versions` {package: version}, `device`, and `dataset`: {`name`, `sizes`
            {split: texts}, and other facts}; optional `config` {option: value}, `created`, a date,
            `saved_models_missing`, why there are none, a sentence, and `runs`, where rows of several runs are compared,
            [{`name`, `command`, `seed`, `versions`, `device`, `created`}].
        classifiers: each a row: `name`; `kind`, one of `KINDS`; `metrics`, at least `METRIC_KEYS`; `cost`, at least
            `COST_KEYS`; optional `exported`, False if there is no SavedModel (default True), `notes` [sentence], and
            the keys of `CLASSIFIER_DEFAULTS`.
        verdict: `sentence`, and optional `sentences`, one for each question; None where there is nothing to compare.
        generators: each `name`; `bits_per_byte`; `test_documents`, how many texts that rests on; `samples`,
            [{`prompt`, `text`, and the settings: `seed`, `temperature`, ...}]; `cost`, with
            `GENERATOR_COST_KEYS`; optional `bigram_bits_per_byte` with `bigram_name`, and the keys of
            `ROW_DEFAULTS`.
        parts: what lies between classifiers, each optional: the keys of `PART_DEFAULTS`.

    Returns:
        A dict of plain Python values: `schema_version`, the keys of `run`, `classifiers` (ordered by kind, then as
        given), `verdict`, `generators` and the keys of `PART_DEFAULTS`.

    Raises:
        ValueError: if a key is missing, a kind or a part is unknown, or a value cannot be written as JSON.
    """
    classifiers, generators = list(classifiers), list(generators)
    _check(run, classifiers, verdict, generators)
    if unknown := sorted(set(parts) - set(PART_DEFAULTS)):
        raise ValueError(f"unknown part {unknown[0]!r} of a report; choose from {sorted(PART_DEFAULTS)}")
    content = {
        "schema_version": SCHEMA_VERSION,
        **_filled(run, RUN_DEFAULTS),
        "dataset": _filled(run["dataset"], DATASET_DEFAULTS),
        "classifiers": [_full_classifier(row) for row in sorted(classifiers, key=_place)],
        "verdict": None if verdict is None else {"sentences": [verdict["sentence"]], **verdict},
        "generators": [_full(row, GENERATOR_DEFAULTS) for row in generators],
        **_filled(parts, PART_DEFAULTS),
    }
    return _plain(content)


def _check(run: Mapping, classifiers: list[Mapping], verdict: Mapping | None, generators: list[Mapping]) -> None:
    """Raise ValueError where something is missing that no page can do without."""
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


def fault(report: dict) -> str | None:
    """Return where a report is not as schema.json says, and how; None where it is.

    Args:
        report: as `build_report` returns it, of numbers that somebody may have changed on the disk.
    """
    # Only who reads another's report needs it.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    filled_in = report | {"schema_version": SCHEMA_VERSION}  # whatever version it was written by
    found = best_match(Draft202012Validator(schema).iter_errors(filled_in))
    if found is None:
        return None
    message = found.message if len(found.message) <= LONGEST_FAULT else f"it does not fit {found.validator!r}"
    return f"{found.json_path.removeprefix('$.')}: {message}"


def _place(row: Mapping) -> int:
    """Return where a classifier's kind stands among the rows."""
    return KINDS.index(row["kind"])


def _full(row: Mapping, defaults: Mapping) -> dict:
    """Return the row with its optional keys filled in where they are missing or None, those of its cost too."""
    return {**_filled(row, defaults), "cost": _filled(row["cost"], COST_DEFAULTS)}


def _filled(mapping: Mapping, defaults: Mapping) -> dict:
    return {**defaults, **{key: value for key, value in mapping.items() if value is not None or key not in defaults}}


def _full_classifier(row: Mapping) -> dict:
    metrics = row["metrics"]
    # Before there were intervals of other numbers, accuracy's stood alone; it keeps that name beside the new one.
    intervals = {"accuracy": metrics.get("accuracy_interval"), **(metrics.get("intervals") or {})}
    full = {**dict.fromkeys(SCORES), **metrics, "intervals": {**dict.fromkeys(SCORES), **intervals}}
    full["accuracy_interval"] = full["intervals"]["accuracy"]
    return {**_full(row, CLASSIFIER_DEFAULTS), "metrics": full}


def _require(mapping: Mapping, keys: Iterable[str], *, what: str) -> None:
    """Raise ValueError for keys that are not there."""
    missing = [key for key in keys if key not in mapping]
    if missing:
        raise ValueError(f"{what} lacks {missing}; it holds {sorted(mapping)}")


def _plain(value: object) -> Any:
    """Return a copy that the json module can write and that reads back as the same value."""
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
