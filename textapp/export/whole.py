"""A version's folder, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from textapp.errors import UserError


@contextlib.contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give a path to write a folder to, which becomes `target` if all goes well and vanishes otherwise.

    Args:
        target: the version's folder; must not be there. Missing folders above it are made.

    Raises:
        UserError: the target is there or cannot be written.
    """
    if target.exists():
        raise UserError(f"{target} exists; choose another version")
    parent_was_there = target.parent.exists()
    scratch = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
    try:
        scratch.mkdir(parents=True)
        yield scratch / target.name
        (scratch / target.name).rename(target)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not parent_was_there:
            with contextlib.suppress(OSError):  # it holds the version
                target.parent.rmdir()
