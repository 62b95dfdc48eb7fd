"""Trained models and test texts to the numbers of a report: what `textapp.reports` draws."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from textapp import machine
from textapp.config import MeasureConfig, TrainConfig
from textapp.datasets import Dataset
from textapp.datasets.description import length_histogram
from textapp.datasets.near_duplicates import near_duplicates
from textapp.datasets.splitting import representative
from textapp.evaluation.abstention import accuracy_coverage, conformal
from textapp.evaluation.bits import bits_per_byte, compare_generators, fewest_bits
from textapp.evaluation.calibration import reliability
from textapp.evaluation.distillation import gap_closed
from textapp.evaluation.errors import confident_errors, disagreements, likely_label_errors
from textapp.evaluation.explanations import deletion_curve
from textapp.evaluation.metrics import classification_metrics
from textapp.evaluation.robustness import robustness
from textapp.evaluation.seeds import seed_spread
from textapp.evaluation.significance import compare_all
from textapp.evaluation.slices import slice_table, text_groups
from textapp.evaluation.speed import prediction_speed
from textapp.evaluation.verdict import verdict
from textapp.fitting import Trained, scored_bytes
from textapp.models import Classifier, Ensemble, Generator
from textapp.models.explaining import explain, method
from textapp.prediction import load_classifier
from textapp.teaching import Teaching
from textapp.text.cache import CachedCleaning

SAMPLE_PROMPTS = ("The movie", "I", "The worst part is", "This is one of the best", "")
SAMPLE_SETTINGS: dict[str, Any] = {"seed": 0, "temperature": 0.8, "top_k": 0, "top_p": 0.95}
SHOWN_TEXTS = 5  # whose words are explained
SHOWN_WORDS = 100  # the most that such a text has
ERROR_RATE = 0.1  # that a conformal set of labels may have


def classifier_row(trained: Trained, dataset: Dataset, groups: dict[str, list[str]], measure: MeasureConfig) -> dict:
    """Return everything that is measured of one classifier.

    Args:
        trained: the model and its answers.
        dataset: its test split is measured on.
        groups: the slices of the test texts, as `slices` gives them.
        measure: how much.
    """
    model, test, probabilities = trained.model, dataset.test, trained.probabilities
    assert isinstance(model, Classifier) and probabilities is not None  # it classifies
    assert trained.uncalibrated is not None and trained.validation_probabilities is not None
    names, labels = dataset.label_names, dataset.test.labels
    slices, worst = slice_table(labels, trained.predictions, groups)
    changed = representative(labels, most=measure.perturbed_texts)
    return {
        **_facts(trained),
        "metrics": classification_metrics(labels, probabilities, label_names=names, resamples=measure.resamples),
        "calibration": {
            "temperature": model.temperature,
            "before": reliability(labels, trained.uncalibrated),
            "after": reliability(labels, probabilities),
        },
        "abstention": {
            "curve": accuracy_coverage(labels, probabilities),
            "conformal": conformal(
                dataset.validation.labels,
                trained.validation_probabilities,
                labels,
                probabilities,
                error_rate=ERROR_RATE,
            ),
        },
        "errors": confident_errors(test.texts, test.rows, labels, probabilities, names),
        "slices": slices,
        "worst_slice": worst,
        "robustness": robustness(
            [test.texts[int(position)] for position in changed],
            labels[changed],
            model.predict_proba,
            before=probabilities[changed],
        ),
        "seeds": _seeds(trained, labels),
        "validation_accuracy": (trained.validation_probabilities.argmax(axis=1) == dataset.validation.labels).mean(),
        "weights": model.weights if isinstance(model, Ensemble) else None,
        # The model as it comes from the disk, which remembers no cleaned text.
        "cost": _cost(trained)
        | prediction_speed(load_classifier(trained.folder).predict_proba, test.texts, seconds=measure.latency_seconds),
    }


def generator_row(trained: Trained, dataset: Dataset, measure: MeasureConfig) -> dict:
    """Return what a generator needs for the test texts, and texts nobody picked."""
    model = trained.model
    assert isinstance(model, Generator) and trained.nats is not None
    scored = bits_per_byte(trained.nats, scored_bytes(dataset))
    limit = min(measure.generated_tokens, model.most_new_tokens)
    settings: dict[str, Any] = SAMPLE_SETTINGS | {"max_new_tokens": limit}
    samples = model.generate(SAMPLE_PROMPTS, **settings)
    return {
        **_facts(trained),
        "bits_per_byte": scored["bits_per_byte"],
        "bits_per_byte_interval": scored["interval"],
        "test_documents": len(trained.nats),
        "samples": [
            {"prompt": prompt, "text": text, **settings} for prompt, text in zip(SAMPLE_PROMPTS, samples, strict=True)
        ],
        "cost": _cost(trained),
    }


def slices(dataset: Dataset, cleaning: CachedCleaning) -> dict[str, list[str]]:
    """Return {slice: the group of each test text}."""
    test = dataset.test
    known = set(cleaning(dataset.train.texts).words)
    groups = text_groups(
        test.texts, cleaning(test.texts), known, test.labels, dataset.label_names, sources=dataset.test_groups
    )
    return {name: list(group) for name, group in groups.items()}


def between(models: Sequence[Trained], rows: Sequence[dict], dataset: Dataset, measure: MeasureConfig) -> dict:
    """Return what lies between the classifiers: `comparisons`, `verdict`, `disagreements`, ...; empty without any."""
    if not models:
        return {}
    test, names, labels = dataset.test, dataset.label_names, dataset.test.labels
    trained = [model for model in models if model.model.kind != "dummy"]
    answers = {model.name: model.predictions for model in models}
    found = verdict(labels, answers, {row["name"]: row["cost"] for row in rows})
    best, compared = found["best"], [model.name for model in trained]
    pairs = [(best, b if a == best else a) for a, b in combinations(compared, 2) if best in (a, b)]
    probabilities = {model.name: model.probabilities for model in models if model.probabilities is not None}
    return {
        "comparisons": compare_all(labels, probabilities, resamples=measure.resamples),
        "verdict": found,
        "disagreements": disagreements(test.texts, test.rows, labels, answers, pairs, names),
        "label_errors": likely_label_errors(
            test.texts, test.rows, labels, {model.name: probabilities[model.name] for model in trained}, names
        )
        if trained
        else [],
        "explanations": _explanations(trained, dataset, measure) if trained else None,
    }


def distillation(
    teaching: Teaching,
    config: TrainConfig,
    models: Sequence[Trained],
    rows: Sequence[dict],
    dataset: Dataset,
    measure: MeasureConfig,
) -> dict:
    """Return how much of the gap to their teacher the students close, and how much faster they are."""
    labels, by_name = dataset.test.labels, {trained.name: trained for trained in models}
    teacher = load_classifier(teaching.folder)
    teacher_speed = prediction_speed(teacher.predict_proba, dataset.test.texts, seconds=measure.latency_seconds)
    rates = {row["name"]: row["cost"]["texts_per_second_batch_64"] for row in rows}
    students = []
    for name, plain in by_name.items():
        if (taught := by_name.get(f"{name}-distilled")) is None:
            continue
        answers = (plain.predictions, taught.predictions, teaching.probabilities.argmax(axis=1))
        students.append({
            "name": taught.name,
            **gap_closed(labels, *answers),
            "speed_ratio": rates[taught.name] / teacher_speed["texts_per_second_batch_64"],
        })  # fmt: skip
    return {
        "teacher": teaching.name,
        "teacher_weight": config.teacher_weight,
        "teacher_temperature": config.teacher_temperature,
        "labelled_texts": len(dataset.train),
        "unlabelled": teaching.unlabelled,
        "students": students,
    }


def between_generators(models: Sequence[Trained], dataset: Dataset) -> tuple[list[dict], list[str]]:
    """Return every pair of generators, by the bits per byte of the same test texts, and what the verdict says of it."""
    nats, sizes = {trained.name: trained.nats for trained in models if trained.nats is not None}, scored_bytes(dataset)
    pairs = compare_generators(nats, sizes)
    return pairs, fewest_bits(nats, sizes, pairs)


def scrubbed(models: Sequence[Trained], notes: Sequence[str]) -> dict:
    """Return what the report says of e-mail addresses, links and phone numbers that generators were not shown.

    It is `scrubbed`, their counts, and a sentence more among the `notes` of the data; empty where nobody looked.
    """
    found = [trained.model.scrubbed for trained in models if isinstance(trained.model, Generator)]
    counts = next((counts for counts in found if counts is not None), None)
    if counts is None:
        return {}
    said = (
        f"Replaced in the texts that generators learn from: {counts['email']:,} e-mail addresses, {counts['link']:,} "
        f"links and {counts['phone']:,} phone numbers."
    )
    return {"scrubbed": counts, "notes": [*notes, said]}


def data_facts(dataset: Dataset) -> dict:
    """Return what the report says of the data."""
    train, test = dataset.train, dataset.test
    return {
        "name": dataset.name,
        "notes": list(dataset.notes),
        **dataset.facts,
        "label_balance": dataset.facts["label_counts"],
        "lengths": length_histogram(train.texts),
        "duplicates_dropped": dataset.facts["dropped"]["duplicates"],
        "near_duplicates": near_duplicates(train.texts, test.texts, train_rows=train.rows, test_rows=test.rows),
    }


def _facts(trained: Trained) -> dict:
    return {
        "name": trained.name,
        "kind": trained.model.kind,
        "exported": trained.export is not None,
        "export": trained.export,
        "notes": trained.notes,
        "history": trained.history,
    }


def _cost(trained: Trained) -> dict:
    exported = 0 if trained.export is None else trained.export["bytes"]
    size = trained.cost["bytes_on_disk"] + exported
    return trained.cost | {"bytes_on_disk": size, "device": machine.device()}


def _seeds(trained: Trained, labels: np.ndarray) -> dict | None:
    if len(trained.seeds) < 2:
        return None
    return {"seeds": list(trained.seeds), **seed_spread(labels, list(trained.seeds.values()))}


def _explanations(models: Sequence[Trained], dataset: Dataset, measure: MeasureConfig) -> dict:
    """Return the words that moved each model, for the same few texts, and a proof that they mean something."""
    test = dataset.test
    short = [index for index, text in enumerate(test.texts) if 5 <= len(text.split()) <= SHOWN_WORDS]
    short = np.array(short or range(len(test)))
    shown = short[representative(test.labels[short], most=SHOWN_TEXTS)]
    curve = representative(test.labels, most=measure.explained_texts)
    texts = [
        {"row": int(test.rows[i]), "text": test.texts[i], "label": dataset.label_names[test.labels[i]], "models": {}}
        for i in shown
    ]
    deletion, methods = {}, {}
    for trained in models:
        model, answers = trained.model, trained.predictions
        assert isinstance(model, Classifier) and trained.probabilities is not None  # it classifies
        words = explain(model, [test.texts[index] for index in shown], answers[shown])
        for text, index, weighed in zip(texts, shown, words, strict=True):
            text["models"][trained.name] = {
                "predicted": dataset.label_names[answers[index]],
                "probability": float(trained.probabilities[index].max()),
                "words": [[word, float(weight)] for word, weight in weighed],
            }
        deletion[trained.name] = _deletion(model, [test.texts[int(position)] for position in curve], answers[curve])
        methods[trained.name] = method(model)
    return {"texts": texts, "deletion": deletion, "method": methods}


def _deletion(model: Classifier, texts: Sequence[str], classes: np.ndarray) -> dict:
    words = explain(model, texts, classes)
    return deletion_curve(
        [[word for word, _ in weighed] for weighed in words],
        [[weight for _, weight in weighed] for weighed in words],
        lambda token_lists: model.predict_proba([" ".join(tokens) for tokens in token_lists]),
        classes,
    )
