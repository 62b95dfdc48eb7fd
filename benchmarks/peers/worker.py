"""A process that does one piece of work whenever it is asked, and sleeps in between: a JSON line in, one out."""

from __future__ import annotations

import json
import os
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.peers.work import WORK


class WorkerError(Exception):
    """A worker could not do its work; the message says why."""


class Worker:
    """The driver's end.

    Args:
        name: for messages.
        command: the program that calls `serve`.
        log: where all else goes that it prints.
        environment: its environment variables; None for this process's own.
    """

    def __init__(self, name: str, command: Sequence[str], *, log: Path, environment: dict[str, str] | None = None):
        self.name, self._log = name, log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True
            )

    def ask(self, do: str, **arguments) -> dict:
        """Return the answer to one request.

        Raises:
            WorkerError: it failed, or its process ended.
        """
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            last = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:]
            raise WorkerError("\n".join([f"{self.name} ended while it did {do}; its last lines:", *last]))
        found = json.loads(answer)
        if "error" in found:
            raise WorkerError(f"{self.name} failed at {do}: {found['error']}")
        return found

    def close(self) -> None:
        """End the process; it gives up what it does."""
        self._process.kill()
        self._process.communicate()


def serve(tasks: dict[str, Callable[..., dict]]) -> None:
    """Answer requests until the driver goes away; what the tasks print goes to stderr.

    Args:
        tasks: for each name what does the work with the request's other entries as arguments.
    """
    requests, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # nor may a process that a task starts read the requests
    os.dup2(2, 1)
    for line in requests:
        request = json.loads(line)
        try:
            answer = tasks[request.pop("do")](**request)
        except Exception as error:  # whatever it is, the driver is told
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Side:
    """What the driver may ask of either side; subclasses have a `_prepare_GROUP` for every group of rows.

    Args:
        folder: where the data of both sides lies.
        scale: times the amount of work.
        gpu: whether a GPU does it.
    """

    def __init__(self, folder: Path, *, scale: float, gpu: bool = False):
        self._folder, self._scale, self._gpu = folder, scale, gpu
        self._measured: dict[str, Callable[[], int]] = {}

    def prepare(self, group: str) -> dict:
        """Build a group's networks, and write or read its data."""
        getattr(self, f"_prepare_{group}")()
        return {}

    def measure(self, name: str) -> dict:
        """Do the work of a row once."""
        return timed(self._measured[name])

    def _amount(self, name: str) -> int:
        """Return how much work a row is."""
        work = WORK[name]
        return (
            work.amount if work.gpu else max(2, round(work.amount * self._scale * (work.gpu_times if self._gpu else 1)))
        )


def timed(work: Callable[[], int]) -> dict:
    """Return the seconds of a piece of work and what it says that it counted."""
    start = time.perf_counter()
    count = work()
    return {"seconds": time.perf_counter() - start, "count": count}
