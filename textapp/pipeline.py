"""The main job: texts to compared classifiers and a generator, each with a SavedModel, and a report."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import rich.console

from textapp import __version__, machine
from textapp import config as defaults
from textapp.combining import can_mix, check_ensemble, distil_model, ensemble_model, mix_model, parts_of_mix
from textapp.config import MeasureConfig, TrainConfig
from textapp.datasets import Dataset, load_dataset
from textapp.errors import UserError
from textapp.evaluation.verdict import with_sentences
from textapp.few_labels import check_label_counts, few_labels
from textapp.fitting import (
    Trained,
    check_options,
    chosen_models,
    chosen_quantizations,
    quantize_model,
    train_model,
)
from textapp.generation import measure_generation
from textapp.measuring import (
    between,
    between_generators,
    classifier_row,
    data_facts,
    distillation,
    generator_row,
    scrubbed,
    slices,
)
from textapp.models import Classifier
from textapp.models.folder import write_json
from textapp.more_seeds import train_more_seeds
from textapp.other_runs import members_of_other_runs
from textapp.pretrained_runs import check_texts, chosen_starts, shared_tokens
from textapp.reports.schema import build_report
from textapp.reports.terminal import print_report
from textapp.reports.write import write_model_cards, write_report
from textapp.resuming import Resuming, choices, versions
from textapp.run import RunFolder
from textapp.shipping import add_saved_models, saved_models_missing
from textapp.teaching import Teaching, chosen_students, teach, the_teacher
from textapp.text.cache import CachedCleaning
from textapp.text.cleaning import make_cleaning
from textapp.text.generator_tokens import SharedTokens, check_tokens
from textapp.training.precision import check_precision
from textapp.training.progress import Progress, Stopwatch


def train(
    config: TrainConfig,
    *,
    command: str = "",
    console: rich.console.Console | None = None,
    measure: MeasureConfig | None = None,
) -> Path:
    """Run the main job.

    Args:
        config: what the user chose.
        command: how they said it, for the report.
        console: where to show progress and the report; None to be silent.
        measure: how much is measured; None for `textapp.config.MEASURE`.

    Returns:
        The finished run's folder.

    Raises:
        UserError: for everything that the user can mend; nothing is left under the run's name then, unless the
            run is complete but for a SavedModel that was refused.
    """
    console = console or rich.console.Console(quiet=True)
    stopwatch = Stopwatch()
    job = _checked(config)
    dataset = job.dataset
    with RunFolder(
        config.output,
        config.run or dataset.name[:80],
        overwrite=config.overwrite,
        restart=config.restart,
        options=choices(config, dataset.facts["fingerprint"]),
        versions=versions(),
    ) as run:
        _announce(dataset, run, console)
        folder, report, refused = _run(job, run, command, stopwatch, console, measure or defaults.MEASURE)
    print_report(report, console)
    console.print(f"The run is in {folder}; open report/index.html", style="dim", highlight=False, markup=False)
    if missing := report["saved_models_missing"]:
        console.print(f"It has {missing}", highlight=False, markup=False)
    if refused:
        raise UserError(f"the run in {folder} is complete but for SavedModels: {'; '.join(refused)}")
    return folder


def _run(
    job: _Job,
    run: RunFolder,
    command: str,
    stopwatch: Stopwatch,
    console: rich.console.Console,
    measure: MeasureConfig,
) -> tuple[Path, dict, list[str]]:
    """Train, export, measure and report; return the run's folder, its report and the SavedModels that were refused."""
    config, dataset = job.config, job.dataset
    facts = _run_facts(config, command) | {"paths": config.data.relative_paths(run.final)}
    with Progress(console, total=job.count) as progress:
        resuming = Resuming(run, job.cleaning, progress)
        teaching = None if job.teacher is None else teach(config, job.teacher, dataset, progress)
        models = _train_models(job, run, resuming, progress, teaching)
        fewer = None
        if config.label_counts:
            fewer = few_labels(models, config, job.cleaning, dataset, resuming, progress)
        job.cleaning.forget()
        stopwatch.turn_to(stopwatch.seconds + resuming.seconds)
        seconds = {"training": stopwatch.seconds}
        facts["saved_models_missing"] = saved_models_missing(run.final)
        refused = [] if facts["saved_models_missing"] else add_saved_models(models, dataset, progress)
        seconds["export"] = stopwatch.seconds - sum(seconds.values())
        report = _measure(models, job, facts, progress, teaching, fewer, measure)
        progress.start("writing the report")
        write_report(report, run.report, charts=measure.charts)
        write_model_cards(report, run.folder)
        seconds["report"] = stopwatch.seconds - sum(seconds.values())
    folder = run.finish(
        {
            "textapp": __version__,
            **facts,
            "seconds": round(stopwatch.seconds, 1),
            "stages": {name: round(value, 1) for name, value in seconds.items()},
            "peak_memory_bytes": max(model.cost["peak_memory_bytes"] or 0 for model in models),
            "dataset": {"name": dataset.name, "label_names": dataset.label_names, **dataset.facts},
            "models": [model.name for model in models],
        }
    )
    return folder, report, refused


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Job:
    """What was checked and read before anything is trained.

    Attributes:
        config: what the user chose.
        names: the models to train, of which
        quantizable: get a quantized copy, and
        students: are trained once more, by the teacher.
        teacher: None without one.
        others: classifiers of other runs that the ensemble takes in, by name.
        cleaning: of all models that clean.
        tokens: what the generators share.
        dataset: the texts.
    """

    config: TrainConfig
    names: Sequence[str]
    quantizable: Sequence[str]
    students: Sequence[str]
    teacher: Classifier | None
    others: Mapping[str, Classifier]
    cleaning: CachedCleaning
    tokens: SharedTokens
    dataset: Dataset

    @property
    def count(self) -> int:
        """How many models there will be, quantized copies aside."""
        return len(self.names) + len(self.students) + self.config.ensemble + can_mix(self.names)


def _checked(config: TrainConfig) -> _Job:
    """Refuse what cannot be, before anything takes long, and read the texts."""
    names = chosen_models(config)
    quantizable = chosen_quantizations(config, names)
    students = chosen_students(config, names)
    check_ensemble(config, names)
    check_options(config, names)
    check_precision(config.precision)
    check_tokens(config.generator_tokens)
    if config.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise UserError("--tensorboard needs the package; run `python -m pip install tensorboard==2.21.0`")
    cleaning = CachedCleaning(make_cleaning(config.stopwords))
    starts = chosen_starts(config, names, cleaning)
    dataset = load_dataset(config.data)
    check_texts(starts, dataset)
    tokens = shared_tokens(starts)
    check_label_counts(config, names, dataset)
    return _Job(
        config=config,
        names=names,
        quantizable=quantizable,
        students=students,
        teacher=the_teacher(config, dataset),
        others=members_of_other_runs(config.ensemble_with, dataset, option="--ensemble-with"),
        cleaning=cleaning,
        tokens=tokens,
        dataset=dataset,
    )


def _train_models(
    job: _Job, run: RunFolder, resuming: Resuming, progress: Progress, teaching: Teaching | None
) -> list[Trained]:
    """Return every model of the run; one that an interrupted run has is read instead of trained."""
    config, around = job.config, (job.cleaning, job.dataset, run, progress)
    for_seeds = (config, job.cleaning, job.dataset, resuming, progress)
    models = []
    for name in job.names:
        progress.model(name, logs=run.folder / name / "logs" if config.tensorboard else None)
        plain = resuming.model(name, partial(train_model, name, config, *around, tokens=job.tokens))
        models.append(plain)
        train_more_seeds(plain, name, job.dataset.train, *for_seeds)
        if config.quantize is not None and name in job.quantizable:
            make = partial(quantize_model, plain, config.quantize, job.dataset, run, progress)
            models.append(resuming.model(f"{name}-{config.quantize}", make))
        if teaching is not None and name in job.students:
            progress.model(f"{name}-distilled")
            make = partial(distil_model, plain, teaching, config, *around)
            models.append(resuming.model(f"{name}-distilled", make))
            train_more_seeds(models[-1], name, teaching.split, *for_seeds)
    if config.ensemble:
        progress.model("ensemble")
        models.append(resuming.model("ensemble", partial(ensemble_model, models, job.others, *around)))
    job.tokens.forget()
    if parts := parts_of_mix(models):
        progress.model("mix")
        models.append(resuming.model("mix", partial(mix_model, *parts, job.dataset, run, progress)))
    return models


def _run_facts(config: TrainConfig, command: str) -> dict:
    """Return what run.json and the report say of the run as a whole."""
    return {
        "command": command,
        "config": dataclasses.asdict(config),
        "seed": config.seed,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": machine.versions(),
        "code": machine.code_digest(),
        "device": machine.device(),
    }


def _announce(dataset: Dataset, run: RunFolder, console: rich.console.Console) -> None:
    sizes = ", ".join(f"{count:,} {split}" for split, count in dataset.facts["sizes"].items())
    lines = [f"{dataset.name}: {sizes}; labels {', '.join(dataset.label_names)}", *dataset.notes]
    for line in filter(None, [*lines, run.note, f"Writing to {run.final}"]):
        console.print(line, markup=False, highlight=False)


def _measure(
    models: Sequence[Trained],
    job: _Job,
    facts: dict,
    progress: Progress,
    teaching: Teaching | None,
    fewer: list[dict] | None,
    measure: MeasureConfig,
) -> dict:
    """Measure everything and return the report; metrics.json goes to each model's folder."""
    dataset = job.dataset
    classifiers, generators = [], []
    progress.start("looking at the data")
    groups = slices(dataset, job.cleaning)
    data = data_facts(dataset)
    for trained in models:
        progress.start(f"measuring {trained.name}")
        if trained.classifies:
            classifiers.append(classifier_row(trained, dataset, groups, measure))
            content = {key: classifiers[-1][key] for key in ("metrics", "calibration", "cost")}
        else:
            generators.append(generator_row(trained, dataset, measure))
            content = {key: generators[-1][key] for key in ("bits_per_byte", "bits_per_byte_interval", "cost")}
        write_json(trained.folder / "metrics.json", content)
    progress.start("comparing the models")
    data |= scrubbed(models, data["notes"])
    parts = between([trained for trained in models if trained.classifies], classifiers, dataset, measure)
    if teaching is not None:
        progress.start("measuring the teacher")
        parts["distillation"] = distillation(teaching, job.config, models, classifiers, dataset, measure)
    parts["few_labels"] = fewer
    progress.start("measuring what generators write")
    parts["generation"] = measure_generation(models, dataset, measure)
    parts["generator_comparisons"], sentences = between_generators(models, dataset)
    parts["verdict"] = with_sentences(parts.get("verdict"), sentences)
    job.cleaning.forget()
    return build_report({**facts, "dataset": data}, classifiers, generators=generators, **parts)
