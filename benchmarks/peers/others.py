"""Whether the machine is free to be measured on."""

from __future__ import annotations

import time
from pathlib import Path

WAIT = 1.0  # seconds


def busy_share() -> float:
    """Return which share of all cores is busy now, from 0 to 1, over a second; 0 where the system does not say."""
    before = _ticks()
    if before is None:
        return 0.0
    time.sleep(WAIT)
    return share_between(before, _ticks())


def share_between(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Return the busy share between two counts of (busy, all) ticks."""
    return (after[0] - before[0]) / max(after[1] - before[1], 1)


def _ticks() -> tuple[int, int] | None:
    """Return the busy and all ticks of all cores since the start, of Linux; see proc(5)."""
    try:
        user, nice, system, idle, waiting, *others = map(
            int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
        )
    except (OSError, ValueError):
        return None
    busy = user + nice + system + sum(others)
    return busy, busy + idle + waiting
