"""Exporting from any backend: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from textapp.errors import UserError

ROOT = Path(__file__).parents[2]


FORMATS = ("savedmodel", "onnx")


def export_models(pairs: Sequence[tuple[Path, Path]], *, file_format: str = "savedmodel") -> str | None:
    """Export trained models; one that cannot be exported does not stop the others.

    Args:
        pairs: the folder of each model, and the version's folder to write.
        file_format: one of `FORMATS`.

    Returns:
        Why some of them could not be exported; None if all were.
    """
    arguments = [str(Path(path).resolve()) for pair in pairs for path in pair]
    try:
        run_quietly([sys.executable, "-m", "textapp.export", file_format, *arguments], what="the export")
    except UserError as error:
        return str(error)
    return None


def run_quietly(command: list[str], *, what: str) -> None:
    """Run a process of the program's own; its output is only shown where it failed.

    Raises:
        UserError: it did not end with 0.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    environment |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    finished = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
    if finished.returncode != 0:
        lines = finished.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"it ended with {finished.returncode}"
        raise UserError(f"{what} failed: {reason}")
