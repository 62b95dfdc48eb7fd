"""Networks that are trained again with other seeds: how much is chance."""

from __future__ import annotations

import numpy as np

from textapp.config import TrainConfig
from textapp.datasets import Dataset, Split
from textapp.fitting import Trained, make_model
from textapp.models import Classifier
from textapp.resuming import Resuming
from textapp.text.cache import CachedCleaning
from textapp.training.progress import Progress


def train_more_seeds(
    trained: Trained,
    name: str,
    train: Split,
    config: TrainConfig,
    cleaning: CachedCleaning,
    dataset: Dataset,
    resuming: Resuming,
    progress: Progress,
) -> None:
    """Set what a network that classifies answers when it is trained with each of the seeds that the user wants.

    Args:
        trained: with the first of them.
        name: of such a model, "encoder" for "encoder-distilled".
        train: what it learned from, a teacher's answers for a student.
        config, cleaning, dataset, resuming, progress: of the run.
    """
    if not trained.classifies or trained.model.kind != "network" or config.seeds == 1:
        return
    trained.seeds[config.seed] = trained.predictions
    for seed in range(config.seed + 1, config.seed + config.seeds):

        def ask(seed: int = seed) -> np.ndarray:
            """Return the classes that a model trained with a seed predicts for the test texts, int array (N,)."""
            model = make_model(name, config, cleaning, dataset, seed=seed)
            assert isinstance(model, Classifier)
            history = model.fit(train, dataset.validation, progress=progress)
            progress.line(f"seed {seed}", {"validation accuracy": max(row["val_accuracy"] for row in history)})
            return model.predict_proba(dataset.test.texts).argmax(axis=1)

        trained.seeds[seed] = resuming.answers(f"{trained.name}-seed-{seed}", ask)
