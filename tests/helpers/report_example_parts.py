"""The parts of the example report: numbers of models that do not exist, shaped like those of models that do."""

from __future__ import annotations

import itertools

import numpy as np
import sklearn.metrics

from textapp.reports.schema import SCORES

LABEL_NAMES = ("negative", "positive")
N = 400
WORDS = (
    "the film is a slow and tender portrait of two brothers who never quite manage to talk about what happened that "
    "summer but the acting is superb and the ending not at all bad although I would have liked a shorter second act "
    "with less of the dull music that someone must have thought was clever"
)


def example_text(number: int, length: int = 60) -> str:
    """Return a text of some words, another for every number."""
    known = WORDS.split()
    words = [known[(7 * number + 3 * i + i * i) % len(known)] for i in range(length)]
    return f"{' '.join(words).capitalize()}. ({number})"


def metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict:
    predictions, positive = probabilities.argmax(axis=1), probabilities[:, 1]
    by_class = sklearn.metrics.precision_recall_fscore_support(labels, predictions, zero_division=0)
    scores = {
        "accuracy": sklearn.metrics.accuracy_score(labels, predictions),
        "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(labels, predictions),
        "macro_f1": sklearn.metrics.f1_score(labels, predictions, average="macro"),
        "mcc": sklearn.metrics.matthews_corrcoef(labels, predictions),
        "roc_auc": sklearn.metrics.roc_auc_score(labels, positive),
        "average_precision": sklearn.metrics.average_precision_score(labels, positive),
        "log_loss": sklearn.metrics.log_loss(labels, positive),
        "brier": sklearn.metrics.brier_score_loss(labels, positive),
        "ece": bins(labels, probabilities)["ece"],
    }
    assert tuple(scores) == SCORES
    return {
        **scores,
        "intervals": {key: [value - 0.024, value + 0.022] for key, value in scores.items()},
        "confusion_matrix": sklearn.metrics.confusion_matrix(labels, predictions),
        "per_class": {
            name: dict(zip(("precision", "recall", "f1", "support"), numbers, strict=True))
            for name, *numbers in zip(LABEL_NAMES, *by_class, strict=True)
        },
        "n": N,
    }


def bins(labels: np.ndarray, powers: np.ndarray) -> dict:
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins, error = [], 0.0
    for low in np.arange(10) / 10:
        inside = (confidence > low) & (confidence <= low + 0.1)
        means = [float(values[inside].mean()) if inside.any() else None for values in (confidence, right)]
        error += inside.mean() * abs(means[0] - means[1]) if inside.any() else 0
        bins.append({"low": low, "high": low + 0.1, "count": inside.sum(), "confidence": means[0],
                     "accuracy": means[1]})  # fmt: skip
    return {"ece": float(error), "bins": bins}


def abstention(labels: np.ndarray, probabilities: np.ndarray) -> dict:
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = np.cumsum(probabilities.argmax(axis=1)[order] == labels[order])
    counts = range(N // 50, N + 1, N // 50)
    return {
        "curve": [{"coverage": k / N, "accuracy": right[k - 1] / k, "threshold": probabilities[order[k - 1]].max()}
                  for k in counts],
        "conformal": {"error_rate": 0.1, "threshold": 0.31, "coverage": 0.907, "singletons": 0.94, "empty": 0.01,
                      "mean_set_size": 1.04, "coverage_interval": [0.874, 0.934], "accuracy_of_singletons": 0.93,
                      "n_calibration": 2_490},
    }  # fmt: skip


def slices(random) -> list[dict]:
    groups = [("length", "up to 120 words", 104), ("length", "121 to 174 words", 97), ("length", "more", 199),
              ("negation", "with a negation", 288), ("negation", "without", 112), ("unknown words", "none", 240),
              ("unknown words", "more than 5 %", 21), ("class", "negative", 193),
              ("class", "positive", 207)]  # fmt: skip
    found = []
    for slice_, group, n in groups:
        accuracy = float(np.clip(0.9 + random.normal() * 0.4 / n**0.5, 0, 1))
        margin = 0.6 / n**0.5
        found.append({"slice": slice_, "group": group, "n": n, "accuracy": accuracy, "difference": accuracy - 0.9,
                      "interval": [accuracy - margin, min(accuracy + margin, 1.0)]})  # fmt: skip
    return found


def robustness(random) -> list[dict]:
    kinds = {
        "upper case": ("All letters made capital.", str.upper),
        "typos": ("Two neighbouring letters swapped in every tenth word.", lambda text: text.replace("il", "li")),
        "no punctuation": ("Punctuation taken out.", lambda text: text.replace(".", "")),
    }
    found = []
    for kind, (description, change) in kinds.items():
        flipped = int(random.integers(0, 60))
        share, text = flipped / N, example_text(1, 30)
        found.append({"perturbation": kind, "description": description, "n": N, "flipped": flipped,
                      "flipped_share": share, "interval": [max(share - 0.03, 0), share + 0.03],
                      "accuracy_before": 0.91, "accuracy_after": 0.91 - share / 2,
                      "example": {"before": text, "after": change(text)} if flipped else None})  # fmt: skip
    return found


def history(random, seconds: float) -> list[dict]:
    epochs = range(1, 7)
    return [
        {"epoch": epoch, "seconds": seconds * epoch / 6, "loss": 0.62 * 0.6**epoch + 0.02,
         "val_loss": 0.27 + 0.25 * 0.5**epoch + 0.012 * epoch + 0.01 * random.random(),
         "accuracy": 1 - 0.3 * 0.6**epoch, "val_accuracy": 0.9 - 0.2 * 0.5**epoch}
        for epoch in epochs
    ]  # fmt: skip


def export(size: int, **answers) -> dict:
    return {"bytes": size // 2, "load_seconds": 0.412, "import_seconds": 3.1, "first_answer_seconds": 0.207,
            "ops": ["AddV2", "GatherV2", "LookupTableFindV2", "MatMul", "RegexReplace", "StringSplitV2"],
            "texts": N, "unusual_texts": ["empty", "emoji", "invalid UTF-8", "10,000 words"],
            "needs": ["tensorflow"], **answers}  # fmt: skip


def seeds(random) -> dict:
    accuracies = [round(0.89 + 0.006 * random.normal(), 4) for _ in range(5)]
    return {"seeds": [7, 8, 9, 10, 11], "accuracies": accuracies, "mean": float(np.mean(accuracies)),
            "standard_deviation": float(np.std(accuracies, ddof=1)), "test_set_standard_error": 0.0159,
            "sentence": "Over 5 seeds the spread is smaller than the test set's own error."}  # fmt: skip


def comparisons(labels: np.ndarray, probabilities: dict[str, np.ndarray]) -> dict:
    right = {name: values.argmax(axis=1) == labels for name, values in probabilities.items()}
    pairs = []
    for a, b in itertools.combinations(probabilities, 2):
        only_a, only_b = int((right[a] & ~right[b]).sum()), int((right[b] & ~right[a]).sum())
        difference, p = (only_a - only_b) / N, float(np.exp(-abs(only_a - only_b) / 6))
        part = {"difference": difference * 1.02, "interval": [difference - 0.02, difference + 0.02],
                "p_value": p, "p_value_holm": min(1.0, 15 * p)}  # fmt: skip
        pairs.append({"a": a, "b": b, "difference": difference, "only_a_right": only_a, "only_b_right": only_b,
                      "test": "exact" if only_a + only_b < 25 else "chi-squared", "p_value": p,
                      "p_value_holm": min(1.0, 15 * p), "smallest_difference": 0.031, "macro_f1": part,
                      "roc_auc": None if a == "majority" else part,
                      "verdict": f"The lead of {a} is what the numbers say."})  # fmt: skip
    return {"pairs": pairs, "method": "McNemar's test on the same test texts; Holm's correction over 15 pairs.",
            "smallest_difference": 0.031}  # fmt: skip


def disagreement(a: str, b: str) -> dict:
    def wrong(first, answers):
        return [{"row": first + i, "text": example_text(first + i), "label": "positive", "answers": answers}
                for i in range(5)]  # fmt: skip

    return {"a": a, "b": b, "counts": [12, 31], "only_a_wrong": wrong(100, {a: "negative", b: "positive"}),
            "only_b_wrong": wrong(200, {a: "positive", b: "negative"})}  # fmt: skip


def explanations(names, random) -> dict:
    moving = {"superb": 0.9, "tender": 0.5, "dull": -0.8, "bad": -0.4, "slow": -0.3, "clever": 0.35}
    texts = []
    for number in range(3):
        words = example_text(number, 70).split()
        models = {
            name: {"predicted": "positive", "probability": 0.6 + 0.1 * number,
                   "words": [[word, moving.get(word, 0.0) * random.uniform(0.6, 1) + random.normal() * 0.03]
                             for word in words]}
            for name in names
        }  # fmt: skip
        texts.append({"row": number, "text": " ".join(words), "label": "positive", "models": models})
    shares = [0, 0.1, 0.2, 0.3, 0.5]
    deletion = {
        name: {"shares": shares, "most": [0.95 - (0.9 + 0.1 * i) * share for share in shares],
               "random": [0.95 - (0.25 + 0.1 * i) * share for share in shares]}
        for i, name in enumerate(names)
    }  # fmt: skip
    method = dict.fromkeys(names, "Each word is left out in turn; it weighs as much as the logit falls.")
    return {"texts": texts, "deletion": deletion, "method": method}
