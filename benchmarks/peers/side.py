"""One side's process: `python -m benchmarks.peers.side ours|theirs ...`, started by the driver."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks.peers.worker import serve

REQUESTS = ("prepare", "measure", "linear", "facts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=["ours", "theirs"])
    parser.add_argument("--folder", type=Path, required=True, help="the data of both sides")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", choices=["cpu", "gpu"], required=True)
    parser.add_argument("--scale", type=float, required=True, help="times the amount of work")
    parser.add_argument("--limit", type=int, help="the most reviews of a split")
    chosen = parser.parse_args()
    # Before any package looks how many cores there are (Linux): it takes a thread for each.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    side = _ours(chosen) if chosen.side == "ours" else _theirs(chosen)
    serve({name: getattr(side, name) for name in REQUESTS})


def _ours(chosen: argparse.Namespace):
    from textapp.memory import keep_memory

    keep_memory()  # as the program does
    from benchmarks.peers.ours import Ours

    return Ours(chosen.folder, scale=chosen.scale, limit=chosen.limit)


def _theirs(chosen: argparse.Namespace):
    from benchmarks.peers.theirs import Theirs

    return Theirs(chosen.folder, device=chosen.device, threads=chosen.threads, scale=chosen.scale)


if __name__ == "__main__":
    main()
