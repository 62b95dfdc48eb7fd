"""A CSV in, a CSV out: `python -m benchmarks.predicting --run saved_models/imdb`.

`python -m textapp predict` in a process of its own, for files of growing length: IMDB's reviews over and over, from
the second time on with some words changed. What counts is that the memory stays flat and that every answer stands in
its text's row. The rows per second leave out the seconds that the same command takes for a file of one row.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.results_file import command_line, write_table
from textapp.config import DataConfig
from textapp.datasets import load_dataset
from textapp.datasets.tables import Table

ROWS = (10_000, 100_000)  # and what is asked for
CHANGED_WORDS = 5
SAMPLE = 200  # rows whose answers are checked
LARGEST_DIFFERENCE = 1e-4  # of a probability
MOST_BYTES = 2e9
MOST_GROWTH = 1.2  # of the memory, from one length to the next once a piece of the file is full


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("saved_models/imdb"), help="a finished run")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the longest file")
    parser.add_argument("--models", default="nbsvm,lstm", help="classifiers of it")
    parser.add_argument("--seed", type=int, default=0, help="decides which words change, and which answers are checked")
    chosen = parser.parse_args()
    reviews = load_dataset(DataConfig(dataset="imdb")).train.texts
    table, missed = [], []
    with tempfile.TemporaryDirectory() as scratch:
        data, output = Path(scratch) / "reviews.csv", Path(scratch) / "answers.csv"
        names, before = chosen.models.split(","), {}
        write_reviews(data, reviews, 1, seed=chosen.seed)
        start_up = {name: predict(chosen.run / name, data, output)[0] for name in names}
        for rows in sorted({*(rows for rows in ROWS if rows < chosen.rows), chosen.rows}):
            write_reviews(data, reviews, rows, seed=chosen.seed)
            for name in names:
                seconds, memory = predict(chosen.run / name, data, output)
                difference = check(chosen.run / name, output, rows, seed=chosen.seed)
                rate = rows / max(seconds - start_up[name], 1e-9)
                cells = [f"{rows:,}", f"{rate:,.0f}", f"{seconds:.0f}", f"{memory / 1e6:,.0f}", f"{difference:.1g}"]
                table.append([name, *cells])
                if not difference <= LARGEST_DIFFERENCE:
                    missed.append(f"{name}, {rows:,} rows: an answer differs by {difference:.1g}")
                if memory > min(MOST_BYTES, MOST_GROWTH * before.get(name, MOST_BYTES)):
                    missed.append(f"{name}, {rows:,} rows: {memory / 1e6:,.0f} MB")
                if rows >= ROWS[1]:
                    before[name] = memory
    write_table(
        "predicting",
        "`textapp predict`: a CSV of reviews to a CSV of answers",
        command_line("benchmarks.predicting"),
        ["model", "rows", "rows per s", "seconds in all", "most memory, MB", f"largest difference, {SAMPLE} answers"],
        table,
    )
    for line in missed:
        print(f"NOT REACHED: {line}", file=sys.stderr)
    return 1 if missed else 0


def write_reviews(path: Path, reviews: Sequence[str], rows: int, *, seed: int) -> None:
    """Write a CSV with a number and a text in each row; no two texts are the same."""
    random = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "text"])
        for number in range(rows):
            words = reviews[number % len(reviews)].split(" ")
            if number >= len(reviews):
                for position, new in zip(
                    *random.integers([[len(words)], [10**6]], size=(2, CHANGED_WORDS)), strict=True
                ):
                    words[position] = f"number{new}"
            writer.writerow([number, " ".join(words)])


def predict(model: Path, data: Path, output: Path) -> tuple[float, int]:
    """Return the seconds and the bytes of memory that the command takes at most, as the system counts them."""
    command = [sys.executable, "-m", "textapp", "predict", "--model", model, "--data", data, "--output", output]
    start = time.perf_counter()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, env=environment)
    memory = 0
    while process.poll() is None:
        memory = max(memory, peak(process.pid))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(process.returncode)
    return time.perf_counter() - start, memory


def peak(process_id: int) -> int:
    """Return the most bytes that a process held up to now; 0 where it is over."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def check(model: Path, answers: Path, rows: int, *, seed: int) -> float:
    """Return the largest difference of some answers from those of the model; infinite where a row is not in its place.

    The answers are held against the texts that stand beside them, and the numbers against those that were written.
    """
    import textapp  # takes Keras, and seconds

    sample = np.sort(np.random.default_rng(seed).choice(rows, min(SAMPLE, rows), replace=False))
    found, start = [], 0
    for frame in Table(answers).pieces():
        if frame["number"].tolist() != [str(number) for number in range(start, start + len(frame))]:
            return float("inf")
        found += frame.iloc[sample[(sample >= start) & (sample < start + len(frame))] - start].to_dict("records")
        start += len(frame)
    classifier = textapp.load(model)
    probabilities = classifier.predict_proba([row["text"] for row in found])
    said = np.array([classifier.label_names.index(row["predicted_label"]) for row in found])
    scores = np.array([float(row["predicted_score"]) for row in found])
    # Of the label that was said, and of the most probable one: the two may be as good as even.
    differences = [probabilities[np.arange(len(said)), said] - scores, probabilities.max(axis=1) - scores]
    return float(np.abs(differences).max()) if start == rows else float("inf")


if __name__ == "__main__":
    sys.exit(main())
