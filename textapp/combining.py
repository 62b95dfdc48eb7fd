"""Models that are made with trained ones: students of a teacher, an ensemble, a mix of generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textapp import machine
from textapp.config import TrainConfig
from textapp.datasets import Dataset
from textapp.errors import UserError
from textapp.fitting import Trained, first_figures, keep, make_model, write_history, write_predictions
from textapp.models import CLASSIFIERS, GENERATORS, Classifier, Ensemble, Generator, KneserNey, Mix
from textapp.models.ensemble import may_join
from textapp.run import RunFolder
from textapp.teaching import Teaching
from textapp.text.cache import CachedCleaning
from textapp.training.progress import Progress, Stopwatch


def distil_model(
    original: Trained,
    teaching: Teaching,
    config: TrainConfig,
    cleaning: CachedCleaning,
    dataset: Dataset,
    run: RunFolder,
    progress: Progress,
) -> Trained:
    """Return a model like a trained one that learned what a teacher says, too."""
    machine.forget_peak_memory()
    stopwatch = Stopwatch()
    student = make_model(original.name, config, cleaning, dataset)
    history = student.fit(teaching.split, dataset.validation, progress=progress)
    seconds = stopwatch.seconds + progress.earlier
    trained = keep(student, f"{original.name}-distilled", seconds, dataset, run)
    trained.cost |= {name: original.cost[name] for name in ("budget_seconds", "computation")}
    trained.history = history
    trained.notes.append(f"{original.name} trained on the answers of {teaching.name} beside the labels")
    write_history(trained.folder / "history.csv", history)
    assert trained.probabilities is not None  # it classifies
    write_predictions(trained.folder / "predictions.csv", dataset, trained.probabilities)
    progress.line(f"taught by {teaching.name}", first_figures(trained, dataset))
    return trained


def check_ensemble(config: TrainConfig, names: Sequence[str]) -> None:
    """Raise UserError where an ensemble is wanted that would have fewer than two members."""
    able = [name for name, known in CLASSIFIERS.items() if may_join(known)]
    chosen = [name for name in names if name in able]
    if config.ensemble and len(chosen) + len(config.ensemble_with) < 2:
        raise UserError(
            f"--ensemble takes two classifiers or more and got {chosen}; add some of {able} to --models, or trained "
            "ones with --ensemble-with"
        )


def ensemble_model(
    models: Sequence[Trained],
    others: Mapping[str, Classifier],
    cleaning: CachedCleaning,
    dataset: Dataset,
    run: RunFolder,
    progress: Progress,
) -> Trained:
    """Return the weighted mean of the classifiers of this run and of others, its weights fitted on validation texts.

    Args:
        models: what this run trained; those that may not join are left out.
        others: classifiers of other runs, by the names that they have as members.
        cleaning: of the run; the words of an explanation are those of it.
        dataset: with the label names of all of them.
        run: where to save it.
        progress: where to show how far it is.
    """
    machine.forget_peak_memory()
    stopwatch = Stopwatch()
    candidates: dict[str, Classifier] = {}
    answers, training = {}, {}
    for trained in models:
        if isinstance(trained.model, Classifier) and may_join(trained.model):
            assert trained.validation_probabilities is not None and trained.probabilities is not None
            candidates[trained.name] = trained.model
            answers[trained.name] = trained.validation_probabilities, trained.probabilities
            training[trained.name] = trained.cost["training_seconds"]
    for name, other in others.items():
        progress.start(f"asking {name}")
        candidates[name] = other
        answers[name] = other.predict_proba(dataset.validation.texts), other.predict_proba(dataset.test.texts)
    model = Ensemble(label_names=dataset.label_names, cleaning=cleaning)
    model.weigh(candidates, {name: found[0] for name, found in answers.items()}, dataset.validation.labels)
    before = {
        split: model.mix({name: answers[name][place] for name in model.weights})
        for place, split in enumerate(("validation", "test"))
    }
    seconds = stopwatch.seconds + sum(training[name] for name in model.weights if name in training)
    trained = keep(model, model.name, seconds, dataset, run, before=before)
    shown = ", ".join(f"{name} {weight:.3f}" for name, weight in model.weights.items())
    trained.notes.append(f"The mean of the probabilities with weights fitted on the validation texts: {shown}.")
    if idle := [name for name in candidates if name not in model.weights]:
        trained.notes.append(f"Left out, as their weights are 0: {', '.join(idle)}.")
    assert trained.probabilities is not None  # it classifies
    write_predictions(trained.folder / "predictions.csv", dataset, trained.probabilities)
    progress.line("weighed", first_figures(trained, dataset))
    return trained


def can_mix(names: Sequence[str]) -> bool:
    """Return whether models of these names are what `parts_of_mix` looks for."""
    return KneserNey.name in names and any(_joins_mix(GENERATORS[name]) for name in names if name in GENERATORS)


def parts_of_mix(models: Sequence[Trained]) -> tuple[Trained, Trained] | None:
    """Return the n-gram model and the network of a run that can be mixed; None where there are not both."""
    networks = [trained for trained in models if isinstance(trained.model, Generator) and _joins_mix(trained.model)]
    ngram = next((trained for trained in models if trained.name == KneserNey.name), None)
    return None if ngram is None or not networks else (ngram, networks[0])


def _joins_mix(model: type[Generator] | Generator) -> bool:
    """Return whether a model is a network that reads the same tokens as an n-gram model."""
    return model.kind == "network" and not model.own_tokens


def mix_model(ngram: Trained, network: Trained, dataset: Dataset, run: RunFolder, progress: Progress) -> Trained:
    """Return the mix of an n-gram model and a network, its weights fitted on validation texts."""
    machine.forget_peak_memory()
    stopwatch = Stopwatch()
    assert isinstance(ngram.model, KneserNey) and isinstance(network.model, Generator)
    model = Mix.of(ngram.model, network.model)
    model.fit(dataset.train, dataset.validation, progress=progress)
    seconds = stopwatch.seconds + sum(part.cost["training_seconds"] for part in (ngram, network))
    trained = keep(model, model.name, seconds, dataset, run)
    progress.line("mixed", first_figures(trained, dataset))
    return trained
