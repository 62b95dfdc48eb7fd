"""The tables of a report as plain cells, for every page to draw in its own way."""

from __future__ import annotations

import dataclasses

from textapp.reports import figures

SHARES = (0.25, 0.5, 0.75)  # of the budget, or of the longest training, after which models are compared


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


def classifier_table(report: dict, *, with_calibration: bool = False) -> Table:
    """Returns one row a classifier: how good it is and what it costs.

    Args:
        report: a `build_report` dict.
        with_calibration: whether there is a column of the calibration error, where anything of it is known.
    """
    rows = report["classifiers"]
    with_calibration = with_calibration and any(row["metrics"]["ece"] is not None for row in rows)
    headers = (
        "Classifier",
        "Accuracy [95 % interval]",
        "Macro F1",
        "Log loss",
        *(("ECE",) if with_calibration else ()),
        "Train s",
        "Params",
        "Size",
        "ms per text",
        "Texts per s",
    )
    return Table("Classifiers", headers, tuple(_classifier_row(row, with_calibration=with_calibration) for row in rows))


def _classifier_row(row: dict, *, with_calibration: bool) -> tuple[str, ...]:
    metrics, cost = row["metrics"], row["cost"]
    return (
        row["name"],
        figures.interval(metrics["accuracy"], metrics["intervals"]["accuracy"]),
        figures.score(metrics["macro_f1"]),
        figures.score(metrics["log_loss"]),
        *((figures.score(metrics["ece"]),) if with_calibration else ()),
        figures.measure(cost["training_seconds"]),
        figures.quantity(cost["parameters"]),
        figures.size(cost["bytes_on_disk"]),
        figures.measure(cost["milliseconds_per_text_batch_1"]),
        figures.measure(cost["texts_per_second_batch_64"]),
    )


def pair_table(report: dict) -> Table:
    """Returns one row a pair of classifiers: by how much they differ and whether that is more than chance."""
    headers = ("Pair", "Difference, points", "Only first right", "Only second right", "p, McNemar", "p, Holm")
    rows = [
        (
            f"{pair['a']} − {pair['b']}",
            figures.points(pair["difference"]),
            figures.count(pair["only_a_right"]),
            figures.count(pair["only_b_right"]),
            figures.p_value(pair["p_value"]),
            figures.p_value(pair["p_value_holm"]),
        )
        for pair in report["comparisons"]["pairs"]
    ]
    return Table("Significance", headers, tuple(rows))


def worst_slice_table(report: dict) -> Table:
    """Returns one row a classifier that was measured on groups of texts: the group that it is worst on."""
    headers = ("Classifier: worst group", "Texts", "Accuracy [95 % interval]", "To all other texts, points")
    rows = [
        (
            f"{row['name']}: {worst['slice']}, {worst['group']}",
            figures.count(worst["n"]),
            figures.interval(worst["accuracy"], worst["interval"]),
            figures.points(worst["difference"]),
        )
        for row in report["classifiers"]
        if (worst := row["worst_slice"]) and row["kind"] != "dummy"
    ]
    return Table("Worst groups of texts", headers, tuple(rows))


def validation_curve(row: dict) -> list[tuple[float, float]]:
    """Returns (seconds, validation accuracy) of each look at the validation texts, of a linear model its only one."""
    if row["kind"] == "linear":
        points = [(row["cost"]["training_seconds"], row["validation_accuracy"])]
    else:
        points = [(item["seconds"], item.get("val_accuracy")) for item in row["history"]]
    return [(seconds, accuracy) for seconds, accuracy in points if seconds and accuracy is not None]


def budgets(report: dict) -> list[float]:
    """Returns the seconds that models had to train, each once; none where nothing limited them."""
    known = {row["cost"]["budget_seconds"] for row in [*report["classifiers"], *report["generators"]]}
    return sorted(known - {None})


def seconds_table(report: dict) -> Table:
    """Returns one row a trained classifier: the best validation accuracy it had after some time, and in the end."""
    curves = {row["name"]: curve for row in report["classifiers"] if (curve := validation_curve(row))}
    longest = max([*budgets(report), *(curve[-1][0] for curve in curves.values() if not budgets(report))], default=0)
    times = [share * longest for share in SHARES]
    headers = ("Classifier", *(f"After {figures.measure(time)} s" for time in times), "In the end", "Reached after s")
    rows = []
    for name, curve in curves.items():
        so_far = [max((accuracy for seconds, accuracy in curve if seconds <= time), default=None) for time in times]
        reached, best = max(curve, key=lambda point: point[1])
        rows.append((name, *map(figures.score, [*so_far, best]), figures.measure(reached)))
    return Table("Accuracy against seconds", headers, tuple(rows))


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
