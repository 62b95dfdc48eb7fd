"""A time budget: its option, its clock, and what it does to a training. The time is the tests' own."""

import copy
import json
import math

import keras
import numpy as np
import pytest
from helpers import tiny
from helpers.report_example import full_report
from helpers.reports import classifier, small_report
from helpers.run_example import write_data, write_run

import textapp as package
from textapp import comparing, pipeline
from textapp.config import DataConfig, TrainConfig, seconds_of
from textapp.errors import UserError
from textapp.reports import tables
from textapp.reports.markdown import to_markdown
from textapp.reports.page import to_html
from textapp.training import fit as fit_module
from textapp.training.budget import Budget, Clock
from textapp.training.fit import fit
from textapp.training.progress import Progress

GIVEN = {"90s": 90, "10m": 600, "1.5h": 5400, "45": 45, " 2 M ": 120, ".5": 0.5, "3.": 3}


@pytest.mark.parametrize("text", GIVEN)
def test_a_time_in_seconds(text):
    assert seconds_of(text) == GIVEN[text]


@pytest.mark.parametrize("text", ["", "ten", "10 minutes", "-5", "0", "0s", "1d", "nan", "inf", "1e3", "9" * 400, "٣s"])
def test_what_is_no_time(text):
    with pytest.raises(UserError, match=r"must be a time above 0 such as 90s, 10m, 1\.5h or plain seconds"):
        seconds_of(text)


def test_the_option_reaches_the_configuration(textapp, monkeypatch):
    seen = []
    monkeypatch.setattr(pipeline, "train", lambda config, **_: seen.append(config))
    assert textapp("train", "--budget", "1.5m").exit_code == 0
    assert textapp("train").exit_code == 0
    assert [config.budget for config in seen] == [90, None]
    result = textapp("train", "--budget", "soon")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "Error: --budget is 'soon'; it must be" in result.stderr


def clock(seconds=100.0, *, now=0.0, steps=None, validation_steps=2, **options):
    budget = Budget(seconds=seconds, learning_rate=0.4, **options)
    return Clock(budget, now=now, steps=steps, validation_steps=validation_steps)


def test_the_rate_goes_to_zero_with_the_time():
    """The first step, with its compiling, ends at 20; a validation of two steps of 5 s keeps 10 free."""
    found = clock()
    found.stepped(20, 1)
    found.stepped(25, 2)
    assert [found.spent(now, 2) for now in (20, 55, 90, 95)] == [0, 0.5, 1, 1]
    assert found.learning_rate(0) == 0.4
    assert found.learning_rate(0.5) == pytest.approx(0.2)
    assert found.learning_rate(1) == pytest.approx(0)
    assert [found.is_over(now) for now in (89, 90)] == [False, True]


def test_steps_that_are_wanted_may_be_over_first():
    found = clock(steps=8)
    found.stepped(0, 1)
    assert [found.spent(10, 4), found.spent(60, 4), found.spent(10, 8)] == [0.5, 0.6, 1]
    assert not found.goes_round(10, 8)


def test_a_rate_warms_up_and_never_starts_at_zero():
    found = clock(warm_up=0.1)
    rates = [found.learning_rate(share) for share in (0, 0.045, 0.095, 0.5)]
    assert 0 < rates[0] < rates[1] < rates[2] < 0.4
    assert rates[3] == pytest.approx(0.2)


def test_rounds_double_until_the_time_is_over():
    found = clock(validation_steps=0, first_round=3)
    found.stepped(0, 1)
    ends, now = [], 0
    for done in range(1, 100):  # a step a second
        now = done
        if found.goes_round(now, done):
            ends.append(done)
            assert found.spent(now, done) == 0
    assert ends == [3, 9, 21, 45, 93]
    assert found.spent(96, 96) == pytest.approx(3 / 7)  # of the 7 seconds that were left at 93
    assert found.is_over(100)


def test_long_preparations_leave_half_of_the_budget():
    assert clock(now=10).end == 100
    found = clock(now=80)
    assert found.end == 130
    found.stepped(95, 1)
    assert found.end == 145


def test_a_validation_that_takes_too_long_leaves_half_of_the_budget():
    found = clock()
    found.checked(0, 500)
    assert [found.is_over(now) for now in (49, 50)] == [False, True]


def test_looks_at_the_validation_texts_take_a_tenth_of_the_time():
    found = clock()
    found.stepped(0, 1)
    found.checked(8, 9)
    assert [found.wants_check(now) for now in (18, 19, 92, 93)] == [False, True, True, False]
    found.checked(20, 25)
    assert [found.wants_check(now) for now in (74, 75)] == [False, False]  # there is no time for it and for the last
    found = clock(seconds=1000.0)
    found.checked(20, 40)
    assert [found.wants_check(now) for now in (239, 240)] == [False, True]


class Time:
    """A stopwatch that a step moves on by a second, and a batch of validation by half of one."""

    def __init__(self):
        self.seconds, self.rates, self.traces = 0.0, [], 0


class Rows(keras.utils.PyDataset):
    """Batches of two rows with one target."""

    def __init__(self, target, batches=1):
        super().__init__()
        self.target, self.batches = target, batches

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        return np.ones((2, 1), np.float32), np.full((2, 1), self.target, np.float32), np.ones(2, np.float32)


def one_weight():
    """One weight w; the metric is w."""
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs)
    return keras.Model(inputs, outputs)


@pytest.fixture
def time(monkeypatch):
    """Time that passes with each batch, without a clock."""
    found = Time()

    class Timed(fit_module._Checks):
        def on_train_batch_end(self, batch, logs=None):
            found.seconds += 1
            found.rates.append(float(self.model.optimizer.learning_rate))
            super().on_train_batch_end(batch, logs)

    class Keeper(fit_module._Timekeeper):
        def on_test_end(self, logs=None):
            found.seconds += len(self._validation) / 2
            super().on_test_end(logs)

    monkeypatch.setattr(fit_module, "_Checks", Timed)
    monkeypatch.setattr(fit_module, "_Timekeeper", Keeper)
    return found


def train(time, *, seconds, epochs=None, batches=1, target=9, rate=0.25, patience=99, validation=1, **options):
    """Train w towards the target; the loss is the distance."""
    network = one_weight()

    def loss(labels, answers):
        time.traces += 1
        return keras.ops.abs(labels - answers)

    metric = keras.metrics.MeanMetricWrapper(lambda _, answer: answer, name="accuracy")
    network.compile(keras.optimizers.SGD(rate), loss=loss, weighted_metrics=[metric], jit_compile=False)
    budget = Budget(seconds=seconds, learning_rate=rate, **options)
    history = fit(
        network, Rows(target, batches), Rows(9, validation), monitor="val_accuracy", epochs=epochs, patience=patience,
        progress=Progress(), budget=budget, stopwatch=time,
    )  # fmt: skip
    return network, history


def test_training_ends_with_the_budget_and_the_rate_with_it(time):
    network, history = train(time, seconds=40, batches=10, validation=2)
    assert history[-1]["seconds"] == time.seconds == 40  # the last look at the validation texts is in it
    assert max(time.rates) == time.rates[0] == 0.25
    assert time.rates == sorted(time.rates, reverse=True)
    assert time.rates[-1] < 0.02
    assert network.get_weights()[0] == pytest.approx(sum(time.rates), rel=1e-5)


def test_an_epoch_longer_than_the_budget_still_gives_a_trained_model(time):
    network, history = train(time, seconds=10, batches=500)
    assert [row["epoch"] for row in history][-1] == round(len(time.rates) / 500, 4) < 1
    assert 0 < network.get_weights()[0] == pytest.approx(history[-1]["val_accuracy"])


def test_steps_are_taken_whatever_the_budget(time):
    network, history = train(time, seconds=0.001, batches=5)
    assert len(history) == 1
    assert len(time.rates) == 2
    assert network.get_weights()[0] >= 0.25


def test_looks_inside_of_an_epoch_leave_its_own_figures_alone(time):
    _, history = train(time, seconds=100, batches=70, epochs=1, rate=1 / 16, target=99)
    whole = [row for row in history if row["epoch"] == 1]
    parts = [row for row in history if row["epoch"] != 1]
    assert len(parts) >= 4
    assert [row["epoch"] for row in parts] == sorted(row["epoch"] for row in parts)
    assert all(list(row) == list(history[0]) for row in history)
    # The mean of w over all 70 steps, each before its update.
    steps = np.cumsum([0, *time.rates])[:-1]
    assert whole[0]["accuracy"] == pytest.approx(steps.mean(), rel=1e-4)
    assert [row["val_accuracy"] for row in history] == sorted(row["val_accuracy"] for row in history)


def test_the_best_look_inside_of_an_epoch_is_kept(time):
    """w rises until 2, where the metric is best, and goes on."""
    network, history = train(time, seconds=100, batches=70, epochs=1, target=-99, rate=1 / 16)
    best = max(history, key=lambda row: row["val_accuracy"])
    assert best is history[0]
    assert network.get_weights()[0] == pytest.approx(best["val_accuracy"])


def test_patience_ends_it_before_the_budget_and_doubles_with_each_round(time):
    _, history = train(time, seconds=1000, batches=1, target=-9, patience=2)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    time.seconds = 0.0
    # Rounds of 2, 4 and 8 epochs: patience is 6 in the second and 12 in the third, counted from the first epoch.
    _, history = train(time, seconds=1000, batches=1, target=-9, patience=3, first_round=2)
    assert len(history) == 1 + 12


def test_epochs_that_are_wanted_stay_the_most(time):
    _, history = train(time, seconds=1000, epochs=3)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert time.rates[-1] < time.rates[0] / 2


@pytest.mark.compiled
def test_nothing_is_traced_again_when_the_rate_changes(time):
    train(time, seconds=8, batches=4)
    first = time.traces
    time.seconds = 0.0
    train(time, seconds=40, batches=4)
    assert len(set(time.rates)) > 20
    assert time.traces - first <= first


def test_neither_epochs_nor_a_budget():
    with pytest.raises(ValueError, match="epochs is None, which takes a budget"):
        fit(one_weight(), Rows(9), Rows(9), monitor="val_loss", epochs=None, patience=1, progress=Progress())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_network_with_a_budget_is_trained_and_kept(name, tmp_path):
    model = tiny.make(name, budget=0.01, epochs=None)
    history = model.fit(tiny.split(), tiny.split())
    assert len(history) >= 1
    model.save(tmp_path / name)
    again = package.load(tmp_path / name)
    assert (again.budget, again.epochs) == (0.01, None)


def test_a_run_with_a_budget_says_so(tiny_models, csv_file, tmp_path):
    options = {"models": ("majority", "tfidf", "encoder"), "output": tmp_path / "runs", "budget": 1e-6}
    folder = pipeline.train(TrainConfig(data=DataConfig(data=csv_file), **options))
    assert json.loads((folder / "run.json").read_text())["config"]["budget"] == 1e-6
    rows = json.loads((folder / "report" / "report.json").read_text())["classifiers"]
    assert [row["cost"]["budget_seconds"] for row in rows] == [1e-6] * 3
    assert all(0 <= row["validation_accuracy"] <= 1 for row in rows)
    whole = [any("only networks stop at a budget" in note for note in row["notes"]) for row in rows]
    assert whole == [True, True, False]
    assert len(rows[2]["history"]) == 1
    assert "The budget was 1e-06 s for each model." in (folder / "report" / "report.md").read_text()


def test_the_report_has_accuracy_against_seconds():
    history = [{"epoch": n / 2, "seconds": 10.0 * n, "val_accuracy": accuracy, "val_loss": 0.5}
               for n, accuracy in enumerate((0.5, 0.8, 0.7, 0.9), start=1)]  # fmt: skip
    linear = classifier("nbsvm", validation_accuracy=0.85)
    linear["cost"] |= {"training_seconds": 25.0}
    network = classifier("lstm", "network", history=history, validation_accuracy=0.9)
    for row in (linear, network):
        row["cost"] = row["cost"] | {"budget_seconds": 40.0}
    report = small_report(classifiers=[classifier("majority", "dummy", validation_accuracy=0.5), linear, network])
    table = tables.seconds_table(report)
    assert table.headers[1:4] == ("After 10 s", "After 20 s", "After 30 s")
    assert table.rows == (
        ("nbsvm", "–", "–", "0.850", "0.850", "25"),
        ("lstm", "0.500", "0.800", "0.800", "0.900", "40"),
    )
    markdown, html = to_markdown(report), to_html(report)
    assert "## Accuracy against seconds\n\nThe budget was 40 s for each model." in markdown
    assert "| lstm | 0.500 | 0.800 | 0.800 | 0.900 | 40 |" in markdown
    assert "The budget was 40 s for each model." in html
    assert "after epoch 0.5 of 2" in html
    for row in report["classifiers"]:
        row["cost"]["budget_seconds"] = None
    assert "budget" not in to_html(report).split('<section id="seconds"')[1].split("</section>")[0]


def test_a_report_without_accuracies_on_validation_texts():
    report = copy.deepcopy(full_report())
    for row in report["classifiers"]:
        row |= {"validation_accuracy": None, "history": []}
    assert '<section id="seconds"' not in to_html(report)
    assert "## Accuracy against seconds" not in to_markdown(report)


def test_one_point_alone_can_be_drawn():
    assert '<section id="seconds"' in to_html(small_report(classifiers=[classifier(validation_accuracy=0.9)]))
    assert math.isfinite(len(to_html(small_report())))


def test_compare_tells_of_different_budgets(tmp_path):
    data = write_data(tmp_path)
    old, new = (write_run(tmp_path / name, data, {"tfidf": 1, "nbsvm": 2}) for name in ("old", "new"))

    def notes():
        folder = comparing.compare([old, new])
        return json.loads((folder / "report.json").read_text())["dataset"]["notes"]

    assert not any("budget" in note for note in notes())
    facts = json.loads((new / "run.json").read_text())
    facts["config"]["budget"] = 90.0
    (new / "run.json").write_text(json.dumps(facts))
    assert "The runs had different budgets of time to train (old: none; new: 90.0 s)." in notes()
