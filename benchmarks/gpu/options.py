"""What a stage is told and what it leaves."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What a stage is told.

    Attributes:
        out: the folder of the tables.
        seconds: how long the stage may take.
        tiny: whether to do as little as shows that everything works.
        device: "auto", "cpu" or "gpu".
        preset: the folder of a pretrained encoder; None for the package's.
        shakespeare: input.txt of tinyshakespeare, or None.
        peak_tflops: of the GPU in bfloat16; None to know it by the GPU's name.
    """

    out: Path
    seconds: float
    tiny: bool
    device: str
    preset: str | None
    shakespeare: Path | None
    peak_tflops: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """What a stage leaves.

    Attributes:
        title: above it.
        header, rows: cells.
        figures: what was to be reached.
        notes: below it.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number that is to be at least, or at most, something.

    Attributes:
        what: in words.
        value: what was measured.
        bound: what is wanted.
        at_most: whether the value is to be no more than that, instead of no less.
    """

    what: str
    value: float
    bound: float
    at_most: bool = False

    def __str__(self) -> str:
        reached = self.value <= self.bound if self.at_most else self.value >= self.bound
        wanted = "at most" if self.at_most else "at least"
        return f"{self.what}: {self.value:.5g}, wanted {wanted} {self.bound:g}: {'' if reached else 'not '}reached."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the driver and a stage's process are both told."""
    parser.add_argument("--out", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--tiny", action="store_true", help="as little as shows that every stage works")
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument("--preset", help="a pretrained encoder's folder (default: the package's)")
    parser.add_argument(
        "--shakespeare", type=Path, help="tinyshakespeare's input.txt; without it that stage is skipped"
    )
    parser.add_argument(
        "--peak-tflops", type=float, help="of the GPU in bfloat16 (default: known of an H100 and others)"
    )
