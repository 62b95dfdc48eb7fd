"""The commands: their help, their options and what they answer to bad input."""

import errno
import inspect
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import failing, names, refused
from typer.testing import CliRunner

from textapp import cli, pipeline
from textapp.cli import options, program
from textapp.datasets import DATASETS
from textapp.errors import UserError
from textapp.models import CLASSIFIERS, GENERATORS, majority, tfidf

REPO = Path(__file__).parents[2]


def test_help_names_what_the_dicts_hold(textapp):
    text = textapp("train", "--help").stdout
    assert re.findall(r"\w+", options.DATASETS) == list(DATASETS)
    assert re.findall(r"[\w-]+", options.MODELS) == [*CLASSIFIERS, *GENERATORS]
    flat = " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())
    assert f"One of {options.DATASETS}." in flat
    assert f"Any of {options.MODELS}" in flat


@pytest.mark.parametrize(
    "command",
    [cli.train, cli.pretrain, cli.predict, cli.compare, cli.generate, cli.ablate, cli.report, cli.export, cli.clean],
)
def test_help_names_every_option_with_its_default(textapp, command):
    result = textapp(command.__name__, "--help")
    assert result.exit_code == 0
    for name, parameter in inspect.signature(command).parameters.items():
        option = {"file_format": "--format"}.get(name, "--" + name.replace("_", "-"))
        default = parameter.default
        if name in ("text", "texts", "runs") or command is cli.report:  # arguments, not options
            continue
        # From its name to the next option's, since what is said of one may take two lines.
        (line,) = re.findall(rf"^│[ *]+{option} .*?(?=^│[ *]+--|^╰)", result.stdout, re.DOTALL | re.MULTILINE)
        if default not in (None, False, "", inspect.Parameter.empty):
            # Of a switch the help names the side that is on.
            shown = name.replace("_", "-") if default is True else default
            assert f"[default: {shown}]" in line
        if default is inspect.Parameter.empty:
            assert "[required]" in line


def test_train_py_takes_the_options_of_the_module():
    outputs = []
    for words in (["train.py"], ["-m", "textapp", "train"]):
        command = [sys.executable, *words, "--help"]
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, env={**os.environ})
        assert done.returncode == 0, done.stderr
        outputs.append([line for line in done.stdout.splitlines() if "Usage:" not in line])
    assert outputs[0] == outputs[1]
    assert any("--stopwords" in line for line in outputs[0])


def test_an_unknown_command_or_option_exits_with_2(textapp):
    assert textapp("tain").exit_code == 2
    assert textapp("train", "--epoch", 3).exit_code == 2
    assert textapp("train", "--limit", 0).exit_code == 2


CSV = "text,label\n" + "".join(f"{word} film {n},{word}\n" for n in range(9) for word in ("good", "bad"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "lstn"], "unknown model 'lstn'; choose from ['majority', 'tfidf', 'nbsvm', 'lstm', 'enc"),
        (["--precision", "half"], "unknown precision 'half'; choose from ['auto', 'float32', 'bfloat16']"),
        (["--models", "all,oracle"], "unknown model 'all'; choose from"),
        (["--models", ""], "--models names no classifier and no generator; choose from ['majority'"),
        (["--models", " , "], "--models names no classifier and no generator"),
        (["--dataset", "imbd"], "unknown dataset 'imbd'; choose from ['aclimdb', 'imdb', 'rotten_tomatoes']"),
        (["--data", "nowhere.csv"], f"there is no file {Path.cwd()}/nowhere.csv"),
        (["--data", "DATA", "--text-column", "txt"], "'txt' is not a column of"),
        (["--data", "DATA", "--label-column", "stars"], "its columns are ['text', 'label']"),
        (["--data", "ONE"], "all texts have the label 'good'"),
        (["--data", "DATA", "--class-weight", "rare"], "--class-weight is 'rare'; the only choice is 'balanced'"),
        (["--data", "DATA", "--stopwords", "nowhere.txt"], "no stop list 'nowhere.txt'; choose default, none"),
        (["--data", "DATA", "--run", "a/b"], "the run's name is 'a/b'; it takes letters, digits"),
        (["--data", "DATA", "--output", "DATA/runs"], "choose another folder with --output"),
        (["--data", "DATA", "--output", "DATA"], "cannot write to"),
        (["--data", "DATA", "--output", "/proc/textapp"], "cannot write to /proc/textapp"),
        (["--data", "DATA", "--data-dir", "/"], "exclude each other"),
        (["--data", "DATA", "--dataset", "imdb"], "and --dataset imdb exclude each other"),
        (["--dataset", "aclimdb"], "--dataset aclimdb needs --data-dir"),
    ],
)
def test_bad_options_of_train(textapp, tmp_path, arguments, message):
    (tmp_path / "data.csv").write_text(CSV)
    (tmp_path / "one.csv").write_text(CSV.replace("bad\n", "good\n"))
    files = {"DATA": str(tmp_path / "data.csv"), "ONE": str(tmp_path / "one.csv")}
    arguments = [argument.replace("DATA", files["DATA"]).replace("ONE", files["ONE"]) for argument in arguments]
    runs = tmp_path / "runs"
    refused(textapp("train", "--output", runs, "--models", "majority", *arguments), message)
    assert names(runs) == []
    assert (tmp_path / "data.csv").read_text() == CSV


def test_names_of_runs(textapp, csv_file, tmp_path):
    """The file's name, --run, a number where it is taken, --overwrite."""
    runs = tmp_path / "runs"
    train = ["train", "--data", csv_file, "--models", "majority", "--output", runs]
    for arguments, expected in (
        ([], ["data"]),
        ([], ["data", "data-2"]),
        (["--run", "mine"], ["data", "data-2", "mine"]),
        (["--run", "mine"], ["data", "data-2", "mine", "mine-2"]),
        (["--overwrite"], ["data", "data-2", "mine", "mine-2"]),
    ):
        result = textapp(*train, *arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        assert names(runs) == expected
        assert all((runs / name / "run.json").is_file() for name in expected)


def test_a_full_disk(textapp, csv_file, tmp_path, monkeypatch):
    """What was finished before is kept, and the sentence says where."""

    def save(self, folder):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "model.skops"))

    monkeypatch.setattr(tfidf.Tfidf, "_save", save)
    result = textapp("train", "--data", csv_file, "--models", "majority,tfidf", "--output", tmp_path / "runs")
    refused(result, "the system says: No space left on device (")
    assert result.stderr.endswith("data.unfinished; the same command goes on with it.\n")
    assert names(tmp_path / "runs") == ["data.unfinished"]
    assert not list((tmp_path / "runs").rglob("run.json"))


@pytest.mark.parametrize(
    ("model", "most_bytes"), [("majority", 0), ("majority", 300), ("tfidf", 3_000), ("lstm", 5_000)]
)
def test_a_disk_that_really_refuses_to_grow(textapp, tiny_models, csv_file, tmp_path, model, most_bytes):
    """The system's limit of a file's size: the first file that is larger cannot be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        result = textapp("train", "--data", csv_file, "--models", model, "--output", tmp_path / "runs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    refused(result, "File too large")
    assert names(tmp_path / "runs") == []


def test_ctrl_c(textapp, csv_file, tmp_path, monkeypatch):
    monkeypatch.setattr(tfidf.Tfidf, "exports", False)
    train = ["train", "--data", csv_file, "--models", "majority,tfidf", "--output", tmp_path / "runs"]
    with monkeypatch.context() as interrupted:
        interrupted.setattr(tfidf.Tfidf, "fit", failing(KeyboardInterrupt()))
        refused(textapp(*train), "data.unfinished; the same command goes on with it.", exit_code=130)
    assert names(tmp_path / "runs") == ["data.unfinished"]
    assert not list((tmp_path / "runs").rglob("run.json"))
    done = textapp(*train)
    assert done.exit_code == 0
    assert "majority  finished before the run was interrupted" in done.stdout
    assert names(tmp_path / "runs") == ["data"]


def test_ctrl_c_before_there_is_a_run(textapp, tmp_path, monkeypatch):
    def load_dataset(config):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "load_dataset", load_dataset)
    result = textapp("train", "--models", "majority", "--output", tmp_path / "runs")
    refused(result, "Interrupted. Nothing was changed.", exit_code=130)


def test_a_file_whose_name_is_no_utf8(textapp, tmp_path):
    data = tmp_path / os.fsdecode(b"caf\xe9.csv")
    data.write_text(CSV)
    train = ["train", "--data", data, "--models", "majority", "--output", tmp_path / "runs"]
    refused(textapp(*train), "caf\\udce9.csv', which is no UTF-8; rename the file or folder")
    assert names(tmp_path / "runs") == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), OSError(errno.EIO, "Input/output error")])
def test_a_run_that_fails_leaves_the_old_one(textapp, csv_file, tmp_path, monkeypatch, error):
    train = ["train", "--data", csv_file, "--models", "majority", "--output", tmp_path / "runs", "--overwrite"]
    assert textapp(*train).exit_code == 0
    old = (tmp_path / "runs" / "data" / "run.json").read_bytes()
    monkeypatch.setattr(majority.Majority, "fit", failing(error))
    result = textapp(*train)
    refused(result, "", exit_code=130 if isinstance(error, KeyboardInterrupt) else 1)
    assert (tmp_path / "runs" / "data" / "run.json").read_bytes() == old
    assert names(tmp_path / "runs") == ["data"]


class ResourceExhaustedError(Exception):
    """As TensorFlow's, and with XLA's words."""


@pytest.mark.parametrize("error", [ResourceExhaustedError("OOM"), RuntimeError("RESOURCE_EXHAUSTED: out of memory")])
def test_a_device_without_room_outside_of_training(textapp, csv_file, folder_of, tmp_path, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    folder = folder_of("majority")
    with monkeypatch.context() as context:
        context.setattr(majority.Majority, "predict_proba", fail)
        for command in (
            ["train", "--data", csv_file, "--models", "majority", "--output", tmp_path / "runs"],
            ["predict", "--model", folder, "a film"],
        ):
            refused(textapp(*command), "the device's memory is too small; take fewer or smaller models")
    monkeypatch.setattr(majority.Majority, "_load", fail)
    refused(textapp("predict", "--model", folder, "a film"), "the device's memory is too small")  # not "damaged"


def test_an_error_of_the_program_itself_is_not_hidden(textapp, csv_file, tmp_path, monkeypatch):
    monkeypatch.setattr(majority.Majority, "fit", failing(ZeroDivisionError("a bug")))
    result = textapp("train", "--data", csv_file, "--models", "majority", "--output", tmp_path / "runs")
    assert isinstance(result.exception, ZeroDivisionError)


def test_clean_shows_every_step(textapp):
    result = textapp("clean", "Isn't it <b>great</b>?")
    assert result.stdout == (
        'text: "Isn\'t it <b>great</b>?"\n'
        'HTML and characters: "Isn\'t it  great ?"\n'
        'lower case: "isn\'t it  great ?"\n'
        "tokens: [\"isn't\", 'it', 'great', '?']\n"
        "without stop words (default): [\"isn't\", 'great', '?']\n"
    )
    assert "without stop words (none): ['the', 'film']" in textapp("clean", "The film", "--stopwords", "none").stdout
    refused(textapp("clean", "x", "--stopwords", "nltk:klingon"), "klingon")


def test_train_py_runs_the_job(monkeypatch, csv_file, tmp_path):
    """What train.py does, in this process."""
    import typer

    alone = typer.Typer()
    alone.command()(cli.train)
    arguments = ["--data", str(csv_file), "--models", "majority", "--output", str(tmp_path / "runs")]
    result = CliRunner().invoke(alone, arguments)
    assert result.exit_code == 0, result.output
    assert f"The run is in {tmp_path / 'runs' / 'data'}" in result.stdout.replace("\n", "")


def test_messages_go_where_the_user_wants_them(textapp, csv_file, tmp_path):
    """`-v` to stderr, `--log-file` to a file, with the traceback of an error; `--traceback` shows that."""
    log = tmp_path / "textapp.log"
    train = ["train", "--data", csv_file, "--models", "majority", "--output", tmp_path / "runs"]
    done = textapp(*train, "-v", "--log-file", log)
    assert done.exit_code == 0
    for told in (done.stderr, log.read_text()):
        assert "INFO textapp.cli.program: train {" in told
    assert "DEBUG textapp.training.progress: [1/1] majority" in log.read_text()
    assert textapp(*train).stderr == ""
    refused(textapp("predict", "--model", "nowhere", "a film", "--log-file", log), "no model folder nowhere")
    assert "Traceback (most recent call last)" in log.read_text()
    result = textapp("predict", "--model", "nowhere", "a film", "--traceback")
    assert isinstance(result.exception, UserError)
    refused(textapp("clean", "x", "--log-file", tmp_path), f"--log-file {tmp_path} cannot be written: Is a directory")


@pytest.mark.parametrize("command", [("train",), ("predict", "--model", "x", "a text"), ("serve", "--model", "x")])
def test_devices_and_backends_that_there_are_not(textapp, monkeypatch, command):
    refused(textapp(*command, "--device", "tpu"), "--device is 'tpu'; choose from ['auto', 'cpu', 'gpu']")
    refused(textapp(*command, "--device", "gpu"), "--device is 'gpu', and tensorflow finds none here; README's")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    refused(textapp(*command), "KERAS_BACKEND is 'torch'; textapp works with tensorflow and jax")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    refused(textapp(*command), "TF_USE_LEGACY_KERAS is set, with which TensorFlow takes Keras 2; unset it")


@pytest.mark.parametrize(
    ("missing", "jax", "message"),
    [
        (
            "tensorflow",
            True,
            "TensorFlow, Keras's default backend, is not installed, but jax is; set KERAS_BACKEND=jax",
        ),
        ("tensorflow", False, "cannot import tensorflow; run `python -m pip install -r requirements.txt`"),
        (
            "jax",
            False,
            "KERAS_BACKEND is 'jax', which is not installed; run `python -m pip install -r requirements-jax",
        ),
    ],
)
def test_a_backend_that_is_not_installed(textapp, monkeypatch, missing, jax, message):
    def fail(name):
        raise ModuleNotFoundError(name=missing)

    monkeypatch.setattr(program, "import_module", fail)
    monkeypatch.setattr(program, "find_spec", lambda name: jax or None)
    refused(textapp("train"), message)


def test_the_cpu_is_chosen_before_keras_is_loaded(monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "NVIDIA_TF32_OVERRIDE", "JAX_DEFAULT_MATMUL_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(program, "_import_keras", lambda: found.update(os.environ))
    found = {}
    program.prepare_keras("cpu")
    assert (found["CUDA_VISIBLE_DEVICES"], found["JAX_PLATFORMS"]) == ("-1", "cpu")
    assert (found["NVIDIA_TF32_OVERRIDE"], found["JAX_DEFAULT_MATMUL_PRECISION"]) == ("0", "float32")
