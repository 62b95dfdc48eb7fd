"""The commands: they read options, call the rooms and print; no logic of their own."""

from __future__ import annotations

from collections.abc import Callable

import typer

from textapp.cli.runs import ablate, clean, compare, report
from textapp.cli.training import pretrain, train
from textapp.cli.using import export, generate, predict, serve

app = typer.Typer(
    help="Train, compare and ship text classifiers and text generators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (train, pretrain, clean, predict, compare, generate, serve, ablate, report, export):
    app.command()(command)


def run_alone(command: Callable) -> None:
    """Run one command as a program of its own, as train.py does."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command()(command)
    alone()


def main() -> None:
    """Run the command `textapp`, which the package installs."""
    app(prog_name="textapp")
