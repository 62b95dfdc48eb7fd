"""How fast a classifier answers, one text at a time and in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice

import numpy as np

LATENCY_BATCHES = (1, 32)
RATE_BATCH = 64
LEAST_CALLS = {50: 1, 95: 20, 99: 100}  # of each percentile: of fewer calls it is about the slowest one


def prediction_speed(
    predict: Callable[[list[str]], object],
    texts: Sequence[str],
    *,
    calls: int = 100,
    seconds: float = 2.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict:
    """Time a prediction function at batch 1, 32 and 64.

    Each call is made once untimed before it is timed, so that compiling for a new length does not count.

    Args:
        predict: takes a list of texts and returns when the answers are there.
        texts: real texts, since time depends on their length; used over and over where they are too few.
        calls: how many to time at most at each size.
        seconds: about how long all of it may take; a slow model gets fewer calls, though never less than one
            untimed and one timed call at each size.
        clock: returns seconds.

    Returns:
        `latency`, [{`batch_size`, `calls`, `milliseconds_p50`, `milliseconds_p95`, `milliseconds_p99`}] of whole
        batches of 1 and 32, None where there were fewer than `LEAST_CALLS`; `milliseconds_per_text_batch_1` and
        `texts_per_second_batch_64`, medians.

    Raises:
        ValueError: if there are no texts, or calls is below 1.
    """
    if not len(texts):
        raise ValueError("texts is empty; timing takes at least one text")
    if calls < 1:
        raise ValueError(f"calls is {calls}; it must be at least 1")
    times = {}
    for size in (*LATENCY_BATCHES, RATE_BATCH):
        endless = cycle(texts)
        batches = [list(islice(endless, size)) for _ in range(calls)]
        times[size] = _seconds(predict, batches, seconds=seconds / 3, clock=clock)
    return {
        "latency": [
            {"batch_size": size, "calls": len(times[size])}
            | {f"milliseconds_p{p}": _percentile(times[size], p, least=least) for p, least in LEAST_CALLS.items()}
            for size in LATENCY_BATCHES
        ],
        "milliseconds_per_text_batch_1": 1000 * float(np.median(times[1])),
        "texts_per_second_batch_64": RATE_BATCH / float(np.median(times[RATE_BATCH])),
    }


def _percentile(seconds: list[float], p: int, *, least: int) -> float | None:
    """Return milliseconds, None of fewer calls than `least`."""
    return 1000 * float(np.percentile(seconds, p)) if len(seconds) >= least else None


def _seconds(
    predict: Callable[[list[str]], object],
    calls: list[list[str]],
    *,
    seconds: float,
    clock: Callable[[], float],
) -> list[float]:
    """Return the time of each timed call: half of the seconds go to warm up, half to measure what is warm."""
    start = clock()
    warm = []
    for texts in calls:
        predict(texts)
        warm.append(texts)
        if clock() - start > seconds / 2:
            break
    durations = []
    start = clock()
    for texts in islice(cycle(warm), len(calls)):
        before = clock()
        predict(texts)
        # A clock too coarse to see the call must not lead to a division by zero.
        durations.append(max(clock() - before, 1e-9))
        if clock() - start > seconds / 2:
            break
    return durations
