"""Classifiers of other runs that take part in this one: as a teacher, or in an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textapp.datasets import Dataset
from textapp.datasets.cleaning import text_hash
from textapp.datasets.labels import shorten
from textapp.errors import UserError
from textapp.finished import FinishedRun
from textapp.models import Classifier, load


def borrowed(folder: Path, dataset: Dataset, *, option: str) -> Classifier:
    """Return a classifier of a finished run with the labels of a dataset, trained on none of its held-out texts.

    Args:
        folder: the model's, in its run, such as saved_models/imdb/minilm.
        dataset: of this run.
        option: that named the folder, for the errors.

    Raises:
        UserError: there is no such model or it classifies nothing, its labels are others, or texts that this run
            chooses by or tests on are among those that it was trained on, or cannot be shown not to be.
    """
    model = load(folder)
    if not isinstance(model, Classifier):
        raise UserError(f"{option} is {folder}, which holds a generator; it takes a classifier")
    if model.label_names != dataset.label_names:
        raise UserError(
            f"{option} is {folder}, whose labels are {shorten(model.label_names)}; these texts have "
            f"{shorten(dataset.label_names)}, so take a model with the same labels in the same order"
        )
    _check_unseen(folder, dataset, option)
    return model


def members_of_other_runs(folders: Sequence[Path], dataset: Dataset, *, option: str) -> dict[str, Classifier]:
    """Return classifiers of finished runs by names RUN-MODEL, each as `borrowed` gives it.

    Raises:
        UserError: one is not to be had, or named twice.
    """
    found = {}
    for folder in folders:
        path = folder.resolve()
        name = f"{path.parent.name}-{path.name}"
        if name in found:
            raise UserError(f"{option} names {folder} and another {name}; each model is taken once")
        found[name] = borrowed(folder, dataset, option=option)
    return found


def _check_unseen(folder: Path, dataset: Dataset, option: str) -> None:
    """Raise UserError where a model may know the answers to the validation or test texts."""
    run = FinishedRun(folder.resolve().parent)
    if run.fingerprint == dataset.facts["fingerprint"]:
        return
    advice = "train it on the same data with the same --limit and, as it decides the split, the same --seed"
    try:
        others = run.dataset()
    except UserError as error:
        raise UserError(
            f"{option} is {folder}, which was trained on other texts, and whether they hold texts that this run is "
            f"tested on cannot be seen: {error}; {advice}"
        ) from error
    held_out = {text_hash(text) for split in (dataset.validation, dataset.test) for text in split.texts}
    learned = {text_hash(text) for split in (others.train, others.validation) for text in split.texts}
    if shared := len(held_out & learned):
        raise UserError(
            f"{option} is {folder}, which has learned from {shared:,} of the {len(held_out):,} validation and test "
            f"texts of this run; {advice}"
        )
