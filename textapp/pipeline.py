"""The main job: texts to compared classifiers and a generator, each with a SavedModel, and a report."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rich.console

from textapp import machine
from textapp.config import TrainConfig
from textapp.datasets import Dataset, Split, load_dataset
from textapp.errors import UserError
from textapp.evaluation.metrics import classification_metrics
from textapp.evaluation.ngrams import BIGRAM_NAME, bigram_bits_per_byte
from textapp.evaluation.significance import verdict
from textapp.evaluation.speed import prediction_speed
from textapp.export.parity import check_classifier, check_generator
from textapp.export.process import export_models
from textapp.models import CLASSIFIERS, GENERATORS, Classifier, Decoder, load
from textapp.models.folder import write_json
from textapp.models.keras_file import QUANTIZATIONS
from textapp.reports.schema import build_report
from textapp.reports.terminal import print_report
from textapp.reports.write import write_report
from textapp.run import RunFolder, bytes_on_disk
from textapp.text.cleaning import make_cleaning
from textapp.text.subwords import END_ID
from textapp.text.tokens import RememberingCleaning
from textapp.training.progress import Progress, Stopwatch

SAVED_MODEL = "1"  # the first version, in TensorFlow Serving's layout
SAMPLE_PROMPTS = ("The movie", "I", "The worst part is", "This is one of the best", "")
SAMPLE_SETTINGS = {"seed": 0, "temperature": 0.8, "top_k": 0, "top_p": 0.95, "max_new_tokens": 60}
SCORED_TEXTS = 500  # of the test split; all of them would take longer than the training of small models
PARITY_TEXTS = 20  # for the generator's prompts


def train(config: TrainConfig, *, command: str = "", console: rich.console.Console | None = None) -> Path:
    """Run the main job.

    Args:
        config: what the user chose.
        command: how they said it, for the report.
        console: where to show progress and the report; None to be silent.

    Returns:
        The finished run's folder.

    Raises:
        UserError: for everything that the user can mend; nothing is left under the run's name then, unless the
            run is complete but for a SavedModel that was refused.
    """
    console = console or rich.console.Console(quiet=True)
    stopwatch = Stopwatch()
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    models = _chosen_models(config)
    quantizable = _chosen_quantizations(config, models)
    cleaning = make_cleaning(config.stopwords)
    dataset = load_dataset(config.data)
    run = RunFolder(config.output, config.run or dataset.name[:80], overwrite=config.overwrite)
    _announce(dataset, run, console)

    remembering = RememberingCleaning(cleaning)
    with Progress(console, total=len(models)) as progress:
        rows = []
        for name in models:
            progress.model(name)
            if name in CLASSIFIERS:
                model = CLASSIFIERS[name](
                    label_names=dataset.label_names, cleaning=remembering, **_options(config, name)
                )
            else:
                model = GENERATORS[name](**_options(config, name))
            rows.append(_train_model(model, dataset, run, progress))
            if name in quantizable:
                rows.append(_quantize_model(rows[-1], config.quantize, dataset, run, progress))
        remembering.forget()
        refused = _export(rows, dataset, run, progress)
        for row in rows:
            progress.start(f"measuring {row['name']}")
            _measure(row, dataset, run)

    report = _report(rows, dataset, config, command)
    write_report(report, run.report)
    folder = run.finish(
        {
            "textapp": 1,
            "command": command,
            "config": dataclasses.asdict(config),
            "seed": config.seed,
            "started": started,
            "seconds": round(stopwatch.seconds, 1),
            "peak_memory_bytes": machine.peak_memory_bytes(),
            "versions": machine.versions(),
            "device": machine.device(),
            "dataset": {"name": dataset.name, "label_names": dataset.label_names, **dataset.facts},
            "models": list(models),
        }
    )
    print_report(report, console)
    console.print(f"The run is in {folder}", style="dim", highlight=False, markup=False)
    if refused:
        raise UserError(f"the run in {folder} is complete but for SavedModels: {'; '.join(refused)}")
    return folder


def _chosen_models(config: TrainConfig) -> tuple[str, ...]:
    """Return the models in the order of the dicts, each once.

    Raises:
        UserError: none is chosen, or one is unknown.
    """
    known = (*CLASSIFIERS, *GENERATORS)
    if config.models == ("all",):
        return known
    unknown = [name for name in config.models if name not in known]
    if unknown:
        raise UserError(f"unknown model {unknown[0]!r}; choose from {list(known)}")
    if not config.models:
        raise UserError(f"--models names no classifier and no generator; choose from {list(known)}")
    return tuple(name for name in known if name in config.models)


def _chosen_quantizations(config: TrainConfig, models: Sequence[str]) -> list[str]:
    """Return the models of which a quantized copy is wanted.

    Raises:
        UserError: the quantization is unknown, or none of the models can be quantized.
    """
    if config.quantize is None:
        return []
    if config.quantize not in QUANTIZATIONS:
        raise UserError(f"unknown quantization {config.quantize!r}; choose from {list(QUANTIZATIONS)}")
    chosen = [name for name in models if {**CLASSIFIERS, **GENERATORS}[name].quantizes]
    if not chosen:
        able = [name for name, known in {**CLASSIFIERS, **GENERATORS}.items() if known.quantizes]
        raise UserError(f"none of {list(models)} can be quantized; add one of {able} to --models")
    return chosen


def _options(config: TrainConfig, name: str) -> dict:
    """Return what of the configuration is an option of this model."""
    known = {**CLASSIFIERS, **GENERATORS}[name]
    fields = {field.name for field in dataclasses.fields(known)}
    wanted = {"seed": config.seed, "class_weight": config.class_weight}
    if config.epochs is not None:
        wanted["epochs"] = config.epochs
    return {option: value for option, value in wanted.items() if option in fields}


def _announce(dataset: Dataset, run: RunFolder, console: rich.console.Console) -> None:
    sizes = ", ".join(f"{count:,} {split}" for split, count in dataset.facts["sizes"].items())
    lines = [f"{dataset.name}: {sizes}; labels {', '.join(dataset.label_names)}", *dataset.notes]
    for line in [*lines, f"Writing to {run.final}"]:
        console.print(line, markup=False, highlight=False)


def _train_model(model: Classifier | Decoder, dataset: Dataset, run: RunFolder, progress: Progress) -> dict:
    """Fit and save one model; return the first part of its row in the report."""
    stopwatch = Stopwatch()
    history = model.fit(dataset.train, dataset.validation, progress=progress)
    row = _row(model, model.name, stopwatch.seconds, dataset, run)
    _write_history(run.model(model.name) / "history.csv", history)
    progress.line("trained", _first_figures(row, dataset))
    return row


def _quantize_model(row: dict, quantization: str, dataset: Dataset, run: RunFolder, progress: Progress) -> dict:
    """Return the row of a smaller copy of a trained model."""
    stopwatch = Stopwatch()
    smaller = row["model"].quantized(quantization)
    quantized = _row(smaller, f"{row['name']}-{quantization}", stopwatch.seconds, dataset, run)
    quantized["notes"].append(f"{row['name']} with its weights rounded to {quantization} after training")
    progress.line(f"quantized to {quantization}", _first_figures(quantized, dataset))
    return quantized


def _row(model: Classifier | Decoder, name: str, seconds: float, dataset: Dataset, run: RunFolder) -> dict:
    """Save a model and return what is known of it without measuring."""
    model.save(run.model(name))
    row = {
        "name": name,
        "kind": model.kind,
        "exported": model.exports,
        "model": model,
        "cost": {"training_seconds": seconds, "parameters": model.parameters},
        "notes": [],
    }
    if isinstance(model, Classifier):
        row["probabilities"] = model.predict_proba(dataset.test.texts)
    return row


def _first_figures(row: dict, dataset: Dataset) -> dict[str, float]:
    figures = {"seconds": row["cost"]["training_seconds"]}
    if "probabilities" in row:
        figures["test accuracy"] = (row["probabilities"].argmax(axis=1) == dataset.test.labels).mean()
    return figures


def _export(rows: Sequence[dict], dataset: Dataset, run: RunFolder, progress: Progress) -> list[str]:
    """Make the SavedModels, and prove that they answer as the models do.

    Returns:
        A sentence for every SavedModel that was refused; the run goes on without it.
    """
    exported = [row for row in rows if row["exported"]]
    progress.start("exporting SavedModels")
    targets = {row["name"]: run.model(row["name"]) / SAVED_MODEL for row in exported}
    failure = export_models([(target.parent, target) for target in targets.values()]) if targets else None
    for row in exported:
        progress.start(f"checking the SavedModel of {row['name']}")
        target = targets[row["name"]]
        try:
            if not target.exists():
                raise UserError(failure or f"there is no {target}")
            write_json(target.with_name("parity.json"), _check(row, target, dataset))
        except UserError as error:
            row["exported"] = False
            row["notes"].append(str(error))
            shutil.rmtree(target, ignore_errors=True)
    return [f"{row['name']}: {row['notes'][-1]}" for row in exported if not row["exported"]]


def _check(row: dict, target: Path, dataset: Dataset) -> dict:
    if isinstance(row["model"], Classifier):
        return check_classifier(row["model"], target, dataset.test.texts, row["probabilities"])
    return check_generator(row["model"], target, dataset.test.texts[:PARITY_TEXTS])


def _measure(row: dict, dataset: Dataset, run: RunFolder) -> None:
    """Add metrics and costs to a model's row, and write its files."""
    folder = run.model(row["name"])
    trained = row.pop("model")
    row["cost"]["bytes_on_disk"] = bytes_on_disk(folder)
    if isinstance(trained, Classifier):
        probabilities = row.pop("probabilities")
        row["metrics"] = classification_metrics(dataset.test.labels, probabilities, label_names=dataset.label_names)
        # The model as it comes from the disk, which remembers no cleaned text.
        row["cost"] |= prediction_speed(load(folder).predict_proba, dataset.test.texts)
        row["predictions"] = probabilities.argmax(axis=1)
        _write_predictions(folder / "predictions.csv", dataset.test, probabilities, dataset.label_names)
        write_json(folder / "metrics.json", {"metrics": row["metrics"], "cost": row["cost"]})
    else:
        row |= _measure_generator(trained, dataset)
        numbers = {key: row[key] for key in ("bits_per_byte", "bigram_bits_per_byte", "cost")}
        write_json(folder / "metrics.json", numbers)


def _measure_generator(model: Decoder, dataset: Dataset) -> dict:
    """Return bits per byte beside those of bigrams over the same subwords, and texts nobody picked."""
    texts = dataset.test.texts[:SCORED_TEXTS]
    bigram = bigram_bits_per_byte(
        model.subwords.encode(dataset.train.texts),
        model.subwords.encode(texts),
        [len(text.encode()) for text in texts],
        vocabulary_size=len(model.subwords),
        start_id=END_ID,
    )
    samples = model.generate(SAMPLE_PROMPTS, **SAMPLE_SETTINGS)
    return {
        "bits_per_byte": model.bits_per_byte(texts),
        "test_documents": len(texts),
        "bigram_bits_per_byte": bigram,
        "bigram_name": BIGRAM_NAME,
        "samples": [
            {"prompt": prompt, "text": text, **SAMPLE_SETTINGS}
            for prompt, text in zip(SAMPLE_PROMPTS, samples, strict=True)
        ],
    }


def _report(rows: Sequence[dict], dataset: Dataset, config: TrainConfig, command: str) -> dict:
    classifiers = [row for row in rows if "metrics" in row]
    predictions = {row["name"]: row.pop("predictions") for row in classifiers}
    return build_report(
        {
            "command": command,
            "seed": config.seed,
            "versions": machine.versions(),
            "device": machine.device(),
            "dataset": {"name": dataset.name, "notes": list(dataset.notes), **dataset.facts},
        },
        classifiers,
        verdict(dataset.test.labels, predictions) if predictions else None,
        [row for row in rows if "bits_per_byte" in row],
    )


def _write_history(path: Path, history: Sequence[dict[str, float]]) -> None:
    if history:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(history[0]))
            writer.writeheader()
            writer.writerows(history)


def _write_predictions(path: Path, test: Split, probabilities: np.ndarray, label_names: Sequence[str]) -> None:
    """Write a line per test text: its row in the source, its label, the answer and the probabilities."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "label", "predicted", *(f"probability_{name}" for name in label_names)])
        for row, label, values in zip(test.rows, test.labels, probabilities, strict=True):
            answer = label_names[int(values.argmax())]
            writer.writerow([row, label_names[label], answer, *(f"{value:.7g}" for value in values)])
