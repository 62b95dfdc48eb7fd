"""Runs a recipe and holds it against what it must reach: `python -m benchmarks.accuracy NAME ...`."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accuracy.recipes import RECIPES, Recipe
from benchmarks.results_file import command_line, write_table
from textapp.config import PLACES

ROOT = Path(__file__).parents[2]
FILES = {
    "data": "a labelled file, such as SST-2's training texts, the tweets or the hotel reviews",
    "validation": "a labelled file to choose on",
    "test": "a labelled file to test on",
    "unlabelled": "a file of texts without labels, such as the 50,000 unlabelled reviews",
}
HEADER = ["run: model", "accuracy, 95 % interval", "macro F1", "over its seeds", "training seconds", "against nbsvm"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    for name, what in FILES.items():
        parser.add_argument(f"--{name}", type=Path, help=what)
    parser.add_argument("--seed", type=int, default=0, help="of the first training, and of the split")
    parser.add_argument("--seeds", type=int, default=1, help="train each classifying network with so many")
    parser.add_argument("--output", type=Path, help="keep the runs in this folder; finished ones are not run again")
    chosen = parser.parse_args()
    recipe = RECIPES[chosen.recipe]
    if missing := [f"--{name}" for name in recipe.files if getattr(chosen, name) is None]:
        parser.error(f"{chosen.recipe} needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as scratch:
        output = (chosen.output or Path(scratch)).resolve()
        given = {name: path.resolve() for name in recipe.files if (path := getattr(chosen, name))}
        reports = run(recipe, output, {**given, "seed": chosen.seed, "seeds": chosen.seeds})
    reached = recipe.reaches(reports)
    verdict = f"{recipe.figure}: {reached:.5g}, to be at least {recipe.least:g}: "
    verdict += "reached" if reached >= recipe.least else "not reached"
    steps = [step.format(output="runs", seed=chosen.seed, seeds=chosen.seeds, **_shown(given)) for step in recipe.steps]
    write_table(
        f"accuracy_{chosen.recipe}",
        recipe.title,
        command_line("benchmarks.accuracy"),
        HEADER,
        [cells for name, report in reports.items() for cells in rows_of(name, report)],
        notes=[
            f"{verdict[0].upper()}{verdict[1:]}.",
            *students_of(reports),
            "Commands:",
            *(f"`python {step}`" for step in steps),
        ],
    )
    return 0 if reached >= recipe.least else 1


def run(recipe: Recipe, output: Path, values: dict) -> dict[str, dict]:
    """Run the steps that are not finished in `output`; return the reports of those that classify, by run.

    Ends the program where a finished one was run with other options.
    """
    reports = {}
    for step in recipe.steps:
        words = [word.format(output=output, **values) for word in step.split()]
        folder = output / words[-1]
        if not (folder / "run.json").is_file():
            print(f"python {shlex.join(words)}", file=sys.stderr)
            done = subprocess.run([sys.executable, *words], cwd=ROOT, check=False)
            if done.returncode != 0:
                sys.exit(done.returncode)
        command = json.loads((folder / "run.json").read_text(encoding="utf-8"))["command"]
        if others := " and another ".join(differing(words, shlex.split(command))):
            sys.exit(f"{folder} was run with another {others}; choose another folder with --output")
        report = folder / "report" / "report.json"
        if report.is_file():
            reports[words[-1]] = json.loads(report.read_text(encoding="utf-8"))
    return reports


def differing(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the options that the words of two command lines give different values; files may lie anywhere."""
    ours, theirs = _values(first), _values(second)
    files = {option for option, value in ours.items() if "/" in value}
    places = {f"--{name}" for name in PLACES}
    return sorted(
        option for option in {*ours, *theirs} - files - places if ours.get(option, "") != theirs.get(option, "")
    )


def _values(words: Sequence[str]) -> dict[str, str]:
    """Return what follows each option of a command line; a switch is its own value."""
    following = [*words[1:], "--"]
    return {
        word: word if after.startswith("--") else after
        for word, after in zip(words, following, strict=True)
        if word.startswith("--")
    }


def students_of(reports: dict[str, dict]) -> list[str]:
    """Return a sentence for each student of a teacher: how fast it is, and how near."""
    return [
        f"{student['name']} answers {_times(student['speed_ratio'])} times as many texts a second as {found['teacher']}"
        + ("." if student["gap_closed"] is None else f" and closes {student['gap_closed']:.0%} of the gap to it.")
        for report in reports.values()
        if (found := report.get("distillation"))
        for student in found["students"]
    ]


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 2 else f"{ratio:.2f}"


def rows_of(name: str, report: dict) -> list[list[str]]:
    """Return a row a classifier, and one a number of labelled texts where there were fewer."""
    pairs = {} if report["comparisons"] is None else {(p["a"], p["b"]): p for p in report["comparisons"]["pairs"]}
    rows = []
    for row in report["classifiers"]:
        model, low, high = row["name"], *row["metrics"]["accuracy_interval"]
        cells = [f"{name}: {model}", f"{row['metrics']['accuracy']:.4f} [{low:.4f}, {high:.4f}]"]
        cells.append(f"{row['metrics']['macro_f1']:.4f}")
        seeds = row["seeds"]
        cells.append(", ".join(f"{value:.4f}" for value in seeds["accuracies"]) if seeds else "one")
        cells.append(f"{row['cost']['training_seconds']:.0f}")
        rows.append([*cells, _against(model, pairs)])
    for row in report.get("few_labels") or ():
        pretrained = ", pretrained" if row["pretrained"] else ""
        for point in row["points"]:
            low, high = point["interval"]
            interval = f"{point['accuracy']:.4f} [{low:.4f}, {high:.4f}]"
            rows.append([f"{name}: {row['name']}{pretrained}, {point['labels']:,} labels", interval, "", "", "", ""])
    return rows


def _against(model: str, pairs: dict[tuple[str, str], dict]) -> str:
    """Return the difference to NB-SVM in points, with McNemar's p-value after Holm's correction."""
    for sign, pair in ((1, pairs.get((model, "nbsvm"))), (-1, pairs.get(("nbsvm", model)))):
        if pair is not None:
            return f"{100 * sign * pair['difference']:+.2f} points, p = {pair['p_value_holm']:.2g}"
    return ""


def _shown(given: dict[str, Path]) -> dict[str, str]:
    return {name: path.name for name, path in given.items()}


if __name__ == "__main__":
    sys.exit(main())
