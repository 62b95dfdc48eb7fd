"""How fast a classifier answers, one text at a time and in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice

import numpy as np

BATCH_SIZE = 64


def prediction_speed(
    predict: Callable[[list[str]], object],
    texts: Sequence[str],
    *,
    single_texts: int = 30,
    batches: int = 5,
    seconds: float = 3.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict:
    """Times a prediction function at batch 1 and at batch 64.

    Each call is made once untimed before it is timed, so that compiling for a new length does not count. The
    median of the timed calls is taken.

    Args:
        predict: takes a list of texts and returns when the answers are there.
        texts: real texts, since time depends on their length; used over and over where they are too few.
        single_texts: how many texts to time one by one.
        batches: how many batches of 64 to time.
        seconds: about how long all of it may take; a slow model gets fewer calls, though never less than one
            untimed and one timed call at each size.
        clock: returns seconds.

    Returns:
        `milliseconds_per_text_batch_1` and `texts_per_second_batch_64`, floats.

    Raises:
        ValueError: if there are no texts, or a count is below 1.
    """
    if not len(texts):
        raise ValueError("texts is empty; timing takes at least one text")
    if single_texts < 1 or batches < 1:
        raise ValueError(f"single_texts is {single_texts} and batches is {batches}; both must be at least 1")
    endless = cycle(texts)
    singles = [[text] for text in islice(endless, single_texts)]
    endless = cycle(texts)
    many = [list(islice(endless, BATCH_SIZE)) for _ in range(batches)]
    per_text = _median_seconds(predict, singles, seconds=seconds / 2, clock=clock)
    per_batch = _median_seconds(predict, many, seconds=seconds / 2, clock=clock)
    return {
        "milliseconds_per_text_batch_1": 1000 * per_text,
        "texts_per_second_batch_64": BATCH_SIZE / per_batch,
    }


def _median_seconds(
    predict: Callable[[list[str]], object],
    calls: list[list[str]],
    *,
    seconds: float,
    clock: Callable[[], float],
) -> float:
    """Returns the median time of a call: half of the time goes to warm up, half to measure what is warm."""
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
        durations.append(clock() - before)
        if clock() - start > seconds / 2:
            break
    # A clock too coarse to see the call must not lead to a division by zero.
    return max(float(np.median(durations)), 1e-9)
