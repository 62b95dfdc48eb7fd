"""Runs that can be compared, and their models by names that tell them apart."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from textapp.datasets.labels import shorten
from textapp.errors import UserError
from textapp.finished import FinishedRun, Predictions, Scores

Runs = Mapping[str, FinishedRun]  # by names that tell them apart, the oldest first


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """One model of one run.

    Attributes:
        run: the run's name.
        model: the model's name in the run.
        row: its row of the run's report.
    """

    run: str
    model: str
    row: dict

    @property
    def name(self) -> str:
        """The name in the comparison."""
        return f"{self.run}/{self.model}"


@dataclasses.dataclass(frozen=True, eq=False)
class ClassifierEntry(Entry):
    """A classifier with its answers to the test texts."""

    predictions: Predictions

    @property
    def answers(self) -> np.ndarray:
        """The most probable classes, int array of shape (N,)."""
        return self.predictions.probabilities.argmax(axis=1)


@dataclasses.dataclass(frozen=True, eq=False)
class GeneratorEntry(Entry):
    """A generator with what it says of the test texts that it is scored on; None where its run kept nothing of it."""

    scores: Scores | None


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


def chosen_models(runs: Runs, models: Sequence[str] | None) -> tuple[list[ClassifierEntry], list[GeneratorEntry]]:
    """Return the chosen classifiers, those of one name together, in the order of the runs; and so the generators.

    Raises:
        UserError: a model is unknown, its answers are missing or damaged, or first and last have no model in common
            that can be tested.
    """
    classifiers, generators = (
        {run: {row["name"]: row for row in found.report[part]} for run, found in runs.items()}
        for part in ("classifiers", "generators")
    )
    known = dict.fromkeys(model for rows in (classifiers, generators) for by in rows.values() for model in by)
    if models is not None and (unknown := [model for model in models if model not in known]):
        raise UserError(f"unknown model {unknown[0]!r}; the runs have {list(known)}")
    chosen = [model for model in known if models is None or model in models]
    answering = [
        ClassifierEntry(run, model, classifiers[run][model], found.predictions(model))
        for model in chosen
        for run, found in runs.items()
        if model in classifiers[run]
    ]
    writing = [
        GeneratorEntry(run, model, generators[run][model], found.scores(model))
        for model in chosen
        for run, found in runs.items()
        if model in generators[run]
    ]
    for entry in answering:
        _check_answers(entry, answering[0], runs)
    for entry in writing:
        _check_scores(entry, runs)
    _check_common([*answering, *scored_alike(writing)], [*answering, *writing], runs, models)
    return answering, writing


def scored_alike(generators: Sequence[GeneratorEntry]) -> list[GeneratorEntry]:
    """Return the generators that are scored on the same texts as the last one that is scored at all."""
    scored = [(entry, entry.scores) for entry in generators if entry.scores is not None]
    return [
        entry
        for entry, scores in scored
        if np.array_equal(scores.rows, scored[-1][1].rows) and np.array_equal(scores.sizes, scored[-1][1].sizes)
    ]


def _check_common(testable: Sequence[Entry], chosen: Sequence[Entry], runs: Runs, models: Sequence[str] | None) -> None:
    """Raise UserError where the first and the last run have no chosen model in common that can be tested."""

    def of(run: str, entries: Sequence[Entry]) -> list[str]:
        return [entry.model for entry in entries if entry.run == run]

    first, *_, last = runs
    if set(of(first, testable)) & set(of(last, testable)):
        return
    what = f"{runs[first].folder} and {runs[last].folder} have no model in common"
    if common := [model for model in of(first, chosen) if model in of(last, chosen)]:
        raise UserError(
            f"{what} that can be tested: generators such as {common[0]} need the scores.csv that train.py leaves now; "
            "train the older run again"
        )
    found = [shorten(of(run, chosen)) or "none" for run in (first, last)]
    of_these = "" if models is None else " of these"
    raise UserError(f"{what}{of_these}: the first has {found[0]}, the last has {found[1]}")


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


def _check_answers(entry: ClassifierEntry, first: ClassifierEntry, runs: Runs) -> None:
    """Raise UserError where the answers are not to the same texts as those of another, or not those of the report."""
    path = runs[entry.run].folder / entry.model / "predictions.csv"
    if not np.array_equal(entry.predictions.labels, first.predictions.labels):
        other = runs[first.run].folder / first.model / "predictions.csv"
        raise UserError(f"{path} and {other} do not have the same labels in the same order; one of them is damaged")
    n, told = len(entry.predictions.labels), entry.row["metrics"]["n"]
    if n != told:
        raise UserError(f"{path} has {n} texts, but the run's report tells of {told}; one of them is damaged")


def _check_scores(entry: GeneratorEntry, runs: Runs) -> None:
    """Raise UserError where the scores are not of as many texts as the report tells of."""
    told = entry.row["test_documents"]
    if entry.scores is not None and len(entry.scores.rows) != told:
        path = runs[entry.run].folder / entry.model / "scores.csv"
        raise UserError(
            f"{path} has {len(entry.scores.rows)} texts, but the run's report tells of {told}; one of them is damaged"
        )
