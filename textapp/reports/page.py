"""A report as one HTML page that needs no network and no script."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import jinja2
from markupsafe import Markup

from textapp.reports import (
    section_behaviour,
    section_costs,
    section_distillation,
    section_errors,
    section_facts,
    section_generation,
    section_labels,
    section_probabilities,
    section_results,
    section_seconds,
    sentences,
)
from textapp.reports.series import series_of
from textapp.reports.visible import visible

TEMPLATES = Path(__file__).parent / "templates"


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        name: its anchor.
        title: its heading.
        blocks_of: takes a report and the models' looks and returns blocks; none where there is nothing to show.
        missing: a sentence for the reader who looks for it then; "" where nobody would.
        in_runs: the sentence in its place on the page of several runs, where it stands in their own reports.
    """

    name: str
    title: str
    blocks_of: Callable[[dict, dict], list]
    missing: str
    in_runs: str = ""


SECTIONS = (
    Section("verdict", "Verdict", section_results.verdict, "Verdict: there is nothing to compare."),
    Section("runs", "Runs", section_results.runs, ""),
    Section("classifiers", "Classifiers", section_results.classifiers, ""),
    Section(
        "significance",
        "Significance",
        section_results.significance,
        "Significance: no pair of classifiers was compared.",
    ),
    Section("seeds", "Seeds", section_results.seeds, "Seeds: every model was trained with one seed only."),
    Section(
        "calibration",
        "Calibration",
        section_probabilities.calibration,
        "Calibration: probabilities were not set against the share right.",
    ),
    Section(
        "abstention",
        "Abstention",
        section_probabilities.abstention,
        "Abstention: accuracy was not measured on the surest answers alone.",
    ),
    Section("errors", "Errors", section_errors.errors, ""),
    Section("slices", "Slices", section_behaviour.slices, "Slices: accuracy was not measured on groups of texts."),
    Section(
        "robustness", "Robustness", section_behaviour.robustness, "Robustness: no model was asked about changed texts."
    ),
    Section(
        "explanations",
        "Explanations",
        section_behaviour.explanations,
        "Explanations: no word was given a weight.",
        in_runs="Explanations: those of each run stand in its own report.",
    ),
    Section("data", "Data", section_facts.data, ""),
    Section("curves", "Learning curves", section_costs.curves, "Learning curves: no classifier kept its epochs."),
    Section(
        "seconds",
        "Accuracy against seconds",
        section_seconds.against_seconds,
        "Accuracy against seconds: no classifier's validation accuracy was kept.",
    ),
    Section("cost", "Cost", section_costs.cost, ""),
    Section(
        "ablation",
        "Ablation",
        section_costs.ablation,
        "Ablation: no part was taken away to see its worth.",
        in_runs="Ablation: that of each run, where there is one, stands in its own report.",
    ),
    Section("distillation", "Distillation", section_distillation.distillation, ""),
    Section("labels", "Labelled texts", section_labels.against_labels, ""),
    Section("generators", "Generators", section_facts.generators, "Generators: none was trained."),
    Section("generation", "What generators write", section_generation.generation, ""),
    Section("exports", "SavedModels", section_facts.exports, "SavedModels: none was exported and asked."),
    Section("reproduce", "Reproduce", section_facts.reproduce, ""),
)


def to_html(report: dict) -> str:
    """Return the whole report, a `build_report` dict, as one HTML page.

    The same report gives the same page. Texts from outside stand in it as texts: whatever the templates print
    goes through `visible` and is escaped, and the page forbids the browser to run a script or to load anything.
    """
    looks = series_of(report)
    drawn = [(section, section.blocks_of(report, looks)) for section in SECTIONS]
    dataset = report["dataset"]
    return _environment().get_template("page.html").render(
        title=f"Report: {dataset['name']}",
        name=dataset["name"],
        sizes=sentences.counts(dataset["sizes"]),
        models=[row["name"] for row in [*report["classifiers"], *report["generators"]]],
        created=report["created"],
        sections=[(section, blocks) for section, blocks in drawn if blocks],
        missing=[sentence for section, blocks in drawn if not blocks and (sentence := _missing(section, report))],
    )  # fmt: skip


def _missing(section: Section, report: dict) -> str:
    return section.in_runs if section.in_runs and report["runs"] else section.missing


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_fit_to_show,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["kind"] = lambda block: type(block).__name__
    return environment


def _fit_to_show(value: object) -> object:
    """Make every value that a template prints visible, but for what is markup already."""
    return value if isinstance(value, Markup) else visible(str(value))
