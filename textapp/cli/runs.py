"""Commands on finished runs, and the one that shows a cleaning."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from textapp.cli.options import Device
from textapp.cli.program import console, in_sentences, prepare_keras


@in_sentences
def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Two or more finished runs, such as saved_models/imdb, the oldest first."),
    ] = None,
    models: Annotated[str | None, typer.Option(help="Which models, with commas between. (default: all)")] = None,
    output: Annotated[
        Path | None, typer.Option(help="The folder to write. (default: compare-FIRST-LAST beside the last run)")
    ] = None,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit with 1 where a model of the last run is worse.")
    ] = False,
) -> None:
    """Put runs with the same test texts side by side: is a model worse than it was?"""
    from textapp import comparing

    comparing.compare(
        runs or [],
        models=None if models is None else [name.strip() for name in models.split(",")],
        output=output,
        fail_if_worse=fail_if_worse,
        command=f"python -m textapp {shlex.join(sys.argv[1:])}",
        console=console(),
    )


@in_sentences
def ablate(
    run: Annotated[Path, typer.Option(help="A finished run's folder, such as saved_models/imdb.")],
    model: Annotated[str, typer.Option(help="A classifier of that run, such as tfidf.")],
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Train a network with this many seeds.")] = 1,
    device: Device = "auto",
) -> None:
    """Retrain a classifier without each step of its cleaning; the run's report gets the table."""
    prepare_keras(device)
    from textapp import ablation

    ablation.ablate(run, model, seeds=seeds, console=console())


@in_sentences
def report(run: Annotated[Path, typer.Argument(help="A finished run, such as saved_models/imdb.")]) -> None:
    """Write a run's pages and model cards anew, from its report.json."""
    from textapp.finished import FinishedRun
    from textapp.reports.write import write_model_cards, write_report

    finished = FinishedRun(run)
    write_report(finished.report, run / "report")
    write_model_cards(finished.report, run)
    typer.echo(f"Wrote {run / 'report' / 'index.html'}.")


@in_sentences
def clean(
    text: Annotated[str, typer.Argument(help="Any text.")],
    stopwords: Annotated[str, typer.Option(help="As for train.")] = "default",
) -> None:
    """Show what the classifiers see of a text, step by step."""
    from textapp.text.cleaning import make_cleaning

    lines = Console(highlight=False, markup=False, soft_wrap=True)
    for name, result in make_cleaning(stopwords).steps(text):
        lines.print(f"{name}: {result!r}")
