"""SavedModels of a run's models, and a trained model as a new version, wherever it is served from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from textapp.datasets import Dataset, Split
from textapp.datasets.user_file import read_texts
from textapp.errors import UserError
from textapp.export.onnx import check_onnx, require_onnx
from textapp.export.parity import Proof, classifier_proof, generator_proof, prove
from textapp.export.process import FORMATS, export_models
from textapp.export.whole import whole
from textapp.finished import FinishedRun
from textapp.fitting import Trained
from textapp.json_files import write_json
from textapp.machine import has_tensorflow
from textapp.memory import give_memory_back
from textapp.models import Classifier, Decoder, Generator, load
from textapp.models.network import NetworkClassifier
from textapp.reports.write import write_model_cards, write_report
from textapp.training.progress import Progress

SAVED_MODEL = "1"  # the first version, in TensorFlow Serving's layout
GENERATOR_TEXTS = 20  # that a generator is checked on; each takes a while


def saved_models_missing(run: Path) -> str | None:
    """Return why a run has no SavedModels, and what adds them; None where TensorFlow can make them."""
    if has_tensorflow():
        return None
    return f"no SavedModels: TensorFlow is not installed here; `python -m textapp export --run {run}` adds them"


def add_saved_models(models: Sequence[Trained], dataset: Dataset, progress: Progress) -> list[str]:
    """Make the SavedModels, and prove that they answer as the models do.

    Returns:
        A sentence for every SavedModel that was refused; the others are there all the same.
    """
    progress.start("exporting SavedModels")
    give_memory_back()  # the processes that export and check take some of their own
    exported = [trained for trained in models if trained.model.exports]
    for trained in exported:  # what an interrupted export left
        for left in (trained.folder / SAVED_MODEL, *trained.folder.glob(".*.unfinished")):
            shutil.rmtree(left, ignore_errors=True)
    failures = export_models([(trained.folder, trained.folder / SAVED_MODEL) for trained in exported])
    progress.start("checking the SavedModels")
    written = [trained for trained in exported if trained.folder not in failures]
    proofs = prove([_proof(trained, dataset) for trained in written])
    found = {trained.name: proof for trained, proof in zip(written, proofs, strict=True)}
    refused = []
    for trained in exported:
        proof = found.get(trained.name) or UserError(failures[trained.folder])
        if isinstance(proof, UserError):
            trained.notes.append(str(proof))
            shutil.rmtree(trained.folder / SAVED_MODEL, ignore_errors=True)
            refused.append(f"{trained.name}: {proof}")
        else:
            trained.export = proof
            write_json(trained.folder / "parity.json", proof)
    return refused


def _proof(trained: Trained, dataset: Dataset) -> Proof:
    target = trained.folder / SAVED_MODEL
    if isinstance(trained.model, Classifier):
        assert trained.probabilities is not None
        return classifier_proof(trained.model, target, dataset.test.texts, trained.probabilities)
    assert isinstance(trained.model, Decoder)  # the one generator that is exported
    return generator_proof(trained.model, target, dataset.test.some(GENERATOR_TEXTS))


def complete_run(folder: Path, *, console: Console | None = None) -> list[str]:
    """Make the SavedModels that a finished run has not, prove them, and add them to its report.

    Classifiers are held against the answers that the run has kept, wherever it was trained.

    Args:
        folder: of the run.
        console: where to show progress; None to be silent.

    Returns:
        The names of the models whose SavedModels were added.

    Raises:
        UserError: TensorFlow is not installed, the run is unfinished or damaged, its texts are gone or have changed,
            or a SavedModel was refused; the others are there all the same.
    """
    require_tensorflow()
    run = FinishedRun(folder)
    report, dataset = run.report, run.dataset()
    rows = {row["name"]: row for row in [*report["classifiers"], *report["generators"]] if not row["export"]}
    found = [_trained(run, name) for name in rows]
    lacking = [trained for trained in found if trained.model.exports]
    if not lacking and report["saved_models_missing"] is None:
        return []
    with Progress(console) as progress:
        refused = add_saved_models(lacking, dataset, progress)
    for trained in lacking:
        row = rows[trained.name]
        row["notes"] += trained.notes
        if trained.export is not None:
            row |= {"export": trained.export, "exported": True}
            row["cost"]["bytes_on_disk"] += trained.export["bytes"]
    report["saved_models_missing"] = None
    write_report(report, folder / "report")
    write_model_cards(report, folder)
    write_json(folder / "run.json", run.facts | {"saved_models_missing": None})
    if refused:
        raise UserError(f"{folder} is complete but for SavedModels: {'; '.join(refused)}")
    return [trained.name for trained in lacking]


def _trained(run: FinishedRun, name: str) -> Trained:
    """Return a model of a finished run with what it answers to the test texts, if it classifies."""
    model = load(run.folder / name)
    probabilities = run.predictions(name).probabilities if isinstance(model, Classifier) else None
    return Trained(name=name, model=model, folder=run.folder / name, cost={}, probabilities=probabilities)


def require_tensorflow() -> None:
    """Raise UserError where there is no TensorFlow to make a SavedModel."""
    if not has_tensorflow():
        raise UserError(
            "a SavedModel takes TensorFlow, which is not installed here; run `python -m pip install -r "
            "requirements.txt`, or export on another machine"
        )


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
    require_tensorflow()
    model = load(folder)
    if not model.exports:
        raise UserError(f"{folder} cannot be exported: {model.name} is there to be compared with only")
    if quantization is not None:
        model = model.quantized(quantization)
    if file_format == "onnx":
        require_onnx(model, folder)
    if data is None:
        test = _test_split(folder)
        texts = test.some(GENERATOR_TEXTS) if isinstance(model, Generator) else test.texts
    else:
        texts = read_texts(data, text_column=text_column)
    with whole(target) as unfinished, tempfile.TemporaryDirectory() as scratch:
        source = folder
        if quantization is not None:
            source = Path(scratch) / "model"
            model.save(source)
        if failures := export_models([(source, unfinished)], file_format=file_format):
            raise UserError(failures[source])
        certificate = _check(model, unfinished, texts, file_format) | {"quantization": quantization}
        write_json(unfinished / "parity.json", certificate)
    return certificate


def _check(model: Classifier | Generator, exported: Path, texts: Sequence[str], file_format: str) -> dict:
    if file_format == "onnx":
        assert isinstance(model, NetworkClassifier)  # see `require_onnx`
        return check_onnx(model, exported, texts, model.predict_proba(texts))
    if isinstance(model, Classifier):
        proof = classifier_proof(model, exported, texts, model.predict_proba(texts))
    else:
        assert isinstance(model, Decoder)  # the one generator that is exported
        proof = generator_proof(model, exported, texts[:GENERATOR_TEXTS])
    (certificate,) = prove([proof])
    if isinstance(certificate, UserError):
        raise certificate
    return certificate


def _test_split(folder: Path) -> Split:
    """Return the test split of the run that a model's folder lies in."""
    try:
        return FinishedRun(folder.resolve().parent).dataset().test
    except UserError as error:
        raise UserError(
            f"the test texts of {folder} are not to be had, so give texts with --data FILE: {error}"
        ) from error
