"""Processes of the program's own, for what takes TensorFlow whatever the backend is."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

LOGGER = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
Given = TypeVar("Given")
Done = TypeVar("Done")
FORMATS = ("savedmodel", "onnx")
SCRATCH = "textapp-process-"  # how the folders of temporary files begin
SECONDS_A_DAY = 24 * 60 * 60


def export_models(pairs: Sequence[tuple[Path, Path]], *, file_format: str = "savedmodel") -> dict[Path, str]:
    """Export trained models; one that cannot be exported does not stop the others.

    Args:
        pairs: the folder of each model, and the version's folder to write.
        file_format: one of `FORMATS`.

    Returns:
        {a model's folder: why it could not be exported}.
    """

    def export(some: Sequence[tuple[Path, Path]]) -> dict[Path, str]:
        failures, left = {}, list(some)
        while left:
            arguments = [str(Path(path).resolve()) for pair in left for path in pair]
            told, reason = run_quietly([sys.executable, "-P", "-m", "textapp.export", file_format, *arguments])
            answers = [json.loads(line)["error"] for line in told.splitlines()]
            failures |= {pair[0]: error for pair, error in zip(left, answers, strict=False) if error}
            left = left[len(answers) :]
            if left:  # the process ended with the next one; those after it are tried in another
                failures[left[0][0]] = f"the export failed: {reason}"
                left = left[1:]
        return failures

    # Most of such a process is one thread that imports and traces.
    return {folder: error for found in at_once(export, halves(pairs)) for folder, error in found.items()}


def halves(things: Sequence[Given]) -> list[Sequence[Given]]:
    """Return every second one and the others, as far as there are any."""
    return [half for half in (things[::2], things[1::2]) if half]


def at_once(work: Callable[[Given], Done], given: Sequence[Given]) -> list[Done]:
    """Return what `work` returns for each of `given`, two at a time: it waits for processes of its own."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(work, given))


def run_quietly(command: Sequence[str]) -> tuple[str, str | None]:
    """Run a process of the program's own, without a GPU; it ends with this process, however that ends.

    Args:
        command: a program that ends when its standard input does, see `end_with_parent`.

    Returns:
        What it wrote to standard output; and why it did not end well, None if it did.
    """
    # An empty path would stand for the current folder, whose files are nobody's modules; -P does the rest.
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    LOGGER.info("runs %s", " ".join(map(str, command[:6])))
    with _scratch() as scratch:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(scratch)}
        environment |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        with (scratch / "stdout").open("w+") as out, (scratch / "stderr").open("w+", errors="replace") as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=errors, env=environment)
            try:
                code = process.wait()
            finally:
                process.kill()
                process.communicate()
            out.seek(0)
            errors.seek(0)
            if code == 0:
                return out.read(), None
            lines = errors.read().strip().splitlines()
            return out.read(), lines[-1] if lines else f"it ended with {code}; the machine may have too little memory"


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder for a process's temporary files; TensorFlow leaves some where it is killed.

    Those that a process left which was itself killed are removed a day later.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < time.time() - SECONDS_A_DAY:
                shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)
