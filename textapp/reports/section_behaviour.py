"""Where classifiers are weak, what throws them off and what they look at."""

from __future__ import annotations

from textapp.reports import charts, figures
from textapp.reports.blocks import (
    Bullets,
    Cell,
    Charts,
    Details,
    Explained,
    Explanation,
    Grid,
    Heading,
    Key,
    Matrices,
    Paragraph,
    Scale,
    Word,
)
from textapp.reports.drawing import LARGE
from textapp.reports.section_errors import LONGEST_TEXT
from textapp.reports.section_results import Looks, model_cell
from textapp.reports.visible import ELLIPSIS, cut

LONGEST_EXAMPLE = 300
STRENGTHS = 5  # steps of a word's colour
SMALLEST_SHOWN = 0.0005  # what three decimals do not make 0
STRONGEST_WORDS = 3  # named with their numbers, for and against each


def slices(report: dict, looks: Looks) -> list:
    """Return accuracy on groups of texts, and each model's worst group."""
    rows = [row for row in report["classifiers"] if row["slices"]]
    if not rows:
        return []
    grids = Matrices(tuple(_slice_grid(row) for row in rows))
    return [
        Paragraph("The same test texts in groups. A group with few texts has a wide interval: look at that before "
                  "calling it weak.", soft=True),
        *_worst(rows, looks),
        _overview(rows, looks),
        Details("Every model with its intervals", (grids,)),
    ]  # fmt: skip


def _worst(rows: list[dict], looks: Looks) -> list:
    cells = []
    for row in rows:
        worst = row["worst_slice"]
        if worst and row["kind"] != "dummy":
            accuracy = figures.interval(worst["accuracy"], worst["interval"])
            group = f"{worst['slice']}: {worst['group']}"
            numbers = (figures.count(worst["n"]), accuracy, figures.points(worst["difference"]))
            cells.append((model_cell(row["name"], looks), group, *numbers))
    headers = ("Classifier", "Worst group", "Texts", "Accuracy there", "To all others, points")
    return [Grid(headers, tuple(cells), left=frozenset({1}))] if cells else []


def _overview(rows: list[dict], looks: Looks) -> Grid:
    """Return a row a group and a column a model, the darker the further below the texts outside of the group.

    Models of several runs may part the texts in different ways; then each cell says how many there are.
    """
    found = {(row["name"], item["slice"], item["group"]): item for row in rows for item in row["slices"]}
    groups = dict.fromkeys((item["slice"], item["group"]) for row in rows for item in row["slices"])
    shown = [row["name"] for row in rows if row["kind"] != "dummy"] or [row["name"] for row in rows]
    cells = []
    for group in groups:
        items = [found.get((name, *group)) for name in shown]
        texts = {item["n"] for item in items if item}
        shared = texts.pop() if len(texts) == 1 else None
        cells.append((
            f"{group[0]}: {group[1]}",
            figures.count(shared),
            *(_slice_cell(item, with_texts=shared is None) for item in items),
        ))  # fmt: skip
    caption = "Accuracy in the group; below it the difference to all other texts, in points"
    return Grid(("Group", "Texts", *shown), tuple(cells), caption=caption)


def _slice_cell(item: dict | None, *, with_texts: bool) -> Cell | str:
    if not item:
        return figures.MISSING
    small = figures.points(item["difference"])
    if with_texts:
        small += f", {figures.count(item['n'])} texts"
    # Ten points below the others is as dark as it gets.
    below = min(max(-(item["difference"] or 0) / 0.1, 0), 1)
    return Cell(figures.score(item["accuracy"]), small, shade=0.45 * below)


def _slice_grid(row: dict) -> Grid:
    scale = Scale.over(bound for item in row["slices"] for bound in item["interval"] or [item["accuracy"]])
    cells = tuple(
        (
            f"{item['slice']}: {item['group']}",
            figures.count(item["n"]),
            figures.interval(item["accuracy"], item["interval"]),
            scale.span(item["accuracy"], item["interval"]),
            figures.points(item["difference"]),
        )
        for item in row["slices"]
    )
    headers = ("Group", "Texts", "Accuracy", scale.ends(figures.score), "To all others, points")
    return Grid(headers, cells, caption=row["name"])


def robustness(report: dict, looks: Looks) -> list:
    """Return how many answers turn when the texts are changed in a way that should not matter."""
    rows = [row for row in report["classifiers"] if row["robustness"]]
    if not rows:
        return []
    found = {(row["name"], item["perturbation"]): item for row in rows for item in row["robustness"]}
    kinds = {}
    for item in (item for row in rows for item in row["robustness"]):
        if not kinds.get(item["perturbation"], {}).get("example"):
            kinds[item["perturbation"]] = item
    shown = [row["name"] for row in rows if row["kind"] != "dummy"] or [row["name"] for row in rows]
    cells = [(kind, *(_flipped(found.get((name, kind))) for name in shown)) for kind in kinds]
    examples = [(kind, item["description"], *_example(item)) for kind, item in kinds.items()]
    return [
        Paragraph("Texts changed so that a person would give the same answer; the models were not trained on such "
                  "texts (after CheckList, Ribeiro et al. 2020).", soft=True),
        Grid(("Change", *shown), tuple(cells),
             caption="Share of answers that turn; below it accuracy after the change"),
        Details("What was changed, with an example",
                (Grid(("Change", "What it does", "Before", "After"), tuple(examples), left=frozenset({1, 2, 3}),
                      wide=True),)),
        Details("Every model with its intervals", (Matrices(tuple(_robustness_grid(row) for row in rows)),)),
    ]  # fmt: skip


def _flipped(item: dict | None) -> Cell | str:
    if not item:
        return figures.MISSING
    share = item["flipped_share"]
    text = figures.percent(share)
    return Cell(text, figures.score(item["accuracy_after"]), shade=0.45 * min((share or 0) / 0.2, 1))


def _example(item: dict) -> tuple[Cell, ...]:
    example = item.get("example") or {"before": "", "after": ""}
    return tuple(Cell(cut(example[when], LONGEST_EXAMPLE), quote=True) for when in ("before", "after"))


def _robustness_grid(row: dict) -> Grid:
    cells = []
    for item in row["robustness"]:
        low, high = item["interval"] or (None, None)
        bounds = f"{figures.percent(low)} – {figures.percent(high)}" if item["interval"] else figures.MISSING
        turned = f"{figures.count(item['flipped'])} of {figures.count(item['n'])}"
        accuracies = (figures.score(item["accuracy_before"]), figures.score(item["accuracy_after"]))
        cells.append((item["perturbation"], turned, figures.percent(item["flipped_share"]), bounds, *accuracies))
    headers = ("Change", "Answers that turn", "Share", "95 % interval", "Accuracy before", "Accuracy after")
    return Grid(headers, tuple(cells), caption=row["name"])


def explanations(report: dict, looks: Looks) -> list:
    """Return the words that moved the answers, on the same texts for every model."""
    found = report["explanations"]
    if not found:
        return []
    methods = tuple(f"{name}: {method}" for name, method in found["method"].items())
    texts = [
        Details(f"Row {text['row']}, labelled {text['label']}", (_explained(text, looks),), opened=number == 0)
        for number, text in enumerate(found["texts"])
    ]
    return [
        Paragraph("Bold and underlined: the word speaks for the model's answer. Italic and dotted: it speaks against. "
                  "The stronger the colour, the nearer to the largest weight that the model gives in this text; the "
                  "number shows when the pointer rests on a word.", soft=True),
        *texts,
        *_deletion(found["deletion"], looks),
        *([Details("How the weights were found", (Bullets(methods),))] if methods else []),
    ]  # fmt: skip


def _explained(text: dict, looks: Looks) -> Explained:
    models = []
    for name, found in text["models"].items():
        answer = f"{found['predicted']}, {figures.percent(found['probability'])}"
        pairs = [(word, weight or 0.0) for word, weight in found["words"]]
        models.append(Explanation(looks[name], name, answer, _words(pairs), _strongest(pairs)))
    return Explained(f"Row {text['row']}, labelled {text['label']}", tuple(models))


def _words(pairs: list[tuple[str, float]]) -> tuple[Word, ...]:
    largest = max((abs(weight) for _, weight in pairs), default=0) or 1
    words, length = [], 0
    for word, weight in pairs:
        length += len(word) + 1
        if length > LONGEST_TEXT:
            words.append(Word(ELLIPSIS))
            break
        steps = round(STRENGTHS * abs(weight) / largest)
        sign = ("for" if weight > 0 else "against") if steps else ""
        words.append(Word(word, steps, sign, figures.signed(weight)))
    return tuple(words)


def _strongest(pairs: list[tuple[str, float]]) -> str:
    largest = {}
    for word, weight in sorted(pairs, key=lambda pair: -abs(pair[1])):
        largest.setdefault(word, weight)
    ordered = [(word, weight) for word, weight in largest.items() if abs(weight) >= SMALLEST_SHOWN]
    parts = []
    for title, kept in (("For", [p for p in ordered if p[1] > 0]), ("Against", [p for p in ordered if p[1] < 0])):
        if kept:
            named = ", ".join(f"{word} {figures.signed(weight)}" for word, weight in kept[:STRONGEST_WORDS])
            parts.append(f"{title}: {named}")
    return ". ".join(parts)


def _deletion(deletion: dict, looks: Looks) -> list:
    if not deletion:
        return []
    curves, cells, shares = {}, [], []
    for name, found in deletion.items():
        shares = found["shares"]
        for kind, words in (("most", "weightiest"), ("random", "random")):
            points = zip(shares, found[kind], strict=True)
            curves[f"{kind} {name}"] = (looks[name], [point for point in points if point[1] is not None])
            cells.append((model_cell(name, looks), words, *map(figures.score, found[kind])))
    chart = charts.lines(
        curves,
        name="deletion",
        title="Probability of the answer as words are deleted",
        description="Solid: the weightiest words first. Thin and dashed: random words. The further apart, the better "
                    "the weights say what the model looks at.",
        x="share of words deleted",
        y="mean probability of the answer",
        percent="x",
        ticks=shares,
        light={key for key in curves if key.startswith("random ")},
        size=LARGE,
    )  # fmt: skip
    headers = ("Classifier", "Words deleted", *(figures.whole_percent(share) for share in shares))
    return [
        Heading("Are the weights true?"),
        Paragraph("If the words with the most weight are deleted, the model should lose its answer faster than with "
                  "random words.", soft=True),
        Charts(((chart, ""),)),
        Key(tuple(looks[name] for name in deletion), "solid: weightiest words first; dashed: random words"),
        Grid(headers, tuple(cells), left=frozenset({1})),
    ]  # fmt: skip
