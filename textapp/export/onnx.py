"""A classifier's network as ONNX, by Keras's own export: token ids in, probabilities out.

Cutting a text into ids stays with the caller, so the vocabulary and the settings of the cleaning lie beside it.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from textapp.errors import UserError
from textapp.export.parity import certify
from textapp.export.whole import whole
from textapp.models import load
from textapp.models.network import VOCABULARY_FILE, NetworkClassifier
from textapp.run import bytes_on_disk

ONNX_FILE = "model.onnx"
BESIDE = (VOCABULARY_FILE, "cleaning.json", "labels.json", "model.json")


def require_onnx(model: object, folder: Path) -> NetworkClassifier:
    """Return a model that can become ONNX; raise UserError where it cannot, or the packages are missing."""
    if not isinstance(model, NetworkClassifier):
        raise UserError(f"{folder} cannot become ONNX: it is no network that classifies cleaned tokens")
    if model.quantization is not None:
        raise UserError(f"{folder} cannot become ONNX: Keras exports float32 networks only; leave out --quantize")
    for package in ("tf2onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"ONNX needs {package}; run `python -m pip install -r requirements-onnx.txt`")
    return model


def export_onnx(folder: Path, target: Path) -> None:
    """Write model.onnx and what it takes to make token ids.

    Inputs are `token_ids` int32 (B, T) and `padding_mask` bool (B, T), the output is `probabilities` float32 (B, C).

    Args:
        folder: a trained network's.
        target: the version's folder; must not be there.

    Raises:
        UserError: the model cannot become ONNX, or the target is there or cannot be written.
    """
    model = require_onnx(load(folder), folder)
    for layer in model.network._flatten_layers():
        if isinstance(layer, keras.layers.LSTM):
            # The loop that Keras has for every layer of the kind: ONNX knows no op of TensorFlow's or cuDNN's.
            layer.inner_loop = functools.partial(keras.layers.RNN.inner_loop, layer)
    logits = keras.layers.Rescaling(1 / model.temperature, dtype="float32", name="temperature")(model.network.output)
    probabilities = keras.layers.Softmax(dtype="float32", name="softmax")(logits)
    with whole(target) as unfinished:
        unfinished.mkdir()
        network = keras.Model(model.network.input, {"probabilities": probabilities})
        network(model.batches([""])[0][0])  # Keras exports what has been called
        network.export(unfinished / ONNX_FILE, format="onnx", verbose=False)
        for name in BESIDE:
            shutil.copy(folder / name, unfinished / name)


def check_onnx(model: NetworkClassifier, target: Path, texts: Sequence[str], probabilities: np.ndarray) -> dict:
    """Ask the ONNX file, with onnxruntime and this program's token ids, and compare.

    Args:
        model: the trained network, in Python.
        target: what `export_onnx` wrote.
        texts: N texts.
        probabilities: the model's own answers to them, float32 of shape (N, C).

    Returns:
        The content of parity.json.

    Raises:
        UserError: as `textapp.export.parity.check_classifier`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(target / ONNX_FILE), providers=["CPUExecutionProvider"])
    batches = model.batches(texts)
    answers = [session.run(["probabilities"], batches[index][0])[0] for index in range(len(batches))]
    found = batches.put_back(answers)
    labels = [model.label_names[index] for index in found.argmax(axis=1)]
    certificate = certify(target, model.label_names, probabilities, found, labels)
    return certificate | {
        "texts": len(texts),
        "needs": ["onnxruntime"],
        "onnxruntime": onnxruntime.__version__,
        "bytes": bytes_on_disk(target),
    }
