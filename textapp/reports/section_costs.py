"""What classifiers cost: training, time for an answer, memory, and what each part is worth."""

from __future__ import annotations

from textapp.evaluation.speed import LEAST_CALLS
from textapp.reports import charts, figures
from textapp.reports.blocks import Charts, Details, Grid, Key, Matrices, Paragraph, Scale
from textapp.reports.drawing import LARGE
from textapp.reports.pareto import Candidate, front, pareto
from textapp.reports.section_results import NBSP, Looks, model_cell
from textapp.reports.sentences import WARM_UP, trained_in

MOST_TICKS = 10


def curves(report: dict, looks: Looks) -> list:
    """Return losses against epochs for each model, and against seconds for all of them."""
    rows = [row for row in report["classifiers"] if row["history"]]
    if not rows:
        return []
    drawn = tuple((loss_chart(row, looks, name=f"epochs-{number}"), best_epoch(row)) for number, row in enumerate(rows))
    blocks = [
        Paragraph("Solid: validation. Thin and dashed: training. Where the two part, the model learns its training "
                  "texts by heart.", soft=True),
        Charts(drawn),
    ]  # fmt: skip
    blocks += _against_seconds(rows, looks)
    return [*blocks, Details("Every epoch in numbers", (Matrices(tuple(history_grid(row) for row in rows)),))]


def loss_chart(row: dict, looks: Looks, *, name: str):
    """Draw a model's losses against epochs.

    Args:
        row: a classifier's or a generator's, with a `history`.
        looks: of all models.
        name: of the drawing.
    """
    series, epochs = looks[row["name"]], [item["epoch"] for item in row["history"]]
    found = {key: _points(row["history"], "epoch", key) for key in ("val_loss", "loss")}
    return charts.lines(
        {key: (series, points) for key, points in found.items() if points},
        name=name,
        title=f"Losses of {series.name} against epochs",
        description=best_epoch(row),
        x="epoch",
        y="loss",
        light={"loss"},
        ticks=epochs if len(epochs) <= MOST_TICKS and all(isinstance(epoch, int) for epoch in epochs) else None,
    )


def best_epoch(row: dict) -> str:
    """Return a sentence on the epoch with the lowest validation loss."""
    known = [item for item in row["history"] if item.get("val_loss") is not None]
    if not known:
        return f"{row['name']}: {row['history'][-1]['epoch']:.4g} epochs"
    best = min(known, key=lambda item: item["val_loss"])
    loss = figures.score(best["val_loss"])
    last = f"{row['history'][-1]['epoch']:.4g}"
    return f"{row['name']}: lowest validation loss {loss} after epoch {best['epoch']:.4g} of {last}"


def _against_seconds(rows: list[dict], looks: Looks) -> list:
    found = {row["name"]: (looks[row["name"]], _points(row["history"], "seconds", "val_loss")) for row in rows}
    found = {name: curve for name, curve in found.items() if curve[1]}
    if not found:
        return []
    last = ", ".join(f"{look.name} {points[-1][1]:.3f}" for look, points in found.values())
    chart = charts.lines(
        found,
        name="seconds-loss",
        title="Validation loss against seconds of training",
        description=f"After the last epoch: {last}.",
        x="seconds of training",
        y="validation loss",
        size=LARGE,
    )
    return [Charts(((chart, ""),)), Key(tuple(looks[row["name"]] for row in rows))]


def _points(history: list[dict], x: str, y: str) -> list[tuple[float, float]]:
    return [(item[x], item[y]) for item in history if item.get(x) is not None and item.get(y) is not None]


def history_grid(row: dict) -> Grid:
    """Return a row an epoch, with everything that was kept of it."""
    keys = list(dict.fromkeys(key for item in row["history"] for key in item))
    write = {"epoch": "{:.4g}".format, "seconds": figures.measure}
    rows = tuple(tuple(write.get(key, figures.score)(item.get(key)) for key in keys) for item in row["history"])
    return Grid(tuple(key.replace("_", " ").replace("val ", "validation ") for key in keys), rows, caption=row["name"])


def cost(report: dict, looks: Looks) -> list:
    """Return the table of costs, then accuracy against them."""
    rows = report["classifiers"]
    if not rows:
        return []
    headers = ("Classifier", f"Training{NBSP}s", "Parameters", "On disk", "Peak memory", "ms per text, p50", "p95",
               "p99", "ms per 32, p50", "p95", "p99", f"Texts per{NBSP}s", f"Cold start{NBSP}s")  # fmt: skip
    cells = tuple((model_cell(row["name"], looks), *_cost_cells(row)) for row in rows)
    devices = dict.fromkeys(row["cost"]["device"] for row in rows if row["cost"]["device"])
    measured_on = f" Measured on {'; '.join(devices)}." if devices else ""
    return [
        Paragraph(f"{WARM_UP}{measured_on} {trained_in(rows)}".rstrip(), soft=True),
        Grid(headers, cells).without_empty_columns(),
        *_pareto(rows, looks),
    ]


def _cost_cells(row: dict) -> tuple[str, ...]:
    costs = row["cost"]
    latency = {item["batch_size"]: item for item in costs["latency"]}
    one, many = ([_percentile(latency.get(size, {}), p) for p in LEAST_CALLS] for size in (1, 32))
    one[0] = _milliseconds(row)
    per_second = costs["texts_per_second"] or costs["texts_per_second_batch_64"]
    keys = ("import_seconds", "load_seconds", "first_answer_seconds")
    start = [row["export"].get(key) for key in keys] if row["export"] else []
    return (
        figures.measure(costs["training_seconds"]),
        figures.quantity(costs["parameters"]),
        figures.size(costs["bytes_on_disk"]),
        figures.size(costs["peak_memory_bytes"]),
        *map(figures.measure, [*one, *many, per_second]),
        figures.measure(sum(start) if start and None not in start else None),
    )


def _percentile(item: dict, p: int) -> float | None:
    """Return milliseconds, None of too few calls, which earlier versions did not leave out."""
    return item.get(f"milliseconds_p{p}") if item.get("calls", LEAST_CALLS[p]) >= LEAST_CALLS[p] else None


def _milliseconds(row: dict) -> float | None:
    """Return the median time for one text, by its newer name or its older."""
    for item in row["cost"]["latency"]:
        if item["batch_size"] == 1:
            return item["milliseconds_p50"]
    return row["cost"]["milliseconds_per_text_batch_1"]


def _pareto(rows: list[dict], looks: Looks) -> list:
    """Return two charts and a table of the models that no other beats in both."""
    rows = [row for row in rows if row["kind"] != "dummy" and row["metrics"]["accuracy"] is not None]
    kinds = (
        ("time", "milliseconds per text, one at a time", "{:g}".format, _milliseconds),
        ("size", "bytes on disk", figures.size, lambda row: row["cost"]["bytes_on_disk"]),
    )
    drawn, fronts = [], {}
    for key, axis, unit, of in kinds:
        found = [Candidate(row["name"], cost, row["metrics"]["accuracy"]) for row in rows if (cost := of(row))]
        if found:
            drawn.append((pareto(found, looks, name=f"pareto-{key}", x=axis, unit=unit, what=axis), ""))
            fronts[key] = {each.name for each in front(found)}
    if not drawn:
        return []
    yes = {key: {row["name"]: "on the front" if row["name"] in names else "beaten" for row in rows}
           for key, names in fronts.items()}  # fmt: skip
    titles = {"time": "Accuracy and time", "size": "Accuracy and size"}
    headers = ("Classifier", "Accuracy", *(titles[key] for key in fronts))
    cells = tuple(
        (model_cell(row["name"], looks), figures.score(row["metrics"]["accuracy"]),
         *(yes[key][row["name"]] for key in fronts))
        for row in rows
    )  # fmt: skip
    return [
        Paragraph("Filled and on the line: no other model is both more accurate and cheaper. Hollow: another one is. "
                  "Dummies are left out.", soft=True),
        Charts(tuple(drawn)),
        Key(tuple(looks[row["name"]] for row in rows)),
        Grid(headers, cells),
    ]  # fmt: skip


def ablation(report: dict, looks: Looks) -> list:
    """Return what accuracy becomes when one part is taken away."""
    items = report["ablation"]
    if not items:
        return []
    bounds = [bound for item in items for bound in item["difference_interval"] or [item["difference"]]]
    scale = Scale.over(bounds, zero=True)
    headers = ("Taken away", "Accuracy", "Difference, points",
               scale.ends(figures.points), "p")  # fmt: skip
    cells = tuple(
        (
            item["removed"],
            figures.interval(item["accuracy"], item["interval"]),
            figures.points_interval(item["difference"], item["difference_interval"]),
            scale.span(item["difference"], item["difference_interval"], zero=True),
            figures.p_value(item["p_value"]),
        )
        for item in items
    )
    method = report.get("ablation_method") or "The same training without one part, on the same texts."
    return [Paragraph(f"{method} The line is no difference.", soft=True), Grid(headers, cells)]
