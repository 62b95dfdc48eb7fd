"""Runs that can be compared, and their models by names that tell them apart."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from textapp.datasets.labels import shorten
from textapp.errors import UserError
from textapp.finished import FinishedRun, Predictions

Runs = Mapping[str, FinishedRun]  # by names that tell them apart, the oldest first


@dataclasses.dataclass(frozen=True)
class Entry:
    """One classifier of one run.

    Attributes:
        run: the run's name.
        model: the model's name in the run.
        row: its row of the run's report.
        predictions: its answers to the test texts.
    """

    run: str
    model: str
    row: dict
    predictions: Predictions

    @property
    def name(self) -> str:
        """The name in the comparison."""
        return f"{self.run}/{self.model}"

    @property
    def answers(self) -> np.ndarray:
        """The most probable classes, int array of shape (N,)."""
        return self.predictions.probabilities.argmax(axis=1)


def finished_runs(folders: Sequence[Path]) -> Runs:
    """Return the runs by name.

    Raises:
        UserError: there are too few, one is not finished, or their test texts differ.
    """
    if len(folders) < 2:
        given = f"only {folders[0]}" if folders else "none"
        raise UserError(f"compare takes the folders of two runs or more, the oldest first, and got {given}")
    resolved = [folder.resolve() for folder in folders]
    for folder, path in zip(folders, resolved, strict=True):
        if resolved.count(path) > 1:
            raise UserError(f"{folder} is named twice; compare takes different runs")
    runs = [FinishedRun(folder) for folder in folders]
    for run in runs[1:]:
        _check_comparable(runs[0], run)
    names, unique = [run.name for run in runs], []
    for name in names:
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        candidates = itertools.chain([name], (other for other in numbered if other not in names))
        unique.append(next(candidate for candidate in candidates if candidate not in unique))
    return dict(zip(unique, runs, strict=True))


def chosen_classifiers(runs: Runs, models: Sequence[str] | None) -> list[Entry]:
    """Return the chosen classifiers, those of one name together, in the order of the runs.

    Raises:
        UserError: a model is unknown, only generators are chosen, predictions are missing or damaged, or first and
            last have none in common.
    """
    rows = {run: {row["name"]: row for row in found.report["classifiers"]} for run, found in runs.items()}
    known = dict.fromkeys(model for by_model in rows.values() for model in by_model)
    generators = dict.fromkeys(row["name"] for run in runs.values() for row in run.report["generators"])
    if models is not None and (unknown := [model for model in models if model not in known | generators]):
        raise UserError(f"unknown model {unknown[0]!r}; the runs have {[*known, *generators]}")
    chosen = [model for model in known if models is None or model in models]
    if not chosen:
        if models is None:
            raise UserError(f"compare tests classifiers, and the runs have only generators: {shorten(generators)}")
        able = f"add some of {list(known)}" if known else "the runs have no others"
        raise UserError(f"compare tests classifiers, and --models names only generators: {shorten(models)}; {able}")
    first, *_, last = runs
    if not any(model in rows[first] and model in rows[last] for model in chosen):
        found = [shorten([model for model in chosen if model in rows[run]]) or "none" for run in (first, last)]
        of_these = "" if models is None else " of these models"
        raise UserError(
            f"{runs[first].folder} and {runs[last].folder} have no classifier in common{of_these}: the first has "
            f"{found[0]}, the last has {found[1]}"
        )
    entries = [
        Entry(run, model, rows[run][model], found.predictions(model))
        for model in chosen
        for run, found in runs.items()
        if model in rows[run]
    ]
    for entry in entries:
        _check_answers(entry, entries[0], runs)
    return entries


def chosen_generators(runs: Runs, models: Sequence[str] | None) -> list[dict]:
    """Return the rows of the chosen generators."""
    return [
        row | {"name": f"{name}/{row['name']}"}
        for name, run in runs.items()
        for row in run.report["generators"]
        if models is None or row["name"] in models
    ]


def few_labels_of(runs: Runs, chosen: Collection[str]) -> list[dict] | None:
    """Return what chosen classifiers, by their names in the comparison, reached with fewer labelled texts, or None."""
    found = [
        row | {"name": f"{name}/{row['name']}"}
        for name, run in runs.items()
        for row in run.report.get("few_labels") or ()  # earlier versions wrote none
    ]
    return [row for row in found if row["name"] in chosen] or None


def _check_comparable(a: FinishedRun, b: FinishedRun) -> None:
    what = f"{a.folder} and {b.folder} cannot be compared"
    if a.label_names != b.label_names:
        names = " and ".join(shorten(run.label_names) for run in (a, b))
        raise UserError(f"{what}: their label names or the order of these differ, {names}")
    if a.test_fingerprint != b.test_fingerprint:
        raise UserError(
            f"{what}: their test texts differ; train both on the same data with the same --limit and, as it decides "
            "the split, the same --seed, or with --test FILE"
        )


def _check_answers(entry: Entry, first: Entry, runs: Runs) -> None:
    """Raise UserError where the answers are not to the same texts as those of another, or not those of the report."""
    path = runs[entry.run].folder / entry.model / "predictions.csv"
    if not np.array_equal(entry.predictions.labels, first.predictions.labels):
        other = runs[first.run].folder / first.model / "predictions.csv"
        raise UserError(f"{path} and {other} do not have the same labels in the same order; one of them is damaged")
    n, told = len(entry.predictions.labels), entry.row["metrics"]["n"]
    if n != told:
        raise UserError(f"{path} has {n} texts, but the run's report tells of {told}; one of them is damaged")
