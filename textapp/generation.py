"""What the generators of a run write, measured: which sampler, how varied, how much copied, how well controlled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from textapp.config import MeasureConfig
from textapp.datasets import Dataset
from textapp.evaluation.generation import control, diversity, novelty
from textapp.fitting import Trained
from textapp.models import Classifier, Generator
from textapp.models.sampling import Sampling
from textapp.training.progress import Stopwatch

PROMPTS = ("The movie", "I", "The worst part is", "This is one of the best", "")
BEGINNINGS = 3  # of test texts, that are prompts, too: nobody picked them
BEGINNING = 3  # words of each
# Each is what people take with it: Holtzman et al. 2020 (top-p), Fan et al. 2018 (top-k), Nguyen et al. 2024 (min-p),
# Su et al. 2022 (contrastive).
SAMPLERS: dict[str, dict] = {
    "greedy": {"temperature": 0.0},
    "top-p 0.95": {"temperature": 0.8, "top_p": 0.95},
    "top-k 50": {"temperature": 1.0, "top_p": 1.0, "top_k": 50},
    "min-p 0.1": {"temperature": 1.0, "top_p": 1.0, "min_p": 0.1},
    "4 beams": {"beams": 4},
    "contrastive": {"contrastive": 0.6, "top_k": 4},
}
USUAL = "top-p 0.95"  # the sampler of `generate` where nothing is said
BASELINES = ("greedy", USUAL)  # the samplers of what is there to be compared with: n-grams and mixes
SHOWN_PROMPTS = 5  # whose texts stand side by side
MOST_LABELS = 5
CONTROL_PROMPTS, CONTROL_SAMPLES = ("", "The movie", "I"), 5
GUIDANCE = (0.0, Sampling.guidance)  # how far a label is obeyed: by the label's token alone, and as usual
SPEED_ROWS, SPEED_TOKENS = 16, 48


def measure_generation(
    models: Sequence[Trained], dataset: Dataset, measure: MeasureConfig, *, seed: int = 0
) -> dict | None:
    """Return the `generation` of a report; None where nothing writes.

    Args:
        models: of a run; the classifier that is best on the validation texts says what label a text has.
        dataset: the test texts' beginnings are prompts; the training texts are what may have been copied.
        measure: how much.
        seed: of everything that is drawn.
    """
    generators = {
        trained.name: trained.model
        for trained in models
        if isinstance(trained.model, Generator) and getattr(trained.model, "quantization", None) is None
    }
    if not generators:
        return None
    judge = _best_classifier(models, dataset)
    prompts = [*PROMPTS, *(" ".join(text.split()[:BEGINNING]) for text in dataset.test.some(BEGINNINGS))]
    samplers = {name: SAMPLERS[name] for name in measure.samplers or SAMPLERS}
    written, rows = {}, []
    for name, generator in generators.items():
        for sampler, settings in samplers.items():
            if sampler not in BASELINES and not generator.reader().has_hidden:
                continue
            limit = min(measure.generated_tokens, generator.most_new_tokens)
            texts = generator.generate(prompts, max_new_tokens=limit, seed=seed, **settings)
            added = [text.removeprefix(prompt) for text, prompt in zip(texts, prompts, strict=True)]
            written[name, sampler] = added
            row = {"generator": name, "sampler": sampler, "texts": len(texts), **diversity(added)}
            rows.append((row, texts))
    obeyed = [found for name in generators for found in _control(name, generators, judge, measure, seed=seed)]
    _add_fluency([*rows, *obeyed], generators)
    copied = novelty({f"{name}\0{sampler}": texts for (name, sampler), texts in written.items()}, dataset.train.texts)
    for row, _ in rows:
        row |= copied[f"{row['generator']}\0{row['sampler']}"]
    shown = [
        {"prompt": prompt, "texts": {sampler: written[name, sampler][place] for sampler in samplers
                                     if (name, sampler) in written}, "generator": name}
        for name in generators
        for place, prompt in enumerate(prompts[:SHOWN_PROMPTS])
    ]  # fmt: skip
    return {
        "prompts": prompts,
        "seed": seed,
        "max_new_tokens": measure.generated_tokens,
        "samplers": samplers,
        "rows": [row for row, _ in rows],
        "control": [row for row, _ in obeyed],
        "judge": None if judge is None else judge[0],
        "samples": shown,
        "speed": [{"generator": name, **_speed(generator, measure)} for name, generator in generators.items()],
    }


def _best_classifier(models: Sequence[Trained], dataset: Dataset) -> tuple[str, Classifier] | None:
    able, right = [], []
    for trained in models:
        if isinstance(trained.model, Classifier) and trained.model.kind != "dummy":
            assert trained.validation_probabilities is not None
            able.append((trained.name, trained.model))
            right.append((trained.validation_probabilities.argmax(axis=1) == dataset.validation.labels).mean())
    return able[right.index(max(right))] if able else None


def _add_fluency(written: Sequence[tuple[dict, Sequence[str]]], generators: Mapping[str, Generator]) -> None:
    """Give each row the bits per byte of its texts by a generator that did not write them, of another kind if any.

    All texts that one generator reads are read at once: a network is traced anew each time.
    """
    readers = {}
    for name in generators:
        others = [other for other in generators if other != name]
        others.sort(key=lambda other, name=name: generators[other].kind == generators[name].kind)
        readers[name] = others[0] if others else None
    for row, _ in written:
        row |= {"fluency": None, "fluency_by": readers[row["generator"]]}
    for reader in dict.fromkeys(filter(None, readers.values())):
        chosen = [(row, texts) for row, texts in written if row["fluency_by"] == reader]
        nats = generators[reader].negative_log_likelihoods([text for _, texts in chosen for text in texts])
        for row, texts in chosen:
            mine, nats = nats[: len(texts)], nats[len(texts) :]
            size = sum(len(text.encode("utf-8", errors="replace")) for text in texts)
            row["fluency"] = mine.sum() / math.log(2) / max(size, 1)


def _control(
    name: str,
    generators: Mapping[str, Generator],
    judge: tuple[str, Classifier] | None,
    measure: MeasureConfig,
    *,
    seed: int,
) -> list[tuple[dict, list[str]]]:
    """Return, for each strength, how many texts have the label that they were asked for, and the texts."""
    labels = list(getattr(generators[name], "label_names", ()))
    if judge is None or not 2 <= len(labels) <= MOST_LABELS:
        return []
    rows = []
    # What has no token for a label obeys only in the second way.
    for guidance in GUIDANCE if len(generators[name].start_ids(labels[0])) > 1 else GUIDANCE[1:]:
        row, texts = controlled(
            generators[name],
            judge[1],
            labels,
            guidance=guidance,
            samples=CONTROL_SAMPLES,
            max_new_tokens=measure.generated_tokens,
            seed=seed,
        )
        rows.append(({"generator": name, **row}, texts))
    return rows


def controlled(
    generator: Generator,
    judge: Classifier,
    labels: Sequence[str],
    *,
    guidance: float,
    samples: int,
    seed: int = 0,
    max_new_tokens: int = MeasureConfig.generated_tokens,
    prompts: Sequence[str] = CONTROL_PROMPTS,
) -> tuple[dict, list[str]]:
    """Return how well a generator obeys labels, and the texts that it wrote for them.

    Args:
        generator: knows the labels.
        judge: says what label a text has.
        labels: are asked for, one after the other.
        guidance: how far a label is obeyed.
        samples: how many texts to write for each prompt and label.
        seed: of what is drawn.
        max_new_tokens: of each text.
        prompts: fixed, so that nobody picks them.
    """
    limit = min(max_new_tokens, generator.most_new_tokens)
    settings = {"samples": samples, "seed": seed, "max_new_tokens": limit, **SAMPLERS[USUAL]}
    given = [prompt for prompt in prompts for _ in range(samples)]

    def added(texts: Sequence[str]) -> list[str]:
        return [text.removeprefix(prompt) for text, prompt in zip(texts, given, strict=True)]

    texts, shares, parts = [], {}, []
    for label in labels:
        new = generator.generate(prompts, label=label, guidance=guidance, **settings)
        shares[label] = control(judge.predict(new), [label] * len(new))
        # Over as many texts as are written without a label: it sinks with their number.
        parts.append(diversity(added(new))["distinct_2"] or 0.0)
        texts += new
    return {
        "guidance": guidance,
        "texts": len(texts),
        "share": sum(shares.values()) / len(shares),
        "shares": shares,
        "distinct_2": sum(parts) / len(parts),
        "free_distinct_2": diversity(added(generator.generate(prompts, **settings)))["distinct_2"],
    }, texts


def _speed(generator: Generator, measure: MeasureConfig) -> dict[str, float | None]:
    """Return the tokens that a generator reads and writes in a second, one text at a time and several, warmed up."""
    reader, row = generator.reader(), generator.start_ids(None) * (generator.context - 1)
    # N-grams look back a few tokens: they read nothing.
    found: dict[str, float | None] = {"prefill_tokens_per_second": None}
    if reader.has_hidden:
        reader.start(row, 1)
        stopwatch = Stopwatch()
        for _ in range(SPEED_ROWS):
            reader.start(row, 1)
        found["prefill_tokens_per_second"] = SPEED_ROWS * len(row) / stopwatch.seconds
    tokens = min(SPEED_TOKENS, measure.generated_tokens, generator.most_new_tokens)
    for rows in (1, SPEED_ROWS):
        settings: dict[str, Any] = {"max_new_tokens": tokens, "min_new_tokens": tokens, "seed": 1}
        generator.generate([""], samples=rows, **settings)
        stopwatch = Stopwatch()
        generator.generate([""], samples=rows, **settings)
        found[f"decode_tokens_per_second_batch_{rows}"] = rows * tokens / stopwatch.seconds
    return found
