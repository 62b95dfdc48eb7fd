"""What the benchmarks share: how memory is counted, how a command is told, and that README names all of them."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmarks.accuracy.recipes import RECIPES
from benchmarks.main_job import children_of, resident_bytes
from textapp import machine

FOLDER = Path(__file__).parents[2] / "benchmarks"
COMMANDS = {
    path: path.parent.name if path.stem == "__main__" else path.stem
    for path in (*FOLDER.glob("*.py"), *FOLDER.glob("*/__main__.py"))
    if "argparse" in path.read_text(encoding="utf-8")
}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="Linux tells what a process has started")
def test_the_memory_of_a_process_that_a_thread_started_counts():
    started, done = threading.Event(), threading.Event()
    found = []

    def start():
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        found.append(process.pid)
        started.set()
        done.wait(60)
        process.communicate(b"\n")

    thread = threading.Thread(target=start)
    thread.start()
    started.wait(60)
    try:
        assert found[0] in children_of(os.getpid())
        assert resident_bytes(os.getpid()) > resident_bytes(found[0]) > 0
    finally:
        done.set()
        thread.join()
    assert children_of(found[0]) == []  # it has ended
    assert resident_bytes(found[0]) == 0


def test_the_cores_are_counted_where_a_process_cannot_be_bound_to_some(monkeypatch):
    """As on macOS."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(machine, "_gpus", lambda: [])
    assert re.match(rf"{os.cpu_count()} cores of ", machine.device())


@pytest.mark.parametrize("path", COMMANDS, ids=COMMANDS.values())
def test_every_command_stands_in_the_readme_and_says_how_it_was_called(path):
    readme, text = (FOLDER / "README.md").read_text(encoding="utf-8"), path.read_text(encoding="utf-8")
    assert f"`python -m benchmarks.{COMMANDS[path]}" in readme
    assert f'command_line("benchmarks.{COMMANDS[path]}")' in text


def test_every_recipe_and_choice_stands_in_the_readme():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"accuracy of a recipe \((.*?)\)", readme)
    assert set(named.split(", ")) == set(RECIPES)
    choices = (FOLDER / "choices.py").read_text(encoding="utf-8").split("`python -m benchmarks.choices ")[1]
    for choice in choices.partition("`")[0].split("|"):
        assert f"`python -m benchmarks.choices {choice}`" in readme
