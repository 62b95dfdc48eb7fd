"""The recipes of benchmarks/accuracy: their commands are ours, and what they read is in a report."""

import inspect
import json
import re

import pytest
from helpers import report_example

from benchmarks.accuracy.__main__ import FILES, HEADER, differing, rows_of, run, students_of
from benchmarks.accuracy.recipes import RECIPES, accuracy
from benchmarks.results_file import RESULTS, command_line
from textapp import cli


@pytest.mark.parametrize("name", RECIPES)
def test_every_command_has_options_that_there_are(name):
    recipe = RECIPES[name]
    for step in recipe.steps:
        command = cli.train if step.startswith("train.py") else cli.pretrain
        assert step.startswith(("train.py", "-m textapp pretrain"))
        known = {"--" + parameter.replace("_", "-") for parameter in inspect.signature(command).parameters}
        assert set(re.findall(r"--[a-z-]+", step)) <= known
        assert re.search(r"--run [a-z0-9_-]+$", step)  # the last word names the run
        needed = set(re.findall(r"{(\w+)}", step)) - {"output", "seed", "seeds"}
        assert needed <= set(recipe.files) <= set(FILES)
    runs = [step.split()[-1] for step in recipe.steps]
    assert len(set(runs)) == len(runs)


def test_rows_and_the_figure_of_a_report():
    report = report_example.full_report()
    rows = rows_of("mine", report)
    assert {len(row) for row in rows} == {len(HEADER)}
    assert [row[0] for row in rows][-2:] == ["mine: encoder, 100 labels", "mine: encoder, 1,000 labels"]
    against = {row[0]: row[-1] for row in rows}
    assert re.fullmatch(r"[+-]\d+\.\d\d points, p = \S+", against["mine: encoder"])
    assert against["mine: nbsvm"] == ""
    assert accuracy("mine", "nbsvm")({"mine": report}) == report["classifiers"][2]["metrics"]["accuracy"]


def test_a_finished_run_of_other_options_is_not_taken(tmp_path):
    recipe = RECIPES["lstm"]
    values = {"unlabelled": tmp_path / "more.csv", "seed": 0, "seeds": 1}
    for step in recipe.steps:
        words = [word.format(output="/elsewhere", **values | {"unlabelled": "texts.csv"}) for word in step.split()]
        folder = tmp_path / words[-1]
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"command": f"python {' '.join(words)} --restart"}))
    assert run(recipe, tmp_path, values) == {}  # they have no report here; files may lie anywhere
    with pytest.raises(SystemExit, match="linear was run with another --seed; choose another folder with --output"):
        run(recipe, tmp_path, values | {"seed": 1})
    ours, theirs = "train.py --models nbsvm --ensemble --run x", "python train.py --run x --models lstm --limit 9"
    assert differing(ours.split(), theirs.split()) == ["--ensemble", "--limit", "--models"]


def test_the_command_above_a_table_names_no_folder_of_a_machine(monkeypatch):
    monkeypatch.setattr("sys.argv", ["x", "lstm", "--unlabelled", "/home/me/more.csv", "--seed", "1"])
    assert command_line("benchmarks.accuracy") == "python -m benchmarks.accuracy lstm --unlabelled more.csv --seed 1"
    tables = sorted(RESULTS.glob("*.md"))
    assert tables
    for path in tables:
        told = path.read_text(encoding="utf-8").split("\n|")[0]
        assert not re.search(r"(?<![\w.])/\w", told), path


def test_what_a_student_is_worth_is_said():
    students = [{"name": "encoder-distilled", "speed_ratio": 48.7, "gap_closed": 0.504}]
    students.append({"name": "lstm-distilled", "speed_ratio": 20, "gap_closed": None})
    students.append({"name": "slow", "speed_ratio": 0.472, "gap_closed": None})
    reports = {"linear": {}, "distilled": {"distillation": {"teacher": "minilm/minilm", "students": students}}}
    assert students_of(reports) == [
        "encoder-distilled answers 49 times as many texts a second as minilm/minilm and closes 50% of the gap to it.",
        "lstm-distilled answers 20 times as many texts a second as minilm/minilm.",
        "slow answers 0.47 times as many texts a second as minilm/minilm.",
    ]
