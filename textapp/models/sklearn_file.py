"""scikit-learn objects in skops files: unlike a pickle, loading one runs no code."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from textapp.errors import UserError
from textapp.models.folder import require_file

FILE = "model.skops"
TRUSTED = ("numpy.dtype",)  # beside scikit-learn's own types, which skops trusts


def save_sklearn(fitted: object, folder: Path) -> None:
    """Write a fitted object, made of scikit-learn's and NumPy's types, to model.skops."""
    skops.io.dump(fitted, folder / FILE, compression=zipfile.ZIP_DEFLATED)


def load_sklearn(folder: Path) -> Any:
    """Read model.skops.

    Raises:
        UserError: the file is missing, damaged, or holds a type that is not trusted.
    """
    path = require_file(folder, FILE)
    try:
        return skops.io.load(path, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise UserError(f"{path} is refused, since it holds types that are not trusted: {error}") from error
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, TypeError) as error:
        raise UserError(f"{path} is damaged: {error}") from error
