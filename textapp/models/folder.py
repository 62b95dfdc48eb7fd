"""The small files of a model's folder, and the errors of one that is damaged."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textapp import json_files
from textapp.errors import UserError
from textapp.json_files import write_json

FORMAT = 2  # of a model's folder


def require_file(folder: Path, name: str) -> Path:
    """Return the path of a file or folder that a model's folder must have.

    Raises:
        UserError: it is missing.
    """
    path = folder / name
    if not path.exists():
        raise UserError(f"{folder} is no complete model folder: {name} is missing")
    return path


def read_json(path: Path) -> Any:
    """Read a JSON file of a model's folder.

    Raises:
        UserError: it is missing or damaged.
    """
    require_file(path.parent, path.name)
    return json_files.read_json(path)


def option_names(model: type) -> list[str]:
    """Return the names of the fields that a model's dataclass is made with."""
    return [field.name for field in dataclasses.fields(model) if field.init]


def write_description(folder: Path, model: Any, *, leave_out: Iterable[str] = ()) -> None:
    """Write model.json: the model's name and the fields of its dataclass."""
    options = {name: getattr(model, name) for name in option_names(type(model)) if name not in leave_out}
    write_json(folder / "model.json", {"format": FORMAT, "model": model.name, "options": options})


def read_description(folder: Path) -> tuple[str, dict]:
    """Return the name and the options out of model.json.

    Raises:
        UserError: no such folder, no model in it, or one of another format.
    """
    if not folder.is_dir():
        raise UserError(f"no model folder {folder}; it looks like saved_models/imdb/lstm")
    description = read_json(folder / "model.json")
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise UserError(f"{folder} has format {found!r}; this version of textapp reads format {FORMAT}")
    name, options = description.get("model"), description.get("options")
    if not isinstance(name, str) or not isinstance(options, dict):
        raise UserError(f"{folder / 'model.json'} is damaged: it lacks the model's name or its options")
    return name, options
