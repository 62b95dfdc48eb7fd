"""What Adam in one pass is worth: `python -m benchmarks.optimizer`.

Encoder and LSTM of the default job train on the same batches of IMDB's reviews by Keras's Adam and by ours, in turn.
"""

from __future__ import annotations

import argparse
import sys
import time

import keras
import numpy as np

from benchmarks.results_file import command_line, write_table
from textapp.config import DataConfig, TrainConfig
from textapp.datasets import load_dataset
from textapp.fitting import make_model
from textapp.text.cache import CachedCleaning
from textapp.text.cleaning import make_cleaning
from textapp.text.vocabulary import Vocabulary
from textapp.training.adam import Adam

TEXTS = 3_200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of an epoch each")
    chosen = parser.parse_args()
    config = TrainConfig(data=DataConfig(dataset="imdb"))
    dataset = load_dataset(config.data)
    cleaning = CachedCleaning(make_cleaning(config.stopwords))
    tokens = cleaning(dataset.train.texts)
    labels = dataset.train.labels[:TEXTS]
    rows = []
    for name in ("encoder", "lstm"):
        model = make_model(name, config, cleaning, dataset)
        model.vocabulary = Vocabulary.build(tokens, size=model.vocabulary_size)
        ids = model.vocabulary.encode(tokens[:TEXTS])
        batches = model._batches(ids, labels, np.ones(len(dataset.label_names), np.float32), seed=0)
        networks = [compiled(model, optimizer) for optimizer in (keras.optimizers.Adam, Adam)]
        for network in networks:  # traces
            network.fit(batches, verbose=0)
        seconds = np.array([[epoch(network, batches) for network in networks] for _ in range(chosen.rounds)])
        theirs, ours = np.median(TEXTS / seconds, axis=0)
        low, ratio, high = np.quantile(seconds[:, 1] / seconds[:, 0], (0, 0.5, 1))
        rows.append([name, f"{theirs:,.0f}", f"{ours:,.0f}", f"{ratio:.2f} ({low:.2f} to {high:.2f})"])
    header = ["training", "Keras's Adam, texts per s", "ours, texts per s", "time of ours in Keras's, median (range)"]
    write_table("optimizer", "Adam in one pass", command_line("benchmarks.optimizer"), header, rows)
    return 0


def compiled(model, optimizer) -> keras.Model:
    """Return an untrained network of a model, about to learn by an optimizer."""
    network = model.build()
    network.compile(optimizer=optimizer(model.learning_rate, global_clipnorm=1.0), loss=model._loss, jit_compile=False)
    return network


def epoch(network: keras.Model, batches: keras.utils.PyDataset) -> float:
    """Return the seconds of an epoch."""
    began = time.perf_counter()
    network.fit(batches, verbose=0)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
