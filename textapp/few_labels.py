"""What classifiers make of fewer labelled texts, with pretraining and without."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from textapp.config import TrainConfig
from textapp.datasets import Dataset
from textapp.datasets.prepare import take
from textapp.datasets.splitting import stratified_subset
from textapp.errors import UserError
from textapp.evaluation.bootstrap import bootstrap_interval
from textapp.fitting import Trained, make_model, start_of
from textapp.models import CLASSIFIERS, Classifier
from textapp.models.starting import read_pretraining
from textapp.resuming import Resuming
from textapp.text.cache import CachedCleaning
from textapp.training.progress import Progress

# Texts in an epoch of a network, at least: fewer are repeated, or it would take a handful of steps.
EPOCH_TEXTS = 2_000


def check_label_counts(config: TrainConfig, names: Sequence[str], dataset: Dataset) -> None:
    """Raise UserError where the models cannot be trained on so many labelled texts.

    Raises:
        UserError: the numbers do not fit the training texts, no model is to classify, or what a pretrained one is
            compared with cannot be had.
    """
    if not config.label_counts:
        return
    if not any(name in CLASSIFIERS for name in names):
        raise UserError(f"--label-counts is for models that classify; add some of {list(CLASSIFIERS)} to --models")
    low, high = len(dataset.label_names), len(dataset.train)
    for count in config.label_counts:
        if not low <= count < high:
            raise UserError(
                f"--label-counts has {count}; it must be at least {low}, one text a class, and below the {high:,} "
                "training texts"
            )
    for name in names:
        check = getattr(CLASSIFIERS.get(name), "check", None)  # of a model that may start from something
        if check is not None and start_of(name, config) is not None:
            check(preset=_without_pretraining(name, config).preset, tune=config.tune)


def few_labels(
    models: Sequence[Trained],
    config: TrainConfig,
    cleaning: CachedCleaning,
    dataset: Dataset,
    resuming: Resuming,
    progress: Progress,
) -> list[dict]:
    """Train the run's classifiers on fewer labelled texts, and those that start from pretraining without it, too.

    Without it a model is what would be trained otherwise: of its default sizes, and `minilm` from the preset that
    pretraining went on from. The fewer texts are the same for all models, in the classes' proportions; the texts to
    choose on stay all of them. Only epochs limit the training, no budget.

    Returns:
        For each classifier but dummies, `name`; `pretrained`, whether it started from pretraining; and `points`, by
        rising number of labelled texts: `labels`, `accuracy` on the test texts and its `interval`.
    """
    rows = []
    for trained in models:
        if trained.name not in CLASSIFIERS or trained.model.kind == "dummy":
            continue
        starts = start_of(trained.name, config) is not None
        for pretrained in (True, False) if starts else (False,):
            chosen = config if pretrained or not starts else _without_pretraining(trained.name, config)
            chosen = dataclasses.replace(chosen, budget=None)
            found = {len(dataset.train): trained.predictions} if pretrained == starts else {}
            for count in (*config.label_counts, len(dataset.train)):
                if count not in found:
                    ask = functools.partial(_answers, trained.name, count, chosen, cleaning, dataset, progress)
                    start = "-pretrained" if pretrained else ""
                    found[count] = resuming.answers(f"{trained.name}{start}-labels-{count}", ask)
            rows.append({
                "name": trained.name,
                "pretrained": pretrained,
                "points": [_point(count, found[count], dataset) for count in sorted(found)],
            })  # fmt: skip
    return rows


def _without_pretraining(name: str, config: TrainConfig) -> TrainConfig:
    """Return the configuration of a model that starts from pretraining, without that."""
    start = start_of(name, config)
    assert start is not None
    preset = read_pretraining(start)["options"].get("preset")
    return dataclasses.replace(config, init_from=None, preset=preset)


def _answers(
    name: str, count: int, config: TrainConfig, cleaning: CachedCleaning, dataset: Dataset, progress: Progress
) -> np.ndarray:
    """Return the classes that a model trained on so many texts predicts for the test texts, int (N,)."""
    model = make_model(name, config, cleaning, dataset)
    assert isinstance(model, Classifier)
    positions = stratified_subset(dataset.train.labels, size=count, seed=config.seed)
    if model.kind == "network":
        positions = np.tile(positions, max(1, EPOCH_TEXTS // count))
    model.fit(take(dataset.train, positions), dataset.validation, progress=progress)
    predicted = model.predict_proba(dataset.test.texts).argmax(axis=1)
    start = " after pretraining" if getattr(model, "init_from", None) else ""
    right = model.predict_proba(dataset.validation.texts).argmax(axis=1) == dataset.validation.labels
    progress.line(f"{name}{start}, {count:,} labels", {"validation accuracy": float(right.mean())})
    return predicted


def _point(count: int, predicted: np.ndarray, dataset: Dataset) -> dict:
    right = predicted == dataset.test.labels
    return {"labels": count, "accuracy": float(right.mean()), "interval": bootstrap_interval(right)}
