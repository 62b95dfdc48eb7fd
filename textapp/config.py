"""What the user chose, as frozen dataclasses: built by the command line, stored in run.json."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Self

from textapp.errors import UserError

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}  # of a time, in seconds


def seconds_of(text: str) -> float:
    """Return a time such as "90s", "10m", "1.5h", or plain seconds such as "90", in seconds.

    Raises:
        UserError: it is no such time, or none above 0.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([smh]?)", text.strip().lower())
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not 0 < seconds < math.inf:
        raise UserError(f"--budget is {text!r}; it must be a time above 0 such as 90s, 10m, 1.5h or plain seconds")
    return seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which texts to read and how to split them.

    Attributes:
        dataset: a name in `textapp.datasets.DATASETS`; ignored when `data` is given.
        data: the user's own file (CSV, TSV, JSON Lines or Parquet, plain or gzip), or None.
        text_column, label_column: columns of `data`; None to guess them.
        validation, test: files with the same columns as `data`; None to split them off.
        data_dir: the folder of a dataset that the user fetched themselves (aclimdb).
        slice_column: of `data`, to report the accuracy of each of its values; None for "source" where there is one.
        limit: at most this many texts per split, or None.
        seed: decides the split.
    """

    dataset: str = "imdb"
    data: Path | None = None
    text_column: str | None = None
    label_column: str | None = None
    validation: Path | None = None
    test: Path | None = None
    data_dir: Path | None = None
    slice_column: str | None = None
    limit: int | None = None
    seed: int = 0

    @classmethod
    def from_json(cls, content: dict) -> Self:
        """Return the configuration that run.json holds."""
        paths = ("data", "validation", "test", "data_dir")
        return cls(**{name: Path(value) if name in paths and value else value for name, value in content.items()})


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The whole of a `train` command.

    Attributes:
        data: which texts.
        models: names out of `CLASSIFIERS` and `GENERATORS`, or only "all".
        stopwords: "default", "none", "nltk:LANGUAGE" or a path to a word list.
        class_weight: None or "balanced".
        epochs: the most passes over the training texts for every network; None for each model's own, or with a
            budget for as many as it allows.
        budget: how many seconds each network trains, the learning rate reaching zero when they are over; None for
            no limit. Linear models train whole.
        precision: "auto", "float32" or "bfloat16", that networks are trained in.
        quantize: None, or "int8" to compare, besides each model that can be quantized, the quantized one.
        seeds: how many seeds to train each network that classifies with, from `seed` on; the first is kept.
        tensorboard: whether Keras writes TensorBoard's logs beside each network.
        run: the run folder's name; None for the dataset's or the file's.
        output: the folder that holds the runs.
        overwrite: replace a finished run of that name.
        seed: for everything that is random.
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    models: tuple[str, ...] = ("all",)
    stopwords: str = "default"
    class_weight: str | None = None
    epochs: int | None = None
    budget: float | None = None
    precision: str = "auto"
    quantize: str | None = None
    seeds: int = 1
    tensorboard: bool = False
    run: str | None = None
    output: Path = Path("saved_models")
    overwrite: bool = False
    seed: int = 0
