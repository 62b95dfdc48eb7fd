"""Finished runs on the same test texts side by side, and whether a model has become worse from first to last."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rich.console

from textapp.comparable import (
    ClassifierEntry,
    GeneratorEntry,
    Runs,
    chosen_models,
    few_labels_of,
    finished_runs,
    scored_alike,
)
from textapp.errors import UserError, WorseError
from textapp.evaluation.bits import compare_generators, fewest_bits
from textapp.evaluation.changes import changes, generator_changes
from textapp.evaluation.errors import disagreements
from textapp.evaluation.significance import compare_all
from textapp.evaluation.verdict import verdict, with_sentences
from textapp.finished import FinishedRun
from textapp.json_files import read_json
from textapp.reports.schema import build_report
from textapp.reports.terminal import print_report
from textapp.reports.visible import visible
from textapp.reports.write import write_report
from textapp.run import REPLACED, UNFINISHED

LONGEST_NAME = 80  # bytes of a run's name in the name of a folder, which may have 255


def compare(
    folders: Sequence[Path],
    *,
    models: Sequence[str] | None = None,
    output: Path | None = None,
    fail_if_worse: bool = False,
    command: str = "",
    console: rich.console.Console | None = None,
) -> Path:
    """Write one report about the models of several finished runs.

    Rows are named "run/model". What each run measured is taken from its report; tests, verdict and disagreements
    are made anew from the answers of all. A dummy that answers the same in two runs, as the majority of the same
    training texts does, has one row: nobody chooses between its copies. Any other model keeps a row for each run,
    even where its answers are the same, since its times and its size may not be.

    Args:
        folders: of two runs or more that had the same test texts, the oldest first.
        models: names of classifiers and generators; None for all.
        output: the folder to write, which may hold an earlier comparison; None for one beside the last run.
        fail_if_worse: raise an error, once the report is written, where a model of the last run is worse by more
            than chance than it was in the first.
        command: how the user said it, for the report.
        console: where to show the report; None to be silent.

    Returns:
        The folder with index.html, report.md and report.json; the latter has `changes`, what
        `textapp.evaluation.changes` says of each model that the first and the last run have.

    Raises:
        UserError: a folder holds no finished run or a damaged one; the runs cannot be compared; or `output` is
            something else.
        WorseError: with `fail_if_worse`, a model is worse.
    """
    console = console or rich.console.Console(quiet=True)
    runs = finished_runs(folders)
    target = _default_folder(runs) if output is None else output
    _check_replaceable(target)
    report = _report(runs, *chosen_models(runs, models), command)
    _write(report, target)
    print_report(report, console)
    console.print(visible(f"The comparison is in {target / 'index.html'}"), style="dim", highlight=False, markup=False)
    worse = [change["model"] for change in report["changes"] if change["worse"]]
    if fail_if_worse and worse:
        first, *_, last = runs
        raise WorseError(f"worse by more than chance in {last} than in {first}: {', '.join(worse)}; see {target}")
    return target


def _report(
    runs: Runs, classifiers: Sequence[ClassifierEntry], generators: Sequence[GeneratorEntry], command: str
) -> dict:
    *_, last = runs
    rows, found, parts, notes = _between_classifiers(runs, classifiers) if classifiers else ([], None, {}, [])
    scored = scored_alike(generators)
    nats = {entry.name: entry.scores.nats for entry in scored if entry.scores is not None}
    sizes = next((entry.scores.sizes for entry in scored if entry.scores is not None), ())
    pairs = compare_generators(nats, sizes)
    changed = [*_changes(runs, classifiers), *_generator_changes(runs, scored, sizes)]
    said = [*fewest_bits(nats, sizes, pairs), *(change["sentence"] for change in changed)]
    dataset = runs[last].report["dataset"]
    return build_report(
        {
            "command": command,
            "seed": None,
            "versions": None,
            "device": None,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "config": {name: run.facts["config"] for name, run in runs.items()},
            "dataset": dataset | {"notes": [*dataset["notes"], *_notes(runs), *notes]},
            "runs": [_run_facts(name, run) for name, run in runs.items()],
            "changes": changed,
        },
        rows,
        with_sentences(found, said),
        [_generator_row(entry, scored) for entry in generators],
        generator_comparisons=pairs,
        **parts,
    )


def _between_classifiers(
    runs: Runs, entries: Sequence[ClassifierEntry]
) -> tuple[list[dict], dict, dict[str, object], list[str]]:
    """Return the rows of the classifiers, the verdict on them, other parts of the report, and notes."""
    labels = entries[0].predictions.labels
    kept, rows = _without_copies(entries)
    answers = {entry.name: entry.answers for entry in kept}
    differing, notes = _disagreements(runs, kept)
    parts = {
        "comparisons": compare_all(labels, {entry.name: entry.predictions.probabilities for entry in kept}),
        "disagreements": differing,
        "few_labels": few_labels_of(runs, answers),
    }
    return rows, verdict(labels, answers, {row["name"]: row["cost"] for row in rows}), parts, notes


def _changes(runs: Runs, entries: Sequence[ClassifierEntry]) -> list[dict]:
    if not entries:
        return []
    first, *_, last = runs
    old, new = ({entry.model: entry.answers for entry in entries if entry.run == run} for run in (first, last))
    return changes(entries[0].predictions.labels, old, new, old_name=first, new_name=last)


def _generator_changes(runs: Runs, scored: Sequence[GeneratorEntry], sizes: Sequence[int] | np.ndarray) -> list[dict]:
    first, *_, last = runs
    old, new = (
        {entry.model: entry.scores.nats for entry in scored if entry.scores is not None and entry.run == run}
        for run in (first, last)
    )
    return generator_changes(old, new, sizes, old_name=first, new_name=last)


def _generator_row(entry: GeneratorEntry, scored: Sequence[GeneratorEntry]) -> dict:
    row = entry.row | {"name": entry.name}
    if entry in scored:
        return row
    why = "was scored on other texts" if entry.scores else "kept no scores of single texts"
    return row | {"notes": [*row["notes"], f"Shown and not tested: its run {why}."]}


def _without_copies(entries: Sequence[ClassifierEntry]) -> tuple[list[ClassifierEntry], list[dict]]:
    """Return the classifiers and their rows, a dummy that answers the same in several runs once."""
    kept, rows = {}, {}
    for entry in entries:
        same = entry.predictions.probabilities.tobytes() if entry.row["kind"] == "dummy" else entry.run
        if (key := (entry.model, same)) in kept:
            rows[key]["notes"].append(f"It answers the same in {entry.run}.")
        else:
            kept[key] = entry
            rows[key] = entry.row | {"name": entry.name, "notes": list(entry.row["notes"])}
    return list(kept.values()), list(rows.values())


def _disagreements(runs: Runs, kept: Sequence[ClassifierEntry]) -> tuple[list[dict], list[str]]:
    """Return where the last run's models and those of the first of the same name differ, and a note if unknown."""
    first, *_, last = runs
    names = {entry.name: entry for entry in kept if entry.row["kind"] != "dummy"}
    pairs = [(f"{first}/{entry.model}", f"{last}/{entry.model}") for entry in kept if entry.run == first]
    pairs = [pair for pair in pairs if all(name in names for name in pair)]
    answers = {name: entry.answers for name, entry in names.items()}
    errors = []
    for run in reversed(list(runs.values())):  # all have the same test texts, but not all may still be there
        try:
            dataset = run.dataset()
        except UserError as error:
            errors.append(str(error))
            continue
        test = dataset.test
        return disagreements(test.texts, test.rows, test.labels, answers, pairs, dataset.label_names), []
    return [], [f"The texts on which the runs differ are left out: {errors[0]}."]


def _notes(runs: Runs) -> list[str]:
    """Return what a reader should know before comparing the rows."""
    *_, last = runs
    notes = []
    if len({run.fingerprint for run in runs.values()}) > 1:
        notes.append(f"The runs had other texts to train on or to validate with; the facts here are those of {last}.")
    devices = {name: run.facts.get("device") for name, run in runs.items()}
    if len(set(devices.values())) > 1:
        told = "; ".join(f"{name}: {device or 'unknown'}" for name, device in devices.items())
        notes.append(f"Times are from different devices ({told}).")
    budgets = {name: run.facts["config"].get("budget") for name, run in runs.items()}
    budgets = {name: "none" if seconds is None else f"{seconds} s" for name, seconds in budgets.items()}
    if len(set(budgets.values())) > 1:
        told = "; ".join(f"{name}: {budget}" for name, budget in budgets.items())
        notes.append(f"The runs had different budgets of time to train ({told}).")
    return notes


def _run_facts(name: str, run: FinishedRun) -> dict:
    facts = {key: run.facts.get(key) for key in ("command", "seed", "versions", "device", "created")}
    return {"name": name, **facts, "folder": str(run.folder)}


def _default_folder(runs: Runs) -> Path:
    first, *_, last = runs
    folder = runs[last].folder
    parent = folder.parent if folder.name not in ("", "..") else folder.resolve().parent
    short = (os.fsencode(name)[:LONGEST_NAME].decode(errors="ignore") for name in (first, last))
    return parent / f"compare-{'-'.join(short)}"


def _check_replaceable(target: Path) -> None:
    """Raise UserError where the folder holds anything but an earlier comparison."""
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is no folder; choose another with --output")
    if not target.exists() or not any(target.iterdir()):
        return
    try:
        earlier = read_json(target / "report.json")
    except UserError:
        earlier = None
    if not isinstance(earlier, dict) or "changes" not in earlier:  # a run's own report has none
        raise UserError(f"{target} holds something else than an earlier comparison; choose another with --output")


def _write(report: dict, target: Path) -> None:
    """Write the report into a folder of its own, whole or not at all, in the place of an earlier comparison.

    Raises:
        UserError: it cannot be written, or the earlier one has other files beside it.
    """
    final = target.resolve()
    scratch = final.with_name(f".{final.name}.{os.getpid()}{UNFINISHED}")
    replaced = final.with_name(final.name + REPLACED)
    try:
        write_report(report, scratch)
        if not final.exists():
            scratch.rename(final)
            return
        if others := {path.name for path in final.iterdir()} - {path.name for path in scratch.iterdir()}:
            raise UserError(f"{target} holds {min(others)}, which is no part of a comparison; move it away")
        shutil.rmtree(replaced, ignore_errors=True)
        final.rename(replaced)
        try:
            scratch.rename(final)
        except OSError:
            replaced.rename(final)
            raise
        shutil.rmtree(replaced)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}; choose another with --output") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
