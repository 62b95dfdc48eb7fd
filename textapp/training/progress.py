"""What the user sees while models train."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import rich.progress
from rich.console import Console

LOGGER = logging.getLogger(__name__)


class Progress:
    """A bar in the terminal, and a line for everything that is finished.

    Without a terminal (a log file) only the lines are printed.

    Args:
        console: where to print; None to be silent.
        total: how many models will be trained.

    Attributes:
        logs: where Keras writes its figures for TensorBoard; None for nowhere.
        checkpoint: the file that the next training goes on from, where it is there, and writes; None for none.
        earlier: seconds of the model's training that no stopwatch counts, as they were over when it was broken off,
            less those that had to be spent again.
    """

    def __init__(self, console: Console | None = None, *, total: int = 1):
        self._console = console or Console(quiet=True)
        self._total = total
        self._number = 0
        self._title = ""
        self.logs: Path | None = None
        self.checkpoint: Path | None = None
        self.earlier = 0.0
        self._task: rich.progress.TaskID | None = None
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(bar_width=20),
            rich.progress.TaskProgressColumn(),
            rich.progress.TextColumn("{task.fields[metrics]}"),
            rich.progress.TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        self._bar.stop()

    def model(self, name: str, *, logs: Path | None = None) -> None:
        """Begin the next model; `logs` is where Keras writes its figures for TensorBoard, None for nowhere."""
        self.logs = logs
        self._number += 1
        self._title = f"[{self._number}/{self._total}] {name}"
        self.start("training")

    def start(self, what: str, total: float | None = None) -> None:
        """Begin a part of a model's training of `total` steps or seconds, None where that is not known."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(self._describe(what), total=total, metrics="")

    def advance(self, done: float, metrics: dict[str, float]) -> None:
        """Show that `done` of them are over, and the training metrics so far."""
        if self._task is not None:
            self._bar.update(self._task, completed=done, metrics=_format(metrics))

    def line(self, what: str, metrics: dict[str, float] | None = None) -> None:
        """Print a line that stays."""
        text = f"{self._describe(what)}  {_format(metrics or {})}".rstrip()
        self._bar.console.print(text, markup=False, highlight=False)
        LOGGER.debug("%s", text)

    def _describe(self, what: str) -> str:
        return f"{self._title}  {what}".strip()


def _format(metrics: dict[str, float]) -> str:
    return "  ".join(
        f"{name} {value:.0f} s" if name == "seconds" else f"{name} {value:.4f}" for name, value in metrics.items()
    )


class Stopwatch:
    """Seconds since it was made, by the clock on the wall."""

    def __init__(self):
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def turn_to(self, seconds: float) -> None:
        """Let it count on from so many."""
        self._start = time.perf_counter() - seconds
