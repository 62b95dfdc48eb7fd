"""schema.json says what report.json holds, and build_report keeps to it."""

import json

import jsonschema
import pytest
from helpers.report_example import full_report
from helpers.report_schema import SCHEMA, errors
from helpers.reports import classifier, generator, run_facts, small_report

from textapp.reports import schema
from textapp.reports.schema import build_report


def properties(*names):
    """Return the properties of a definition, those of what it is made of among them."""
    found = {}
    for name in names:
        found |= SCHEMA["$defs"][name].get("properties", {})
        for part in SCHEMA["$defs"][name].get("allOf", ()):
            found |= part.get("properties", {})
    return found


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "report",
    [
        full_report(),
        small_report(),
        small_report(classifiers=[], verdict=None),
        small_report(classifiers=[], verdict=None, generators=[]),
        build_report({**run_facts(), "command": None, "seed": None, "runs": [{"name": "a", "seed": None}]}),
    ],
    ids=["full", "rows without new parts", "generator alone", "nothing", "runs"],
)
def test_reports_are_valid(report):
    assert errors(report) == []
    assert errors(json.loads(json.dumps(report, allow_nan=False))) == []


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (("schema_version",), 1, r"$.schema_version: 2 was expected"),
        (("classifiers", 1, "kind"), "deep", "$.classifiers[1].kind: 'deep' is not one of"),
        (("classifiers", 1, "metrics", "accuracy"), "good", "$.classifiers[1].metrics.accuracy: 'good' is not of type"),
        (("classifiers", 1, "metrics", "intervals", "mcc"), [0.1], "$.classifiers[1].metrics.intervals.mcc: "),
        (("classifiers", 1, "calibration", "after"), {}, "$.classifiers[1].calibration.after: "),
        (("classifiers", 1, "cost", "latency"), [1], "$.classifiers[1].cost.latency[0]: 1 is not of type 'object'"),
        (("comparisons", "pairs", 0, "p_value_holm"), 1.2, "$.comparisons.pairs[0].p_value_holm: 1.2 is greater"),
        (
            ("explanations", "texts", 0, "models", "lstm", "words", 0),
            ["a"],
            "$.explanations.texts[0].models.lstm.words",
        ),
        (("generators", 0, "samples", 0), {"prompt": ""}, "$.generators[0].samples[0]: 'text' is a required property"),
        (("dataset", "near_duplicates", "share"), 11, "$.dataset.near_duplicates.share: 11 is greater"),
    ],
)
def test_schema_refuses_what_is_no_report(path, value, found):
    report = full_report()
    holder = report
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    assert any(error.startswith(found) for error in errors(report)), errors(report)


def test_schema_and_code_name_the_same_keys():
    assert SCHEMA["properties"]["schema_version"]["const"] == schema.SCHEMA_VERSION
    assert tuple(properties("classifier")["kind"]["enum"]) == schema.KINDS
    assert set(properties("metrics")["intervals"]["properties"]) == set(schema.SCORES)
    assert set(schema.METRIC_KEYS) | set(schema.SCORES) <= set(properties("metrics"))
    assert {*schema.CLASSIFIER_KEYS, *schema.CLASSIFIER_DEFAULTS} == set(properties("row", "classifier"))
    assert {*schema.GENERATOR_KEYS, *schema.GENERATOR_DEFAULTS} == set(properties("row", "generator"))
    assert {*schema.COST_KEYS, *schema.COST_DEFAULTS} == set(properties("cost"))
    assert {"name", "sizes", *schema.DATASET_DEFAULTS} <= set(properties("dataset"))
    parts = {"schema_version", "classifiers", "verdict", "generators", *schema.PART_DEFAULTS}
    required = {*schema.RUN_KEYS, *schema.RUN_DEFAULTS, *parts}
    assert required == set(SCHEMA["required"])
    # Of comparisons of runs, and of runs with an ablation.
    assert required | {"changes", "ablation_method"} == set(SCHEMA["properties"])


def test_what_is_optional_is_filled_in():
    report = build_report(run_facts(), [classifier(errors=None)], {"sentence": "a"}, [generator()], label_errors=None)
    row = report["classifiers"][0]
    assert (row["exported"], row["errors"], row["calibration"], row["export"]) == (True, [], None, None)
    assert (row["cost"]["latency"], row["cost"]["device"]) == ([], None)
    assert (report["label_errors"], report["comparisons"], report["runs"]) == ([], None, [])
    assert report["verdict"]["sentences"] == ["a"]
    assert report["dataset"]["near_duplicates"] is None
    assert report["generators"][0]["history"] == []


def test_the_interval_of_accuracy_has_two_names():
    older, newer = classifier(), classifier()
    del newer["metrics"]["accuracy_interval"]
    newer["metrics"]["intervals"] = {"accuracy": [0.1, 0.2], "mcc": [0.3, 0.4]}
    first, second = (row["metrics"] for row in build_report(run_facts(), [older, newer])["classifiers"])
    assert first["intervals"]["accuracy"] == first["accuracy_interval"] == [0.901, 0.923]
    assert (first["intervals"]["mcc"], first["mcc"]) == (None, None)
    assert second["intervals"]["accuracy"] == second["accuracy_interval"] == [0.1, 0.2]
    assert second["intervals"]["mcc"] == [0.3, 0.4]


def test_unknown_parts_are_refused():
    with pytest.raises(ValueError, match=r"unknown part 'errors' of a report; choose from \['ablation', "):
        build_report(run_facts(), errors=[])
