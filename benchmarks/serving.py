"""From raw string to answer, served and in a plain loop: `python -m benchmarks.serving --run saved_models/imdb`.

The SavedModels of the networks in a finished run, against the loop that people write: NLTK's word_tokenize and a stop
list, ids padded to one width, `model.predict`. Both ask the same network for the same texts, in turn, round by round;
what counts is the ratio. Last, how long a process takes that starts, loads a SavedModel and answers once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import nltk
import numpy as np
import tensorflow as tf

import textapp
from benchmarks.results_file import command_line, write_table
from textapp.config import DataConfig
from textapp.datasets import load_dataset
from textapp.models.network import NetworkClassifier
from textapp.text.vocabulary import UNKNOWN_ID

BATCH = 64
LEAST_RATIO = 3.0
MOST_MILLISECONDS = 5.0
FIRST_ANSWER = """
import tensorflow as tf
answer = tf.saved_model.load({folder!r}).signatures["serving_default"]
print(answer(text=tf.constant(["A waste of two hours."]))["label"].numpy()[0].decode())
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("saved_models/imdb"), help="a finished run")
    parser.add_argument("--models", default="lstm,encoder", help="networks of it")
    parser.add_argument("--texts", type=int, default=640, help="how many test texts a round takes")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    texts = load_dataset(DataConfig(dataset="imdb")).test.texts[: chosen.texts]
    rows, missed = [], []
    for name in chosen.models.split(","):
        folder = chosen.run / name
        model = textapp.load(folder)
        signature = tf.saved_model.load(str(folder / "1")).signatures["serving_default"]
        served, loop = serve(signature), plain_loop(model)
        rates = alternate([served, loop], texts, rounds=chosen.rounds)
        ratios = [ours / theirs for ours, theirs in rates]
        single = [latencies(answer, texts[:200]) for answer in (served, loop)]
        cold = [first_answer(folder / "1") for _ in range(3)]
        rows.append(
            [
                name,
                f"{statistics.median(ours for ours, _ in rates):,.0f}",
                f"{statistics.median(theirs for _, theirs in rates):,.0f}",
                f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})",
                *(" / ".join(f"{value:.1f}" for value in np.percentile(times, [50, 95, 99])) for times in single),
                f"{statistics.median(cold):.1f}",
            ]
        )
        median = float(np.median(single[0]))
        if statistics.median(ratios) < LEAST_RATIO:
            missed.append(f"{name}: {statistics.median(ratios):.2f} times the plain loop, at least {LEAST_RATIO}")
        if median >= MOST_MILLISECONDS:
            missed.append(f"{name}: {median:.1f} ms at batch 1, below {MOST_MILLISECONDS}")
    write_table(
        "serving",
        f"Raw string to answer: the SavedModel and a plain loop, {len(texts)} IMDB reviews, {chosen.rounds} rounds",
        command_line("benchmarks.serving"),
        [
            "network",
            f"SavedModel, texts per s, batch {BATCH}",
            "plain loop",
            "ratio, median (range)",
            "SavedModel, ms at batch 1, p50 / p95 / p99",
            "plain loop",
            "process start to first answer, s",
        ],
        rows,
    )
    for line in missed:
        print(f"NOT REACHED: {line}", file=sys.stderr)
    return 1 if missed else 0


def serve(signature: Callable) -> Callable[[Sequence[str]], np.ndarray]:
    """Return what asks a SavedModel for probabilities."""
    return lambda texts: signature(text=tf.constant(texts))["probabilities"].numpy()


def plain_loop(model: NetworkClassifier) -> Callable[[Sequence[str]], np.ndarray]:
    """Return the loop that people write around `model.predict`.

    word_tokenize without cutting into sentences, which would take NLTK data and more time.
    """
    stopwords, network = set(model.cleaning.stopwords), model.network
    ids = {word: position for position, word in enumerate(("[PAD]", "[UNK]", *model.vocabulary.words))}

    def answer(texts: Sequence[str]) -> np.ndarray:
        rows = []
        for text in texts:
            tokens = nltk.word_tokenize(text.lower(), preserve_line=True)
            rows.append([ids.get(token, UNKNOWN_ID) for token in tokens if token not in stopwords] or [UNKNOWN_ID])
        token_ids = keras.utils.pad_sequences(rows, maxlen=model.sequence_length, padding="post")
        inputs = {"token_ids": token_ids, "padding_mask": token_ids != 0}
        return network.predict(inputs, batch_size=BATCH, verbose=0)

    return answer


def alternate(answers: Sequence[Callable], texts: Sequence[str], *, rounds: int) -> list[list[float]]:
    """Return for each round the texts per second of each, after a round that does not count."""
    rates = []
    for _ in range(rounds + 1):
        seconds = []
        for answer in answers:
            start = time.perf_counter()
            for begin in range(0, len(texts), BATCH):
                answer(texts[begin : begin + BATCH])
            seconds.append(time.perf_counter() - start)
        rates.append([len(texts) / value for value in seconds])
    return rates[1:]


def latencies(answer: Callable, texts: Sequence[str]) -> list[float]:
    """Return the milliseconds of each text alone, after a pass that does not count."""
    times = []
    for text in [*texts, *texts]:
        start = time.perf_counter()
        answer([text])
        times.append(1000 * (time.perf_counter() - start))
    return times[len(texts) :]


def first_answer(folder: Path) -> float:
    """Return the seconds of a process that imports TensorFlow, loads a SavedModel and answers once."""
    start = time.perf_counter()
    program = FIRST_ANSWER.format(folder=str(folder.resolve()))
    subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
