"""Bits per byte of generators on the same texts, with intervals over the texts, and whether one needs fewer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from textapp.evaluation import wording
from textapp.evaluation.bootstrap import (
    Measure,
    enough_resamples,
    measured,
    paired_difference,
    percentile_interval,
    resampled,
)
from textapp.evaluation.significance import holm
from textapp.evaluation.wording import SIGNIFICANCE_LEVEL


def bits_per_byte(nats: np.ndarray, sizes: Sequence[int] | np.ndarray) -> dict:
    """Return what a generator needs for the texts.

    Args:
        nats: float64 array of shape (N,), the negative log-likelihood of each text.
        sizes: each text's length in bytes of UTF-8.

    Returns:
        `bits_per_byte` of all texts together, 0 where they have no byte, and its 95 % bootstrap `interval` over the
        texts, None where they have none.
    """
    if sum(sizes) == 0:
        return {"bits_per_byte": 0.0, "interval": None}
    samples = resampled(_measure(nats, sizes), len(nats))["bits"]
    return {"bits_per_byte": bits_of(nats, sizes), "interval": percentile_interval(samples)}


def bits_of(nats: np.ndarray, sizes: Sequence[int] | np.ndarray) -> float:
    """Return the bits per byte of texts, as `bits_per_byte` takes them, that have one."""
    bits = measured(_measure(nats, sizes), len(nats))["bits"]
    assert bits is not None  # they have a byte
    return bits


def compare_generators(nats: Mapping[str, np.ndarray], sizes: Sequence[int] | np.ndarray) -> list[dict]:
    """Return every pair of generators on the same texts.

    Args:
        nats: for each generator the negative log-likelihood of each text, float64 (N,).
        sizes: each text's length in bytes of UTF-8.

    Returns:
        For each pair `a` and `b`, in the order given: `difference`, bits per byte of a less b; its paired 95 %
        bootstrap `interval` over the texts, of so many resamples as the pairs take; `p_value` and Holm's
        `p_value_holm`; `better`, the name of the one that needs fewer bits, None where no difference is shown.
    """
    if sum(sizes) == 0 or len(nats) < 2:
        return []
    nats = {name: np.asarray(found, np.float64) for name, found in nats.items()}
    resamples = enough_resamples(math.comb(len(nats), 2), size=len(sizes) * len(nats))
    values = {name: bits_of(found, sizes) for name, found in nats.items()}
    samples = {
        name: resampled(_measure(found, sizes), len(found), resamples=resamples)["bits"] for name, found in nats.items()
    }
    pairs = []
    for a, b in combinations(nats, 2):
        differing = int((nats[a] != nats[b]).sum())
        found = paired_difference(values[a], values[b], samples[a], samples[b], differing=differing)
        pairs.append({"a": a, "b": b, **found})
    for pair, corrected in zip(pairs, holm([pair["p_value"] for pair in pairs]), strict=True):
        better = pair["a"] if pair["difference"] < 0 else pair["b"]
        pair |= {"p_value_holm": corrected, "better": better if corrected < SIGNIFICANCE_LEVEL else None}
    return pairs


def fewest_bits(nats: Mapping[str, np.ndarray], sizes: Sequence[int] | np.ndarray, pairs: Sequence[dict]) -> list[str]:
    """Say which generator needs the fewest bits per byte, and whether that is more than chance.

    Args:
        nats, sizes: as for `compare_generators`, and
        pairs: what that returned.

    Returns:
        A sentence; none where nothing is compared.
    """
    if not pairs:
        return []
    values = {name: bits_of(found, sizes) for name, found in nats.items()}
    best, second = sorted(values, key=values.__getitem__)[:2]  # stable: the first given wins a tie
    pair = next(pair for pair in pairs if {pair["a"], pair["b"]} == {best, second})
    lead = values[second] - values[best]
    head = f"Fewest bits per byte: {best}, {values[best]:.3f} for {wording.texts(len(sizes))}"
    if not lead:
        return [f"{head}, as many as {second}: no difference shown."]
    fewer = f"{lead:.3f}" if lead >= 0.0005 else f"{lead:.2g}"
    how = f"(paired bootstrap, {'Holm-corrected ' if len(pairs) > 1 else ''}{wording.p_value(pair['p_value_holm'])})"
    if pair["better"]:
        return [f"{head}, {fewer} fewer than {second}; that is more than chance {how}."]
    return [f"{head}, {fewer} fewer than {second}; that is not more than chance could give {how}: no difference shown."]


def _measure(nats: np.ndarray, sizes: Sequence[int] | np.ndarray) -> Measure[str]:
    bits, size = np.asarray(nats, np.float64) / math.log(2), np.asarray(sizes, np.float64)

    def measure(counts: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample of empty texts alone
            return {"bits": bits @ counts / (size @ counts)}

    return measure
