"""From logits to the next token, and random numbers that every backend and the SavedModel share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from textapp.models.cached_decoder import CachedDecoder
from textapp.models.sampling import LEAST, adjusted

CANDIDATES = 64  # most probable tokens, which are nearly always enough to choose among
READ = 32  # tokens of a prompt at a time
HALVINGS = 26  # of the interval from LEAST to 0: down to what float32 tells apart


def choose_tokens(logits: Any, uniform: Any, *, temperature: Any, top_k: Any, top_p: Any) -> Any:
    """Return the next token of each row: tensors in, tensors out, nothing compiled anew for other settings.

    The cumulative distribution, in the order of the ids, is inverted at `uniform`, so that the same numbers give the
    same text on every backend. Where the most probable tokens are not enough, those that are are found by bisection:
    sorting a vocabulary takes XLA longer than the network takes for a token.

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
    size = logits.shape[-1]
    wanted = ops.where(top_k <= 0, float(size), top_k)
    # None of what follows takes a part of the candidates: XLA would sort the whole vocabulary for it.
    scores, ids = ops.top_k(logits, min(CANDIDATES, size))  # (B, K)
    largest = ops.max(logits, axis=-1, keepdims=True)

    def scale(values):
        return ops.maximum((values - largest) / ops.where(greedy, 1.0, temperature), LEAST)

    scores, scaled = scale(scores), scale(logits)
    total = ops.sum(ops.exp(scaled), axis=-1, keepdims=True)
    probabilities = ops.exp(scores) / total
    enough = ops.logical_or(
        ops.cumsum(probabilities, axis=-1) >= top_p, ops.arange(1, scores.shape[-1] + 1, dtype="float32") >= wanted
    )
    least = ops.max(ops.where(enough, scores, LEAST), axis=-1, keepdims=True)

    def among_candidates():
        kept = ops.where(scores >= least, probabilities, 0.0)
        before = ops.expand_dims(ids, axis=1) <= ops.expand_dims(ids, axis=2)  # (B, K, K)
        cumulative = ops.sum(ops.where(before, ops.expand_dims(kept, axis=1), 0.0), axis=-1)
        end = ops.max(cumulative, axis=-1, keepdims=True)
        # Rounding may have put the target at the very end.
        passed = ops.logical_or(cumulative > ops.expand_dims(uniform, axis=-1) * end, cumulative >= end)
        passed = ops.where(greedy, scores >= 0, ops.logical_and(passed, kept > 0))
        return ops.min(ops.where(passed, ids, size), axis=-1)

    def among_all():
        return _among_all(scaled, ops.exp(scaled) / total, uniform, greedy=greedy, wanted=wanted, top_p=top_p)

    # All of the least probable ones' equals must be there, too; a greedy choice takes the best one's.
    last = ops.min(scores, axis=-1)
    complete = ops.logical_and(ops.any(enough, axis=-1), last < ops.where(greedy, 0.0, least[:, 0]))
    return ops.cond(ops.all(complete), among_candidates, among_all)


def _among_all(scaled: Any, probabilities: Any, uniform: Any, *, greedy: Any, wanted: Any, top_p: Any) -> Any:
    """Return the next token of each row, chosen among as many of the vocabulary as it takes.

    Args:
        scaled: float32 (B, V), differences of the logits to the largest.
        probabilities: float32 (B, V).
        uniform, greedy, wanted, top_p: as in `choose_tokens`.
    """

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


def uniform_numbers(seed: int, rows: int, columns: int, *, first: int = 0) -> np.ndarray:
    """Return float32 numbers of shape (rows, columns), from 0 up to 1, the same for the same seed everywhere.

    The first row is that with the number `first`.

    A counter through the integer hash "lowbias32" (Wellons, https://nullprogram.com/blog/2018/07/31/): each
    number is known by seed, row and column, and needs nothing but 32-bit multiplications, so that
    `textapp.export.generator` repeats them in a graph.
    """
    with np.errstate(over="ignore"):  # the hash lives by overflow
        row = _lowbias32(np.arange(first, first + rows, dtype=np.uint32) + _lowbias32(np.uint32(seed % 2**32)))
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
            int scalar "until", the column before which to stop. For scores that are changed before a token is drawn
            (see `textapp.models.sampling.adjusted`) also "seen" bool (B, V), the tokens of each prompt, "end_from"
            int32 (B,), the first column where a text may end, and the float scalars "min_p" and "repetition_penalty".
            Where "bias" is given, float32 (V,), it is added to the logits.
        end_id: ends a text.

    Returns:
        int32 array of shape (B, T): prompts and continuations; after an `end_id` of the network's own, and
        never before, only `end_id`.
    """
    token_ids, padding_mask = inputs["token_ids"], inputs["padding_mask"]
    batch_size, length = ops.shape(token_ids)[0], ops.shape(token_ids)[1]
    settings = {name: inputs[name] for name in ("temperature", "top_k", "top_p")}
    decoder = CachedDecoder(network.backbone)
    adjusts = "seen" in inputs  # decided while tracing: the loop without costs nothing more
    first = ops.min(ops.sum(ops.cast(padding_mask, "int32"), axis=1))
    caches = _read_prompts(decoder, token_ids, first)

    def unfinished(token_ids, caches, ended, index, *seen):
        return ops.logical_and(index < inputs["until"], ops.logical_not(ops.all(ended)))

    def step(token_ids, caches, ended, index, *seen):
        previous = ops.slice(token_ids, [0, index - 1], [batch_size, 1])
        hidden, caches = decoder(previous, caches, index - 1)
        uniform = ops.slice(inputs["uniform"], [0, index], [batch_size, 1])[:, 0]
        logits = written_logits(network, decoder, hidden[:, 0])
        if "bias" in inputs:
            logits = logits + inputs["bias"]
        if adjusts:
            logits = adjusted(
                logits,
                seen[0],
                index < inputs["end_from"],
                end=ops.arange(logits.shape[1]) == end_id,
                **{name: inputs[name] for name in ("temperature", "min_p", "repetition_penalty")},
                xp=ops,
            )
        chosen = choose_tokens(logits, uniform, **settings)
        chosen = ops.where(ended, end_id, chosen)
        in_prompt = ops.slice(padding_mask, [0, index], [batch_size, 1])[:, 0]
        given = ops.slice(token_ids, [0, index], [batch_size, 1])[:, 0]
        ended = ops.logical_or(ended, ops.logical_and(ops.logical_not(in_prompt), chosen == end_id))
        chosen = ops.where(in_prompt, given, chosen)
        token_ids = ops.slice_update(token_ids, [0, index], ops.expand_dims(chosen, axis=1))
        if adjusts:
            seen = (ops.logical_or(seen[0], ops.expand_dims(chosen, 1) == ops.arange(seen[0].shape[1])),)
        return token_ids, caches, ended, index + 1, *seen

    ended = ops.zeros_like(padding_mask[:, 0])
    seen = (inputs["seen"],) if adjusts else ()
    token_ids, _, ended, index, *_ = ops.while_loop(unfinished, step, (token_ids, caches, ended, first, *seen))
    # All rows may have ended before the last column.
    beyond = ops.expand_dims(ops.arange(length, dtype="int32"), axis=0) >= index
    return ops.where(beyond, end_id, token_ids)


def _read_prompts(decoder: CachedDecoder, token_ids: Any, count: Any) -> list[tuple[Any, Any]]:
    """Return the keys and values of the first `count` tokens at least, of (B, T)."""
    batch_size, length = ops.shape(token_ids)[0], ops.shape(token_ids)[1]
    caches = decoder.empty_caches(batch_size, length)
    if not isinstance(length, int) or length % READ:
        return decoder(token_ids, caches, 0)[1]

    def read(start, caches):
        return start + READ, decoder(ops.slice(token_ids, [0, start], [batch_size, READ]), caches, start)[1]

    return ops.while_loop(lambda start, _: start < count, read, (0, caches))[1]


def read_ids(network: keras.Model, inputs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Read tokens, for a loop outside the graph.

    Args:
        network: a KerasHub `GPT2CausalLM`.
        inputs: first "token_ids" int32 (B, T), prompts padded on the right, "last" int32 (B,), the positions of their
            last tokens, and where more rows go on from them "parents" (see below); then "token_ids" int32 (B, 1), the
            int scalar "start", their position, the "caches" that came out before, and "parents" int32 (B,), which of
            their rows each token follows.

    Returns:
        The logits of the token after "last" or after each row, (B, V); what the last layer says of the tokens,
        (B, T, D) or (B, 1, D); the caches.
    """
    decoder, token_ids = CachedDecoder(network.backbone), inputs["token_ids"]
    if "caches" in inputs:
        caches = _of_parents(inputs["caches"], inputs["parents"])
        hidden, caches = decoder(token_ids, caches, inputs["start"])
        return written_logits(network, decoder, hidden[:, 0]), hidden, caches
    batch_size, length = ops.shape(token_ids)[0], ops.shape(token_ids)[1]
    hidden, caches = decoder(token_ids, decoder.empty_caches(batch_size, length), 0)
    if "parents" in inputs:
        caches = _of_parents(caches, inputs["parents"])
    last = ops.take_along_axis(hidden, ops.expand_dims(inputs["last"], (1, 2)), axis=1)
    return written_logits(network, decoder, last[:, 0]), hidden, caches


def _of_parents(caches: list[tuple[Any, Any]], parents: Any) -> list[tuple[Any, Any]]:
    return [tuple(ops.take(part, parents, axis=0) for part in cache) for cache in caches]


def written_logits(network: keras.Model, decoder: CachedDecoder, hidden: Any) -> Any:
    """Return the logits (B, V) of the tokens that can be written: all but those that stand for labels."""
    logits, labels = decoder.logits(hidden), getattr(network, "label_tokens", 0)
    return logits[:, : logits.shape[1] - labels] if labels else logits
