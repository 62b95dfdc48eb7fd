"""Arrays and JSON together in one file without pickle, written whole or not at all."""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from textapp.errors import UserError

# What the readers of ZIP, NumPy's format and JSON raise at damaged content.
READERS_ERRORS = (OSError, EOFError, ValueError, KeyError, TypeError, SyntaxError, RecursionError, zipfile.BadZipFile,
                  zlib.error, struct.error, NotImplementedError)  # fmt: skip
FACTS = "facts"  # the array that holds the JSON; no other has the name


def write_arrays(path: Path, facts: dict, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file beside its place and rename it.

    Args:
        path: ends in .npz; what is there is replaced.
        facts: what JSON can hold, and NumPy's numbers.
        arrays: by their names.

    Raises:
        OSError: the system refuses; the file that was there stays.
    """
    unfinished = path.with_name(path.name + ".part")
    content = json.dumps(facts, default=lambda number: number.item())
    parts: dict[str, Any] = {FACTS: np.array(content), **arrays}
    try:
        with unfinished.open("wb") as file:
            np.savez(file, **parts)
            file.flush()
            os.fsync(file.fileno())  # without it a power cut can leave the new name to an empty file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_arrays(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the facts and the arrays that `write_arrays` wrote.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(str(arrays.pop(FACTS)))
        if not isinstance(facts, dict):
            raise TypeError("its facts are no object")
    except PermissionError:
        raise
    except READERS_ERRORS as error:
        raise damaged(path, error) from error
    return facts, arrays


def damaged(path: Path, reason: object) -> UserError:
    """Return the error for a file that a run cannot go on from."""
    return UserError(f"{path} is damaged: {reason}; remove it, and what it holds is done again")
