"""WikiText-2 by words: the perplexity of the Kneser-Ney model on the test text, its length chosen on the other.

The tokens are those of the files, split at blanks, with "<eos>" after every line and "<unk>" as they have it (Merity et
al. 2016, "Pointer sentinel mixture models"); each file is one text.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np

from textapp.models.kneser_ney import NGrams, count
from textapp.text.subwords import END_ID
from textapp.training.progress import Stopwatch

ORDERS = (2, 3, 4, 5)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, required=True, help="the training text, plain or gzip")
    parser.add_argument("--valid", type=Path, required=True, help="the validation text")
    parser.add_argument("--test", type=Path, required=True, help="the test text")


def run(chosen: argparse.Namespace) -> tuple[str, list[str], list[list[str]], list[str]]:
    """Return title, header, rows and what was not reached."""
    words = {split: words_of(getattr(chosen, split)) for split in ("train", "valid", "test")}
    ids = {word: END_ID + 1 + number for number, word in enumerate(sorted(set(words["train"])))}
    documents = {split: [np.array([ids.get(word, ids["<unk>"]) for word in found])] for split, found in words.items()}
    stopwatch = Stopwatch()
    levels = count(documents["train"], order=max(ORDERS), vocabulary_size=len(ids) + 1, end_id=END_ID)
    rows, best = [], (np.inf, "")
    for order in ORDERS:
        ngrams = NGrams.fit(levels[:order], end_id=END_ID)
        valid, test = (perplexity(ngrams, documents[split]) for split in ("valid", "test"))
        best = min(best, (valid, f"{order} words: {test:.1f}"))
        rows.append([str(order), f"{len(ngrams):,}", f"{valid:.1f}", f"{test:.1f}", f"{stopwatch.seconds:.0f}"])
    sizes = ", ".join(f"{len(found):,} {split}" for split, found in words.items())
    title = f"WikiText-2, words: {sizes} tokens, {len(ids):,} different; by validation, n-grams of {best[1]}"
    return title, ["longest n-grams", "n-grams", "validation perplexity", "test perplexity", "seconds so far"], rows, []


def perplexity(ngrams: NGrams, documents: list[np.ndarray]) -> float:
    """Return e to the mean negative log-likelihood of a token, "<eos>" included."""
    return float(np.exp(-np.log(ngrams.probabilities(documents)[0]).mean()))


def words_of(path: Path) -> list[str]:
    """Return the words of a file, "<eos>" at the end of every line."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        return [word for line in file for word in [*line.split(), "<eos>"]]
