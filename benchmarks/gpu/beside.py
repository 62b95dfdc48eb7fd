"""Ours beside torch, which compiles its networks, and transformers: the same ids, in turn, on the same GPU."""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.gpu.options import Figure, Options, Table
from benchmarks.peers import __main__ as peers
from benchmarks.peers.work import WORK, rate
from textapp.machine import has_gpu

TRAINING = ("lstm_train", "encoder_train", "minilm_train", "decoder_train")
ROWS = (*TRAINING, "generate_1", "generate_64")
TINY = ("lstm_train",)
LEAST, ROUNDS = 1.0, 3
NOTES = (
    "Ours computes as it does for its users; theirs computes in bfloat16 (torch.autocast) and compiles its networks, "
    "but not what generates. LSTM: torch.nn.LSTM, by cuDNN on both sides. BERT: transformers' classifier, padded to "
    "256 tokens, ours to its own few widths.",
    "Decoders: 4 x 256, 8,000 subwords, 128 tokens, batch 16; ours learns by Muon, theirs by AdamW. Batches of 16 "
    "(MiniLM) and 64 texts.",
)


def run(options: Options) -> Table:
    """Measure both sides in turn; ours alone where torch and transformers are not installed."""
    os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = "0.4"  # JAX takes three quarters of a GPU's memory otherwise
    sides = ["ours", "theirs"] if all(map(importlib.util.find_spec, ("torch", "transformers"))) else ["ours"]
    device, names = "gpu" if has_gpu() else "cpu", TINY if options.tiny else ROWS
    settings = {"threads": len(os.sched_getaffinity(0)), "device": device}
    settings |= {"scale": 0.01, "limit": 200} if options.tiny else {"scale": 1.0}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        workers = [
            stack.enter_context(closing(peers.start(side, sys.executable, Path(scratch), **settings))) for side in sides
        ]
        rounds = 1 if options.tiny else ROUNDS
        rates, _ = peers.measure(workers, names, rounds=rounds, warm_up_together=True)
        facts = [worker.ask("facts") for worker in workers]
    rows, figures = [], []
    for name, found in rates.items():
        medians = [statistics.median(side) for side in zip(*found, strict=True)]
        cells = [rate(median) for median in medians]
        if len(sides) == 2:
            ratios = [ours / theirs for ours, theirs in found]
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
            if name in TRAINING:
                figures.append(Figure(f"{WORK[name].title}, times theirs", statistics.median(ratios), LEAST))
        rows.append([f"{WORK[name].title}, {WORK[name].unit}", *cells])
    header = ["work", "ours per s", "theirs per s", "ratio, median (range)"]
    notes = [*NOTES, f"Theirs: {facts[1]}."] if len(sides) == 2 else ["torch and transformers are not installed here."]
    return Table(
        title="Ours beside torch and transformers",
        header=header if len(sides) == 2 else header[:2],
        rows=rows,
        figures=figures,
        notes=notes,
    )
