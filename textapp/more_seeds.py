"""Networks that are trained again with other seeds: how much is chance."""

from __future__ import annotations

import functools

import numpy as np

from textapp.config import TrainConfig
from textapp.datasets import Dataset
from textapp.fitting import Trained, make_model
from textapp.resuming import Resuming
from textapp.text.cache import CachedCleaning
from textapp.training.progress import Progress


def train_more_seeds(
    trained: Trained,
    config: TrainConfig,
    cleaning: CachedCleaning,
    dataset: Dataset,
    resuming: Resuming,
    progress: Progress,
) -> None:
    """Set what a network that classifies answers when it is trained with each of the seeds that the user wants."""
    if not trained.classifies or trained.model.kind != "network" or config.seeds == 1:
        return
    trained.seeds[config.seed] = trained.predictions
    for seed in range(config.seed + 1, config.seed + config.seeds):
        ask = functools.partial(_answers, trained.name, seed, config, cleaning, dataset, progress)
        trained.seeds[seed] = resuming.answers(f"{trained.name}-seed-{seed}", ask)
        progress.line(f"seed {seed}", {"test accuracy": (trained.seeds[seed] == dataset.test.labels).mean()})


def _answers(
    name: str, seed: int, config: TrainConfig, cleaning: CachedCleaning, dataset: Dataset, progress: Progress
) -> np.ndarray:
    """Return the classes that a model trained with a seed predicts for the test texts, int array of shape (N,)."""
    model = make_model(name, config, cleaning, dataset, seed=seed)
    model.fit(dataset.train, dataset.validation, progress=progress)
    return model.predict_proba(dataset.test.texts).argmax(axis=1)
