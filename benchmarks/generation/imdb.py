"""A run's generators by bits per byte beside Kneser-Ney's, and texts to read: fixed prompts and seeds, all of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from textapp.config import MeasureConfig
from textapp.finished import FinishedRun
from textapp.generation import PROMPTS, SAMPLERS, USUAL
from textapp.models import load

BASELINE = "kneser-ney"
MOST = 0.9  # of its bits per byte


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run", type=Path, required=True, help="a finished run with kneser-ney, such as saved_models/imdb"
    )
    parser.add_argument("--models", nargs="+", default=["decoder", "mix"], help="whose texts to read")
    parser.add_argument("--samples", type=int, default=2, help="for each prompt and model")


def run(chosen: argparse.Namespace) -> tuple[str, list[str], list[list[str]], list[str]]:
    """Return title, header, rows and what was not reached."""
    report = FinishedRun(chosen.run).report
    rows = {row["name"]: row for row in report["generators"]}
    baseline = rows[BASELINE]["bits_per_byte"]
    table = []
    for name, row in rows.items():
        low, high = row["bits_per_byte_interval"]
        ratio, seconds = row["bits_per_byte"] / baseline, row["cost"]["training_seconds"]
        table.append([name, f"{row['bits_per_byte']:.3f} [{low:.3f}, {high:.3f}]", f"{ratio:.3f}", f"{seconds:.0f}"])
    reached = any(row["bits_per_byte"] <= MOST * baseline for row in rows.values())
    missed = [] if reached else [f"a generator at {MOST:g} of {BASELINE}'s bits per byte"]
    title = f"Generators on {report['dataset']['name']}"
    return title, ["generator", "bits per byte, 95 % interval", f"of {BASELINE}'s", "training seconds"], table, missed


def samples(chosen: argparse.Namespace) -> list[str]:
    """Return the texts as blocks of Markdown, by the sampler that `generate` takes where nothing is said."""
    blocks = []
    for name in chosen.models:
        model = load(chosen.run / name)
        settings = {"max_new_tokens": MeasureConfig.generated_tokens, **SAMPLERS[USUAL]}
        texts = [text for seed in range(chosen.samples) for text in model.generate(PROMPTS, seed=seed, **settings)]
        # Four blanks before every line: whatever stands in a text, it stays a block of code.
        lines = [f"    {number}. {' '.join(text.split())}" for number, text in enumerate(texts, start=1)]
        blocks += [f"{name}, {USUAL}, seeds 0 to {chosen.samples - 1}:", "\n".join(lines)]
    return blocks
