"""The schema of report.json, and what is wrong with a report by it."""

import json
from pathlib import Path

import jsonschema

from textapp.reports import schema

SCHEMA = json.loads((Path(schema.__file__).parent / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def errors(report):
    """Return path and message of each error, within what may also be null, too."""
    found = list(VALIDATOR.iter_errors(report))
    for error in found:
        found += error.context
    return [f"{error.json_path}: {error.message}" for error in found]
