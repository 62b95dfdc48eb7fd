"""Keras networks in files, whole or with weights of 8 bits; reading one runs no code out of it."""

from __future__ import annotations

import copy
import gc
import warnings
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from textapp.errors import UserError
from textapp.models.folder import require_file

NETWORK_FILE = "model.keras"
QUANTIZED_FILE = "model.npz"
QUANTIZATIONS = ("int8",)
# TensorFlow has graphs that take texts of any length, and XLA would compile anew for each. On JAX "not compiled" is
# op by op, so there the few widths of the batches are compiled.
COMPILE = keras.backend.backend() == "jax"

# A dataclass with `name`, `quantization` (None or one of QUANTIZATIONS), `network` and `build()`.
Model = TypeVar("Model", bound=Any)


def save_network(model: Any, folder: Path) -> None:
    """Write model.keras, or model.npz with the arrays of a quantized network.

    Keras's own file loses which layers inside others are quantized, so that it could not be read again.
    """
    if model.quantization is None:
        model.network.save(folder / NETWORK_FILE)
        return
    weights = model.network.get_weights()
    np.savez_compressed(folder / QUANTIZED_FILE, **{f"{number:04}": array for number, array in enumerate(weights)})


def load_network(model: Any, folder: Path, *, rebuild: bool = False) -> keras.Model:
    """Read what `save_network` wrote, on either backend.

    Args:
        model: has everything that `build` needs.
        folder: the model's.
        rebuild: whether to build the network and read its weights only, where Keras cannot read its layers.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = require_file(folder, NETWORK_FILE if model.quantization is None else QUANTIZED_FILE)
    try:
        with zipfile.ZipFile(path) as archive:  # both are; from Python 3.12 on who jumps in one sees no checksum
            if damaged := archive.testzip():
                raise ValueError(f"the checksum of {damaged} does not fit")
        if model.quantization is None and rebuild:
            network = model.build()
            network.load_weights(path)
        elif model.quantization is None:
            network = keras.saving.load_model(path, compile=False, safe_mode=True)
        else:
            network = model.build()
            _quantize(network, model.quantization)
            with np.load(path, allow_pickle=False) as arrays:
                network.set_weights([arrays[name] for name in sorted(arrays.files)])
    except (ValueError, OSError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged or of another Keras version: {error}") from error
    network.compile(jit_compile=COMPILE)
    return network


def in_float32(model: Any) -> keras.Model:
    """Return a trained model's network, its weights in one that computes in float32: itself if it does already."""
    if not any(layer.compute_dtype == "bfloat16" for layer in model.network._flatten_layers()):
        return model.network
    network = model.build()
    network.set_weights(model.network.get_weights())
    network.compile(jit_compile=COMPILE)
    return network


def quantized(model: Model, quantization: str) -> Model:
    """Return a copy of a trained model whose network has smaller weights.

    Only weights are rounded, by Keras, each channel by its largest value; they are multiplied as float32. Rounding
    activations, too, makes a text's answer hang on tiny differences, and decoding slower on a CPU.

    Raises:
        UserError: the quantization is unknown, the network has layers for which Keras has none, or it is
            quantized already.
    """
    if quantization not in QUANTIZATIONS:
        raise UserError(f"unknown quantization {quantization!r}; choose from {list(QUANTIZATIONS)}")
    if model.quantization is not None:
        raise UserError(f"{model.name} is quantized to {model.quantization} already")
    for layer in model.network._flatten_layers():
        if isinstance(layer, keras.layers.RNN):
            raise UserError(f"{model.name} cannot be quantized: Keras has no {quantization} for recurrent layers")
    smaller = copy.copy(model)
    smaller.quantization = quantization
    smaller.network = smaller.build()
    smaller.network.set_weights(model.network.get_weights())
    _quantize(smaller.network, quantization)
    smaller.network.compile(jit_compile=COMPILE)
    return smaller


def _quantize(network: keras.Model, quantization: str) -> None:
    gc.freeze()  # Keras collects garbage after each layer: a third of a second where much is loaded
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the layers that have no weights worth it
            network.quantize(quantization, config=keras.quantizers.Int8QuantizationConfig(activation_quantizer=None))
    finally:
        gc.unfreeze()
