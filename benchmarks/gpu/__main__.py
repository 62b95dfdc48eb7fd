"""What a GPU gives: `python -m benchmarks.gpu --out DIR`, at most eight minutes on one H100.

Stages, the most valuable first, each in a process of its own that writes DIR/STAGE.md and is ended after its time:
the default job, MiniLM, ours beside torch and transformers, the utilisation of a decoder of GPT-2's size,
tinyshakespeare, and a decoder on IMDB beside Kneser-Ney. `--stages` goes on with those that are missing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.options import add_options
from benchmarks.results_file import command_line

ROOT = Path(__file__).parents[2]
# The most seconds of each stage. What the others leave of the whole is the last one's.
STAGES = {"job": 100, "minilm": 75, "beside": 85, "gpt2": 30, "shakespeare": 60, "imdb": 130}
LOG = "log.txt"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--stages", default=",".join(STAGES), help="some of them, with commas between (default: all)")
    parser.add_argument("--seconds", type=float, default=sum(STAGES.values()), help="of all together")
    chosen = parser.parse_args()
    names = chosen.stages.split(",")
    if wrong := [name for name in names if name not in STAGES]:
        parser.error(f"--stages names {', '.join(wrong)}; choose from {', '.join(STAGES)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    end, failed = time.monotonic() + chosen.seconds, []
    for name in names:
        left = end - time.monotonic()
        seconds = left if name == names[-1] else min(STAGES[name], left)
        if reason := run_stage(name, seconds, chosen.out / LOG):
            print(f"{name}: {reason}; see {chosen.out / LOG}", file=sys.stderr, flush=True)
            failed.append(name)
    if failed:
        print(f"left: --stages {','.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run_stage(name: str, seconds: float, log: Path) -> str | None:
    """Run one stage; return why it left no table, None if it did.

    Args:
        name: of the stage.
        seconds: after which it and all its processes are ended.
        log: what it prints is appended there, and shown.
    """
    if seconds < 1:
        return "no time was left"
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.gpu.stage", name, "--seconds", f"{seconds:.0f}"]
    command += ["--command", command_line("benchmarks.gpu"), *sys.argv[1:]]
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"},
            stderr=file,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return f"ended after {seconds:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):  # what it has started, too
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return None if code == 0 else f"failed with {code}"


if __name__ == "__main__":
    sys.exit(main())
