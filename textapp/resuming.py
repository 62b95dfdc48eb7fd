"""What a run has finished, kept in its unfinished folder, so that an interrupted run goes on with the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np

from textapp import __version__, machine
from textapp.arrays_file import damaged, read_arrays, write_arrays
from textapp.config import PretrainConfig, TrainConfig, options_of
from textapp.fitting import Trained
from textapp.machine import has_gpu
from textapp.models import Classifier, Generator, load
from textapp.run import RunFolder
from textapp.text.cache import CachedCleaning
from textapp.text.cleaning import Cleaning
from textapp.training.progress import Progress, Stopwatch

ARRAYS = ("probabilities", "uncalibrated", "validation_probabilities", "nats")  # of a `Trained`, where it has them
FACTS = ("cost", "history", "notes")
Made = TypeVar("Made")


class Resuming:
    """Takes over what an interrupted run has finished, and keeps what this one finishes.

    A model is finished when its file here is written, after everything in its own folder; what there is of one that
    is not finished is made anew, but for the checkpoint of its training.

    Args:
        run: the run's folder.
        cleaning: of the run, whose tokens are kept; for the classifiers that are read from it.
        progress: tells the training where its checkpoint is.

    Attributes:
        seconds: what the run had taken, before it was interrupted, for what is here.
    """

    def __init__(self, run: RunFolder, cleaning: Cleaning | CachedCleaning, progress: Progress):
        self._run, self._cleaning, self._progress = run, cleaning, progress
        self.seconds = 0.0

    def model(self, name: str, make: Callable[[], Trained]) -> Trained:
        """Return a model of the run, made now unless it was made before.

        Args:
            name: of its row and its folder.
            make: trains it and writes its folder.

        Raises:
            UserError: what is kept of it is damaged.
        """
        path, folder = self._path(name), self._run.folder / name
        if path.exists():
            trained = self._taken_over(name, path)
            self._progress.line("finished before the run was interrupted")
            return trained
        _clear(folder)
        trained = self._made(name, make)
        kept = {key: getattr(trained, key) for key in FACTS}
        kept |= {"seconds": self._spent, "scrubbed": getattr(trained.model, "scrubbed", None)}
        arrays = {key: found for key in ARRAYS if (found := getattr(trained, key)) is not None}
        _to_disk(folder)
        write_arrays(path, kept, arrays)
        self._checkpoint(name).unlink(missing_ok=True)
        return trained

    def answers(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what a model that is not kept answers, asked now unless it was asked before.

        Args:
            name: what tells it from all others of the run.
            make: trains it and asks it.

        Raises:
            UserError: what is kept of it is damaged.
        """
        path = self._path(name)
        if path.exists():
            facts, arrays = read_arrays(path)
            try:
                self.seconds += facts["seconds"]
                return arrays["answers"]
            except (KeyError, TypeError) as error:
                raise damaged(path, error) from error
        found = self._made(name, make)
        write_arrays(path, {"seconds": self._spent}, {"answers": found})
        self._checkpoint(name).unlink(missing_ok=True)
        return found

    def _path(self, name: str) -> Path:
        return self._run.resumption / f"{name}.npz"

    def _checkpoint(self, name: str) -> Path:
        return self._run.resumption / f"{name}.checkpoint"

    def _made(self, name: str, make: Callable[[], Made]) -> Made:
        """Return what is made, with a checkpoint to go on from meanwhile; set the seconds that it took in all."""
        stopwatch = Stopwatch()
        self._progress.checkpoint, self._progress.earlier = self._checkpoint(name), 0.0
        made = make()
        self._spent = stopwatch.seconds + self._progress.earlier
        self.seconds += self._progress.earlier
        self._progress.checkpoint, self._progress.earlier = None, 0.0
        return made

    def _taken_over(self, name: str, path: Path) -> Trained:
        folder = self._run.folder / name
        model = load(folder)
        facts, arrays = read_arrays(path)
        try:
            if isinstance(model, Classifier):
                model.cleaning = self._cleaning
            if isinstance(model, Generator):
                model.scrubbed = facts["scrubbed"]
            self.seconds += facts["seconds"]
            kept = {key: facts[key] for key in FACTS}
        except (KeyError, TypeError) as error:
            raise damaged(path, error) from error
        kept |= {key: arrays.get(key) for key in ARRAYS}
        return Trained(name=name, model=model, folder=folder, **kept)


def choices(config: TrainConfig | PretrainConfig, fingerprint: str) -> dict[str, str]:
    """Return all that the user has chosen for a run to go on with, in words, by its name."""
    options = options_of(config)
    options.pop("--accumulate", None)  # what a run that ran out of memory goes on with: the same steps in smaller parts
    return options | {"--device": "gpu" if has_gpu() else "cpu", "texts of the fingerprint": fingerprint}


def versions() -> dict[str, str]:
    """Return what must be the same for a run to go on, by name: of two versions it would be no run of either."""
    backend, found = keras.backend.backend(), machine.versions()
    parts = {"textapp": f"{__version__} (code {machine.code_digest()[:12]})", "KERAS_BACKEND": backend}
    return parts | {name: found[name] for name in ("keras", "keras-hub", backend)}


def _to_disk(folder: Path) -> None:
    """Wait until a folder's files are on the disk: after a power cut none of a finished model may be empty."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("r+b") as file:
                os.fsync(file.fileno())


def _clear(folder: Path) -> None:
    """Take away what an interrupted run left of a model, but for TensorBoard's logs, which go on."""
    for path in folder.glob("*"):
        if path.is_dir() and path.name != "logs":
            shutil.rmtree(path)
        elif not path.is_dir():
            path.unlink()
