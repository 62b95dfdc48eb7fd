"""The default job without SavedModels."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.gpu.options import Figure, Options, Table

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 90
TINY = ("--limit", "40", "--epochs", "1", "--models", "nbsvm,encoder,kneser-ney")


def run(options: Options) -> Table:
    """Run train.py as a user would and read its report."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "train.py", "--run", "job", "--output", scratch, "--device", options.device]
        subprocess.run([*command, *(TINY if options.tiny else ())], cwd=ROOT, check=True, stdout=sys.stderr)
        folder = Path(scratch) / "job"
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        report = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    rows = []
    for row in [*report["classifiers"], *report["generators"]]:
        result = (
            f"accuracy {row['metrics']['accuracy']:.4f}"
            if "metrics" in row
            else f"{row['bits_per_byte']:.4f} bits per byte"
        )
        rows.append(
            [row["name"], result, f"{row['cost']['training_seconds']:.1f}", row["cost"]["computation"] or "CPU"]
        )
    seconds = facts["seconds"] - facts["stages"]["export"]
    stages = ", ".join(f"{name} {value:.0f} s" for name, value in facts["stages"].items())
    rows.append(["all, without the export", "", f"{seconds:.1f}", ""])
    return Table(
        title="The default job without SavedModels",
        header=("model", "on the test split", "training seconds, compiling included", "path"),
        rows=rows,
        figures=[Figure("Seconds of the default job", seconds, MOST_SECONDS, at_most=True)],
        notes=[f"Stages: {stages}."],
    )
