"""Labelled texts, from the package's reviews, the user's file or the official aclImdb folder."""

from __future__ import annotations

from collections.abc import Callable

from textapp.config import DataConfig
from textapp.datasets.aclimdb import aclimdb
from textapp.datasets.dataset import Dataset, Split
from textapp.datasets.movie_reviews import imdb, rotten_tomatoes
from textapp.datasets.prepare import prepare
from textapp.datasets.source import Examples, Source
from textapp.datasets.user_file import user_file
from textapp.errors import UserError

DATASETS: dict[str, Callable[[DataConfig], Source]] = {
    "imdb": imdb,
    "rotten_tomatoes": rotten_tomatoes,
    "aclimdb": aclimdb,
}

__all__ = ["DATASETS", "Dataset", "Examples", "Source", "Split", "load_dataset"]


def load_dataset(config: DataConfig) -> Dataset:
    """Read, clean and split the texts that the user chose.

    Args:
        config: the user's file if `config.data` is given, else the dataset of the name `config.dataset`.

    Returns:
        The dataset: the same for the same configuration on every machine.

    Raises:
        UserError: for everything that is wrong with the input, in one sentence.
    """
    if config.data is not None:
        for option in ("dataset", "data_dir"):
            if getattr(config, option) is not None:
                flag = "--" + option.replace("_", "-")
                raise UserError(f"--data {config.data} and {flag} {getattr(config, option)} exclude each other")
        source = user_file(config)
    else:
        for option in ("text_column", "label_column", "validation", "test", "slice_column"):
            if getattr(config, option) is not None:
                flag = "--" + option.replace("_", "-")
                raise UserError(f"{flag} {getattr(config, option)} goes with --data FILE, which is not given")
        name = "imdb" if config.dataset is None else config.dataset
        if name not in DATASETS:
            raise UserError(f"unknown dataset {name!r}; choose from {sorted(DATASETS)}")
        source = DATASETS[name](config)
    return prepare(source, limit=config.limit, seed=config.seed)
