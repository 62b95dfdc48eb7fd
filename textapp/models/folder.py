"""The small files of a model's folder, and the errors of one that is damaged."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import sys
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textapp import json_files
from textapp.errors import UserError
from textapp.json_files import write_json

FORMAT = 3  # of a model's folder
DESCRIPTION_FILE = "model.json"


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
    """Write model.json, after all other files: the model's name, the fields of its dataclass and the files' SHA-256."""
    options = {name: getattr(model, name) for name in option_names(type(model)) if name not in leave_out}
    content = {"format": FORMAT, "model": model.name, "options": options, "files": checksums(folder)}
    write_json(folder / DESCRIPTION_FILE, content)


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a model's folder, but for those of models within it and of logs."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name != "logs" and not (path / DESCRIPTION_FILE).exists():
            found |= {f"{path.name}/{name}": digest for name, digest in checksums(path).items()}
        elif path.is_file() and path.name != DESCRIPTION_FILE:
            found[path.name] = _digest(path)
    return found


def read_description(folder: Path) -> tuple[str, dict]:
    """Return the name and the options out of model.json, where the model's other files are as it says.

    Raises:
        UserError: no such folder, no model in it, one of another format, or a file is missing or was changed.
    """
    if not folder.is_dir():
        raise UserError(f"no model folder {folder}; it looks like saved_models/imdb/lstm")
    path = folder / DESCRIPTION_FILE
    description = read_json(path)
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise UserError(f"{folder} has format {found!r}; this version of textapp reads format {FORMAT}")
    name, options, files = (description.get(key) for key in ("model", "options", "files"))
    if not isinstance(name, str) or not isinstance(options, dict) or not isinstance(files, dict):
        raise UserError(f"{path} is damaged: it lacks the model's name, its options or its files")
    for inside, digest in files.items():
        # By its name among those that are there: no name leads out of the folder.
        if ".." in Path(inside).parts or Path(inside).is_absolute():
            raise UserError(f"{path} is damaged: it names a file {inside!r} outside of its folder")
        if _digest(require_file(folder, inside)) != digest:
            raise UserError(f"{folder / inside} is damaged or was changed: it is not the file that was saved")
    return name, options


def check_options(model: type, options: dict, folder: Path) -> None:
    """Raise UserError where a model has no such options, or they are of other types or out of all bounds."""
    if unknown := sorted(options.keys() - option_names(model)):
        raise UserError(f"{folder} is of another version: this {model.name} has no options {unknown}")
    hints = typing.get_type_hints(model)
    for name, value in options.items():
        if not _fits(value, hints[name]):
            raise UserError(f"{folder / DESCRIPTION_FILE} is damaged: {name} is {value!r:.60}")


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value of JSON is of a type, and a number that a model may have."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(item, parts[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, parts[1]) for item in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= sys.maxsize
    return value is None if hint is type(None) else isinstance(value, hint)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
