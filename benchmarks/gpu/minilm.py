"""all-MiniLM-L6-v2 fine-tuned on nine tenths of the IMDB reviews, tested on the tenth that the main job tests on."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras_hub
import numpy as np

from benchmarks.gpu.options import Figure, Options, Table
from textapp.config import DataConfig
from textapp.datasets import Dataset, Split, load_dataset
from textapp.models import MiniLM
from textapp.text.cleaning import make_cleaning
from textapp.training.progress import Progress, Stopwatch

VALIDATION = 400  # texts of the nine tenths, to see which epoch is the best
EPOCHS = {256: 3, 512: 2}  # by the tokens that are learned from
MOST_SECONDS, LEAST_ACCURACY = 60, 0.930
TINY = {"training_length": 16, "sequence_length": 32, "epochs": 2}


def run(options: Options) -> Table:
    """Fine-tune with each length of texts."""
    dataset = load_dataset(DataConfig(limit=40 if options.tiny else None))
    train, validation = _nine_tenths(dataset)
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        preset = _tiny_preset(Path(scratch)) if options.tiny else options.preset
        for length, epochs in list(EPOCHS.items())[: 1 if options.tiny else None]:
            settings = TINY if options.tiny else {"training_length": length, "epochs": epochs}
            model = MiniLM(label_names=dataset.label_names, cleaning=make_cleaning(), preset=preset, **settings)
            stopwatch = Stopwatch()
            with Progress() as progress:
                history = model.fit(train, validation, progress=progress)
            trained = stopwatch.seconds
            right = model.predict_proba(dataset.test.texts).argmax(axis=1) == dataset.test.labels
            epoch = history[-1]["seconds"] - history[-2]["seconds"]
            found[length] = epoch, right.mean()
            numbers = (history[0]["seconds"], epoch, trained, stopwatch.seconds - trained)
            cells = [f"{number:.1f}" for number in numbers]
            rows.append([str(length), model.computation, *cells, f"{right.mean():.4f} after {len(history)} epochs"])
    epoch, accuracy = found[256]
    return Table(
        title=f"MiniLM on {len(train):,} reviews, tested on {len(dataset.test):,}",
        header=(
            "tokens to learn from",
            "path",
            "seconds to the end of the first epoch, compiling included",
            "seconds of the last epoch",
            "seconds of the training",
            "seconds of the test texts",
            "accuracy",
        ),
        rows=rows,
        figures=[
            Figure("Seconds of an epoch at 256 tokens", epoch, MOST_SECONDS, at_most=True),
            Figure("Accuracy after it was trained on 256 tokens", accuracy, LEAST_ACCURACY),
        ],
        notes=[f"The best epoch is that on {len(validation):,} reviews which are not trained on; texts are answered "
               "with 512 tokens."],
    )  # fmt: skip


def _nine_tenths(dataset: Dataset) -> tuple[Split, Split]:
    """Return what is not tested on, but for some texts of every class to choose the epoch by, and these."""
    texts = [*dataset.train.texts, *dataset.validation.texts]
    labels = np.concatenate([dataset.train.labels, dataset.validation.labels])
    order = np.random.default_rng(0).permutation(len(texts))
    parts = order[VALIDATION:], order[:VALIDATION]
    if len(texts) <= 2 * VALIDATION:
        parts = np.array_split(order, 2)
    return tuple(
        Split(texts=[texts[place] for place in part], labels=labels[part], rows=np.arange(len(part))) for part in parts
    )


def _tiny_preset(folder: Path) -> str:
    """Write an encoder with random weights that knows some words and all letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"-"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    words += ["the", "a", "and", "of", "to", "is", "in", "film", "movie", "good", "bad"]
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": 64}
    keras_hub.models.BertBackbone(vocabulary_size=len(words), **sizes).save_to_preset(folder)
    keras_hub.models.BertTokenizer(words, lowercase=True).save_to_preset(folder)
    return str(folder)
