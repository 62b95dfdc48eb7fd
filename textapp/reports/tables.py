"""The tables of a report as plain cells, for every page to draw in its own way."""

from __future__ import annotations

import dataclasses

from textapp.reports import figures


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells of text, not escaped for any page yet.

    Attributes:
        title: what stands above.
        headers: one for each column; headers wrap at blanks where a page is narrow.
        rows: as many cells each as there are headers; the first is a name, the others are numbers.
    """

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def classifier_table(report: dict) -> Table:
    """Returns one row a classifier: how good it is and what it costs."""
    headers = (
        "Classifier",
        "Accuracy [95 % interval]",
        "Macro F1",
        "Log loss",
        "Train s",
        "Params",
        "Size",
        "ms per text",
        "Texts per s",
    )
    return Table("Classifiers", headers, tuple(_classifier_row(row) for row in report["classifiers"]))


def _classifier_row(row: dict) -> tuple[str, ...]:
    metrics, cost = row["metrics"], row["cost"]
    return (
        row["name"],
        figures.interval(metrics["accuracy"], metrics["accuracy_interval"]),
        figures.score(metrics["macro_f1"]),
        figures.score(metrics["log_loss"]),
        figures.measure(cost["training_seconds"]),
        figures.quantity(cost["parameters"]),
        figures.size(cost["bytes_on_disk"]),
        figures.measure(cost["milliseconds_per_text_batch_1"]),
        figures.measure(cost["texts_per_second_batch_64"]),
    )


def confusion_tables(report: dict) -> list[Table]:
    """Returns for each classifier its confusion matrix, a row a true class and a column a predicted one."""
    return [_confusion_table(row["name"], row["metrics"]) for row in report["classifiers"]]


def _confusion_table(name: str, metrics: dict) -> Table:
    label_names = list(metrics["per_class"])
    rows = (
        (label_name, *map(str, counts))
        for label_name, counts in zip(label_names, metrics["confusion_matrix"], strict=True)
    )
    return Table(name, ("true \\ predicted", *label_names), tuple(rows))


def generator_table(report: dict) -> Table:
    """Returns one row a generator, each below the n-gram model that it has to beat."""
    headers = ("Generator", "Bits per byte", "Test texts", "Train s", "Params", "Size")
    rows = []
    for row in report["generators"]:
        tested, cost = f"{row['test_documents']:,}", row["cost"]
        if row.get("bigram_bits_per_byte") is not None:
            bits = figures.score(row["bigram_bits_per_byte"])
            rows.append((row.get("bigram_name", "bigram"), bits, tested, *3 * (figures.MISSING,)))
        costs = (
            figures.measure(cost["training_seconds"]),
            figures.quantity(cost["parameters"]),
            figures.size(cost["bytes_on_disk"]),
        )
        rows.append((row["name"], figures.score(row["bits_per_byte"]), tested, *costs))
    return Table("Generators", headers, tuple(rows))
