"""Whether a classifier knows how sure it may be: calibration, and answering only where it is sure."""

from __future__ import annotations

from textapp.reports import charts, figures
from textapp.reports.blocks import Charts, Details, Grid, Heading, Key, Matrices, Paragraph
from textapp.reports.section_results import Looks, model_cell

COVERAGES = (1.0, 0.9, 0.8, 0.5)


def calibration(report: dict, looks: Looks) -> list:
    """Return a reliability diagram and the errors before and after temperature scaling for each model."""
    rows = [row for row in report["classifiers"] if row["calibration"]]
    if not rows:
        return []
    drawn_rows = [row for row in rows if row["kind"] != "dummy"] or rows
    lowest = charts.lowest_of(row["calibration"] for row in drawn_rows)
    drawn = []
    for number, row in enumerate(drawn_rows):
        found = row["calibration"]
        chart = charts.reliability(found, looks[row["name"]], lowest=lowest, name=f"calibration-{number}")
        before, after = (figures.score(found[when]["ece"]) for when in ("before", "after"))
        drawn.append((chart, f"{row['name']}: ECE {before} before, {after} after"))
    headers = ("Classifier", "Temperature", "ECE before", "ECE after")
    cells = tuple(
        (
            model_cell(row["name"], looks),
            figures.score(row["calibration"]["temperature"]),
            *(figures.score(row["calibration"][when]["ece"]) for when in ("before", "after")),
        )
        for row in rows
    )
    return [
        Paragraph("Of the texts that a model answers with a probability of 0.8, 80 % should be right: points on the "
                  "dotted line. Hollow and dashed: as trained. Filled: after dividing the logits by one temperature, "
                  "fitted on the validation texts (Guo et al. 2017). The larger a point, the more texts. A "
                  "temperature above 1 means that the model was too sure.", soft=True),
        Charts(tuple(drawn)),
        Grid(headers, cells),
        Details("The bins in numbers", (Matrices(tuple(_bin_grid(row) for row in drawn_rows)),)),
    ]  # fmt: skip


def _bin_grid(row: dict) -> Grid:
    found = row["calibration"]
    rows = []
    for before, after in zip(found["before"]["bins"], found["after"]["bins"], strict=True):
        if before["count"] or after["count"]:
            bin_name = f"{figures.score(before['low'])}–{figures.score(before['high'])}"
            rows.append((bin_name, *_bin_cells(before), *_bin_cells(after)))
    headers = ("Texts before", "Probability", "Share right", "Texts after", "Probability", "Share right")
    return Grid(("Bin", *headers), tuple(rows), caption=row["name"])


def _bin_cells(item: dict) -> tuple[str, str, str]:
    return figures.count(item["count"]), figures.score(item["confidence"]), figures.score(item["accuracy"])


def abstention(report: dict, looks: Looks) -> list:
    """Return what becomes of accuracy where the least sure answers are left to a person."""
    rows = [row for row in report["classifiers"] if row["abstention"]]
    if not rows:
        return []
    curves = {
        row["name"]: (
            looks[row["name"]],
            [(point["coverage"], point["accuracy"]) for point in row["abstention"]["curve"]
             if point["accuracy"] is not None],
        )
        for row in rows
        if row["kind"] != "dummy"
    }  # fmt: skip
    blocks = [
        Paragraph("A program may answer the texts it is sure about and hand the rest to a person. Further left it "
                  "answers fewer.", soft=True),
    ]  # fmt: skip
    if curves:
        series = tuple(look for look, _ in curves.values())
        blocks += [Charts(((charts.coverage(curves, name="coverage"), ""),)), Key(series)]
    return [*blocks, _coverage_grid(rows, looks), *_conformal(rows, looks)]


def _coverage_grid(rows: list[dict], looks: Looks) -> Grid:
    headers = ("Classifier", *(f"{figures.whole_percent(share)} answered" for share in COVERAGES))
    cells = []
    for row in rows:
        curve = row["abstention"]["curve"]
        nearest = [min(curve, key=lambda point: abs(point["coverage"] - share), default=None) for share in COVERAGES]
        accuracies = [figures.score(point and point["accuracy"]) for point in nearest]
        cells.append((model_cell(row["name"], looks), *accuracies))
    return Grid(headers, tuple(cells), caption="Accuracy on the texts answered, at the nearest point of the curve")


def _conformal(rows: list[dict], looks: Looks) -> list:
    """Return the table of prediction sets that hold the truth as often as asked."""
    rows = [row for row in rows if row["abstention"].get("conformal")]
    if not rows:
        return []
    first = rows[0]["abstention"]["conformal"]
    headers = ("Classifier", "Sets that hold the true class", "One class", "No class", "Mean size",
               "Accuracy where one class", "Threshold")  # fmt: skip
    cells = []
    for row in rows:
        found = row["abstention"]["conformal"]
        held = figures.interval(found["coverage"], found["coverage_interval"])
        shares = (figures.percent(found["singletons"]), figures.percent(found["empty"]))
        numbers = (found["mean_set_size"], found["accuracy_of_singletons"], found["threshold"])
        cells.append((model_cell(row["name"], looks), held, *shares, *map(figures.score, numbers)))
    promised = figures.whole_percent(1 - first["error_rate"])
    return [
        Heading("Prediction sets"),
        Paragraph("A set of classes for each text instead of one, chosen so that on average at least "
                  f"{promised} of the sets should hold the true class (split conformal prediction on "
                  f"{figures.count(first['n_calibration'])} validation texts). A set of one class is an "
                  "answer; a set of two says that the model cannot tell. The share is approximate: the same texts also "
                  "chose the epoch to stop at, the temperature and the weights of an ensemble.", soft=True),
        Grid(headers, tuple(cells)),
    ]  # fmt: skip
