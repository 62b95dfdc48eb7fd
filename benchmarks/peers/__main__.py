"""Ours beside the peers: `python -m benchmarks.peers [--rounds 5] [--only lstm,text]`.

Installs torch, transformers, fastText and scikit-learn into an environment of their own and has two processes, ours
and theirs, do the same work in turn, round by round, the one waiting while the other works; what counts is the ratio.
A first round does not count: it traces and compiles. With `--only` the table is printed and not kept.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.peers.environment import python_of_peers
from benchmarks.peers.others import busy_share
from benchmarks.peers.work import GROUPS, HEADER, PROMPT, WORK, row, shortfall
from benchmarks.peers.worker import Worker, WorkerError
from benchmarks.results_file import command_line, table_lines, write_table

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-peers"
MOST_BUSY = 0.05  # of the cores, by other programs
LINEAR_HEADER = ("model", "seconds, cleaning and training", "accuracy on the validation texts")
NOTES = (
    "Texts are IMDB's reviews; both sides read the same token ids. Each side is one process; the other sleeps.",
    "LSTM: torch.nn.LSTM on our batches, padded to our buckets. BERT: transformers' classifier in float32, padded to "
    "256 tokens; ours in our buckets, the MiniLM-sized one in bfloat16 where the device has the instructions. Its ids "
    "are words and signs hashed below 30,522, about as many a text as word pieces would be.",
    "Decoders: 4 x 256, 8,000 subwords, 128 tokens, batch 16. Ours trains as `Decoder.fit` does, with Muon and XLA, "
    f"theirs with AdamW. Both continue {PROMPT} tokens with temperature 0.8, top-p 0.95 and top-k 50, which is "
    "transformers' own; neither ends early. Ours is compiled by XLA, the compiling not counted.",
    "Cleaning: theirs is NLTK's word_tokenize, a set of stop words and a dict of ids in a loop.",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help=f"some of {','.join((*GROUPS, 'linear'))}, with commas between")
    parser.add_argument("--environment", type=Path, help="the peers' virtual environment (default: .venv-peers)")
    parser.add_argument("--backend", choices=["tensorflow", "jax"], default="tensorflow", help="ours")
    parser.add_argument("--threads", type=int, default=_cores(), help="of each side (default: all cores)")
    parser.add_argument("--scale", type=float, default=1.0, help="times the amount of work; below 1 to try the command")
    chosen = parser.parse_args()
    known = [*GROUPS, "linear"]
    groups = known if chosen.only is None else chosen.only.split(",")
    if wrong := [group for group in groups if group not in known]:
        parser.error(f"--only names {', '.join(wrong)}; choose from {', '.join(known)}")
    if chosen.rounds < 1:
        parser.error(f"--rounds is {chosen.rounds}; it must be 1 or more")
    if not 1 <= chosen.threads <= _cores():
        parser.error(f"--threads is {chosen.threads}; it must be from 1 to {_cores()}")
    if not 0 < chosen.scale <= 3:
        parser.error(f"--scale is {chosen.scale}; it must be above 0 and at most 3")
    os.environ["KERAS_BACKEND"] = chosen.backend
    python = python_of_peers(chosen.environment or ENVIRONMENT)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        workers = [
            stack.enter_context(
                closing(start(side, executable, Path(scratch), threads=chosen.threads, scale=chosen.scale))
            )
            for side, executable in (("ours", sys.executable), ("theirs", python))
        ]
        try:
            names = [name for name, work in WORK.items() if work.group in groups and not work.gpu]
            rates, busy = measure(workers, names, rounds=chosen.rounds)
            linear = _linear(workers) if "linear" in groups else []
            facts = [worker.ask("facts") for worker in workers]
        except WorkerError as error:
            print(error, file=sys.stderr)
            return 2
    notes = [*NOTES, "Theirs: " + ", ".join(f"{name} {version}" for name, version in facts[1].items())]
    if busy > MOST_BUSY:
        notes.append(
            f"Other programs took up to {busy:.0%} of the cores while both sides slept: the ratios are not to be "
            "trusted, since torch's threads wait for one another."
        )
        print(f"WARNING: {notes[-1]}", file=sys.stderr)
    missed = list(filter(None, (shortfall(WORK[name], found) for name, found in rates.items())))
    rows = [row(WORK[name], found) for name, found in rates.items()]
    _show(
        chosen, "peers", f"Ours beside the peers, {chosen.rounds} rounds, {chosen.threads} threads", HEADER, rows, notes
    )
    if linear:
        title = "Linear models beside fastText and scikit-learn, on the same IMDB reviews"
        _show(chosen, "peers_linear", title, LINEAR_HEADER, linear, notes[-1:])
    for line in missed:
        print(f"NOT REACHED: {line}", file=sys.stderr)
    return 1 if missed else 0


def measure(
    workers: list[Worker], names: Sequence[str], *, rounds: int, warm_up_together: bool = False
) -> tuple[dict[str, list[tuple[float, ...]]], float]:
    """Return for each row ours and theirs of each round, units per second, and how busy others were.

    Args:
        workers: ours and theirs, or ours alone; ours prepares first, since theirs reads what it has written.
        names: of the rows, keys of `WORK`.
        rounds: how many count.
        warm_up_together: whether both compile at once in the round that does not count.
    """
    for group in dict.fromkeys(WORK[name].group for name in names):
        print(f"preparing {group}", file=sys.stderr)
        for worker in workers:
            worker.ask("prepare", group=group)
    rates, busy = {name: [] for name in names}, 0.0
    for number in range(rounds + 1):
        busy = max(busy, busy_share())
        for name in names:
            # Who comes first alternates.
            order = workers if number % 2 else workers[::-1]
            with ThreadPoolExecutor(len(order) if warm_up_together and not number else 1) as pool:
                answers = dict(zip(order, pool.map(functools.partial(_rate, name=name), order), strict=True))
            found = tuple(answers[worker] for worker in workers)
            print(
                f"round {number}, {name}: {found[0] / found[-1]:.2f}{'' if number else ', not counted'}",
                file=sys.stderr,
            )
            if number:
                rates[name].append(found)
    return rates, max(busy, busy_share())


def _rate(worker: Worker, *, name: str) -> float:
    """Return units per second of one measurement."""
    answer = worker.ask("measure", name=name)
    return answer["count"] / answer["seconds"]


def _linear(workers: list[Worker]) -> list[list[str]]:
    """Return a row per linear model, of both sides."""
    print("linear models", file=sys.stderr)
    rows = [row for worker in workers for row in worker.ask("linear")["rows"]]
    return [[name, f"{seconds:.0f}", f"{accuracy:.4f}"] for name, seconds, accuracy in rows]


def start(
    side: str,
    executable: str,
    folder: Path,
    *,
    threads: int,
    scale: float,
    device: str = "cpu",
    limit: int | None = None,
) -> Worker:
    """Start one side's process.

    Args:
        side: "ours" or "theirs".
        executable: a Python that has the side's packages.
        folder: of the data of both sides, and of what the process prints.
        threads: of the side.
        scale: times the amount of work.
        device: "cpu" or "gpu".
        limit: the most reviews of a split; None for all.
    """
    options = {"folder": folder, "threads": threads, "device": device, "scale": scale}
    command = [executable, "-m", "benchmarks.peers.side", side]
    options |= {} if limit is None else {"limit": limit}
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    # Neither reads what another run has cached.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    environment |= {"TEXTAPP_CACHE": str(folder / "cache")}
    return Worker(side, command, log=folder / f"{side}.log", environment=environment)


def _show(chosen: argparse.Namespace, name: str, title: str, header, rows, notes) -> None:
    if not rows:
        return
    if chosen.only is not None:
        print("\n".join([*table_lines(header, rows), ""]))
        return
    write_table(name, title, command_line("benchmarks.peers"), header, rows, notes=notes)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
