"""Trainings and runs that are broken off and go on: they end as if nothing had happened."""

import io
import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import tiny
from helpers.commands import failing, refused

from textapp import few_labels, pipeline, resuming
from textapp.config import TrainConfig
from textapp.errors import UserError
from textapp.fitting import Trained
from textapp.models import majority
from textapp.resuming import Resuming, choices
from textapp.run import RunFolder
from textapp.training import checkpoint as checkpoint_module
from textapp.training import fit as fit_module
from textapp.training.budget import Budget
from textapp.training.checkpoint import Checkpoint
from textapp.training.progress import Progress


def kill(monkeypatch, *, after, written, at_end=False, name=""):
    """Have a training of a name end after so many steps, its file written after so many, or at that epoch's end."""
    steps = Checkpoint.on_train_batch_end

    def stop(self, batch, logs=None):
        steps(self, batch, logs)
        if self._done == after and self._path.name.startswith(name):
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "on_train_batch_end", stop)
    # There is no pause at an epoch's end.
    monkeypatch.setattr(Checkpoint, "_is_due", lambda self, pause: self._done == written and at_end == (pause == 0))


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def trained(model, path=None):
    """Train a model; return its history but for the times, and its weights."""
    progress = Progress()
    progress.checkpoint = path
    history = model.fit(tiny.split(), tiny.split(), progress=progress)
    return without_seconds(history), model.network.get_weights()


def same(first, second):
    assert first[0] == second[0]
    for one, other in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("encoder", {}),
        pytest.param("minilm", {"tune": "lora", "accumulate": 2}, marks=pytest.mark.slow),
        ("decoder", {"epochs": 9}),
        pytest.param("causal-lm", {"tune": "lora", "accumulate": 2, "context": 20}, marks=pytest.mark.slow),
        pytest.param("lstm", {}, marks=pytest.mark.slow),
        pytest.param("minilm", {}, marks=pytest.mark.slow),
        pytest.param("minilm", {"tune": "head"}, marks=pytest.mark.slow),
        pytest.param("lstm-lm", {"epochs": 9}, marks=pytest.mark.slow),
    ],
)
def test_a_training_goes_on_inside_of_an_epoch(name, options, monkeypatch, tmp_path):
    """Dropout, optimizer, schedule, figures of the epoch and order of the batches are what they would have been."""
    path = tmp_path / "checkpoint"
    whole = trained(tiny.make(name, **options))
    with monkeypatch.context() as patched:
        kill(patched, after=6, written=5)  # an epoch has three steps, or four
        with pytest.raises(KeyboardInterrupt):
            trained(tiny.make(name, **options), path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    same(trained(tiny.make(name, **options), path), whole)


class Rows(keras.utils.PyDataset):
    """Batches of two rows whose target is 9."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        return np.ones((2, 1), np.float32), np.full((2, 1), 9, np.float32), np.ones(2, np.float32)


class Time:
    """A stopwatch that a step moves on by a second, and a look at the validation texts, too."""

    def __init__(self, seconds=0.0):
        self.seconds, self.rates = seconds, []

    def turn_to(self, seconds):
        self.seconds = seconds


def one_weight(progress, *, time=None, steps=10, rate=0.25, momentum=0.0, **options):
    """Train one weight, 10 steps an epoch; return the history and the weight."""
    time = time or Time()

    class Timed(fit_module._Checks):
        def on_train_batch_end(self, batch, logs=None):
            time.seconds += 1
            time.rates.append(float(self.model.optimizer.learning_rate))
            super().on_train_batch_end(batch, logs)

    class Keeper(fit_module._Timekeeper):
        def on_test_end(self, logs=None):
            time.seconds += 1
            super().on_test_end(logs)

    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs))
    network.compile(keras.optimizers.SGD(rate, momentum=momentum), loss="mae", weighted_metrics=[])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fit_module, "_Checks", Timed)
        patched.setattr(fit_module, "_Timekeeper", Keeper)
        options = {"epochs": 3, "patience": 99} | options
        history = fit_module.fit(
            network, Rows(steps), Rows(2), monitor="val_loss", progress=progress, stopwatch=time, **options
        )
    return without_seconds(history), network.get_weights()


@pytest.fixture
def progress(tmp_path):
    progress = Progress()
    progress.checkpoint = tmp_path / "checkpoint"
    return progress


def test_a_training_goes_on_after_an_epoch(monkeypatch, progress):
    """Where it is over, no step follows."""
    whole = one_weight(Progress(), momentum=0.5)
    with monkeypatch.context() as patched:
        kill(patched, after=25, written=20, at_end=True)
        with pytest.raises(KeyboardInterrupt):
            one_weight(progress, momentum=0.5)
    with monkeypatch.context() as patched:
        kill(patched, after=None, written=30, at_end=True)
        same(one_weight(progress, momentum=0.5), whole)
    monkeypatch.setattr(Checkpoint, "on_train_batch_end", None)  # which nobody calls
    same(one_weight(progress, momentum=0.5), whole)


def test_patience_and_the_best_weights_go_on(monkeypatch, progress):
    """With such a rate the weight is 0 after every other epoch, and the second one is the best."""
    options = {"rate": 1e9, "steps": 3, "epochs": 9, "patience": 2}
    whole = one_weight(Progress(), **options)
    assert [row["epoch"] for row in whole[0]] == [1, 2, 3, 4]
    with monkeypatch.context() as patched:
        kill(patched, after=11, written=10)
        with pytest.raises(KeyboardInterrupt):
            one_weight(progress, **options)
    same(one_weight(progress, **options), whole)


def test_the_budgets_clock_goes_on_where_it_stood(monkeypatch, progress):
    """Neither the first step after it, which compiles, nor what comes before it counts."""
    options = {"budget": Budget(seconds=40, learning_rate=0.25), "epochs": None}
    whole, first, rest = Time(), Time(), Time(1000.0)
    one_weight(Progress(), time=whole, **options)
    with monkeypatch.context() as patched:
        kill(patched, after=25, written=23)
        with pytest.raises(KeyboardInterrupt):
            one_weight(progress, time=first, **options)
    history, _ = one_weight(progress, time=rest, **options)
    assert [row["epoch"] for row in history][:2] == [1, 2]
    assert rest.seconds == whole.seconds == 40
    assert 23 + len(rest.rates) == len(whole.rates) + 1
    assert first.rates == whole.rates[:25]
    assert rest.rates[0] == whole.rates[23]
    assert rest.rates == sorted(rest.rates, reverse=True)
    assert rest.rates[-1] < 0.02
    assert -1000 < progress.earlier < -900


def test_files_are_written_now_and_then(monkeypatch, progress):
    """Never so often that it takes more than its share of the time."""
    written = []
    monkeypatch.setattr(checkpoint_module, "write_arrays", lambda path, facts, arrays: written.append(facts["done"]))
    one_weight(progress)
    assert not written  # in so little time
    monkeypatch.setattr(checkpoint_module, "GUESS", 0.0)
    monkeypatch.setattr(checkpoint_module, "SHARE", np.inf)
    one_weight(progress)
    assert written == [10, 20, 30]
    monkeypatch.setattr(checkpoint_module, "PAUSE", 0.0)
    one_weight(progress)
    assert written[3:] == list(range(1, 31))


def cut(content):
    return content[: len(content) // 2]


def without(name):
    """Return what takes an array out of a checkpoint."""

    def change(content):
        with np.load(io.BytesIO(content)) as file:
            arrays = {key: file[key] for key in file.files if key != name}
        np.savez(written := io.BytesIO(), **arrays)
        return written.getvalue()

    return change


def pickled(_):
    np.savez(written := io.BytesIO(), facts=np.array([print], dtype=object))
    return written.getvalue()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "is damaged: "),
        (lambda _: b"", "is damaged: "),
        (pickled, "is damaged: .*allow_pickle=False"),
        (without("facts"), "is damaged: "),
        (without("optimizer:00000"), "damaged: the arrays of its optimizer are not those of this training; remove it"),
        (without("network:00000"), "damaged: the arrays of its network are not"),
    ],
)
def test_a_damaged_checkpoint(damage, message, monkeypatch, progress):
    with monkeypatch.context() as patched:
        kill(patched, after=5, written=4)
        with pytest.raises(KeyboardInterrupt):
            one_weight(progress)
    progress.checkpoint.write_bytes(damage(progress.checkpoint.read_bytes()))
    with pytest.raises(UserError, match=message):
        one_weight(progress)


def test_a_checkpoint_of_other_batches(monkeypatch, progress):
    kill(monkeypatch, after=None, written=10, at_end=True)
    one_weight(progress)
    with pytest.raises(UserError, match="is damaged: it is of another training; remove it, and what it holds"):
        one_weight(progress, steps=9)


# Runs.


def interrupted(textapp, monkeypatch, arguments, **when):
    """Run a command that Ctrl-C ends, and return it."""
    with monkeypatch.context() as patched:
        kill(patched, **when)
        result = textapp(*arguments)
    refused(result, ".unfinished; the same command goes on with it.", exit_code=130)
    return result


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_model_is_on_the_disk_before_it_counts_as_finished(tmp_path, monkeypatch):
    """A power cut leaves no file here that says so of an empty one."""
    run, synced = RunFolder(tmp_path, "imdb"), []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(Path(os.readlink(f"/proc/self/fd/{number}"))))

    def make():
        (run.model("lstm") / "weights").write_text("x")
        return Trained(name="lstm", model=object(), folder=run.model("lstm"), cost={})

    Resuming(run, tiny.CLEANING, Progress()).model("lstm", make)
    assert [path.name for path in synced] == ["weights", "lstm.npz.part"]


@pytest.mark.slow
def test_a_run_goes_on(textapp, csv_file, tmp_path, monkeypatch):
    """In the second model, then in its second seed; what is finished is not made again."""
    tiny.shrink(monkeypatch, batch_size=3, exports=False)
    train = ["train", "--data", csv_file, "--models", "majority,encoder", "--seeds", 2, "--output"]
    whole = textapp(*train, tmp_path / "whole")
    assert whole.exit_code == 0, whole.output
    train = [*train, tmp_path / "runs"]
    folder, finished = tmp_path / "runs" / "data.unfinished", tmp_path / "runs" / "data"

    interrupted(textapp, monkeypatch, train, after=20, written=18)
    before = files_of(folder / "majority")
    kept = {"options.json", "majority.npz", "encoder.checkpoint"}
    assert {path.name for path in (folder / "resumption").iterdir()} == kept
    with monkeypatch.context() as patched:
        patched.setattr(resuming, "__version__", "9.9")
        refused(textapp(*train), f"{folder} was begun with textapp ")
    csv_file.write_text((content := csv_file.read_text()) + "one film more,y\n")
    begun = f"{folder} was begun with texts of the fingerprint "
    with monkeypatch.context() as patched:
        patched.setattr(majority.Majority, "fit", failing(KeyboardInterrupt()))
        assert begun in " ".join(textapp(*train).stdout.split())
    assert [path.name for path in (tmp_path / "runs").glob("data*")] == ["data.unfinished"]
    csv_file.write_text(content)

    going_on = interrupted(textapp, monkeypatch, train, after=22, written=21, name="encoder-seed-1")
    assert f"Goes on with {folder}; --restart begins anew." in " ".join(going_on.stdout.split())
    assert {path.name for path in (folder / "resumption").glob("enc*")} == {"encoder.npz", "encoder-seed-1.checkpoint"}
    for name in ("majority.npz", "encoder-seed-1.checkpoint"):
        content = (folder / "resumption" / name).read_bytes()
        (folder / "resumption" / name).write_bytes(cut(content))
        refused(textapp(*train), f"{name} is damaged: ")
        (folder / "resumption" / name).write_bytes(content)
    assert before == files_of(folder / "majority")

    done = textapp(*train)
    assert done.exit_code == 0, done.output
    assert "encoder  finished before the run was interrupted" in done.output
    assert "encoder  goes on after epoch 1.3" in done.output
    assert before.items() <= files_of(finished / "majority").items()
    assert not (finished / "resumption").exists()
    for name in ("majority", "encoder"):
        parts = [path / name / "predictions.csv" for path in (tmp_path / "whole" / "data", finished)]
        assert parts[0].read_bytes() == parts[1].read_bytes()
    reports = [
        json.loads((path / "report" / "report.json").read_text()) for path in (tmp_path / "whole" / "data", finished)
    ]
    assert reports[0]["comparisons"] == reports[1]["comparisons"]
    for one, other in zip(reports[0]["classifiers"], reports[1]["classifiers"], strict=True):
        assert one.keys() == other.keys()
        for key in ("name", "metrics", "seeds", "calibration", "notes", "exported"):
            assert one[key] == other[key], (one["name"], key)
        assert without_seconds(one["history"]) == without_seconds(other["history"])


@pytest.mark.slow
def test_every_kind_of_model_is_taken_over(textapp, tiny_models, csv_file, tmp_path, monkeypatch):
    """The run is interrupted when all of them are trained; none is trained again."""
    models = "majority,tfidf,nbsvm,lstm,encoder,minilm,bigram,kneser-ney,decoder,lstm-lm"
    train = ["train", "--data", csv_file, "--models", models, "--ensemble", "--quantize", "int8", "--output"]
    train += [tmp_path, "--label-counts", "20"]
    monkeypatch.setattr(few_labels, "EPOCH_TEXTS", 20)
    made = {}

    def interrupted(models, *_):
        made.update({trained.name: trained for trained in models})
        raise KeyboardInterrupt

    def compared(models, *_):
        assert list(made) == [trained.name for trained in models]
        for trained in models:
            one, other = vars(made[trained.name]), vars(trained)
            for part in one.keys() - {"model"}:
                np.testing.assert_equal(other[part], one[part])
        return []

    monkeypatch.setattr(pipeline, "add_saved_models", interrupted)
    assert textapp(*train).exit_code == 130
    monkeypatch.setattr(pipeline, "add_saved_models", compared)
    for name in ("train_model", "quantize_model", "ensemble_model", "mix_model"):
        monkeypatch.setattr(pipeline, name, dict)  # which would be no model
    monkeypatch.setattr(few_labels, "_answers", dict)
    done = textapp(*train)
    assert done.exit_code == 0, done.output
    assert {"ensemble", "mix", "encoder-int8"} <= made.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["mlm", "--embedding-dim", 32],
        ["clm", "--embedding-dim", 64, "--vocabulary-size", 300],
    ],
)
def test_pretraining_goes_on(textapp, tmp_path, monkeypatch, options):
    texts = tmp_path / "texts.csv"
    words = ["red", "green", "blue", "grey", "pink", "gold"]
    texts.write_text("text\n" + "".join(f"{' '.join(np.roll(words, n))} number {n}\n" for n in range(150)))
    command = ["pretrain", "--unlabelled", texts, "--layers", 1, "--sequence-length", 16, "--epochs", 2]
    command += ["--run", "words", "--objective", *options, "--output"]
    assert textapp(*command, tmp_path / "whole").exit_code == 0
    command.append(tmp_path / "runs")
    interrupted(textapp, monkeypatch, command, after=8, written=7)
    done = textapp(*command)
    assert "Goes on with " in done.stdout
    assert done.exit_code == 0, done.output
    (one,), (other,) = (list((tmp_path / name / "words").glob("*coder")) for name in ("whole", "runs"))
    if options[0] == "mlm":
        with np.load(one / "model.npz") as first, np.load(other / "model.npz") as second:
            for name in first.files:
                np.testing.assert_array_equal(first[name], second[name])
    figures = [json.loads((folder / "pretraining.json").read_text())["held_out"] for folder in (one, other)]
    assert figures[0] == figures[1]


def test_a_run_goes_on_with_smaller_parts_of_a_batch_and_on_the_same_device(monkeypatch):
    plain = choices(TrainConfig(), "texts")
    assert choices(TrainConfig(accumulate=4), "texts") == plain
    assert plain["--device"] == "cpu"
    monkeypatch.setattr(resuming, "has_gpu", lambda: True)
    assert choices(TrainConfig(), "texts") == plain | {"--device": "gpu"}
