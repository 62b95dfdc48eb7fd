"""What validation says of choices that the defaults make: `python -m benchmarks.choices stopwords|lstm`.

Only the validation split is looked at. `stopwords` also tries NLTK's own English list, where NLTK finds it
(`python -m nltk.downloader stopwords`, or a folder in NLTK_DATA).
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from rich.console import Console

from benchmarks.results_file import write_table
from textapp.config import DataConfig
from textapp.datasets import Dataset, load_dataset
from textapp.errors import UserError
from textapp.models import CLASSIFIERS, Classifier
from textapp.text.cache import CachedCleaning
from textapp.text.cleaning import make_cleaning
from textapp.training.progress import Progress

STOPWORDS = ("none", "nltk:english", "default")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("choice", choices=["stopwords", "lstm"])
    parser.add_argument("--dataset", default="imdb")
    parser.add_argument("--limit", type=int, help="at most this many texts per split, to try the command")
    parser.add_argument("--models", default="tfidf,nbsvm,lstm,encoder", help="for stopwords: which ones")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds for each network")
    chosen = parser.parse_args()
    dataset = load_dataset(DataConfig(dataset=chosen.dataset, limit=chosen.limit))
    models = chosen.models.split(",")
    rows = (
        stopword_rows(dataset, models, chosen.seeds)
        if chosen.choice == "stopwords"
        else lstm_rows(dataset, chosen.seeds)
    )
    header = {
        "stopwords": ["stop words", "tokens per text", *models],
        "lstm": ["LSTM", "validation accuracy"],
    }[chosen.choice]
    write_table(
        f"choices_{chosen.choice}",
        f"{chosen.dataset}: accuracy on {len(dataset.validation):,} validation texts (networks: mean and range of "
        f"{chosen.seeds} seeds)",
        f"python -m benchmarks.choices {' '.join(sys.argv[1:])}",
        header,
        rows,
    )
    return 0


def stopword_rows(dataset: Dataset, models: list[str], seeds: int) -> list[list[str]]:
    """Return a row per stop list, a column per model."""
    rows = []
    for name in STOPWORDS:
        try:
            cleaning = CachedCleaning(make_cleaning(name))
        except UserError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        length = np.mean([len(tokens) for tokens in cleaning(dataset.validation.texts)])
        cells = [name, f"{length:.0f}"]
        for model in models:
            repeats = seeds if CLASSIFIERS[model].kind == "network" else 1
            cells.append(validation_accuracy(CLASSIFIERS[model], dataset, cleaning, repeats))
        rows.append(cells)
    return rows


def lstm_rows(dataset: Dataset, seeds: int) -> list[list[str]]:
    """Return a row per direction."""
    cleaning = CachedCleaning(make_cleaning())
    return [
        [
            name,
            validation_accuracy(CLASSIFIERS["lstm"], dataset, cleaning, seeds, bidirectional=bidirectional),
        ]
        for name, bidirectional in (("forward", False), ("both directions", True))
    ]


def validation_accuracy(
    model: type[Classifier], dataset: Dataset, cleaning: CachedCleaning, seeds: int, **options
) -> str:
    """Train with the seeds 0, 1, ... and return the accuracy in words."""
    accuracies = []
    for seed in range(seeds):
        trained = model(label_names=dataset.label_names, cleaning=cleaning, seed=seed, **options)
        with Progress(Console(stderr=True)) as progress:
            progress.model(f"{model.name} {options} seed {seed}")
            trained.fit(dataset.train, dataset.validation, progress=progress)
        answers = trained.predict_proba(dataset.validation.texts).argmax(axis=1)
        accuracies.append(float((answers == dataset.validation.labels).mean()))
    if seeds == 1:
        return f"{accuracies[0]:.3f}"
    return f"{np.mean(accuracies):.3f} ({min(accuracies):.3f} to {max(accuracies):.3f})"


if __name__ == "__main__":
    sys.exit(main())
