"""A finished run, read back from its folder."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from textapp.config import DataConfig
from textapp.datasets import Dataset, load_dataset
from textapp.errors import UserError
from textapp.evaluation.metrics import checked
from textapp.json_files import read_json
from textapp.reports.schema import PART_DEFAULTS, build_report, fault


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What predictions.csv holds of N test texts.

    Attributes:
        rows: int64 array of shape (N,), each text's place in its source.
        labels: int32 array of shape (N,), the true classes.
        probabilities: float32 array of shape (N, C).
    """

    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


@dataclasses.dataclass(frozen=True)
class Scores:
    """What scores.csv holds of the N test texts that generators are scored on.

    Attributes:
        rows: int64 array of shape (N,), each text's place in its source.
        sizes: int64 array of shape (N,), each text's length in bytes of UTF-8.
        nats: float64 array of shape (N,), its negative log-likelihood.
    """

    rows: np.ndarray
    sizes: np.ndarray
    nats: np.ndarray


class FinishedRun:
    """The folder of a run that went to its end.

    Args:
        folder: holds run.json.

    Raises:
        UserError: there is no such folder, the run is unfinished, or run.json is damaged.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        if not folder.is_dir():
            raise UserError(f"no run {folder}; it looks like saved_models/imdb")
        if not (folder / "run.json").is_file():
            raise UserError(f"{folder} is no finished run: it has no run.json")
        self.facts = read_json(folder / "run.json")
        try:
            self.label_names = self._label_names(self.facts["dataset"]["label_names"])
            self.fingerprint = self.facts["dataset"]["fingerprint"]
            self.test_fingerprint = self.facts["dataset"]["test_fingerprint"]
            self.data = DataConfig.from_json(
                self.facts["config"]["data"], folder=folder, relative=self.facts.get("paths", {})
            )
        except (KeyError, TypeError, AttributeError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise UserError(f"{folder / 'run.json'} is damaged or of another version: {reason}") from error

    @staticmethod
    def _label_names(found: object) -> tuple[str, ...]:
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise TypeError(f"its label names are {found!r}, not a list of words")
        return tuple(found)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @cached_property
    def report(self) -> dict:
        """The content of report.json; what an older version left out is None or empty.

        Raises:
            UserError: it is missing or damaged.
        """
        path = self.folder / "report" / "report.json"
        found = read_json(path)
        try:
            parts = {key: found.get(key) for key in PART_DEFAULTS}
            report = build_report(found, found["classifiers"], found["verdict"], found["generators"], **parts)
            names = [row["name"] for row in [*report["classifiers"], *report["generators"]]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise UserError(f"{path} is damaged: {reason}") from error
        if reason := fault(report):
            raise UserError(f"{path} is damaged or of another version: {reason}")
        if wrong := [name for name in names if not isinstance(name, str) or names.count(name) > 1]:
            raise UserError(f"{path} is damaged: the name {wrong[0]!r} does not tell a model from the others")
        return report

    def dataset(self) -> Dataset:
        """Return the texts of the run, read anew from where it had them.

        Raises:
            UserError: they cannot be read or have changed.
        """
        try:
            dataset = load_dataset(self.data)
        except (UserError, OSError) as error:
            raise UserError(f"the texts of {self.folder} cannot be read: {error}") from error
        if dataset.facts["fingerprint"] != self.fingerprint:
            raise UserError(f"the texts of {self.folder} have changed since")
        return dataset

    def predictions(self, model: str) -> Predictions:
        """Return a classifier's answers to the test texts.

        Raises:
            UserError: predictions.csv is missing or damaged.
        """
        path = self._file_of(model, "predictions.csv")
        if path is None:
            raise UserError(f"{self.folder} has no predictions of {model}: {model}/predictions.csv is missing")
        index = {name: position for position, name in enumerate(self.label_names)}
        with _damaged(path):
            lines = _lines(path)
            columns = [f"probability_{name}" for name in self.label_names]
            found = Predictions(
                rows=np.array([int(line["row"]) for line in lines], np.int64),
                labels=np.array([index[line["label"]] for line in lines], np.int32),
                probabilities=np.array([[float(line[column]) for column in columns] for line in lines], np.float32),
            )
            checked(found.labels, found.probabilities)
        return found

    def scores(self, model: str) -> Scores | None:
        """Return what a generator says of the test texts that it is scored on; None where an older run kept none.

        Raises:
            UserError: scores.csv is damaged.
        """
        path = self._file_of(model, "scores.csv")
        if path is None:
            return None
        with _damaged(path):
            lines = _lines(path)
            found = Scores(
                rows=np.array([int(line["row"]) for line in lines], np.int64),
                sizes=np.array([int(line["bytes"]) for line in lines], np.int64),
                nats=np.array([float(line["nats"]) for line in lines], np.float64),
            )
            if not lines or (found.sizes < 0).any() or not np.isfinite(found.nats).all():
                raise ValueError("it has no texts, or numbers that no text can have")
        return found

    def _file_of(self, model: str, name: str) -> Path | None:
        """Return a file of a model's folder, None where it is missing or the name leads elsewhere."""
        path = self.folder / model / name
        leads_out = Path(model).name != model or model == ".."
        return None if leads_out or not path.is_file() else path


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@contextlib.contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Say in a sentence that a file of numbers is damaged."""
    try:
        yield
    except (KeyError, ValueError, TypeError, OverflowError, csv.Error) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise UserError(f"{path} is damaged: {reason}") from error
