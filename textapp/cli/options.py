"""Options of several commands."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated

import typer


def names_in(package: str, *dicts: str) -> str:
    """Return the names in dict literals of a package, out of its text: importing it takes Keras and seconds."""
    text = (Path(__file__).parents[1] / package / "__init__.py").read_text(encoding="utf-8")
    literals = {
        line.target.id: line.value
        for line in ast.parse(text).body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(line.value, ast.Dict)
    }
    return ", ".join(ast.literal_eval(key) for name in dicts for key in literals[name].keys if key is not None)


DATASETS = names_in("datasets", "DATASETS")
MODELS = names_in("models", "CLASSIFIERS", "GENERATORS")

TextColumn = Annotated[
    str | None,
    typer.Option(
        help="The column of texts, of --data and of --unlabelled; guessed when obvious.", rich_help_panel="Data"
    ),
]
LabelColumn = Annotated[
    str | None, typer.Option(help="Its column of labels; guessed when obvious.", rich_help_panel="Data")
]
AclImdb = Annotated[Path | None, typer.Option(help="The aclImdb folder, for aclimdb.", rich_help_panel="Data")]
Output = Annotated[Path, typer.Option(help="The folder of the runs.", rich_help_panel="Run")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the finished run.", rich_help_panel="Run")]
Restart = Annotated[
    bool,
    typer.Option(
        "--restart",
        help="Begin anew instead of going on with the interrupted run of these options.",
        rich_help_panel="Run",
    ),
]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, gpu, or auto for a GPU where there is one.")]
