"""Which classifier is best, and whether that is more than chance: the sections that come first on the page."""

from __future__ import annotations

from collections.abc import Mapping

from textapp.reports import figures, sentences
from textapp.reports.blocks import (
    Bullets,
    Cell,
    Details,
    Facts,
    Grid,
    Heading,
    Matrices,
    Paragraph,
    Scale,
    Span,
    Verdicts,
)
from textapp.reports.schema import SCORES
from textapp.reports.series import Series

NBSP = "\N{NO-BREAK SPACE}"  # a unit does not part from its name
LOWER_IS_BETTER = ("log_loss", "brier", "ece")
SIGNIFICANCE_LEVEL = 0.05
LONGEST_QUESTION = 50  # characters before the colon

Looks = Mapping[str, Series]


def model_cell(name: str, looks: Looks) -> Cell:
    """Return the first cell of a model's row."""
    return Cell(name, series=looks.get(name))


def verdict(report: dict, looks: Looks) -> list:
    """Return a sentence for each question."""
    return [Verdicts(tuple(map(_parted, report["verdict"]["sentences"])))] if report["verdict"] else []


def _parted(sentence: str) -> tuple[str, str]:
    """Return the question and its answer, or "" and the sentence where it does not begin with a question."""
    question, colon, answer = sentence.partition(": ")
    return (question, answer) if colon and len(question) <= LONGEST_QUESTION else ("", sentence)


def runs(report: dict, looks: Looks) -> list:
    """Return the runs whose rows stand side by side, where there are several."""
    blocks = []
    for run in report["runs"]:
        keys = {"command": "Command", "seed": "Seed", "device": "Device", "created": "Created"}
        pairs = [(title, str(run[key])) for key, title in keys.items() if run.get(key) is not None]
        if run.get("versions"):
            pairs.append(("Versions", sentences.versions(run["versions"])))
        blocks += [Heading(str(run["name"])), Facts(tuple(pairs))]
    return blocks and [Paragraph("The name of a model begins with that of its run.", soft=True), *blocks]


def classifiers(report: dict, looks: Looks) -> list:
    """Return the scores with their intervals, then what stands behind them class by class."""
    rows = report["classifiers"]
    if not rows:
        return []
    notes = sentences.notes(report, "classifiers")
    texts = figures.count(rows[0]["metrics"]["n"])
    return [
        Paragraph(f"On {texts} test texts that no model was trained on here. Below a score its 95 % bootstrap interval "
                  "over those texts; in bold the best of a column, dummies left out.", soft=True),
        _score_grid(rows, looks),
        *([Bullets(tuple(notes))] if notes else []),
        Details("Precision, recall and F1 of each class", (Matrices(tuple(_class_grid(row) for row in rows)),)),
        Details("What the columns mean", (Facts(sentences.SCORES_EXPLAINED),)),
    ]  # fmt: skip


def _score_grid(rows: list[dict], looks: Looks) -> Grid:
    shown = [row for row in rows if row["kind"] != "dummy"] or rows
    bounds = [bound for row in shown for bound in row["metrics"]["intervals"]["accuracy"] or ()]
    scale = Scale.over([*bounds, *(row["metrics"]["accuracy"] for row in shown)])
    best = {key: _best([row["metrics"][key] for row in shown], key) for key in SCORES}
    cells = []
    for row in rows:
        metrics = row["metrics"]
        accuracy = metrics["accuracy"]
        is_inside = accuracy is not None and scale.low <= accuracy <= scale.high
        span = scale.span(accuracy, metrics["intervals"]["accuracy"]) if is_inside else "left of the scale"
        scores = [_score_cell(metrics, key, best[key] if row in shown else None) for key in SCORES]
        cells.append((model_cell(row["name"], looks), scores[0], span, *scores[1:]))
    headers = ("Classifier", sentences.SCORE_NAMES["accuracy"], scale.ends(figures.score))
    return Grid((*headers, *(sentences.SCORE_NAMES[key] for key in SCORES[1:])), tuple(cells)).without_empty_columns()


def _best(values: list[float | None], key: str) -> float | None:
    """Return the best value to the digits that are shown; None where there is nothing to choose."""
    known = [round(value, 3) for value in values if value is not None]
    if len(known) < 2:
        return None
    return min(known) if key in LOWER_IS_BETTER else max(known)


def _score_cell(metrics: dict, key: str, best: float | None) -> Cell:
    value, bounds = metrics[key], metrics["intervals"][key]
    small = f"{figures.score(bounds[0])}–{figures.score(bounds[1])}" if bounds and value is not None else ""
    is_best = value is not None and best is not None and round(value, 3) == best
    return Cell(figures.score(value), small, strong=is_best)


def _class_grid(row: dict) -> Grid:
    rows = tuple(
        (name, *(figures.score(scores[key]) for key in ("precision", "recall", "f1")), figures.count(scores["support"]))
        for name, scores in row["metrics"]["per_class"].items()
    )
    return Grid(("Class", "Precision", "Recall", "F1", "Texts"), rows, caption=row["name"])


def significance(report: dict, looks: Looks) -> list:
    """Return every pair of classifiers with its tests."""
    comparisons = report["comparisons"]
    if not comparisons or not comparisons["pairs"]:
        return []
    smallest = sentences.smallest_difference(comparisons)
    pairs = comparisons["pairs"]
    verdicts = tuple(f"{pair['a']} and {pair['b']}: {pair['verdict']}" for pair in pairs if pair.get("verdict"))
    return [
        *([Paragraph(smallest)] if smallest else []),
        Paragraph(sentences.how_compared(comparisons), soft=True),
        *([_pair_matrix(report, looks)] if len(pairs) > 1 else []),
        Details("Every pair in numbers", (_pair_grid(pairs),), opened=len(pairs) <= 3),
        *([Details("Every pair in a sentence", (Bullets(verdicts),))] if verdicts else []),
    ]


def _pair_matrix(report: dict, looks: Looks) -> Grid:
    """Return the differences in accuracy, row less column; shaded where Holm's p-value is below 0.05."""
    found = {}
    for pair in report["comparisons"]["pairs"]:
        found[pair["a"], pair["b"]] = (pair["difference"], pair["p_value_holm"])
        found[pair["b"], pair["a"]] = (_negative(pair["difference"]), pair["p_value_holm"])
    names = [row["name"] for row in report["classifiers"] if any(row["name"] in key for key in found)]
    rows = []
    for a in names:
        cells = []
        for b in names:
            difference, p = found.get((a, b), (None, None))
            is_shown = p is not None and p < SIGNIFICANCE_LEVEL
            small = "" if p is None else f"p {figures.p_value(p)}"
            text = "" if a == b else figures.points(difference)
            cells.append(Cell(text, small, strong=is_shown, shade=0.35 if is_shown else None))
        rows.append((model_cell(a, looks), *cells))
    caption = (
        "Accuracy of the row less that of the column, in points, with Holm's p-value; bold and shaded where it is "
        "below 0.05"
    )
    return Grid(("", *names), tuple(rows), caption=caption)


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _pair_grid(pairs: list[dict]) -> Grid:
    headers = ("Pair", "Difference", "Only the first right", "Only the second right", "McNemar", "p", "p, Holm",
               "Smallest to be shown", "Macro F1, difference", "p, Holm", "ROC AUC, difference", "p, Holm")  # fmt: skip
    rows = []
    for pair in pairs:
        others = [_difference_cells(pair.get(key)) for key in ("macro_f1", "roc_auc")]
        smallest = pair.get("smallest_difference")
        rows.append((
            f"{pair['a']} − {pair['b']}",
            figures.points(pair["difference"]),
            figures.count(pair["only_a_right"]),
            figures.count(pair["only_b_right"]),
            pair["test"],
            figures.p_value(pair["p_value"]),
            figures.p_value(pair["p_value_holm"]),
            figures.points(smallest).lstrip("+"),
            *others[0],
            *others[1],
        ))  # fmt: skip
    caption = "Differences in points; below them 95 % bootstrap intervals; the smallest is shown with 80 % probability"
    return Grid(headers, tuple(rows), caption=caption).without_empty_columns()


def _difference_cells(part: dict | None) -> tuple[Cell | str, str]:
    if not part:
        return figures.MISSING, figures.MISSING
    bounds = part["interval"]
    small = f"{figures.points(bounds[0])} to {figures.points(bounds[1])}" if bounds else ""
    return Cell(figures.points(part["difference"]), small), figures.p_value(part["p_value_holm"])


def seeds(report: dict, looks: Looks) -> list:
    """Return how far the accuracies of the same method with other seeds lie apart."""
    rows = [row for row in report["classifiers"] if row["seeds"]]
    if not rows:
        return []
    scale = Scale.over(value for row in rows for value in row["seeds"]["accuracies"])
    cells = []
    for row in rows:
        found = row["seeds"]
        dots = tuple(scale.place(value) for value in found["accuracies"])
        mark = Cell(span=Span(scale.place(found["mean"]), dots=dots))
        listed = ", ".join(figures.score(value) for value in found["accuracies"])
        numbers = (found["mean"], found["standard_deviation"], found["test_set_standard_error"])
        seeds_of_row = ", ".join(map(str, found["seeds"]))
        cells.append((model_cell(row["name"], looks), mark, *map(figures.score, numbers), listed, seeds_of_row))
    headers = ("Classifier", scale.ends(figures.score), "Mean accuracy", "Standard deviation",
               "Standard error of the test set", "Accuracies", "Seeds")  # fmt: skip
    said = tuple(f"{row['name']}: {row['seeds']['sentence']}" for row in rows if row["seeds"].get("sentence"))
    return [
        Paragraph("The same training with other seeds: the spread that no test of two trained models sees.", soft=True),
        Grid(headers, tuple(cells)),
        *([Bullets(said)] if said else []),
    ]
