"""What the tests share: quiet libraries, the command line, trained tiny models and one finished run."""

import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

# Before anything imports Keras or TensorFlow.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.update(COLUMNS="200", NO_COLOR="1", _TYPER_FORCE_DISABLE_TERMINAL="1")
REPO = Path(__file__).parents[1]
sys.path.insert(0, str(REPO))
_CACHE = tempfile.TemporaryDirectory(prefix="textapp-tests-")  # removed when the tests end
os.environ["TEXTAPP_CACHE"] = _CACHE.name

import filelock  # noqa: E402
import pytest  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import textapp.config  # noqa: E402

DATA = "text,label\n" + "".join(f"{'good' if n % 3 else 'bad'} film number {n},{'yn'[n % 3 == 0]}\n" for n in range(60))
# Enough of everything to be measured, and no more.
textapp.config.MEASURE = textapp.config.MeasureConfig(
    resamples=40,
    latency_seconds=0.0,
    perturbed_texts=10,
    explained_texts=3,
    samplers=("greedy", "top-p 0.95"),
    generated_tokens=4,
    charts=False,
)


def pytest_addoption(parser):
    """Add --compiled, see keras/conftest.py."""
    parser.addoption("--compiled", action="store_true", help="compile what networks do in tests/keras, as users do")


def pytest_collection_modifyitems(config, items):
    """Leave out slow tests unless -m says which."""
    if not config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("slow")])
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture(scope="session")
def textapp():
    """The command line, in this process: call it with arguments, get exit_code, stdout and stderr."""
    from textapp.cli import app

    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def csv_file(tmp_path):
    """Sixty texts of two classes."""
    path = tmp_path / "data.csv"
    path.write_text(DATA)
    return path


@pytest.fixture
def tiny_models(monkeypatch):
    """Tiny models in the dicts, which are not exported."""
    from helpers import tiny

    tiny.shrink(monkeypatch, exports=False)


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """A folder of all test processes."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def folder_of(shared):
    """Return the folder of the tiny model of a name, trained by the first that asks; not to be changed."""
    from helpers import tiny

    def get(name):
        folder = shared / "models" / name
        folder.parent.mkdir(exist_ok=True)
        with filelock.FileLock(folder.with_suffix(".lock")), tiny.compiling(False):
            if not folder.exists():
                model = tiny.make(name)
                model.fit(tiny.split(), tiny.split())
                model.save(folder)
        return folder

    return get


@pytest.fixture(scope="session")
def trained(folder_of):
    """Return the tiny model of a name."""
    from textapp.models import load

    models = {}

    def get(name):
        if name not in models:
            models[name] = load(folder_of(name))
        return models[name]

    return get


@pytest.fixture(scope="session")
def finished(textapp, shared):
    """The main job on real reviews with every model, tiny: what the command said and its `folder`, not to be changed.

    The first test process that asks makes it, for all of them.
    """
    from helpers import tiny

    said, output = shared / "finished.json", shared / "finished"
    with filelock.FileLock(shared / "finished.lock"), tiny.compiling(), pytest.MonkeyPatch.context() as monkeypatch:
        if not said.exists():
            tiny.shrink(monkeypatch)
            tiny.draw_charts(monkeypatch)
            arguments = ["--dataset", "rotten_tomatoes", "--limit", 200, "--seed", 3, "--quantize", "int8"]
            result = textapp("train", *arguments, "--output", output)
            assert result.exit_code == 0, result.output
            said.write_text(json.dumps({"stdout": result.stdout, "stderr": result.stderr}), encoding="utf-8")
    return SimpleNamespace(**json.loads(said.read_text(encoding="utf-8")), folder=output / "rotten_tomatoes")
