"""Tinyshakespeare by characters: nats per character on the last tenth of the text, by a decoder trained on the rest.

nanoGPT's README (https://github.com/karpathy/nanoGPT, "I only have a macbook") gives 1.88 for three minutes on a CPU,
with 4 layers of width 128, 2,000 steps of 12 windows of 64 characters.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from textapp.datasets import Split
from textapp.models.decoder import Decoder
from textapp.training.progress import Progress, Stopwatch

SECONDS = 175  # of the three minutes; some are for what comes after the last step
MOST_NATS = 1.75
# Chosen on the last tenth of the training part (`--choose`).
RECIPE = {
    "layers": 4,
    "heads": 4,
    "hidden_dim": 128,
    "context": 128,
    "corpus_embeddings": 0.0,  # there are fewer characters than numbers in a vector
    "batch_size": 16,
    "learning_rate": 7e-3,
}
LOOK = 0.02  # of the training part, at its end, to see which check is the best


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="input.txt of tinyshakespeare")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of training")
    parser.add_argument("--seeds", type=int, default=1, help="how many decoders to train")
    parser.add_argument("--choose", action="store_true", help="leave the last tenth alone, score on the one before")
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=VALUE", help="of the decoder, to choose them")


def run(chosen: argparse.Namespace) -> tuple[str, list[str], list[list[str]], list[str]]:
    """Return title, header, rows and what was not reached."""
    text = chosen.data.read_text(encoding="utf-8")
    end = len(text) * 9 // 10
    if chosen.choose:
        text, end = text[:end], end * 9 // 10
    changes = dict(pair.split("=") for pair in chosen.set)
    recipe = RECIPE | {name: type(RECIPE.get(name, 1))(value) for name, value in changes.items()}
    rows, nats = [], []
    for seed in range(chosen.seeds):
        model, seconds = train(text[:end], recipe, seconds=chosen.seconds, seed=seed)
        nats.append(nats_per_character(model, text[end:]))
        tokens = model.history[-1]["epoch"] * end
        rows.append([str(seed), f"{model.parameters:,}", f"{tokens / 1e6:.1f} M", f"{seconds:.0f}", f"{nats[-1]:.3f}"])
    title = f"Tinyshakespeare, characters, {', '.join(f'{name} {value}' for name, value in recipe.items())}"
    header = ["seed", "parameters", "characters read", "seconds of training", "nats per character"]
    missed = [f"{value:.3f} nats per character, at most {MOST_NATS}" for value in nats if value > MOST_NATS]
    return title, header, rows, missed


def train(text: str, recipe: dict, *, seconds: float, seed: int) -> tuple[Decoder, float]:
    """Return a decoder trained on one long text, and how long that took."""
    look = len(text) - int(LOOK * len(text))
    stopwatch = Stopwatch()
    model = Decoder(tokens="characters", scrub=False, seed=seed, budget=seconds, epochs=None, **recipe)
    with Progress() as progress:
        model.history = model.fit(_split(text[:look]), _split(text[look:]), progress=progress)
    return model, stopwatch.seconds


def nats_per_character(model: Decoder, text: str) -> float:
    """Return what a text takes, in windows of `context` one after the other, as nanoGPT scores them."""
    return float(model.negative_log_likelihoods([text])[0]) / len(text)


def _split(text: str) -> Split:
    return Split(texts=[text], labels=np.zeros(1, np.int32), rows=np.zeros(1, np.int64))
