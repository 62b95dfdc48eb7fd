"""From logits to the next token, and random numbers that every backend and the SavedModel share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


def choose_tokens(logits: Any, uniform: Any, *, temperature: Any, top_k: Any, top_p: Any) -> Any:
    """Return the next token of each row: tensors in, tensors out, nothing compiled anew for other settings.

    The tokens are ordered by probability and one is found by inverting the cumulative distribution at
    `uniform`, so that the same numbers give the same text on every backend.

    Args:
        logits: float array of shape (B, V).
        uniform: float32 array of shape (B,), from 0 up to 1.
        temperature: float scalar; 0 takes the most probable token.
        top_k: int scalar, sample among this many most probable tokens; 0 for all.
        top_p: float scalar, sample among the fewest tokens that have this probability together; 1 for all.

    Returns:
        int32 array of shape (B,).
    """
    logits = ops.cast(logits, "float32")
    vocabulary_size = logits.shape[-1]
    order = ops.argsort(-logits, axis=-1)  # (B, V), stable, so that ties go to the smaller id
    ranked = ops.take_along_axis(logits, order, axis=-1)
    greedy = ops.cast(temperature, "float32") <= 0
    ranked = ranked / ops.where(greedy, 1.0, ops.cast(temperature, "float32"))
    probabilities = ops.softmax(ranked, axis=-1)
    before = ops.cumsum(probabilities, axis=-1) - probabilities  # of all better tokens together
    rank = ops.expand_dims(ops.arange(vocabulary_size, dtype="int32"), axis=0)
    most = ops.where(ops.cast(top_k, "int32") <= 0, vocabulary_size, ops.cast(top_k, "int32"))
    most = ops.where(greedy, 1, most)
    kept = ops.logical_and(rank < most, ops.logical_or(before < ops.cast(top_p, "float32"), rank == 0))
    cumulative = ops.cumsum(ops.where(kept, probabilities, 0.0), axis=-1)
    target = ops.expand_dims(uniform, axis=-1) * cumulative[:, -1:]
    passed = ops.sum(ops.cast(cumulative <= target, "int32"), axis=-1, keepdims=True)
    passed = ops.minimum(passed, ops.sum(ops.cast(kept, "int32"), axis=-1, keepdims=True) - 1)
    return ops.cast(ops.take_along_axis(order, passed, axis=-1)[:, 0], "int32")


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
            prompts of at least one token; "uniform" float32 (B, T); the scalars "temperature", "top_k", "top_p".
        end_id: ends a text.

    Returns:
        int32 array of shape (B, T): prompts and continuations; after an `end_id` of the network's own, and
        never before, only `end_id`.
    """
    token_ids, padding_mask = inputs["token_ids"], inputs["padding_mask"]
    batch_size, length = ops.shape(token_ids)[0], ops.shape(token_ids)[1]
    settings = {name: inputs[name] for name in ("temperature", "top_k", "top_p")}
    _, cache = network._build_cache(token_ids)
    first = ops.min(ops.sum(ops.cast(padding_mask, "int32"), axis=1))

    def unfinished(token_ids, cache, ended, index):
        return ops.logical_and(index < length, ops.logical_not(ops.all(ended)))

    def step(token_ids, cache, ended, index):
        previous = ops.slice(token_ids, [0, index - 1], [batch_size, 1])
        logits, _, cache = network.call_with_cache(previous, cache, index - 1)
        uniform = ops.slice(inputs["uniform"], [0, index], [batch_size, 1])[:, 0]
        chosen = choose_tokens(logits[:, 0], uniform, **settings)
        chosen = ops.where(ended, end_id, chosen)
        in_prompt = ops.slice(padding_mask, [0, index], [batch_size, 1])[:, 0]
        given = ops.slice(token_ids, [0, index], [batch_size, 1])[:, 0]
        ended = ops.logical_or(ended, ops.logical_and(ops.logical_not(in_prompt), chosen == end_id))
        chosen = ops.where(in_prompt, given, chosen)
        token_ids = ops.slice_update(token_ids, [0, index], ops.expand_dims(chosen, axis=1))
        return token_ids, cache, ended, index + 1

    ended = ops.zeros_like(padding_mask[:, 0])
    token_ids, _, ended, index = ops.while_loop(unfinished, step, (token_ids, cache, ended, first))
    # All rows may have ended before the last column.
    beyond = ops.expand_dims(ops.arange(length, dtype="int32"), axis=0) >= index
    return ops.where(beyond, end_id, token_ids)
