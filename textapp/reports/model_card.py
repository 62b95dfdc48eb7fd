"""A model card: what a model is, what it is for and how well it does, in the nine sections of Mitchell et al. 2019.

"Model Cards for Model Reporting", FAT* 2019. Everything is taken from the report; what nobody measured is said.
"""

from __future__ import annotations

from textapp.reports import figures, sentences
from textapp.reports.markdown import bullets, escape, section, table
from textapp.reports.schema import SCORES
from textapp.reports.tables import Table

CARD_FILE = "MODEL_CARD.md"
SAVED_MODEL = "1"  # the version's folder, beside the card
KIND_WORDS = {
    "dummy": "a dummy that answers the same to every text, there to be beaten",
    "linear": "a linear classifier of words",
    "network": "a neural network classifier",
    "ensemble": "the weighted mean of the probabilities of several classifiers",
}


def model_card(report: dict, row: dict) -> str:
    """Return a model's card as Markdown.

    Args:
        report: what `build_report` gave.
        row: the model's, out of the report's `classifiers` or `generators`.
    """
    generates = "bits_per_byte" in row
    parts = [
        f"# Model card: {escape(row['name'])}",
        section(
            "Model Details",
            bullets(_details(report, row, generates=generates)),
            _loading(report, row, generates=generates),
        ),
        section("Intended Use", bullets(_uses(report, row, generates=generates))),
        section("Factors", bullets(_factors(row))),
        section("Metrics", *_metrics(row, generates=generates)),
        section("Evaluation Data", bullets(_evaluation_data(report, row, generates=generates))),
        section("Training Data", bullets(_training_data(report))),
        section("Quantitative Analyses", *_analyses(report, row)),
        section("Ethical Considerations", bullets(_ethics(report, generates=generates))),
        section("Caveats and Recommendations", bullets(_caveats(report, row, generates=generates))),
    ]
    return "\n\n".join(parts) + "\n"


def _details(report: dict, row: dict, *, generates: bool) -> list[str]:
    sort = "a language model that continues texts" if generates else KIND_WORDS[row["kind"]]
    cost = row["cost"]
    facts = {
        "Sort": sort,
        "Parameters": figures.count(cost["parameters"]),
        "Size on disk": figures.size(cost["bytes_on_disk"]),
        "Trained": report["created"],
        "Training time": f"{figures.measure(cost['training_seconds'])} s on {report['device']}",
        "Command": report["command"],
        "Seed": report["seed"],
        "Versions": sentences.versions(report["versions"]) if report["versions"] else None,
    }
    return [f"{name}: {value}" for name, value in facts.items() if value is not None]


def _loading(report: dict, row: dict, *, generates: bool) -> str:
    """Return how to load the SavedModel, or that there is none."""
    if not row["exported"] or not row["export"]:
        missing = report["saved_models_missing"]
        why = f" ({escape(missing)})" if missing else ""
        return f"There is no SavedModel of it{why}; `textapp.load` on this folder loads the model."
    needs = row["export"].get("needs") or ["tensorflow"]
    code = "\n".join(sentences.how_to_ask(SAVED_MODEL, needs, generates=generates))
    head = f"The SavedModel takes raw strings. It needs {escape(', '.join(needs))} and nothing of this project:"
    proof = "`parity.json` beside this file is the proof that it answers as the trained model does."
    return f"{head}\n\n```python\n{code}\n```\n\n{proof}"


def _uses(report: dict, row: dict, *, generates: bool) -> list[str]:
    name = report["dataset"]["name"]
    if generates:
        return [
            f"Primary: writing texts like those of {name}, to look at what a small language model learns from them.",
            "Out of scope: texts that somebody might take for facts or for a person's words.",
        ]
    labels = ", ".join(row["metrics"]["per_class"])
    return [
        f"Primary: giving a text like those of {name} one of the labels {labels}.",
        "Out of scope: texts of another language or kind, on which nothing was measured, and decisions about a person "
        "that nobody looks at.",
    ]


def _factors(row: dict) -> list[str]:
    found = list(dict.fromkeys(item["slice"] for item in row.get("slices", ())))
    changes = [item["perturbation"] for item in row.get("robustness", ())]
    lines = [f"Groups of texts it was measured on: {', '.join(found)}."] if found else ["No groups were measured."]
    lines += [f"Changes of the texts it was measured on: {', '.join(changes)}."] if changes else []
    return [*lines, "Who wrote a text is not known, so nothing is known about differences between groups of people."]


def _metrics(row: dict, *, generates: bool) -> list[str]:
    if generates:
        rows = [(row["name"], figures.score(row["bits_per_byte"]))]
        if row["bigram_bits_per_byte"] is not None:
            rows.append((row["bigram_name"], figures.score(row["bigram_bits_per_byte"])))
        return [sentences.BITS_PER_BYTE, table(Table("", ("Model", "Bits per byte"), tuple(rows)))]
    metrics = row["metrics"]
    rows = tuple(
        (sentences.SCORE_NAMES[key], figures.interval(metrics[key], metrics["intervals"][key]))
        for key in SCORES
        if metrics[key] is not None
    )
    explained = [f"{name}: {text}" for name, text in sentences.SCORES_EXPLAINED if name in dict(rows)]
    intro = f"On {figures.count(metrics['n'])} test texts; intervals are 95 % bootstrap over the texts."
    return [intro, table(Table("", ("Score", "Value [95 % interval]"), rows)), bullets(explained)]


def _evaluation_data(report: dict, row: dict, *, generates: bool) -> list[str]:
    dataset = report["dataset"]
    texts = row["test_documents"] if generates else row["metrics"]["n"]
    lines = [f"The test split of {dataset['name']}, {figures.count(texts)} texts that it was not trained on here."]
    if dataset.get("test_fingerprint"):
        lines.append(f"Fingerprint of the split: {dataset['test_fingerprint']}")
    if dataset["near_duplicates"]:
        found = dataset["near_duplicates"]
        share = figures.percent(found["share"])
        lines.append(
            f"{figures.count(found['test_texts'])} texts of the split ({share}) have a near duplicate in training."
        )
    return lines


def _training_data(report: dict) -> list[str]:
    dataset = report["dataset"]
    lines = [f"{dataset['name']}: {sentences.counts(dataset['sizes'])} texts."]
    lines += [str(note) for note in dataset["notes"]]
    facts = {"Source": dataset.get("source"), "Licence": dataset["licence"], "Fingerprint": dataset["fingerprint"]}
    lines += [f"{name}: {value}" for name, value in facts.items() if value]
    balance = (dataset["label_balance"] or {}).get("train")
    return [*lines, f"Labels: {sentences.counts(balance)}."] if balance else lines


def _analyses(report: dict, row: dict) -> list[str]:
    """Return tables of groups, of changes and of the pairs that the model is one of."""
    blocks = []
    if row.get("slices"):
        rows = tuple(
            (f"{item['slice']}: {item['group']}", figures.count(item["n"]),
             figures.interval(item["accuracy"], item["interval"]), figures.points(item["difference"]))
            for item in row["slices"]
        )  # fmt: skip
        headers = ("Group", "Texts", "Accuracy [95 % interval]", "To all other texts, points")
        blocks.append(table(Table("", headers, rows)))
    if row.get("robustness"):
        rows = tuple(
            (item["perturbation"], figures.percent(item["flipped_share"]), figures.score(item["accuracy_after"]))
            for item in row["robustness"]
        )
        blocks.append(table(Table("", ("Change of the texts", "Answers that turn", "Accuracy after"), rows)))
    pairs = [
        pair.get("verdict")
        for pair in (report["comparisons"] or {}).get("pairs", ())
        if row["name"] in (pair["a"], pair["b"])
    ]
    blocks.append(bullets(filter(None, pairs)))
    if row.get("slices"):
        blocks.append("Groups were measured one at a time; where two meet (intersectional results) nothing was.")
    else:
        blocks.append("No groups of texts were measured, neither alone (unitary results) nor where two of them meet.")
    return blocks


def _ethics(report: dict, *, generates: bool) -> list[str]:
    lines = [
        "The texts were written by people; they may hold names, insults and prejudice, and the model has learnt "
        "from them.",
    ]
    if generates:
        lines.append("It can write such things itself, and repeat passages of its training texts word for word.")
    else:
        lines.append("Its errors need not be spread evenly over people: look at that before it decides for anyone.")
    if not report["dataset"]["licence"]:
        lines.append("The licence of the texts is not known to this report.")
    return lines


def _caveats(report: dict, row: dict, *, generates: bool) -> list[str]:
    lines = [str(note) for note in row["notes"]]
    worst = row.get("worst_slice")
    if worst:
        accuracy = figures.interval(worst["accuracy"], worst["interval"])
        lines.append(f"Weakest on {worst['slice']}: {worst['group']}, accuracy {accuracy}.")
    if row.get("calibration"):
        found = row["calibration"]
        before, after = (figures.score(found[when]["ece"]) for when in ("before", "after"))
        lines.append(
            f"Probabilities are {before} off on average (ECE); dividing the logits by "
            f"{figures.score(found['temperature'])} makes that {after}."
        )
    if report["label_errors"] and not generates:
        lines.append("Some test labels look wrong; the report lists them.")
    lines.append("Measured on one test split of the same source: measure again on your own texts before use.")
    return [*lines, sentences.MCNEMAR_CAUTION] if report["comparisons"] and not generates else lines
