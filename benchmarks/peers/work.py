"""What is measured, and the table's arithmetic; both sides and the driver read it, so it needs no package."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

# The sizes of both sides' networks.
CLASSES = 2
VOCABULARY = 20_000
WIDTH = 64  # of the embedding, of the LSTM in each direction and of the encoder
LONGEST = 256  # tokens of a text
BATCH = 64
ENCODER = {"layers": 1, "heads": 2, "intermediate_dim": 128}
MINILM = {"vocabulary_size": 30_522, "layers": 6, "heads": 12, "hidden_dim": 384, "intermediate_dim": 1536}
MINILM_BATCH = 16
DECODER = {"vocabulary_size": 8_000, "layers": 4, "heads": 4, "hidden_dim": 256, "context": 128}
DECODER_BATCH = 16
PROMPT, NEW_TOKENS = 28, 100
SAMPLING = {"temperature": 0.8, "top_k": 50, "top_p": 0.95}
TEXTS, LOOP_TEXTS = 20_000, 2_000  # cleaned by ours, and by the loop, which takes so long


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """One row of the table.

    Attributes:
        group: what `--only` names.
        title: what the row says.
        unit: what is counted.
        amount: how many batches, or generations, one measurement takes.
        gpu_times: how many times as many on a GPU, which is done sooner.
        least: the ratio that must be reached; None for any.
        stretch: the ratio to wish for.
        gpu: whether it is only measured on a GPU.
    """

    group: str
    title: str
    unit: str
    amount: int = 1
    gpu_times: int = 1
    least: float | None = None
    stretch: float | None = None
    gpu: bool = False


WORK = {
    "lstm_train": Work(
        group="lstm", title="LSTM, both directions, training", unit="texts", amount=300, least=1.0, stretch=1.5
    ),
    "lstm_predict": Work(group="lstm", title="LSTM, predicting", unit="texts", amount=100),
    "encoder_train": Work(
        group="encoder",
        title="encoder, 1 block, training",
        unit="texts",
        amount=25,
        gpu_times=8,
        least=2.0,
        stretch=3.0,
    ),
    "encoder_predict": Work(group="encoder", title="encoder, predicting", unit="texts", amount=50),
    "minilm_train": Work(
        group="minilm",
        title="MiniLM-sized BERT, training",
        unit="texts",
        amount=6,
        gpu_times=40,
        least=2.0,
        stretch=2.5,
    ),
    "minilm_predict": Work(group="minilm", title="MiniLM-sized BERT, predicting", unit="texts", amount=8),
    "decoder_train": Work(
        group="decoder",
        title="decoder, 4 x 256, training",
        unit="tokens",
        amount=8,
        gpu_times=25,
        least=1.7,
        stretch=2.2,
    ),
    "decoder_predict": Work(group="decoder", title="decoder, logits of texts", unit="tokens", amount=8),
    "generate_1": Work(
        group="generation", title=f"decoder, {NEW_TOKENS} tokens more, batch 1", unit="tokens", amount=6, least=5.0
    ),
    "generate_16": Work(
        group="generation", title=f"decoder, {NEW_TOKENS} tokens more, batch 16", unit="tokens", amount=4, least=2.0
    ),
    "generate_64": Work(
        group="generation", title=f"decoder, {NEW_TOKENS} tokens more, batch 64", unit="tokens", amount=4, gpu=True
    ),
    "text_first": Work(group="text", title="cleaning and tokenizing, first time", unit="texts", least=8.0),
    "text_cache": Work(group="text", title="cleaning and tokenizing, from the cache", unit="texts", least=100.0),
}
GROUPS = tuple(dict.fromkeys(work.group for work in WORK.values()))
HEADER = ("work", "ours per s", "theirs per s", "ratio, median (range)", "at least", "reached")


def row(work: Work, rates: Sequence[tuple[float, float]]) -> list[str]:
    """Return the cells of one row.

    Args:
        work: what was measured.
        rates: for each round ours and theirs, units per second.
    """
    ratios = [ours / theirs for ours, theirs in rates]
    median = statistics.median(ratios)
    wanted = "" if work.least is None else f"{work.least:g}"
    reached = "" if work.least is None else "yes" if median >= work.least else "no"
    if work.stretch is not None:
        wanted += f" (stretch {work.stretch:g})"
        reached += ", stretch too" if median >= work.stretch else ""
    return [
        f"{work.title}, {work.unit}",
        *(rate(statistics.median(side)) for side in zip(*rates, strict=True)),
        f"{median:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        wanted,
        reached,
    ]


def rate(value: float) -> str:
    """Return how many per second, in words."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def shortfall(work: Work, rates: Sequence[tuple[float, float]]) -> str | None:
    """Return what the work had to reach and did not, in words; None where it did."""
    median = statistics.median(ours / theirs for ours, theirs in rates)
    if work.least is None or median >= work.least:
        return None
    return f"{work.title}: {median:.2f} times theirs, at least {work.least:g}"
