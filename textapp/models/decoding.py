"""From logits to the next token, and random numbers that every backend and the SavedModel share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from textapp.models.cached_decoder import CachedDecoder

LEAST = -40.0  # a token with e**-40 of the best one's probability is as good as impossible
HALVINGS = 26  # of the interval from LEAST to 0: down to what float32 tells apart


def choose_tokens(logits: Any, uniform: Any, *, temperature: Any, top_k: Any, top_p: Any) -> Any:
    """Return the next token of each row: tensors in, tensors out, nothing compiled anew for other settings.

    The cumulative distribution, in the order of the ids, is inverted at `uniform`, so that the same numbers give the
    same text on every backend. Which tokens are probable enough is found by bisection: sorting a vocabulary takes XLA
    longer than the network takes for a token.

    Args:
        logits: float array of shape (B, V).
        uniform: float32 array of shape (B,), from 0 up to 1.
        temperature: float scalar; 0 takes the most probable token, of several the one with the smallest id.
        top_k: int scalar, sample among this many most probable tokens; 0 for all.
        top_p: float scalar, sample among the fewest tokens that have this probability together; 1 for all. Tokens as
            probable as the last one are taken, too.

    Returns:
        int32 array of shape (B,).
    """
    logits, temperature = ops.cast(logits, "float32"), ops.cast(temperature, "float32")
    top_k, top_p = ops.cast(top_k, "float32"), ops.cast(top_p, "float32")
    greedy = temperature <= 0
    scaled = logits - ops.max(logits, axis=-1, keepdims=True)
    scaled = ops.maximum(scaled / ops.where(greedy, 1.0, temperature), LEAST)
    probabilities = ops.softmax(scaled, axis=-1)
    wanted = ops.where(top_k <= 0, float(logits.shape[-1]), top_k)

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        kept = scaled >= middle
        mass = ops.sum(ops.where(kept, probabilities, 0.0), axis=-1, keepdims=True)
        count = ops.sum(ops.cast(kept, "float32"), axis=-1, keepdims=True)
        enough = ops.logical_or(mass >= top_p, count >= wanted)
        return ops.where(enough, middle, low), ops.where(enough, high, middle)

    # The most probable token is at 0, and `low` always lets enough tokens through.
    low = ops.full_like(scaled[:, :1], LEAST)
    low, _ = ops.fori_loop(0, HALVINGS, halve, (low, ops.zeros_like(low)))
    cumulative = ops.cumsum(ops.where(scaled >= low, probabilities, 0.0), axis=-1)
    target = ops.expand_dims(uniform, axis=-1) * cumulative[:, -1:]
    # Rounding may have put the target at the very end.
    passed = ops.logical_and(cumulative <= target, cumulative < cumulative[:, -1:])
    passed = ops.where(greedy, ops.cumsum(ops.cast(scaled >= 0, "int32"), axis=-1) == 0, passed)
    return ops.sum(ops.cast(passed, "int32"), axis=-1)


def uniform_numbers(seed: int, rows: int, columns: int) -> np.ndarray:
    """Return float32 numbers of shape (rows, columns), from 0 up to 1, the same for the same seed everywhere.

    A counter through the integer hash "lowbias32" (Wellons, https://nullprogram.com/blog/2018/07/31/): each
    number is known by seed, row and column, and needs nothing but 32-bit multiplications, so that
    `textapp.export.generator` repeats them in a graph.
    """
    with np.errstate(over="ignore"):  # the hash lives by overflow
        row = _lowbias32(np.arange(rows, dtype=np.uint32) + _lowbias32(np.uint32(seed % 2**32)))
        mixed = _lowbias32(row[:, None] + np.arange(columns, dtype=np.uint32))
    return (mixed >> np.uint32(8)).astype(np.float32) / np.float32(2**24)


def _lowbias32(value: Any) -> Any:
    value = value ^ (value >> np.uint32(16))
    value = value * np.uint32(0x7FEB352D)
    value = value ^ (value >> np.uint32(15))
    value = value * np.uint32(0x846CA68B)
    return value ^ (value >> np.uint32(16))


def generate_ids(network: keras.Model, inputs: dict[str, Any], *, end_id: int) -> Any:
    """Continue prompts, keeping every layer's keys and values so that each step reads one token.

    Args:
        network: a KerasHub `GPT2CausalLM`.
        inputs: "token_ids" int32 (B, T), prompts padded on the right; "padding_mask" bool (B, T), True on
            prompts of at least one token; "uniform" float32 (B, T); the scalars "temperature", "top_k", "top_p"; the
            int scalar "until", the column before which to stop.
        end_id: ends a text.

    Returns:
        int32 array of shape (B, T): prompts and continuations; after an `end_id` of the network's own, and
        never before, only `end_id`.
    """
    token_ids, padding_mask = inputs["token_ids"], inputs["padding_mask"]
    batch_size, length = ops.shape(token_ids)[0], ops.shape(token_ids)[1]
    settings = {name: inputs[name] for name in ("temperature", "top_k", "top_p")}
    decoder = CachedDecoder(network.backbone)
    first = ops.min(ops.sum(ops.cast(padding_mask, "int32"), axis=1))
    _, caches = decoder(token_ids, decoder.empty_caches(batch_size, length), 0)

    def unfinished(token_ids, caches, ended, index):
        return ops.logical_and(index < inputs["until"], ops.logical_not(ops.all(ended)))

    def step(token_ids, caches, ended, index):
        previous = ops.slice(token_ids, [0, index - 1], [batch_size, 1])
        hidden, caches = decoder(previous, caches, index - 1)
        uniform = ops.slice(inputs["uniform"], [0, index], [batch_size, 1])[:, 0]
        chosen = choose_tokens(decoder.logits(hidden[:, 0]), uniform, **settings)
        chosen = ops.where(ended, end_id, chosen)
        in_prompt = ops.slice(padding_mask, [0, index], [batch_size, 1])[:, 0]
        given = ops.slice(token_ids, [0, index], [batch_size, 1])[:, 0]
        ended = ops.logical_or(ended, ops.logical_and(ops.logical_not(in_prompt), chosen == end_id))
        chosen = ops.where(in_prompt, given, chosen)
        token_ids = ops.slice_update(token_ids, [0, index], ops.expand_dims(chosen, axis=1))
        return token_ids, caches, ended, index + 1

    ended = ops.zeros_like(padding_mask[:, 0])
    token_ids, _, ended, index = ops.while_loop(unfinished, step, (token_ids, caches, ended, first))
    # All rows may have ended before the last column.
    beyond = ops.expand_dims(ops.arange(length, dtype="int32"), axis=0) >= index
    return ops.where(beyond, end_id, token_ids)
