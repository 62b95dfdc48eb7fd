"""What networks start from: vectors of their words, or what pretraining left in a model's folder."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from textapp.errors import UserError
from textapp.models.folder import read_json, require_file

PRETRAINING_FILE = "pretraining.json"
WEIGHTS_FILE = "model.npz"
TEXTS_FILE = "texts.npy"  # hashes of all texts that were read, so that none of them is tested on
OBJECTIVES = {"mlm": ("encoder", "minilm"), "clm": ("decoder",)}  # and the models that learn by them
# The options that a network must share with the pretrained one; the vocabulary is taken over whole.
SIZES = {
    "encoder": ("vocabulary_size", "sequence_length", "embedding_dim", "layers", "heads", "intermediate_dim"),
    "decoder": ("tokens", "vocabulary_size", "context", "layers", "heads", "hidden_dim"),
}


def find_pretrained(path: Path) -> dict[str, Path]:
    """Return the folders of the pretrained models, by model, in a run of `pretrain` or in one model's folder of it.

    Raises:
        UserError: there is none.
    """
    if not path.is_dir():
        raise UserError(f"--init-from is {path}, which is no folder; give the run that `textapp pretrain` left")
    folders = [path] if (path / PRETRAINING_FILE).is_file() else sorted(path.iterdir())
    found = {read_pretraining(folder)["model"]: folder for folder in folders if (folder / PRETRAINING_FILE).is_file()}
    if not found:
        raise UserError(f"{path} holds no pretrained model; `python -m textapp pretrain` leaves a run that does")
    return found


def read_pretraining(folder: Path) -> dict:
    """Return the content of pretraining.json.

    Raises:
        UserError: it is missing or damaged.
    """
    path = folder / PRETRAINING_FILE
    found = read_json(path)
    known = isinstance(found, dict) and isinstance(found.get("options"), dict)
    if not known or found.get("model") not in OBJECTIVES.get(found.get("objective", ""), ()):
        raise UserError(f"{path} is damaged: it lacks the model, its objective or its options")
    return found


def check_sizes(model: Any, folder: Path) -> None:
    """Raise UserError where a model has other sizes than the pretrained one in a folder."""
    pretrained = read_pretraining(folder)
    if pretrained["model"] != model.name:
        raise UserError(f"{folder} holds a pretrained {pretrained['model']}; {model.name} cannot start from it")
    for name, size in pretrained["options"].items():
        if getattr(model, name, size) != size:
            raise UserError(
                f"{folder} was pretrained with {name} {size}, and {model.name} has {getattr(model, name)}; they must "
                "be the same"
            )


def write_weights(folder: Path, weights: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Write the arrays of each layer, by its name."""
    arrays: dict[str, Any] = {
        f"{layer}:{number:03}": array for layer, found in weights.items() for number, array in enumerate(found)
    }
    np.savez(folder / WEIGHTS_FILE, **arrays)


def read_weights(folder: Path) -> dict[str, list[np.ndarray]]:
    """Return what `write_weights` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = require_file(folder, WEIGHTS_FILE)
    weights: dict[str, list[np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key in sorted(arrays.files):
                weights.setdefault(key.partition(":")[0], []).append(arrays[key])
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged: {error}") from error
    return weights


def start_embedding(embeddings: keras.Variable, vectors: np.ndarray, *, scale: float) -> None:
    """Give words other values in an embedding than random ones.

    Args:
        embeddings: (V or more, D).
        vectors: of `textapp.text.word_vectors`, (V, D). Words whose vector is zero keep what they have: were they all
            the same, rounding would decide between them where a text is written.
        scale: what the vectors are multiplied with, so their standard deviation.
    """
    values = keras.ops.convert_to_numpy(embeddings).copy()
    known = np.flatnonzero(vectors.any(axis=1))
    values[known] = scale * vectors[known]
    embeddings.assign(values)


def take_weights(network: keras.Model, folder: Path) -> None:
    """Give a network's layers the arrays that `write_weights` wrote under their names.

    Raises:
        UserError: the file is missing or damaged, or a layer is not there or has other shapes.
    """
    for name, found in read_weights(folder).items():
        try:
            network.get_layer(name).set_weights(found)
        except ValueError as error:
            raise UserError(f"{folder / WEIGHTS_FILE} is damaged or of another version: {error}") from error
