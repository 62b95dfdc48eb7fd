"""A million reviews to token ids: `python -m benchmarks.text [--reviews 1000000]`.

The reviews of IMDB are repeated with changes: sentences in another order, numbers and words that are new. Three ways
are timed, each in a process of its own: NLTK's `word_tokenize` and a stop list in a loop (over fewer reviews, since it
takes so long), ours for the first time, and ours from the cache. Memory is that of all processes of a way together.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.results_file import command_line, write_table
from textapp.datasets.movie_reviews import CSV
from textapp.datasets.texts import TextsWriter

LOOP_REVIEWS = 5_000
WAYS = ("loop", "first time", "from the cache")
LEAST_RATIO = {"first time": 8, "from the cache": 100}
MOST_BYTES = 2e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=int, default=1_000_000)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.way:
        print(json.dumps(measure(chosen.way, chosen.reviews)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"TEXTAPP_CACHE": folder}
        found = {way: in_a_process(way, chosen.reviews, environment) for way in WAYS}
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    rates = {way: result["texts"] / result["seconds"] for way, result in found.items()}
    ratios = {way: rates[way] / rates["loop"] for way in WAYS}
    write_table(
        "text",
        f"{chosen.reviews:,} reviews cleaned, numbered and encoded",
        command_line("benchmarks.text"),
        ["way", "texts", "tokens", "seconds", "texts per s", "times the loop", "peak memory, MB", "on disk, MB"],
        [
            [
                way,
                f"{found[way]['texts']:,}",
                f"{found[way]['tokens']:,}",
                f"{found[way]['seconds']:.1f}",
                f"{rates[way]:,.0f}",
                f"{ratios[way]:.1f}",
                f"{found[way]['peak'] / 1e6:,.0f}",
                "" if way == "loop" else f"{size / 1e6:,.0f}",
            ]
            for way in WAYS
        ],
    )
    missed = []
    for way, least in LEAST_RATIO.items():
        if ratios[way] < least:
            missed.append(f"{way}: {ratios[way]:.1f} times the loop, at least {least}")
        if found[way]["peak"] >= MOST_BYTES:
            missed.append(f"{way}: {found[way]['peak']:,} bytes, below {MOST_BYTES:,.0f}")
    for line in missed:
        print(f"NOT REACHED: {line}", file=sys.stderr)
    return 1 if missed else 0


def in_a_process(way: str, reviews: int, environment: dict[str, str]) -> dict:
    """Return what `measure` gives in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.text", "--way", way, "--reviews", str(reviews)]
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(finished.stdout.splitlines()[-1])


def measure(way: str, count: int) -> dict:
    """Return texts, tokens, seconds and the peak memory in bytes of one way; making the texts takes no part in it."""
    texts = reviews(min(count, LOOP_REVIEWS) if way == "loop" else count)
    with Memory() as memory:
        result = in_a_loop(texts) if way == "loop" else ours(texts)
    return result | {"peak": memory.peak}


def in_a_loop(texts: Sequence[str]) -> dict:
    """Clean as people do; `word_tokenize` without cutting into sentences, which would take NLTK data and more time."""
    import nltk

    from textapp.text.cleaning import load_stopwords

    stopwords, ids, tokens = set(load_stopwords("default")), {}, 0
    texts = list(texts)
    start = time.perf_counter()
    for text in texts:
        words = [word for word in nltk.word_tokenize(text.lower(), preserve_line=True) if word not in stopwords]
        tokens += len([ids.setdefault(word, len(ids)) for word in words])
    return {"texts": len(texts), "tokens": tokens, "seconds": time.perf_counter() - start}


def ours(texts: Sequence[str]) -> dict:
    """Clean, build a vocabulary and look every id up once."""
    import numpy as np

    from textapp.text.cache import CachedCleaning
    from textapp.text.cleaning import make_cleaning
    from textapp.text.vocabulary import Vocabulary

    start = time.perf_counter()
    tokens = CachedCleaning(make_cleaning())(texts)
    vocabulary = Vocabulary.build(tokens, size=20_000)
    rows = vocabulary.encode(tokens)
    for first in range(0, len(tokens.ids), 1_000_000):
        rows.take(np.arange(first, min(first + 1_000_000, len(tokens.ids))))
    return {"texts": len(texts), "tokens": len(tokens.ids), "seconds": time.perf_counter() - start}


def reviews(count: int) -> Sequence[str]:
    """Return so many reviews, which lie on the disk."""
    path = importlib.metadata.distribution("movie-reviews").locate_file(CSV)
    with Path(path).open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file) if row["source"] == "imdb"]
    writer = TextsWriter()
    for first in range(0, count, len(texts)):
        chosen = range(first, min(count, first + len(texts)))
        writer.extend(changed(texts[index % len(texts)], index) if first else texts[index] for index in chosen)
    return writer.texts()


def changed(text: str, seed: int) -> str:
    """Return a review with its sentences in another order and words that are new."""
    generator = random.Random(seed)
    sentences = text.split(". ")
    generator.shuffle(sentences)
    sentences.append(f"Seen on day {generator.randrange(100_000)} with a{generator.randrange(10**6)}")
    return ". ".join(sentences)


class Memory:
    """The most memory that this process and its children hold together while the block runs, in bytes."""

    def __enter__(self) -> Memory:
        self.peak, self._end = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        from benchmarks.main_job import resident_bytes

        while True:
            self.peak = max(self.peak, resident_bytes(os.getpid()))
            if self._end.wait(0.2):
                return


if __name__ == "__main__":
    sys.exit(main())
