"""What a run of `pretrain` is to the main job: where models start, if it fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from textapp.config import TrainConfig
from textapp.datasets import Dataset
from textapp.datasets.cleaning import text_hash
from textapp.errors import UserError
from textapp.models.decoder import Decoder
from textapp.models.folder import read_json, require_file
from textapp.models.generator import TOKENIZER_FOLDER
from textapp.models.starting import TEXTS_FILE, find_pretrained, read_pretraining
from textapp.text.cache import CachedCleaning
from textapp.text.generator_tokens import TOKENS, SharedTokens, check_tokens


def chosen_starts(config: TrainConfig, names: Sequence[str], cleaning: CachedCleaning) -> dict[str, Path]:
    """Return the folders of the pretrained models that models of this run start from, by model.

    Raises:
        UserError: there is no such run, it is damaged, none of the models can start from it, it cleaned texts in
            another way, or its decoder reads other tokens.
    """
    if config.init_from is None:
        return {}
    found = find_pretrained(config.init_from)
    starts = {name: folder for name, folder in found.items() if name in names}
    if not starts:
        raise UserError(
            f"--init-from {config.init_from} holds {' and '.join(found)}, from which none of {list(names)} can start; "
            f"add {' or '.join(found)} to --models"
        )
    for folder in starts.values():
        path = folder / "cleaning.json"
        if path.is_file() and read_json(path) != cleaning.to_json():
            raise UserError(
                f"{folder} was pretrained on texts that were cleaned in another way; give --stopwords as it was given "
                "to pretrain"
            )
    if Decoder.name in starts:
        tokens = read_pretraining(starts[Decoder.name])["options"].get("tokens")
        if tokens != config.generator_tokens:
            raise UserError(
                f"--generator-tokens is {config.generator_tokens!r}, and the decoder in {starts[Decoder.name]} reads "
                f"{tokens!r}, as all generators of its run do then; leave it out"
            )
    return starts


def check_texts(starts: Mapping[str, Path], dataset: Dataset) -> None:
    """Raise UserError where a pretrained model has read texts that it is to be chosen or measured by.

    Args:
        starts: folders of pretrained models.
        dataset: whose validation and test texts they must not have read.
    """
    held_out = (
        {text_hash(text) for split in (dataset.validation, dataset.test) for text in split.texts} if starts else set()
    )
    for folder in starts.values():
        if found := len(held_out.intersection(read_hashes(folder))):
            raise UserError(
                f"{folder} was pretrained on {found:,} of the {len(held_out):,} validation and test texts of this run; "
                "pretrain again with the same --data or --dataset and --seed, which leaves them out"
            )


def read_hashes(folder: Path) -> Iterator[bytes]:
    """Yield the hashes of all texts that a pretrained model has read.

    Raises:
        UserError: they are missing or damaged.
    """
    path = folder / TEXTS_FILE
    try:
        read = np.load(path, allow_pickle=False).reshape(-1, 2)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is missing or damaged ({error}); pretrain again") from error
    yield from (row.tobytes() for row in read)


def shared_tokens(starts: Mapping[str, Path]) -> SharedTokens:
    """Return what learns the tokens of a run's generators, or has those of the decoder that one of them starts from.

    Raises:
        UserError: they are missing or damaged.
    """
    if Decoder.name not in starts:
        return SharedTokens()
    folder = starts[Decoder.name]
    kind = TOKENS[check_tokens(read_pretraining(folder)["options"].get("tokens"))]
    path = require_file(folder, TOKENIZER_FOLDER)
    try:
        return SharedTokens(kind.load(path))
    except (ValueError, OSError, KeyError) as error:
        raise UserError(f"{path} is damaged: {error}") from error


def start_note(folder: Path) -> str:
    """Return a sentence for the report on what a model started from."""
    found = read_pretraining(folder)
    told = {"mlm": "masked word", "clm": "next token"}[found["objective"]]
    loss = f"{found['held_out']['loss']:.3f} nats a {told} of {found['held_out']['texts']:,} held-out texts"
    pairs = " and next segments" if found.get("next_sentence") else ""
    return (
        f"Started from {folder}, pretrained ({found['objective']}{pairs}) on {found['texts']:,} texts, "
        f"{found['tokens']:,} tokens, {found['passes']:.3g} times in {found['seconds']:.0f} s: {loss}."
    )
