"""Pretrained decoders: their families, where they are found, and what is checked before one is used."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import keras
import keras_hub
import numpy as np

from textapp.errors import UserError
from textapp.models.preset_files import Wanted, architecture_of, check_preset, reading
from textapp.text.preset_tokens import PresetTokens, hugging_face_tokens, pairs, with_end
from textapp.text.subwords import END_ID


def _by(pattern: str) -> dict:
    """Return what cuts texts as Hugging Face's tokenizer.json says it."""
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [split, level]}


# What the tokens of each family were learned with: OpenAI's GPT-2, Meta's Llama 3 and Alibaba's Qwen 2.
GPT2_SPLIT = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_LIKE_LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
LLAMA_SPLIT, QWEN_SPLIT = _by(_LIKE_LLAMA.format("{1,3}")), _by(_LIKE_LLAMA.format(""))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of decoder.

    Attributes:
        backbone, causal_lm, tokenizer: KerasHub's classes.
        split, ignore_merges: of its tokens, see `PresetTokens`.
        only: what Hugging Face's config.json may say where KerasHub's converter takes no notice of it.
        scales: the kinds of scaled rotary positions that it can have.
    """

    backbone: type[keras_hub.models.Backbone]
    causal_lm: type[keras_hub.models.CausalLM]
    tokenizer: type[keras_hub.models.Tokenizer]
    split: dict
    ignore_merges: bool = False
    only: Mapping[str, tuple] = dataclasses.field(default_factory=dict)
    scales: tuple[str, ...] = ("default",)


# By the name that Hugging Face's config.json has for the family.
FAMILIES: dict[str, Family] = {
    "gpt2": Family(
        backbone=keras_hub.models.GPT2Backbone,
        causal_lm=keras_hub.models.GPT2CausalLM,
        tokenizer=keras_hub.models.GPT2Tokenizer,
        split=GPT2_SPLIT,
        only={
            "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
            "layer_norm_epsilon": (1e-5,),
            "scale_attn_weights": (True,),
            "scale_attn_by_inverse_layer_idx": (False,),
            "tie_word_embeddings": (True,),
        },
    ),
    "llama": Family(
        backbone=keras_hub.models.Llama3Backbone,
        causal_lm=keras_hub.models.Llama3CausalLM,
        tokenizer=keras_hub.models.Llama3Tokenizer,
        split=LLAMA_SPLIT,
        ignore_merges=True,
        only={"hidden_act": ("silu",), "attention_bias": (False,), "mlp_bias": (False,)},
        scales=("default", "llama3"),
    ),
    "qwen2": Family(
        backbone=keras_hub.models.QwenBackbone,
        causal_lm=keras_hub.models.QwenCausalLM,
        tokenizer=keras_hub.models.QwenTokenizer,
        split=QWEN_SPLIT,
        only={"hidden_act": ("silu",)},
    ),
    "qwen3": Family(
        backbone=keras_hub.models.Qwen3Backbone,
        causal_lm=keras_hub.models.Qwen3CausalLM,
        tokenizer=keras_hub.models.Qwen3Tokenizer,
        split=QWEN_SPLIT,
        only={"hidden_act": ("silu",), "attention_bias": (False,)},
    ),
}
WANTED = Wanted(
    backbones={name: family.backbone for name, family in FAMILIES.items()},
    families="GPT-2, Llama 3, Qwen 2 and Qwen 3",
    verb="write",
)
BY_CLASS = {family.backbone.__name__: family for family in FAMILIES.values()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CausalPreset:
    """A pretrained decoder.

    Attributes:
        architecture: {"class", "config"}: what builds the network again, see `textapp.models.causal_network`.
        weights: of that backbone, in its order; the end of text has the embedding of `END_ID`.
        tokens: texts to its ids and back.
        context: the most tokens that it looks back on; None where nothing is known to bound them.
    """

    architecture: dict
    weights: list[np.ndarray]
    tokens: PresetTokens
    context: int | None


def load_causal(where: str) -> CausalPreset:
    """Load a pretrained decoder; nothing is downloaded unless the user names what lies elsewhere.

    Args:
        where: a folder in KerasHub's or Hugging Face's format, or a name of KerasHub's such as "gpt2_base_en".

    Raises:
        UserError: there is no such preset, it is of no family that can be used, KerasHub would make another network
            of it than it is, or its tokenizer does not fit.
    """
    if "://" in where:
        raise UserError(f"the preset {where!r} is no folder; download it and give --preset the folder")
    content = check_preset(where, WANTED)
    if content is not None:
        _check_config(where, content)
    with reading(where):
        backbone = keras_hub.models.Backbone.from_preset(where, dtype="float32")
        if type(backbone) not in WANTED.backbones.values():
            raise WANTED.refusal(where, type(backbone).__name__)
        architecture = architecture_of(backbone)
        if hasattr(backbone, "tie_word_embeddings"):  # Llama's configuration leaves it out
            architecture["config"]["tie_word_embeddings"] = backbone.tie_word_embeddings
        if content is not None:
            architecture["config"] |= _left_out(content)
        tokens, end_id = _tokens(where, backbone, hugging_face=content is not None)
        weights = [_swapped(weight, end_id) for weight in backbone.weights]
        context = (content or {}).get("max_position_embeddings")
        context = architecture["config"].get("max_sequence_length", context)
    return CausalPreset(architecture=architecture, weights=weights, tokens=tokens, context=context)


def _check_config(where: str, content: dict) -> None:
    """Raise UserError for what KerasHub's converter would pass over."""
    family = FAMILIES[content["model_type"]]
    for name, allowed in family.only.items():
        if content.get(name, allowed[0]) not in allowed:
            raise UserError(
                f"the preset {where!r} has {name} {content[name]!r}, and KerasHub's {family.backbone.__name__} only "
                f"{allowed[0]!r}; choose another preset"
            )
    if (kind := _scaling(content).get("rope_type", "default")) not in family.scales:
        raise UserError(
            f"the preset {where!r} has rotary positions of the kind {kind!r}; only {list(family.scales)} can be used"
        )


def _scaling(content: dict) -> dict:
    """Return what Hugging Face's config.json says on scaled positions, by its newer or older name."""
    found = content.get("rope_parameters") or content.get("rope_scaling") or {}
    if not isinstance(found, dict):
        return {"rope_type": found}
    return found if "rope_type" in found or "type" not in found else {**found, "rope_type": found["type"]}


def _left_out(content: dict) -> dict:
    """Return the options of a Llama that KerasHub's converter leaves at their defaults."""
    if content["model_type"] != "llama":
        return {}
    found, scaling = {"layer_norm_epsilon": content.get("rms_norm_eps", 1e-6)}, _scaling(content)
    if scaling.get("rope_type") == "llama3":
        found |= {
            "rope_frequency_adjustment_factor": scaling["factor"],
            "rope_low_freq_factor": scaling["low_freq_factor"],
            "rope_high_freq_factor": scaling["high_freq_factor"],
            "rope_pretraining_sequence_length": scaling["original_max_position_embeddings"],
        }
    return found


def _tokens(where: str, backbone: keras_hub.models.Backbone, *, hugging_face: bool) -> tuple[PresetTokens, int]:
    family = BY_CLASS[type(backbone).__name__]
    settings = {"size": backbone.vocabulary_size, "split": family.split, "ignore_merges": family.ignore_merges}
    try:
        if hugging_face:
            return hugging_face_tokens(Path(where), **settings)
        found = family.tokenizer.from_preset(where)
        merges = pairs(found.merges)
        return with_end(dict(found.vocabulary), merges, end=found.end_token, start=found.start_token, **settings)
    except UserError as error:
        raise UserError(f"the tokenizer of the preset {where!r} does not fit: {error}") from error


def _swapped(weight: keras.Variable, end_id: int) -> np.ndarray:
    """Return a backbone's weight, the embedding of the end of text in the place of `END_ID`'s and the other way."""
    array = np.array(keras.ops.convert_to_numpy(weight))
    if weight.path.endswith("token_embedding/embeddings"):
        array[[END_ID, end_id]] = array[[end_id, END_ID]]
    elif weight.path.endswith("token_embedding/reverse_embeddings"):
        array[:, [END_ID, end_id]] = array[:, [end_id, END_ID]]
    return array
