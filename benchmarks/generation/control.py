"""Control by sentiment: the share of texts that the best classifier gives the label asked for, beside their diversity.

The label tokens alone (guidance 0), weighted decoding, the best of several by a classifier that is not the judge.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from textapp.config import MeasureConfig
from textapp.evaluation.generation import control, diversity
from textapp.finished import FinishedRun
from textapp.generation import CONTROL_PROMPTS, SAMPLERS, USUAL, controlled
from textapp.models import load
from textapp.prediction import write_texts

LEAST_SHARE, MOST_LOST = 0.85, 0.2


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="a finished run, such as saved_models/imdb")
    parser.add_argument("--model", default="decoder", help="its generator")
    parser.add_argument("--samples", type=int, default=40, help="for each prompt and label")
    parser.add_argument("--guidance", type=float, nargs="*", default=[0.0, 1.0, 1.5, 2.0])
    parser.add_argument("--best-of", type=int, default=8)


def run(chosen: argparse.Namespace) -> tuple[str, list[str], list[list[str]], list[str]]:
    """Return title, header, rows and what was not reached."""
    rows = [row for row in FinishedRun(chosen.run).report["classifiers"] if row["kind"] in ("linear", "network")]
    rows.sort(key=lambda row: -row["validation_accuracy"])
    judge, other = (load(chosen.run / row["name"]) for row in rows[:2])
    generator = load(chosen.run / chosen.model)
    found = [
        (f"labels, guidance {guidance:g}", controlled(
            generator, judge, generator.label_names, guidance=guidance, samples=chosen.samples)[0])
        for guidance in chosen.guidance
    ]  # fmt: skip
    found.append(
        (f"best of {chosen.best_of} by {rows[1]['name']}", _best_of(generator, judge, other, chosen, found[0][1]))
    )
    table = [
        [way, f"{row['texts']}", f"{row['share']:.1%}", f"{row['distinct_2']:.3f}", f"{row['free_distinct_2']:.3f}",
         f"{row['distinct_2'] / row['free_distinct_2'] - 1:+.1%}"]
        for way, row in found
    ]  # fmt: skip
    reached = [
        way
        for way, row in found
        if row["share"] >= LEAST_SHARE and abs(row["distinct_2"] / row["free_distinct_2"] - 1) <= MOST_LOST
    ]
    header = [
        "control",
        "texts",
        f"with the label, by {rows[0]['name']}",
        "distinct-2",
        "without a label",
        "difference",
    ]
    missed = [] if reached else [f"{LEAST_SHARE:.0%} with distinct-2 within {MOST_LOST:.0%}"]
    return f"Control of {chosen.model} by label, prompts {list(CONTROL_PROMPTS)}", header, table, missed


def _best_of(generator, judge, other, chosen: argparse.Namespace, free: dict) -> dict:
    """Return a row as `controlled` does for the best of several texts, each written with its label."""
    shares, parts = [], []
    for label in generator.label_names:
        texts, added = [], []
        for prompt in CONTROL_PROMPTS:
            for seed in range(chosen.samples):
                settings = {"seed": seed, "max_new_tokens": MeasureConfig.generated_tokens, **SAMPLERS[USUAL]}
                texts += write_texts(generator, [prompt], label=label, judge=other, best_of=chosen.best_of, **settings)
                added.append(texts[-1].removeprefix(prompt))
        shares.append(control(judge.predict(texts), [label] * len(texts)))
        parts.append(diversity(added)["distinct_2"])
    return {
        "texts": len(shares) * len(CONTROL_PROMPTS) * chosen.samples,
        "share": sum(shares) / len(shares),
        "distinct_2": sum(parts) / len(parts),
        "free_distinct_2": free["free_distinct_2"],
    }
