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
    """Return one row a classifier: how good it is and what it costs.

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
    """Return one row a pair of classifiers: by how much they differ and whether that is more than chance."""
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
    """Return one row a classifier that was measured on groups of texts: the group that it is worst on."""
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
    """Return (seconds, validation accuracy) of each look at the validation texts, of a linear model its only one."""
    if row["kind"] == "linear":
        points = [(row["cost"]["training_seconds"], row["validation_accuracy"])]
    else:
        points = [(item["seconds"], item.get("val_accuracy")) for item in row["history"]]
    return [(seconds, accuracy) for seconds, accuracy in points if seconds and accuracy is not None]


def budgets(report: dict) -> list[float]:
    """Return the seconds that models had to train, each once; none where nothing limited them."""
    known = {row["cost"]["budget_seconds"] for row in [*report["classifiers"], *report["generators"]]}
    return sorted(known - {None})


def seconds_table(report: dict) -> Table:
    """Return one row a trained classifier: the best validation accuracy it had after some time, and in the end."""
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


def distillation_table(report: dict) -> Table:
    """Return one row a student: how much of the gap to its teacher it closes, and how much faster it is."""
    headers = ("Student", "Untaught", "Taught", "Teacher", "Gap closed", "Times as fast as the teacher")
    rows = [
        (
            student["name"],
            figures.score(student["plain_accuracy"]),
            figures.score(student["accuracy"]),
            figures.score(student["teacher_accuracy"]),
            figures.percent(student["gap_closed"]),
            figures.measure(student["speed_ratio"]),
        )
        for student in report["distillation"]["students"]
    ]
    return Table("Distillation", headers, tuple(rows))


def few_labels_table(report: dict) -> Table:
    """Return one row a classifier, and one more where it started from pretraining, by the number of labelled texts."""
    rows = report["few_labels"]
    counts = sorted({point["labels"] for row in rows for point in row["points"]})
    found = []
    for row in rows:
        points = {point["labels"]: figures.interval(point["accuracy"], point["interval"]) for point in row["points"]}
        found.append((few_labels_name(row), *(points.get(count, figures.MISSING) for count in counts)))
    return Table("Labelled texts", ("Classifier", *(f"{count:,} labels" for count in counts)), tuple(found))


def few_labels_name(row: dict) -> str:
    """Return how a row of `few_labels` is called."""
    return f"{row['name']}, pretrained" if row["pretrained"] else row["name"]


def confusion_tables(report: dict) -> list[Table]:
    """Return for each classifier its confusion matrix, a row a true class and a column a predicted one."""
    return [_confusion_table(row["name"], row["metrics"]) for row in report["classifiers"]]


def _confusion_table(name: str, metrics: dict) -> Table:
    label_names = list(metrics["per_class"])
    rows = (
        (label_name, *map(str, counts))
        for label_name, counts in zip(label_names, metrics["confusion_matrix"], strict=True)
    )
    return Table(name, ("true \\ predicted", *label_names), tuple(rows))


def generator_table(report: dict) -> Table:
    """Return one row a generator; in older runs each below the bigram model that it had to beat."""
    with_interval = any(row.get("bits_per_byte_interval") for row in report["generators"])
    bits_header = "Bits per byte [95 % interval]" if with_interval else "Bits per byte"
    headers = ("Generator", bits_header, "Test texts", "Train s", "Params", "Size")
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
        bits = figures.interval(row["bits_per_byte"], row.get("bits_per_byte_interval"))
        rows.append((row["name"], bits, tested, *costs))
    return Table("Generators", headers, tuple(rows))


def generator_pair_table(report: dict) -> Table:
    """Return one row a pair of generators: by how many bits per byte they differ and whether that is chance."""
    headers = ("Pair", "Bits per byte, difference [95 % interval]", "p, Holm", "Fewer bits")
    rows = [
        (
            f"{pair['a']} − {pair['b']}",
            figures.interval(pair["difference"], pair["interval"]),
            figures.p_value(pair["p_value_holm"]),
            pair["better"] or "no difference shown",
        )
        for pair in report["generator_comparisons"]
    ]
    return Table("Generators in pairs", headers, tuple(rows))


def generation_table(report: dict) -> Table:
    """Return one row a generator and sampler: how varied, repetitive, new and fluent its texts are."""
    headers = ("Generator, sampler", "Words", "Distinct-1", "Distinct-2", "Distinct-3", "Repetition", "Self-BLEU",
               "2-grams seen", "4-grams seen", "Longest copy", "Texts with a copy",
               "Bits per byte by another")  # fmt: skip
    rows = []
    for row in report["generation"]["rows"]:
        scores = ("distinct_1", "distinct_2", "distinct_3", "repetition", "self_bleu")
        judged = figures.score(row.get("fluency"))
        rows.append((
            f"{row['generator']}, {row['sampler']}",
            figures.measure(row.get("mean_words")),
            *(figures.score(row.get(key)) for key in scores),
            *(figures.percent(row.get(key)) for key in ("seen_2", "seen_4")),
            figures.count(row["longest_copy"]),
            figures.percent(row.get("copied")),
            f"{judged} ({row['fluency_by']})" if row.get("fluency_by") else judged,
        ))  # fmt: skip
    return Table("What generators write", headers, tuple(rows))


def control_table(report: dict) -> Table:
    """Return one row for each generator with labels and strength: how many texts have the label asked for."""
    found = report["generation"]["control"]
    labels = list(dict.fromkeys(label for row in found for label in row["shares"]))
    headers = ("Generator, guidance", "Texts", "With the label", *labels, "Distinct-2", "Without a label",
               "Bits per byte by another")  # fmt: skip
    rows = [
        (
            f"{row['generator']}, {row['guidance']:g}",
            figures.count(row["texts"]),
            figures.percent(row["share"]),
            *(figures.percent(row["shares"].get(label)) for label in labels),
            figures.score(row["distinct_2"]),
            figures.score(row["free_distinct_2"]),
            figures.score(row["fluency"]),
        )
        for row in found
    ]
    return Table("Control by label", headers, tuple(rows))


def writing_speed_table(report: dict) -> Table:
    """Return one row a generator: the tokens that it reads and writes in a second."""
    keys = ("prefill_tokens_per_second", "decode_tokens_per_second_batch_1", "decode_tokens_per_second_batch_16")
    rows = [
        (row["generator"], *(figures.quantity(row.get(key)) for key in keys)) for row in report["generation"]["speed"]
    ]
    headers = ("Generator", "Read", "Written, 1 text", "Written, 16 texts")
    return Table("Tokens per second", headers, tuple(rows))
