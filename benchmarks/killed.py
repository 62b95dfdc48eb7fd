"""The main job killed at many moments, each time gone on with: `python -m benchmarks.killed`.

The job is first left alone. Then it is ended by SIGKILL after each of twelve equal parts of that time, and the same
command is given again. What is left must be the files of the job that was left alone: the same predictions of the same
models, proven SavedModels, and nothing else. The table has what each second command still found to do.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
        took = _run(whole).seconds
        expected = _predictions(whole)
        for moment in range(1, chosen.moments + 1):
            output = Path(scratch, str(moment))
            after = took * moment / (chosen.moments + 1)
            ended = _run(output, kill_after=after)
            left = ", ".join(sorted(path.name for path in output.iterdir())) if output.exists() else "nothing"
            again = _run(output)
            same = _predictions(output) == expected and again.code == 0
            names = {path.name for path in output.iterdir() if not path.name.startswith(".")}
            if not (same and ended.code == -9 and names == {path.name for path in whole.iterdir()} - {".locks"}):
                failures.append(f"killed after {after:.0f} s: ended with {ended.code}, then {again.code}; left {names}")
            said = "goes on" if "Goes on with " in again.said else "begins"
            rows.append(
                [f"{after:.0f} s", f"{moment / (chosen.moments + 1):.0%}", left, said, f"{again.seconds:.0f}",
                 "the same" if same else "differ"]
            )  # fmt: skip
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    notes = [f"Left alone, `python train.py {' '.join(JOB)}` takes {took:.0f} s.", *failures]
    write_table("killed", "The main job killed and gone on with", command_line("benchmarks.killed"), HEADER, rows,
                notes=notes)  # fmt: skip
    return 1 if failures else 0


class _Done:
    def __init__(self, code: int, said: str, seconds: float):
        self.code, self.said, self.seconds = code, said, seconds


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


def _predictions(output: Path) -> dict[str, bytes]:
    """Return {file of a model: what is in it} of the finished run, and how each SavedModel was proven."""
    folder = output / "imdb"
    if not (folder / "run.json").exists():
        return {}
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
