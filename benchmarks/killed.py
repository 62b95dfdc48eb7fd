"""The main job killed at many moments, each time gone on with: `python -m benchmarks.killed`.

The job is first left alone. Then it is ended by SIGKILL after each of twelve equal parts of that time, and the same
command is given again. What is left must be the files of the job that was left alone: the same predictions of the same
models, proven SavedModels, and nothing else. The table has what each second command still found to do.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.results_file import command_line, write_table
from textapp.json_files import read_json

HEADER = ["killed after", "share of the job", "left on the disk", "said by the same command",
          "seconds it took", "predictions"]  # fmt: skip
JOB = ("--limit", "300", "--epochs", "1")
PREDICTIONS = ("predictions.csv", "scores.csv")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=12, help="how often it is killed")
    chosen = parser.parse_args()
    rows, failures = [], []
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch, "whole")
        alone = _run(whole)
        if alone.code:
            print(alone.said, file=sys.stderr)
            return 1
        expected, files = _predictions(whole), _names(whole)
        for moment in range(1, chosen.moments + 1):
            output, share = Path(scratch, str(moment)), moment / (chosen.moments + 1)
            ended = _run(output, kill_after=share * alone.seconds)
            left = ", ".join(_names(output)) or "nothing"
            again = _run(output)
            same = again.code == 0 and _predictions(output) == expected and _names(output) == files
            if not same or ended.code != -signal.SIGKILL:
                failures.append(f"killed at {share:.0%}: ended with {ended.code}, then with {again.code}")
            said = "goes on" if "Goes on with " in again.said else "begins"
            rows.append([f"{share * alone.seconds:.0f} s", f"{share:.0%}", left, said, f"{again.seconds:.0f}",
                         "the same" if same else "differ"])  # fmt: skip
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
            # After each, so that whoever ends this has what there is.
            notes = [f"Left alone, `python train.py {' '.join(JOB)}` takes {alone.seconds:.0f} s.", *failures]
            write_table("killed", "The main job killed and gone on with", command_line("benchmarks.killed"), HEADER,
                        rows, notes=notes)  # fmt: skip
    return 1 if failures else 0


class _Done(NamedTuple):
    code: int
    said: str
    seconds: float


def _run(output: Path, *, kill_after: float | None = None) -> _Done:
    """Run the job, or a part of it."""
    began = time.perf_counter()
    command = [sys.executable, "train.py", *JOB, "--output", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, _ = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return _Done(process.returncode, said, time.perf_counter() - began)


def _names(output: Path) -> list[str]:
    """Return what is in a folder, which need not be there, but for the locks."""
    return sorted(path.name for path in output.glob("*") if path.name != ".locks")


def _predictions(output: Path) -> dict[str, bytes]:
    """Return {file of a model: what is in it} of the finished run, and how each SavedModel was proven."""
    folder = output / "imdb"
    found = {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in sorted(folder.glob("*/*"))
        if path.name in PREDICTIONS
    }
    report = read_json(folder / "report" / "report.json")
    exported = [row["name"] for row in [*report["classifiers"], *report["generators"]] if row["exported"]]
    return found | {"exported": " ".join(exported).encode()}


if __name__ == "__main__":
    sys.exit(main())
