"""What validation says of choices that the defaults make: `python -m benchmarks.choices stopwords|lstm|encoder`.

Only the validation split is looked at. `stopwords` also tries NLTK's own English list, where NLTK finds it
(`python -m nltk.downloader stopwords`, or a folder in NLTK_DATA).
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from rich.console import Console

from benchmarks.results_file import command_line, write_table
from benchmarks.tried import Tried, TriedEncoder, TriedLSTM
from textapp.config import DataConfig
from textapp.datasets import Dataset, load_dataset
from textapp.errors import UserError
from textapp.models import CLASSIFIERS, Classifier
from textapp.text.cache import CachedCleaning
from textapp.text.cleaning import make_cleaning
from textapp.training.progress import Progress, Stopwatch

STOPWORDS = ("none", "nltk:english", "default")
# What is tried with each network: a name of the row, and the options that differ from the defaults.
COMMON = {
    "as it is": {},
    "a tenth of the words unknown while training": {"word_dropout": 0.1},
    "weights averaged, momentum 0.99": {"averaging": 0.99},
    "no pairs of words": {"bigrams": 0},
    "65,536 hashes of pairs, width 16": {"bigrams": 65_536, "bigram_width": 16},
    "embeddings at random instead of from the words' company": {"corpus_embeddings": 0.0},
    "embeddings from the words' company, twice as large": {"corpus_embeddings": 0.1},
    "no label smoothing": {"label_smoothing": 0.0},
    "label smoothing 0.2": {"label_smoothing": 0.2},
    "trained in bfloat16": {"precision": "bfloat16"},
}
TRIED: dict[str, tuple[type[Tried], dict[str, dict]]] = {
    "lstm": (TriedLSTM, {**COMMON, "forward only": {"bidirectional": False}}),
    "encoder": (
        TriedEncoder,
        {
            **COMMON,
            "attention scores left out, too, 0.2": {"attention_dropout": 0.2},
            "attention pooling beside mean and maximum": {"attention_pooling": True},
        },
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("choice", choices=["stopwords", *TRIED])
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
        else tried_rows(dataset, *TRIED[chosen.choice], chosen.seeds)
    )
    header = ["stop words", "tokens per text", *models]
    if chosen.choice in TRIED:
        header = [chosen.choice, "validation accuracy", "seconds of training"]
    write_table(
        f"choices_{chosen.choice}",
        f"{chosen.dataset}: accuracy on {len(dataset.validation):,} validation texts (networks: mean and range of "
        f"{chosen.seeds} seeds)",
        command_line("benchmarks.choices"),
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
            cells.append(validation_accuracy(CLASSIFIERS[model], dataset, cleaning, repeats)[0])
        rows.append(cells)
    return rows


def tried_rows(dataset: Dataset, model: type[Tried], tried: dict[str, dict], seeds: int) -> list[list[str]]:
    """Return a row for all that is tried with a network."""
    cleaning = CachedCleaning(make_cleaning())
    cleaning(dataset.train.texts)  # so that no row has its time
    return [[name, *validation_accuracy(model, dataset, cleaning, seeds, **options)] for name, options in tried.items()]


def validation_accuracy(
    model: type[Classifier], dataset: Dataset, cleaning: CachedCleaning, seeds: int, **options
) -> tuple[str, str]:
    """Train with the seeds 0, 1, ... and return the accuracy in words, and the mean seconds of it."""
    accuracies, seconds = [], []
    for seed in range(seeds):
        trained = model(label_names=dataset.label_names, cleaning=cleaning, seed=seed, **options)
        with Progress(Console(stderr=True)) as progress:
            progress.model(f"{model.name} {options} seed {seed}")
            stopwatch = Stopwatch()
            trained.fit(dataset.train, dataset.validation, progress=progress)
            seconds.append(stopwatch.seconds)
        answers = trained.predict_proba(dataset.validation.texts).argmax(axis=1)
        accuracies.append(float((answers == dataset.validation.labels).mean()))
    spread = "" if seeds == 1 else f" ({min(accuracies):.3f} to {max(accuracies):.3f})"
    return f"{np.mean(accuracies):.3f}{spread}", f"{np.mean(seconds):.0f}"


if __name__ == "__main__":
    sys.exit(main())
