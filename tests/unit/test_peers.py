"""The benchmark beside the peers: its arithmetic, its files, and two workers that are not there."""

import os
import sys

import numpy as np
import pytest

from benchmarks.peers import __main__ as driver
from benchmarks.peers.batches_file import load_batches, save_batches
from benchmarks.peers.others import busy_share, share_between
from benchmarks.peers.work import HEADER, WORK, Work, row, shortfall
from benchmarks.peers.worker import Worker, WorkerError

ENVIRONMENT = os.environ | {"PYTHONPATH": str(driver.ROOT)}
TRAINING = Work(group="lstm", title="an LSTM", unit="texts", least=1.0, stretch=1.5)
PROGRAM = """
import os, sys
from benchmarks.peers.worker import serve, timed

def measure(name):
    print("printed by a library")
    os.system("cat")  # would read the next request if it could
    return {"seconds": 0.5, "count": {"text_first": 80, "text_cache": 800}[name]}

def end(code):
    print("no memory left", file=sys.stderr, flush=True)
    os._exit(code)

serve({"prepare": lambda group: {}, "measure": measure, "end": end, "timed": lambda: timed(lambda: 7)})
"""


@pytest.fixture
def make_worker(tmp_path):
    workers = []

    def make(name: str) -> Worker:
        workers.append(
            Worker(name, [sys.executable, "-c", PROGRAM], log=tmp_path / f"{name}.log", environment=ENVIRONMENT)
        )
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()


def test_a_row_has_the_median_and_the_range_of_the_rounds_ratios():
    cells = row(TRAINING, [(300.0, 100.0), (1500.0, 1000.0), (80.0, 100.0)])
    assert cells == ["an LSTM, texts", "300", "100", "1.50 (0.80 to 3.00)", "1 (stretch 1.5)", "yes, stretch too"]
    assert len(cells) == len(HEADER)
    assert row(TRAINING, [(1200.0, 1000.0)])[1:] == ["1,200", "1,000", "1.20 (1.20 to 1.20)", "1 (stretch 1.5)", "yes"]
    assert row(TRAINING, [(9.0, 12.0)])[1:] == ["9.0", "12.0", "0.75 (0.75 to 0.75)", "1 (stretch 1.5)", "no"]


def test_what_nothing_is_asked_of_is_never_missed():
    anything = Work(group="lstm", title="predicting", unit="texts")
    assert row(anything, [(1.0, 2.0)])[-2:] == ["", ""]
    assert shortfall(anything, [(1.0, 2.0)]) is None


def test_what_was_missed_is_said_in_words():
    assert shortfall(TRAINING, [(1.0, 1.0)]) is None
    assert shortfall(TRAINING, [(1.0, 2.0), (9.0, 1.0), (1.0, 4.0)]) == "an LSTM: 0.50 times theirs, at least 1"


def test_every_row_has_a_title_of_its_own():
    assert len({work.title for work in WORK.values()}) == len(WORK)


def test_batches_come_back_with_their_own_width_and_with_one_for_all(tmp_path):
    lengths = [[2, 3], [1, 5]]
    batches = []
    for number, (count, width) in enumerate(zip(lengths, (4, 5), strict=True)):
        mask = np.arange(width) < np.array(count)[:, None]
        ids = np.where(mask, np.arange(2 * width).reshape(2, width) + 10 * (number + 1), 0).astype(np.int32)
        batches.append(({"token_ids": ids, "padding_mask": mask}, np.array([1, number], np.int32)))
    save_batches(tmp_path / "x.npz", batches)
    for (inputs, labels), (ids, mask, read) in zip(batches, load_batches(tmp_path / "x.npz", width=None), strict=True):
        np.testing.assert_array_equal(ids, inputs["token_ids"])
        np.testing.assert_array_equal(mask, inputs["padding_mask"])
        np.testing.assert_array_equal(read, labels)
        assert (ids.dtype, read.dtype) == (np.int64, np.int64)
    wide = load_batches(tmp_path / "x.npz", width=7)
    assert [ids.shape for ids, _, _ in wide] == [(2, 7), (2, 7)]
    assert wide[0][0][:, :4].tolist() == batches[0][0]["token_ids"].tolist()
    assert [mask.sum(axis=1).tolist() for _, mask, _ in wide] == lengths


def test_a_worker_answers_in_turn_whatever_it_prints(make_worker):
    worker = make_worker("ours")
    assert worker.ask("measure", name="text_first") == {"seconds": 0.5, "count": 80}
    assert worker.ask("measure", name="text_cache") == {"seconds": 0.5, "count": 800}
    answer = worker.ask("timed")
    assert answer["count"] == 7
    assert answer["seconds"] >= 0


def test_a_worker_that_fails_says_why_and_goes_on(make_worker):
    worker = make_worker("theirs")
    with pytest.raises(WorkerError, match="theirs failed at measure: KeyError: 'juggling'"):
        worker.ask("measure", name="juggling")
    assert worker.ask("prepare", group="text") == {}


def test_a_worker_that_ends_leaves_its_last_words(make_worker):
    with pytest.raises(WorkerError, match=r"(?s)theirs ended while it did end.*no memory left"):
        make_worker("theirs").ask("end", code=3)


class Scripted:
    """A worker that notes what it is asked."""

    def __init__(self, name: str, seconds: float, asked: list):
        self.name, self._seconds, self._asked = name, seconds, asked

    def ask(self, do: str, **arguments) -> dict:
        self._asked.append((self.name, do, *arguments.values()))
        return {"seconds": self._seconds, "count": 10}


def test_the_order_alternates_and_the_first_round_does_not_count(monkeypatch):
    shares = iter([0.01, 0.2, 0.03, 0.04])
    monkeypatch.setattr(driver, "busy_share", lambda: next(shares))
    asked = []
    workers = [Scripted("ours", 2.0, asked), Scripted("theirs", 5.0, asked)]
    rates, busy = driver.measure(workers, ["text_first", "text_cache"], rounds=2)
    assert rates == {"text_first": [(5.0, 2.0)] * 2, "text_cache": [(5.0, 2.0)] * 2}
    assert busy == 0.2
    assert asked[:2] == [("ours", "prepare", "text"), ("theirs", "prepare", "text")]
    firsts = [name for name, do, row in asked if (do, row) == ("measure", "text_first")]
    assert firsts == ["theirs", "ours", "ours", "theirs", "theirs", "ours"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "lstm,chess"], "--only names chess; choose from lstm, encoder"),
        (["--rounds", "0"], "--rounds is 0; it must be 1 or more"),
        (["--threads", "0"], "--threads is 0; it must be from 1 to"),
        (["--scale", "9"], "--scale is 9.0; it must be above 0 and at most 3"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_installed(monkeypatch, capsys, options, message):
    monkeypatch.setattr(sys, "argv", ["peers", *options])
    with pytest.raises(SystemExit) as error:
        driver.main()
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_the_busy_share(monkeypatch):
    monkeypatch.setattr("benchmarks.peers.others.WAIT", 0.01)
    assert share_between((100, 1_000), (150, 1_200)) == 0.25
    assert 0 <= busy_share() <= 1
