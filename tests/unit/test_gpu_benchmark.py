"""The benchmark for GPUs: its figures in words, and a driver that no stage can hold up. `.ci/run` runs its stages."""

import sys
import time

import pytest

from benchmarks.gpu import __main__ as driver
from benchmarks.gpu.options import Figure


def test_a_figure_says_whether_it_is_reached():
    assert str(Figure("Accuracy", 0.93, 0.93)) == "Accuracy: 0.93, wanted at least 0.93: reached."
    assert str(Figure("Accuracy", 0.92996, 0.93)) == "Accuracy: 0.92996, wanted at least 0.93: not reached."
    assert str(Figure("Seconds", 91.0, 90, at_most=True)) == "Seconds: 91, wanted at most 90: not reached."
    assert str(Figure("Nats", float("nan"), 1.48, at_most=True)).endswith("not reached.")


@pytest.fixture
def stage(monkeypatch, tmp_path):
    """Let a shell script stand for every stage; return what sets its lines."""

    def write(lines):
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        return tmp_path / "log.txt"

    return write


def test_a_stage_is_ended_after_its_time_with_what_it_has_started(stage, tmp_path):
    log = stage(f"(sleep 3; touch {tmp_path / 'late'}) & echo begun >&2; sleep 60")
    began = time.monotonic()
    assert driver.run_stage("job", 1.0, log) == "ended after 1 s"
    assert time.monotonic() - began < 30
    assert log.read_text() == "begun\n"
    time.sleep(3)
    assert not (tmp_path / "late").exists()


def test_the_stages_that_left_no_table_are_named(stage, tmp_path, monkeypatch, capsys):
    stage('test "$3" = gpt2')  # -m benchmarks.gpu.stage NAME
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "out"), "--stages", "minilm,gpt2,imdb"])
    assert driver.main() == 1
    said = capsys.readouterr().err
    assert "minilm: failed with 1; see" in said
    assert said.endswith("left: --stages minilm,imdb\n")


def test_an_unknown_stage_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path), "--stages", "chess"])
    with pytest.raises(SystemExit) as error:
        driver.main()
    assert error.value.code == 2
    assert "--stages names chess; choose from job, minilm, beside" in capsys.readouterr().err
