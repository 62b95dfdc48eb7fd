"""What the program says where it cannot run."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from textapp import environment

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize("command", [["train.py", "--help"], ["-m", "textapp", "train"]], ids=["train.py", "-m"])
def test_without_its_packages_the_program_says_one_sentence(command):
    # -S: without the folder that packages are installed in, as in a fresh environment.
    done = subprocess.run([sys.executable, "-S", *command], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(
        "Error: textapp needs Python 3.11 or 3.12 and its packages, and they are not installed"
    )
    assert done.stderr.count("\n") == 1
    assert "python -m pip install -r requirements.txt" in done.stderr


def test_another_python_is_named(monkeypatch):
    monkeypatch.setattr(environment.sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit, match=r"^Error: textapp needs Python 3\.11 or 3\.12 .* this is Python 3\.9 \("):
        environment.require_environment()


def test_here_it_says_nothing():
    assert environment.require_environment() is None


@pytest.mark.parametrize("path", ["train.py", "textapp/__init__.py", "textapp/__main__.py", "textapp/environment.py"])
def test_an_old_python_can_read_as_far_as_the_sentence(path):
    ast.parse((REPO / path).read_text(encoding="utf-8"), feature_version=(3, 7))
