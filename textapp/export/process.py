"""Exporting from any backend: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from textapp.errors import UserError

ROOT = Path(__file__).parents[2]
Given, Done = TypeVar("Given"), TypeVar("Done")
FORMATS = ("savedmodel", "onnx")


def export_models(pairs: Sequence[tuple[Path, Path]], *, file_format: str = "savedmodel") -> str | None:
    """Export trained models; one that cannot be exported does not stop the others.

    Args:
        pairs: the folder of each model, and the version's folder to write.
        file_format: one of `FORMATS`.

    Returns:
        Why some of them could not be exported; None if all were.
    """

    def export(some: Sequence[tuple[Path, Path]]) -> str | None:
        arguments = [str(Path(path).resolve()) for pair in some for path in pair]
        try:
            run_quietly([sys.executable, "-P", "-m", "textapp.export", file_format, *arguments], what="the export")
        except UserError as error:
            return str(error)
        return None

    # Most of such a process is one thread that imports and traces.
    halves = [half for half in (pairs[::2], pairs[1::2]) if half]
    failures = [failure for failure in at_once(export, halves) if failure]
    return "; ".join(failures) or None


def at_once(work: Callable[[Given], Done], given: Sequence[Given]) -> list[Done]:
    """Return what `work` returns for each of `given`, two at a time: it waits for processes of its own."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(work, given))


def run_quietly(command: list[str], *, what: str) -> None:
    """Run a process of the program's own; its output is only shown where it failed.

    Raises:
        UserError: it did not end with 0.
    """
    # An empty path would stand for the current folder, whose files are nobody's modules; -P does the rest.
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    finished = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
    if finished.returncode != 0:
        lines = finished.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"it ended with {finished.returncode}"
        raise UserError(f"{what} failed: {reason}")
