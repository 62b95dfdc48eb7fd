"""The networks of pretrained decoders: whole, to be trained and to score, and reading a few tokens at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import keras_hub
from keras import ops

from textapp.errors import UserError
from textapp.models.causal_presets import BY_CLASS
from textapp.text.preset_tokens import PresetTokens
from textapp.text.subwords import END_ID

NEVER = -1e9  # the logit of a token that is not written


def make_backbone(architecture: dict) -> keras_hub.models.Backbone:
    """Return the untrained backbone.

    Raises:
        UserError: the architecture is damaged.
    """
    try:
        return BY_CLASS[architecture["class"]].backbone(**architecture["config"], name="backbone")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"the architecture of a pretrained decoder is damaged: {error}") from error


def make_network(backbone: keras_hub.models.Backbone, tokens: PresetTokens) -> keras.Model:
    """Return the network: {"token_ids", "padding_mask"} of shape (B, T) to logits, float32 (B, T, V)."""
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
    inputs = {"token_ids": _as_read(token_ids, tokens), "padding_mask": ops.cast(padding_mask, "int32")}
    logits = _as_written(backbone.token_embedding(backbone(inputs), reverse=True), tokens)
    return keras.Model({"token_ids": token_ids, "padding_mask": padding_mask}, logits)


def make_reader(backbone: keras_hub.models.Backbone, tokens: PresetTokens) -> keras.Model:
    """Return what reads a few tokens at a time, with the backbone's weights.

    Its `make_generate_function` gives a compiled function with the inputs and outputs of
    `textapp.models.decoding.read_ids`.
    """
    reader = _READERS[type(backbone).__name__](backbone)
    reader.tokens = tokens
    return reader


class _Reads:
    """What a `CausalLM` of KerasHub's does in the place of its own loop."""

    tokens: PresetTokens
    # Its own.
    backbone: keras_hub.models.Backbone
    call_with_cache: Callable
    _build_cache: Callable

    def generate_step(self, inputs: dict[str, Any], stop_token_ids: None = None) -> tuple[Any, Any, Any]:
        token_ids = _as_read(inputs["token_ids"], self.tokens)
        if "caches" in inputs:
            caches = ops.take(inputs["caches"], inputs["parents"], axis=0)
            logits, hidden, caches = self.call_with_cache(token_ids, caches, inputs["start"])
            return _as_written(logits[:, 0], self.tokens), hidden, caches
        hidden, caches = self._build_cache(token_ids)
        last = ops.take_along_axis(hidden, ops.expand_dims(inputs["last"], (1, 2)), axis=1)
        logits = self.backbone.token_embedding(last, reverse=True)[:, 0]
        return _as_written(logits, self.tokens), hidden, ops.take(caches, inputs["parents"], axis=0)


_READERS: dict[str, Any] = {
    name: type(f"Reading{family.causal_lm.__name__}", (_Reads, family.causal_lm), {})
    for name, family in BY_CLASS.items()
}


def _as_read(token_ids: Any, tokens: PresetTokens) -> Any:
    """Return the ids that the preset knows: before a text it has not seen its end, if these are two tokens."""
    # Not `==`: it compares Keras's symbolic tensors themselves.
    before = ops.equal(token_ids, END_ID)
    return token_ids if tokens.start_id == END_ID else ops.where(before, tokens.start_id, token_ids)


def _as_written(logits: Any, tokens: PresetTokens) -> Any:
    """Return the logits in float32, those of tokens that are never written so low that they have no share."""
    logits, silent = ops.cast(logits, "float32"), tokens.silent
    return ops.where(silent, NEVER, logits) if silent.any() else logits
