"""A trained model as a new version, wherever it is served from."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from textapp.datasets.user_file import read_texts
from textapp.errors import UserError
from textapp.export.onnx import check_onnx, require_onnx
from textapp.export.parity import check_classifier, check_generator
from textapp.export.process import FORMATS, export_models
from textapp.export.whole import whole
from textapp.finished import FinishedRun
from textapp.models import Classifier, Generator, load
from textapp.models.folder import write_json

GENERATOR_TEXTS = 20  # that a generator is checked on; each takes a while


def export_version(
    folder: Path,
    target: Path,
    *,
    file_format: str = "savedmodel",
    quantization: str | None = None,
    data: Path | None = None,
    text_column: str | None = None,
) -> dict:
    """Write a version with its parity.json, whole or not at all.

    Args:
        folder: a trained model's, in a run.
        target: the version's folder, such as served/sentiment/2; must not be there.
        file_format: "savedmodel" or "onnx".
        quantization: None, or "int8" for smaller weights.
        data: texts to check the version on; None for the test split of the model's run.
        text_column: of `data`; None to guess it.

    Returns:
        The content of parity.json.

    Raises:
        UserError: the model is damaged, cannot be exported, quantized or converted; the target is there or cannot be
            written; the texts cannot be found; or the version does not answer as the model does.
    """
    if file_format not in FORMATS:
        raise UserError(f"unknown format {file_format!r}; choose from {list(FORMATS)}")
    if target.exists():  # before the work; `whole` looks again
        raise UserError(f"{target} exists; choose another version")
    model = load(folder)
    if not model.exports:
        raise UserError(f"{folder} cannot be exported: {model.name} is there to be compared with only")
    if quantization is not None:
        model = model.quantized(quantization)
    if file_format == "onnx":
        require_onnx(model, folder)
    texts = _texts_of_run(folder) if data is None else read_texts(data, text_column=text_column)
    with whole(target) as unfinished, tempfile.TemporaryDirectory() as scratch:
        source = folder
        if quantization is not None:
            source = Path(scratch) / "model"
            model.save(source)
        if failure := export_models([(source, unfinished)], file_format=file_format):
            raise UserError(failure)
        certificate = _check(model, unfinished, texts, file_format) | {"quantization": quantization}
        write_json(unfinished / "parity.json", certificate)
    return certificate


def _check(model: Classifier | Generator, exported: Path, texts: Sequence[str], file_format: str) -> dict:
    if isinstance(model, Generator):
        return check_generator(model, exported, texts[:GENERATOR_TEXTS])
    check = check_onnx if file_format == "onnx" else check_classifier
    return check(model, exported, texts, model.predict_proba(texts))


def _texts_of_run(folder: Path) -> Sequence[str]:
    """Return the test split of the run that a model's folder lies in."""
    try:
        return FinishedRun(folder.resolve().parent).dataset().test.texts
    except UserError as error:
        raise UserError(
            f"the test texts of {folder} are not to be had, so give texts with --data FILE: {error}"
        ) from error
