"""Classifiers of other runs that take part in this one: as a teacher, or in an ensemble."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from textapp.datasets import Dataset
from textapp.datasets.cleaning import text_hash
from textapp.datasets.labels import shorten
from textapp.datasets.unlabelled import read_unlabelled
from textapp.errors import UserError
from textapp.finished import FinishedRun
from textapp.models import Classifier, load
from textapp.models.ensemble import may_join
from textapp.models.starting import find_pretrained
from textapp.pretrained_runs import read_hashes


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
        UserError: one is not to be had or may not join an ensemble, or is named twice.
    """
    found = {}
    for folder in folders:
        path = folder.resolve()
        name = re.sub(r"^\W|[^\w.+-]", "_", f"{path.parent.name}-{path.name}")  # as `Ensemble` takes them
        if name in found:
            raise UserError(f"{option} names {folder} and another {name}; each model is taken once")
        found[name] = borrowed(folder, dataset, option=option)
        if not may_join(found[name]):
            raise UserError(
                f"{option} is {folder}, which cannot join an ensemble; it takes classifiers that are no majority, no "
                "copy with smaller weights and no ensemble themselves"
            )
    return found


def _check_unseen(folder: Path, dataset: Dataset, option: str) -> None:
    """Raise UserError where a model may know the answers to the validation or test texts."""
    advice = "train it on the same data with the same --limit and, as it decides the split, the same --seed"
    held_out = {text_hash(text) for split in (dataset.validation, dataset.test) for text in split.texts}
    run = FinishedRun(folder.resolve().parent)
    try:
        shared = len(held_out.intersection(_learned(run, dataset)))
    except (UserError, TypeError) as error:
        raise UserError(
            f"{option} is {folder}, which was trained on other texts, and whether they hold texts that this run is "
            f"tested on cannot be seen: {error}; {advice}"
        ) from error
    if shared:
        raise UserError(
            f"{option} is {folder}, which has learned from {shared:,} of the {len(held_out):,} validation and test "
            f"texts of this run; {advice}"
        )


def _learned(run: FinishedRun, dataset: Dataset, seen: frozenset[Path] = frozenset()) -> Iterator[bytes]:
    """Yield the hashes of the texts that the models of a run learned from, and those that they learned from.

    Args:
        run: whose teacher, ensemble and start are looked at, too. A run on the texts of `dataset` was refused all that
            had learned from its validation and test texts.
        dataset: of this run.
        seen: folders of runs that need no second look.

    Raises:
        UserError: something that it learned from is not there anymore, or has changed.
    """
    here = run.folder.resolve()
    if run.fingerprint == dataset.facts["fingerprint"] or here in seen:
        return
    own, chosen = run.dataset(), run.facts["config"]
    texts = [own.train.texts, own.validation.texts]
    if chosen.get("unlabelled"):
        column = chosen.get("text_column", run.data.text_column)
        held_out = (own.validation.texts, own.test.texts)
        texts.append(read_unlabelled(Path(chosen["unlabelled"]), text_column=column, held_out=held_out)[0])
    yield from (text_hash(text) for part in texts for text in part)
    if chosen.get("init_from"):
        for start in find_pretrained(Path(chosen["init_from"])).values():
            yield from read_hashes(start)
    for model in filter(None, (chosen.get("teacher"), *(chosen.get("ensemble_with") or ()))):
        yield from _learned(FinishedRun(Path(model).resolve().parent), dataset, seen | {here})
