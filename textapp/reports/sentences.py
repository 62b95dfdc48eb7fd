"""The words of a report as plain strings, for every page to draw in its own way."""

from __future__ import annotations

import json

from textapp.reports import figures

HOW_MEASURED = (
    "Intervals are 95 % percentile bootstrap over the test texts, Wilson's where all answers or none are right. "
    "Train s: seconds of training. "
    "ms per text: one text at a time. Texts per s: in batches of 64. Both are medians after warm-up."
)
BITS_PER_BYTE = "Bits per byte of the test texts: lower is better."
GENERATORS_COMPARED = (
    "Differences in bits per byte on the same test texts, with the interval and the p-value of a paired bootstrap over "
    "the texts, Holm-corrected."
)
WARM_UP = (
    "Times are those of a warm model: the first call at each length is made once before and not counted. p50, p95 and "
    "p99: half of the calls, 95 % and 99 % took at most so long; fewer than 20 calls give no p95 and fewer than 100 no "
    "p99. Cold start: importing, loading the SavedModel and the first answer, in a new process."
)
FEW_LABELS = (
    "Accuracy on the test texts [95 % interval over these] of each classifier trained once on so many labelled texts, "
    "the same for all, in the classes' proportions; the validation texts stay all of them, and the last column is all "
    "training texts. Networks see few texts several times an epoch."
)
WITHOUT_PRETRAINING = (
    "Without pretraining a model has the sizes that it has by default, which the pretrained one need not have, and "
    "minilm starts from the preset that its pretraining went on from."
)
AGAINST_SECONDS = (
    "The best accuracy on the validation texts so far, after seconds of training; a network is kept as it was at its "
    "best. A network's seconds count from its cleaned texts, and a linear model has no answer before it is trained."
)
SIGNATURES = (
    ("Classifier, serving_default", "text: strings [N] → label: strings [N], score: float32 [N], probabilities: "
     "float32 [N, classes]"),
    ("Generator, serving_default", "prompt: strings [N] → text: strings [N]"),
    ("Generator, generate", "prompt: strings [N], max_new_tokens, temperature, top_k, top_p, seed → text: strings [N]"),
    ("Generator, score", "text: strings [N] → bits_per_byte: float32 [N], bytes: int64 [N], nats: float32 [N, tokens], "
     "tokens: int32 [N]"),
)  # fmt: skip
MCNEMAR_CAUTION = (
    "McNemar's test compares two fitted models on these test texts, not two methods: another seed or other training "
    "texts may give other models (Dietterich 1998)."
)
SCORE_NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "mcc": "MCC",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier",
    "ece": "ECE",
}
SCORES_EXPLAINED = (
    ("Accuracy", "share of texts whose most probable class is the true one."),
    ("Balanced accuracy", "mean over the classes of the share found, so that a rare class counts as much as others."),
    ("Macro F1", "mean over the classes of the harmonic mean of precision and recall."),
    ("MCC", "Matthews correlation of true and predicted classes: 0 for guessing, 1 for no error."),
    ("ROC AUC", "probability that a text of a class gets a higher probability of it than a text of another class."),
    (
        "Average precision",
        "area below the curve of precision against recall, of the second class where there are two, "
        "else the mean over the classes.",
    ),
    ("Log loss", "mean of −ln(probability of the true class); lower is better, and sure errors cost most."),
    ("Brier", "mean squared distance between probabilities and truth; lower is better."),
    (
        "ECE",
        "expected calibration error, how far probabilities lie from the share right; lower is better. "
        "Resampled texts make it larger, so that it has no interval.",
    ),
)


def facts(report: dict) -> list[tuple[str, str]]:
    """Return what the run was as (name, value) pairs."""
    dataset = report["dataset"]
    pairs = [("Dataset", str(dataset["name"])), ("Texts", counts(dataset["sizes"]))]
    pairs += [("Note", note) for note in (*dataset.get("notes", ()), report["saved_models_missing"]) if note]
    run = {"Command": report["command"], "Seed": report["seed"], "Device": report["device"]}
    pairs += [(name, str(value)) for name, value in run.items() if value is not None]
    return [*pairs, ("Versions", versions(report["versions"]))] if report["versions"] else pairs


def budget(seconds: list[float]) -> str:
    """Return what models had to train; "" where nothing limited them."""
    if not seconds:
        return ""
    times = " or ".join(f"{each:g}" for each in seconds)
    return f"The budget was {times} s for each model. Linear models train whole, whatever they take."


def few_labels(rows: list[dict]) -> str:
    """Return how accuracy after fewer labelled texts was measured, and what a pretrained model stands beside."""
    return f"{FEW_LABELS} {WITHOUT_PRETRAINING}" if any(row["pretrained"] for row in rows) else FEW_LABELS


def smallest_difference(comparisons: dict) -> str:
    """Return what difference the test set can show; "" where it can show none or that is unknown."""
    smallest = comparisons.get("smallest_difference")
    if smallest is None:
        return ""
    points = figures.points(smallest).removeprefix("+")
    return (
        f"With 80 % probability this test set shows a difference in accuracy of {points} points between the best two."
    )


def how_compared(comparisons: dict) -> str:
    """Return the method's own sentences, and the caution unless they hold it."""
    method = comparisons.get("method") or ""
    return method if "another seed" in method else f"{method} {MCNEMAR_CAUTION}".strip()


def how_to_ask(path: str, needs: list[str], *, generates: bool) -> list[str]:
    """Return lines of Python that load a SavedModel and ask it.

    Args:
        path: of the SavedModel's version.
        needs: packages to import, TensorFlow first.
        generates: whether it is a generator's.
    """
    others = [package for package in needs if package != "tensorflow" and package.isidentifier()]
    call = 'write(prompt=tf.constant(["The"]))' if generates else 'classify(text=tf.constant(["A text."]))'
    name, quoted = call.partition("(")[0], json.dumps(path, ensure_ascii=False)
    return [
        "import tensorflow as tf",
        *(f"import {package}  # registers ops that the SavedModel needs" for package in others),
        "",
        f'{name} = tf.saved_model.load({quoted}).signatures["serving_default"]',
        f"print({call})",
    ]


def trained_in(rows: list[dict]) -> str:
    """Return what networks were trained in, and by which path; "" where there are none or nobody knows."""
    paths = [f"{row['name']} in {row['cost']['computation']}" for row in rows if row["cost"]["computation"]]
    return f"Trained: {'; '.join(paths)}." if paths else ""


def notes(report: dict, part: str) -> list[str]:
    """Return what there is to say about single "classifiers" or "generators" of a report, a sentence each."""
    sentences = []
    for row in report[part]:
        if not row["exported"] and not report["saved_models_missing"]:  # else the report says so of all
            sentences.append(f"{row['name']}: not exported as a SavedModel.")
        sentences += [f"{row['name']}: {note}" for note in row["notes"]]
    return sentences


def continuation(sample: dict) -> str:
    """Return what a generator added to its prompt, whether or not its text repeats the prompt."""
    return sample["text"].removeprefix(sample["prompt"])


def settings(sample: dict) -> str:
    """Return how a text was drawn: seed 7, temperature 0.8, top_k 40."""
    return ", ".join(f"{name} {value}" for name, value in sample.items() if name not in ("prompt", "text"))


def counts(sizes: dict | int) -> str:
    """Return 20,000 train, 2,500 test; a bare number as it is."""
    if not isinstance(sizes, dict):
        return f"{sizes:,}"
    return ", ".join(f"{size:,} {name}" for name, size in sizes.items())


def versions(found: dict) -> str:
    """Return python 3.11.2, numpy 2.4."""
    return ", ".join(f"{name} {version}" for name, version in found.items())


def distillation(found: dict) -> str:
    """Return how students were taught, for the `distillation` of a report."""
    unlabelled = found["unlabelled"]
    texts = f"{figures.count(found['labelled_texts'])} training texts"
    if unlabelled:
        texts += (
            f" and to {figures.count(unlabelled['texts'])} without labels ({figures.count(unlabelled['held_out'])} "
            "that stand in the validation or test split left out)"
        )
    return (
        f"Students learn the answers of {found['teacher']} to the {texts}; where there is a label, the answers count "
        f"{figures.percent(found['teacher_weight'])}. The gap is that between the accuracies of the untaught model and "
        "of the teacher on the test texts; speeds are those of batches of 64."
    )


GENERATION = (
    "Distinct-n: different runs of n words by all runs, of all texts of a row. Repetition: runs of 4 words that their "
    "text has before. Self-BLEU: how much like one another the texts are, 1 for equal ones. Seen: different runs of "
    "words that a training text has. Copy: the longest span that stands in a training text, in characters, and the "
    "share of texts with one of more than 50. Fluency: bits per byte by another generator; low for what is common."
)


def generation(found: dict) -> str:
    """Return from what texts were written, for the `generation` of a report."""
    return (
        f"Each sampler continued {len(found['prompts'])} prompts, some fixed, some the first words of test texts, with "
        f"seed {found['seed']} and at most {found['max_new_tokens']} tokens; nobody picked any."
    )


def control(found: dict) -> str:
    """Return how control was measured."""
    return (
        f"{found['judge']}, the best classifier on the validation texts, says what label a text has. With guidance 0 "
        "the token before the text alone says which label is wanted; more adds, that many times, how much more likely "
        "each token is in the training texts with the label. Distinct-2 stands beside that of as many texts without "
        "a label."
    )
