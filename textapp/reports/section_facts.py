"""What a run was made of and what came of it beside classifiers: data, generators, SavedModels, how to do it again."""

from __future__ import annotations

from textapp.reports import charts, figures, sentences
from textapp.reports.blocks import (
    Bullets,
    Cell,
    Charts,
    Code,
    Details,
    Facts,
    Grid,
    Heading,
    Matrices,
    Paragraph,
    Texts,
)
from textapp.reports.section_costs import best_epoch, history_grid, loss_chart
from textapp.reports.section_errors import shown
from textapp.reports.section_results import NBSP, Looks, model_cell
from textapp.reports.tables import generator_pair_table


def data(report: dict, looks: Looks) -> list:
    """Return sizes, balance, lengths and what stands in two splits."""
    dataset = report["dataset"]
    facts = [("Dataset", str(dataset["name"])), ("Texts", sentences.counts(dataset["sizes"]))]
    if dataset["duplicates_dropped"] is not None:
        facts.append(("Exact duplicates dropped", figures.count(dataset["duplicates_dropped"])))
    if dataset["licence"]:
        facts.append(("Licence", str(dataset["licence"])))
    notes = tuple(map(str, dataset["notes"]))
    return [
        Facts(tuple(facts)),
        *([Bullets(notes)] if notes else []),
        *_balance(dataset["label_balance"] or dataset.get("label_counts")),
        *_lengths(dataset["lengths"]),
        *_near_duplicates(dataset["near_duplicates"]),
    ]


def _balance(balance: dict | None) -> list:
    if not balance:
        return []
    labels = dict.fromkeys(label for counts in balance.values() for label in counts)
    totals = {split: max(sum(counts.values()), 1) for split, counts in balance.items()}
    rows = []
    for label in labels:
        counts = {split: balance[split].get(label, 0) for split in balance}
        cells = [
            Cell(figures.count(count), figures.percent(count / totals[split]), shade=0.4 * count / totals[split])
            for split, count in counts.items()
        ]
        rows.append((str(label), *cells))
    grid = Grid(("Label", *balance), tuple(rows), caption="Texts of each label; below it the share of the split")
    return [Heading("Balance"), Details(f"{len(rows)} labels", (grid,)) if len(rows) > 30 else grid]


def _lengths(lengths: dict | None) -> list:
    if not lengths or not lengths["counts"]:
        return []
    edges, counts, unit = lengths["edges"], lengths["counts"], lengths["unit"]
    median, p95 = figures.measure(lengths["median"]), figures.measure(lengths["p95"])
    said = f"Half of the texts have at most {median} {unit}, 95 % at most {p95}."
    if charts.has_open_end(edges):
        said += f" The last bar, hollow, holds all longer ones, up to {figures.measure(edges[-1] - 1)}."
    chart = charts.histogram(edges, counts, name="lengths", title="Lengths of the texts", description=said, x=unit)
    rows = tuple(
        (f"{figures.measure(low)} – {figures.measure(high)}", figures.count(count))
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    )
    grid = Grid((unit.capitalize(), "Texts"), rows)
    return [Heading("Lengths"), Charts(((chart, said),)), Details("The bars in numbers", (grid,))]


def _near_duplicates(found: dict | None) -> list:
    if not found:
        return []
    title = "Near duplicates across the splits"
    if not found["test_texts"]:
        said = f"No test text has one among the training texts: none has a similarity of {found['threshold']} or more."
        return [Heading(title), Paragraph(said)]
    said = (
        f"{figures.count(found['test_texts'])} test texts ({figures.percent(found['share'])}) have a near duplicate "
        f"among the training texts: {figures.count(found['pairs'])} pairs with a similarity of at least "
        f"{found['threshold']}. What a model gets right there it may have learnt by heart."
    )
    items = []
    for item in found["examples"]:
        similarity = figures.score(item["similarity"])
        items.append((f"Test row {item['test_row']}, similarity {similarity}", shown(item["test_text"])))
        items.append((f"Training row {item['train_row']}", shown(item["train_text"])))
    examples = [Details(f"Examples: {len(found['examples'])}", (Texts(tuple(items)),))] if items else []
    return [Heading(title), Paragraph(said), *examples]


def generators(report: dict, looks: Looks) -> list:
    """Return bits per byte, the curve and texts that nobody picked."""
    rows = report["generators"]
    if not rows:
        return []
    headers = ("Generator", "Bits per byte", "Test texts", f"Training{NBSP}s", "Parameters", "On disk")
    cells = []
    for row in rows:
        tested, costs = figures.count(row["test_documents"]), row["cost"]
        if row["bigram_bits_per_byte"] is not None:
            bits = figures.score(row["bigram_bits_per_byte"])
            cells.append((row["bigram_name"], bits, tested, *3 * (figures.MISSING,)))
        spent = (figures.measure(costs["training_seconds"]), figures.quantity(costs["parameters"]))
        bounds = row["bits_per_byte_interval"]
        small = f"{figures.score(bounds[0])}–{figures.score(bounds[1])}" if bounds else ""
        bits = Cell(figures.score(row["bits_per_byte"]), small)
        numbers = (bits, tested, *spent, figures.size(costs["bytes_on_disk"]))
        cells.append((model_cell(row["name"], looks), *numbers))
    notes = tuple(sentences.notes(report, "generators"))
    said = f"{sentences.BITS_PER_BYTE} {sentences.trained_in(rows)}".rstrip()
    blocks = [Paragraph(said, soft=True), Grid(headers, tuple(cells))]
    blocks += [Bullets(notes)] if notes else []
    if (pairs := generator_pair_table(report)).rows:
        said = Paragraph(sentences.GENERATORS_COMPARED, soft=True)
        blocks.append(Details(pairs.title, (said, Grid(pairs.headers, pairs.rows))))
    with_history = [row for row in rows if row["history"]]
    if with_history:
        drawn = [
            (loss_chart(row, looks, name=f"generator-{number}"), best_epoch(row))
            for number, row in enumerate(with_history)
        ]
        tables = tuple(history_grid(row) for row in with_history)
        blocks += [Charts(tuple(drawn)), Details("Every epoch in numbers", (Matrices(tables),))]
    for row in rows:
        if row["samples"]:
            blocks += [Heading(f"Continuations by {row['name']}"), _samples(row)]
    return blocks


def _samples(row: dict) -> Grid:
    cells = tuple(
        (Cell(sample["prompt"], quote=True), Cell(shown(sentences.continuation(sample)), quote=True),
         sentences.settings(sample))
        for sample in row["samples"]
    )  # fmt: skip
    return Grid(("Prompt", "Continuation", "Drawn with"), cells, left=frozenset({1, 2}), wide=True)


def exports(report: dict, looks: Looks) -> list:
    """Return the proof that SavedModels answer as their models do, and how to ask one."""
    rows = [row for row in [*report["classifiers"], *report["generators"]] if row["export"]]
    if not rows:
        missing = report["saved_models_missing"]
        return [Paragraph(f"{missing[0].upper()}{missing[1:]}.")] if missing else []
    headers = ("SavedModel", "Size", f"Import{NBSP}s", f"Load{NBSP}s", f"First answer{NBSP}s", "Texts asked",
               "Answers that differ", "Largest difference", "Kinds of ops", "Needs")  # fmt: skip
    cells = tuple((model_cell(row["name"], looks), *_export_cells(row["export"])) for row in rows)
    unusual = dict.fromkeys(name for row in rows for name in row["export"].get("unusual_texts") or ())
    asked = f" and texts that no test split holds: {', '.join(unusual)}" if unusual else ""
    ops = tuple(Facts(((row["name"], ", ".join(row["export"]["ops"])),)) for row in rows if row["export"].get("ops"))
    return [
        Paragraph(f"A fresh process asked a moved copy of each SavedModel, with TensorFlow alone and no GPU, for test "
                  f"texts{asked}."),
        Grid(headers, cells, left=frozenset({9})).without_empty_columns(),
        Facts(sentences.SIGNATURES),
        *(Code(tuple(lines)) for lines in _questions(report)),
        *([Details("Ops of each graph", ops)] if ops else []),
    ]  # fmt: skip


def _questions(report: dict) -> list[list[str]]:
    """Return the lines that ask the first SavedModel of each sort."""
    asked = []
    for key in ("classifiers", "generators"):
        exported = [row for row in report[key] if row["export"]]
        for row in exported[:1]:
            needs = row["export"].get("needs") or []
            asked.append(sentences.how_to_ask(f"{row['name']}/1", needs, generates=key == "generators"))
    return asked


def _export_cells(export: dict) -> tuple[str, ...]:
    differing = export.get("labels_that_differ", export.get("texts_that_differ"))
    largest = export.get("largest_difference")
    return (
        figures.size(export.get("bytes")),
        *(figures.measure(export.get(key)) for key in ("import_seconds", "load_seconds", "first_answer_seconds")),
        figures.count(export.get("texts")),
        figures.count(differing),
        figures.power(largest),
        figures.count(len(export["ops"])) if export.get("ops") else figures.MISSING,
        ", ".join(export.get("needs") or ()),
    )


def reproduce(report: dict, looks: Looks) -> list:
    """Return what it takes to do it again."""
    dataset = report["dataset"]
    facts = {
        "Created": report["created"],
        "Seed": report["seed"],
        "Device": report["device"],
        "Versions": sentences.versions(report["versions"]) if report["versions"] else None,
        "Source of the data": dataset.get("source"),
        **_hashes(dataset.get("sha256")),
        "Fingerprint of the splits": dataset["fingerprint"],
        "Fingerprint of the test split": dataset.get("test_fingerprint"),
        "Licence of the data": dataset["licence"],
    }
    shown_facts = tuple((name, str(value)) for name, value in facts.items() if value is not None)
    config = tuple((str(key), str(value)) for key, value in _flat(report["config"] or {}))
    return [
        *([Code((str(report["command"]),))] if report["command"] else []),
        Facts(shown_facts),
        *([Details("Configuration", (Facts(config, code=True),))] if config else []),
    ]


def _hashes(found: str | dict | None) -> dict[str, str | None]:
    """Return the SHA-256 of the source, which may be several files, by a name for each."""
    if isinstance(found, dict):
        return {f"SHA-256 of the source, {name}": value for name, value in found.items()}
    return {"SHA-256 of the source": found}


def _flat(config: dict, before: str = ""):
    """Yield the options of nested dicts with their path: data.limit."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
