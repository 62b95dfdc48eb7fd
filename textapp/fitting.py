"""The models of a run: chosen, trained, calibrated, quantized and saved."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from textapp import machine
from textapp.config import TrainConfig
from textapp.datasets import Dataset
from textapp.datasets.splitting import representative
from textapp.errors import UserError
from textapp.evaluation.calibration import fit_temperature
from textapp.models import CLASSIFIERS, GENERATORS, CausalLM, Classifier, Generator, MiniLM
from textapp.models.causal_presets import WANTED
from textapp.models.classifier import log_probabilities, softmax
from textapp.models.keras_file import QUANTIZATIONS
from textapp.models.preset_files import is_of
from textapp.models.starting import find_pretrained, read_pretraining
from textapp.pretrained_runs import start_note
from textapp.run import RunFolder, bytes_on_disk
from textapp.text.cache import CachedCleaning
from textapp.text.generator_tokens import SharedTokens
from textapp.training.progress import Progress, Stopwatch

SCORED_TEXTS = 500  # of the test split, by a generator; all of them would take longer than to train a small one


@dataclasses.dataclass(kw_only=True)
class Trained:
    """A model of this run, and what came up on its way.

    Attributes:
        name: of its row and its folder.
        model: with its temperature, if it classifies.
        folder: where it is saved.
        cost: training_seconds, parameters, peak_memory_bytes, and bytes_on_disk without a SavedModel.
        history: a row for every epoch.
        notes: sentences for the report.
        export: the content of parity.json; None where there is no SavedModel.
        probabilities: the answers to the test texts, float32 (N, C); None of a generator.
        uncalibrated: the same before the temperature.
        validation_probabilities: the answers to the validation texts.
        nats: a generator's negative log-likelihoods of the `scored_texts`, float64 (texts,).
        seeds: {seed: classes that this model, trained with that seed, predicts for the test texts}.
    """

    name: str
    model: Classifier | Generator
    folder: Path
    cost: dict
    history: list[dict] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    export: dict | None = None
    probabilities: np.ndarray | None = None
    uncalibrated: np.ndarray | None = None
    validation_probabilities: np.ndarray | None = None
    nats: np.ndarray | None = None
    seeds: dict[int, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def classifies(self) -> bool:
        return self.probabilities is not None

    @property
    def predictions(self) -> np.ndarray:
        """The most probable classes of the test texts, int array of shape (N,)."""
        assert self.probabilities is not None  # it classifies
        return self.probabilities.argmax(axis=1)


def chosen_models(config: TrainConfig) -> tuple[str, ...]:
    """Return the models in the order of the dicts, each once.

    Raises:
        UserError: none is chosen, or one is unknown.
    """
    known = (*CLASSIFIERS, *GENERATORS)
    if config.models == ("all",):
        # One model has no start of its own, so that it is among all where the user gives it one.
        startless = config.preset is None or not is_of(config.preset, WANTED)
        return tuple(name for name in known if name != CausalLM.name or not startless)
    if config.models == ("default",):
        return tuple(name for name in known if {**CLASSIFIERS, **GENERATORS}[name].by_default)
    unknown = [name for name in config.models if name not in known]
    if unknown:
        raise UserError(f"unknown model {unknown[0]!r}; choose from {list(known)}")
    if not config.models:
        raise UserError(f"--models names no classifier and no generator; choose from {list(known)}")
    return tuple(name for name in known if name in config.models)


def check_options(config: TrainConfig, models: Sequence[str]) -> None:
    """Raise UserError where options say of one of these models what cannot be, or are for none of them.

    Raises:
        UserError: a preset cannot be loaded, an option is none of its choices, or none of the models has it.
    """
    every = {**CLASSIFIERS, **GENERATORS}
    for option in ("preset", "tune", "accumulate"):
        able = [name for name, known in every.items() if option in _options(known)]
        if getattr(config, option) != getattr(TrainConfig, option) and not set(able) & set(models):
            raise UserError(f"--{option} is for {' and '.join(able)}, not for {list(models)}; add one to --models")
    for name in models:
        if hasattr(known := every[name], "check"):
            started = start_of(name, config)
            preset = preset_of(name, config)
            if started and preset is not None:
                raise UserError(f"--preset {config.preset} and --init-from {config.init_from} exclude each other")
            known.check(preset=preset, tune=config.tune, init_from=started)


def chosen_quantizations(config: TrainConfig, models: Sequence[str]) -> list[str]:
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


def train_model(
    name: str,
    config: TrainConfig,
    cleaning: CachedCleaning,
    dataset: Dataset,
    run: RunFolder,
    progress: Progress,
    *,
    tokens: SharedTokens | None = None,
) -> Trained:
    """Fit, calibrate and save one model.

    `tokens` keeps those of the training texts for the run's next generator.
    """
    machine.forget_peak_memory()
    stopwatch = Stopwatch()
    model = make_model(name, config, cleaning, dataset)
    if tokens is not None and isinstance(model, Generator):
        model.shared_tokens = tokens
    history = model.fit(dataset.train, dataset.validation, progress=progress)
    seconds = stopwatch.seconds + progress.earlier
    computation = getattr(model, "computation", None)  # hangs on the width of a preset, which training reads
    trained = keep(model, name, seconds, dataset, run)
    trained.cost |= {"budget_seconds": config.budget, "computation": computation}
    if start := start_of(name, config):
        trained.notes.append(start_note(start))
    if config.budget is not None and seconds > config.budget and not hasattr(model, "budget"):
        trained.notes.append(
            f"Trained whole, in {seconds:.0f} s instead of {config.budget:g} s: only networks stop at a budget."
        )
    trained.history = history
    write_history(trained.folder / "history.csv", history)
    if trained.probabilities is not None:
        write_predictions(trained.folder / "predictions.csv", dataset, trained.probabilities)
    progress.line("trained", first_figures(trained, dataset))
    return trained


def quantize_model(
    original: Trained, quantization: str, dataset: Dataset, run: RunFolder, progress: Progress
) -> Trained:
    """Return a smaller copy of a trained model."""
    machine.forget_peak_memory()
    stopwatch = Stopwatch()
    smaller = original.model.quantized(quantization)
    trained = keep(smaller, f"{original.name}-{quantization}", stopwatch.seconds, dataset, run)
    trained.notes.append(f"{original.name} with its weights rounded to {quantization} after training")
    if trained.probabilities is not None:
        write_predictions(trained.folder / "predictions.csv", dataset, trained.probabilities)
    progress.line(f"quantized to {quantization}", first_figures(trained, dataset))
    return trained


def make_model(
    name: str, config: TrainConfig, cleaning: CachedCleaning, dataset: Dataset, *, seed: int | None = None
) -> Classifier | Generator:
    """Return an untrained model with what of the configuration is an option of it."""
    known = {**CLASSIFIERS, **GENERATORS}[name]
    fields = _options(known)
    wanted = {
        "label_names": dataset.label_names,
        "cleaning": cleaning,
        "seed": config.seed if seed is None else seed,
        "class_weight": config.class_weight,
        "precision": config.precision,
        "tune": config.tune,
        "accumulate": config.accumulate,
        "tokens": config.generator_tokens,
        "scrub": config.scrub,
    }
    if start := start_of(name, config):
        wanted |= {"init_from": str(start), **getattr(known, "started", {}), **read_pretraining(start)["options"]}
    if (preset := preset_of(name, config)) is not None:
        wanted["preset"] = preset
    if config.budget is not None and "budget" in fields:
        wanted |= {"budget": config.budget, "epochs": config.epochs}  # None for as many as the budget allows
    elif config.epochs is not None:
        wanted["epochs"] = config.epochs
    return known(**{option: value for option, value in wanted.items() if option in fields})


def _options(model: type[Classifier | Generator]) -> set[str]:
    """Return the names of what can be said of a model."""
    return {field.name for field in dataclasses.fields(model)}


def preset_of(name: str, config: TrainConfig) -> str | None:
    """Return the preset that a model starts from, None for its own if any.

    Where both minilm and causal-lm are trained, a preset that writes is causal-lm's and any other is minilm's.
    """
    if config.preset is None:
        return None
    both = {MiniLM.name, CausalLM.name} <= set(chosen_models(config))
    return None if both and is_of(config.preset, WANTED) != (name == CausalLM.name) else config.preset


def start_of(name: str, config: TrainConfig) -> Path | None:
    """Return the folder of the pretrained model that a model starts from, None where it starts from nothing."""
    return None if config.init_from is None else find_pretrained(config.init_from).get(name)


def keep(
    model: Classifier | Generator,
    name: str,
    seconds: float,
    dataset: Dataset,
    run: RunFolder,
    *,
    before: dict[str, np.ndarray] | None = None,
) -> Trained:
    """Calibrate a fitted classifier, save the model and collect its answers.

    `before` is what it answers, before the temperature, to the validation and test texts, where that is known.
    """
    answers = {}
    if isinstance(model, Classifier):
        model.temperature = 1.0
        if before is None:
            before = {split: model.predict_proba(getattr(dataset, split).texts) for split in ("validation", "test")}
        if model.kind != "dummy":  # its answer hangs on no text
            model.temperature = fit_temperature(log_probabilities(before["validation"]), dataset.validation.labels)
        # What the model answers from now on, without asking it again for every text.
        after = {split: softmax(log_probabilities(found), model.temperature) for split, found in before.items()}
        answers["uncalibrated"] = before["test"]
        answers["probabilities"], answers["validation_probabilities"] = after["test"], after["validation"]
    else:
        answers["nats"] = model.negative_log_likelihoods(scored_texts(dataset))
        answers["notes"] = model.remarks
    folder = run.model(name)
    model.save(folder)
    cost = {
        "training_seconds": seconds,
        "parameters": model.parameters,
        "bytes_on_disk": bytes_on_disk(folder),
        "peak_memory_bytes": machine.peak_memory_bytes(),
    }
    if "nats" in answers:
        write_scores(folder / "scores.csv", dataset, answers["nats"])
    return Trained(name=name, model=model, folder=folder, cost=cost, **answers)


def first_figures(trained: Trained, dataset: Dataset) -> dict[str, float]:
    """Return what the user sees of a model while others train: nothing of the test texts, by which nobody chooses."""
    figures = {"seconds": trained.cost["training_seconds"]}
    if trained.validation_probabilities is not None:
        right = trained.validation_probabilities.argmax(axis=1) == dataset.validation.labels
        figures["validation accuracy"] = float(right.mean())
    return figures


def scored_texts(dataset: Dataset) -> list[str]:
    """Return the test texts that generators are scored on, of every class."""
    return [dataset.test.texts[int(position)] for position in _scored(dataset)]


def _scored(dataset: Dataset) -> np.ndarray:
    return representative(dataset.test.labels, most=SCORED_TEXTS)


def scored_bytes(dataset: Dataset) -> list[int]:
    """Return the bytes of each test text that generators are scored on."""
    return [len(text.encode("utf-8", errors="replace")) for text in scored_texts(dataset)]


def write_history(path: Path, history: Sequence[dict[str, float]]) -> None:
    """Write a line per epoch; no file where there are none."""
    if history:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(history[0]))
            writer.writeheader()
            writer.writerows(history)


def write_predictions(path: Path, dataset: Dataset, probabilities: np.ndarray) -> None:
    """Write a line per test text: its row in the source, its label, the answer and the probabilities."""
    test, label_names = dataset.test, dataset.label_names
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "label", "predicted", *(f"probability_{name}" for name in label_names)])
        for row, label, values in zip(test.rows, test.labels, probabilities, strict=True):
            answer = label_names[int(values.argmax())]
            writer.writerow([row, label_names[label], answer, *(f"{value:.7g}" for value in values)])


def write_scores(path: Path, dataset: Dataset, nats: np.ndarray) -> None:
    """Write a line per scored test text: its row in the source, its bytes and its negative log-likelihood."""
    rows = [dataset.test.rows[position] for position in _scored(dataset)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "bytes", "nats"])
        writer.writerows(zip(rows, scored_bytes(dataset), map(repr, map(float, nats)), strict=True))
