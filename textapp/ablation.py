"""What each step of the cleaning is worth: a classifier of a finished run, trained again without it."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich import box, table
from rich.console import Console

from textapp.datasets import Dataset
from textapp.errors import UserError
from textapp.evaluation.bootstrap import paired_difference, percentile_interval, resampled
from textapp.evaluation.significance import holm, paired_test
from textapp.finished import FinishedRun
from textapp.models import CLASSIFIERS, Classifier
from textapp.prediction import load_classifier
from textapp.reports import figures
from textapp.reports.write import write_report
from textapp.text.cache import CachedCleaning
from textapp.text.cleaning import Cleaning
from textapp.text.steps import STEPS, without
from textapp.training.progress import Progress, Stopwatch

FULL = "nothing"  # the name of the row of the full cleaning
RESAMPLES = 10_000  # Holm's correction over the rows multiplies the smallest p-value that resamples can give


def ablate(folder: Path, name: str, *, seeds: int = 1, console: Console | None = None) -> list[dict]:
    """Train a classifier again without each step of its cleaning, and add the table to the run's report.

    The report's table is replaced, whichever classifier it was about; nothing else of the run changes.

    Args:
        folder: a finished run's.
        name: of a classifier in it.
        seeds: how many seeds to train a network with for each row, from its own on; other models have no chance in
            them and are trained once.
        console: where to show progress and the table; None to be silent.

    Returns:
        The rows, as `ablation_rows` gives them.

    Raises:
        UserError: the run is unfinished, its report or the model is damaged, its texts are gone or have changed, or
            there is no such classifier or none that cleans texts. The run is as it was then.
    """
    console = console or Console(quiet=True)
    run = FinishedRun(folder)
    _check_report(run)
    model = _chosen(run, name)
    dataset = run.dataset()
    assert isinstance(model.cleaning, Cleaning)  # from the disk
    cleanings, idle = _changing(model.cleaning, [*dataset.train.texts, *dataset.validation.texts])
    tried = range(model.seed, model.seed + (seeds if model.kind == "network" else 1))
    answers = {}
    with Progress(console, total=len(cleanings)) as progress:
        for removed, cleaning in cleanings.items():
            progress.model(f"{name} without {removed}" if removed != FULL else f"{name}, nothing taken away")
            answers[removed] = _answers(model, cleaning, dataset, tried, progress)
    rows = ablation_rows(dataset.validation.labels, answers)
    # Read anew: training takes long, and another command may have added its part to the report in the meantime.
    report = FinishedRun(folder).report
    method = _method(name, dataset, tried, idle)
    write_report(report | {"ablation": rows, "ablation_method": method}, folder / "report")
    _print(rows, method, console)
    console.print(f"Added to {folder / 'report'}; open index.html", style="dim", highlight=False, markup=False)
    return rows


def ablation_rows(
    labels: np.ndarray, answers: Mapping[str, Sequence[np.ndarray]], *, seed: int = 0, resamples: int = RESAMPLES
) -> list[dict]:
    """Return what accuracy becomes without each step.

    Args:
        labels: true classes, int array of shape (N,).
        answers: for `FULL` and then each step the predicted classes of every seed, int arrays of shape (N,).
        seed: for the bootstrap over texts; all rows are measured on the same resamples.
        resamples: how many.

    Returns:
        For each of `answers` {`removed`; `accuracy`, the mean over the seeds, with `interval`; `difference`, to the
        full cleaning, with `difference_interval` and `p_value`: None of the first row}. Intervals are of 95 %; the
        p-value is McNemar's or, with several seeds, the paired bootstrap's, corrected by Holm over the rows.
    """
    right = {removed: np.mean([given == labels for given in seeds], axis=0) for removed, seeds in answers.items()}
    samples = resampled(
        lambda counts: {removed: share @ counts / len(labels) for removed, share in right.items()},
        len(labels),
        seed=seed,
        resamples=resamples,
    )
    rows = []
    for removed, share in right.items():
        row = {
            "removed": removed,
            "accuracy": float(share.mean()),
            "interval": percentile_interval(samples[removed]),
            "difference": None,
            "difference_interval": None,
            "p_value": None,
        }
        if removed != FULL:
            differing = int((share != right[FULL]).sum())
            paired = paired_difference(
                float(share.mean()), float(right[FULL].mean()), samples[removed], samples[FULL], differing=differing
            )
            row |= {"difference": float(paired["difference"]), "difference_interval": paired["interval"]}
            row["p_value"] = (
                paired_test(labels, answers[removed][0], answers[FULL][0])["p_value"]
                if len(answers[removed]) == 1
                else paired["p_value"]
            )
        rows.append(row)
    tested = [row for row in rows if row["p_value"] is not None]
    for row, corrected in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
        row["p_value"] = corrected
    return rows


def _check_report(run: FinishedRun) -> None:
    """Write the report's pages elsewhere, so that one that cannot be drawn is found before the training."""
    report = run.report
    with tempfile.TemporaryDirectory() as scratch:
        try:
            write_report(report, Path(scratch))
        except (LookupError, TypeError, ValueError, AttributeError) as error:  # whatever the pages do not find
            path = run.folder / "report" / "report.json"
            raise UserError(f"{path} is damaged or of another version: {type(error).__name__} {error}") from error


def _chosen(run: FinishedRun, name: str) -> Classifier:
    """Return the trained classifier; its options and its cleaning are those of the run.

    Raises:
        UserError: there is none of that name, or it cannot be trained with another cleaning.
    """
    kinds = {row["name"]: row["kind"] for row in run.report["classifiers"]}
    if name in {row["name"] for row in run.report["generators"]}:
        raise UserError(f"{name} writes texts and cleans none; choose from {_able(kinds)}")
    if name not in kinds:
        raise UserError(f"{run.folder} has no classifier {name!r}; choose from {_able(kinds)}")
    if name in CLASSIFIERS and not CLASSIFIERS[name].cleans:
        raise UserError(f"{name} reads texts as they are, so no cleaning matters to it; choose from {_able(kinds)}")
    if kinds[name] == "dummy":
        raise UserError(f"{name} reads no text, so no cleaning matters to it; choose from {_able(kinds)}")
    if name not in CLASSIFIERS:
        raise UserError(f"{name} is no model of its own but made of trained ones; choose from {_able(kinds)}")
    model = load_classifier(run.folder / name)
    if start := getattr(model, "init_from", None):
        others = {other: kind for other, kind in kinds.items() if other != name}
        raise UserError(
            f"{name} started from {start} and has its words, so that without a step of the cleaning the table would "
            f"show what unknown words cost; choose from {_able(others)}"
        )
    return model


def _able(kinds: Mapping[str, str]) -> list[str]:
    """Return the rows that are models of their own and read texts; a copy or an ensemble has a name beside those."""
    return [
        name for name, kind in kinds.items() if kind != "dummy" and name in CLASSIFIERS and CLASSIFIERS[name].cleans
    ]


def _changing(cleaning: Cleaning, texts: Sequence[str]) -> tuple[dict[str, Cleaning], list[str]]:
    """Return the full cleaning and those without a step, by name, and the steps that change none of the texts."""
    cleanings, idle = {FULL: cleaning}, []
    for step in STEPS:
        ablated = without(cleaning, step)
        if ablated != cleaning and any(ablated([text]) != cleaning([text]) for text in texts):
            cleanings[step] = ablated
        else:
            idle.append(step)
    return cleanings, idle


def _answers(
    model: Classifier, cleaning: Cleaning, dataset: Dataset, seeds: Sequence[int], progress: Progress
) -> list[np.ndarray]:
    """Return for each seed the classes, int array of shape (N,), that the validation texts get."""
    remembering = CachedCleaning(cleaning)
    answers = []
    for seed in seeds:
        stopwatch = Stopwatch()
        again = dataclasses.replace(model, cleaning=remembering, seed=seed)
        again.fit(dataset.train, dataset.validation, progress=progress)
        answers.append(again.predict_proba(dataset.validation.texts).argmax(axis=1))
        accuracy = (answers[-1] == dataset.validation.labels).mean()
        what = "trained" if len(seeds) == 1 else f"seed {seed}"
        progress.line(what, {"seconds": stopwatch.seconds, "validation accuracy": accuracy})
    return answers


def _method(name: str, dataset: Dataset, seeds: Sequence[int], idle: Sequence[str]) -> str:
    """Return how the table came about, in sentences."""
    several = len(seeds) > 1
    how = f"{len(seeds)} times, with the seeds {seeds[0]} to {seeds[-1]}," if several else "once"
    test = "from the same resamples" if several else "McNemar's"
    sentences = [
        f"For each row {name} was trained {how} on the {len(dataset.train):,} training texts, with the options of the "
        "run and with its cleaning but for the step that is named.",
        f"Accuracy is that on the {len(dataset.validation):,} validation texts: to choose a cleaning by it is to "
        "choose, and the test texts are kept out of that.",
        f"Intervals are of 95 %, from {RESAMPLES:,} bootstrap resamples of the texts, the same for all rows; "
        f"differences are to the full cleaning; p-values are {test}, "
        "corrected by Holm over the rows.",
    ]
    if several:
        sentences.append("Accuracies are means over the seeds; that other seeds may differ is not in the intervals.")
    if idle:
        sentences.append(f"Left out, since they change none of these texts: {'; '.join(idle)}.")
    return " ".join(sentences)


def _print(rows: Sequence[dict], method: str, console: Console) -> None:
    drawn = table.Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for header in ("Taken away", "Accuracy [95 % interval]", "Difference, points", "p"):
        drawn.add_column(header, justify="left" if header == "Taken away" else "right")
    for row in rows:
        drawn.add_row(
            row["removed"],
            figures.interval(row["accuracy"], row["interval"]),
            figures.points_interval(row["difference"], row["difference_interval"]),
            figures.p_value(row["p_value"]),
        )
    console.print()
    console.print(drawn)
    console.print()
    console.print(method, style="dim", highlight=False, markup=False)
