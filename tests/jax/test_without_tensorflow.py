"""The whole program on JAX where TensorFlow is not installed."""

import importlib.util
import json
import shutil
import sys

import pytest
from helpers import tiny

import textapp as package

MISSING = "no SavedModels: TensorFlow is not installed here; `python -m textapp export --run "
pytestmark = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")


@pytest.fixture(scope="module")
def run(textapp, tmp_path_factory):
    """A run of the main job with every model, tiny, on a file of the user's."""
    folder = tmp_path_factory.mktemp("run")
    texts = [f"{'good' if n % 3 else 'bad'} film number {n},{'yn'[n % 3 == 0]}\n" for n in range(60)]
    (folder / "films.csv").write_text("text,label\n" + "".join(texts))
    with pytest.MonkeyPatch.context() as monkeypatch:
        tiny.shrink(monkeypatch)
        options = ["--ensemble", "--quantize", "int8", "--output", folder]
        result = textapp("train", "--data", folder / "films.csv", *options)
    assert result.exit_code == 0, result.output
    assert MISSING in " ".join(result.stdout.split())
    return folder / "films"


def test_the_run_says_what_adds_its_savedmodels(run):
    facts = json.loads((run / "run.json").read_text())
    assert facts["saved_models_missing"] == f"{MISSING}{run}` adds them"
    assert "tensorflow" not in facts["versions"]
    report = json.loads((run / "report" / "report.json").read_text())
    assert report["saved_models_missing"] == facts["saved_models_missing"]
    assert "TensorFlow is not installed here" in (run / "report" / "report.md").read_text()
    assert "TensorFlow is not installed here" in (run / "report" / "index.html").read_text()
    assert "TensorFlow is not installed here" in (run / "encoder" / "MODEL_CARD.md").read_text()
    assert not list(run.glob("*/1"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--run", "{run}"),
        ("--model", "{run}/encoder", "--to", "{run}/served"),
    ],
)
def test_an_export_is_refused_in_a_sentence(textapp, run, arguments):
    result = textapp("export", *(argument.format(run=run) for argument in arguments))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: a SavedModel takes TensorFlow, which is not installed here; run")
    assert not (run / "served").exists()


@pytest.mark.parametrize("name", ["majority", "tfidf", "nbsvm", "lstm", "encoder", "encoder-int8", "ensemble"])
def test_classifiers_answer(textapp, run, name):
    result = textapp("predict", "--model", run / name, "a good film")
    assert result.exit_code == 0, result.output
    assert result.stdout.split("\t")[0] in ("y", "n")


@pytest.mark.parametrize("name", ["bigram", "kneser-ney", "decoder", "decoder-int8", "mix"])
def test_generators_write(textapp, run, name):
    result = textapp("generate", "--model", run / name, "--prompt", "a good", "--max-new-tokens", 5)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("a good")


def test_the_other_commands(textapp, run):
    assert textapp("report", run).exit_code == 0
    other = shutil.copytree(run, run.parent / "other")
    assert textapp("compare", run, other).exit_code == 0
    assert textapp("ablate", "--run", run, "--model", "nbsvm").exit_code == 0
    options = ["--embedding-dim", 64, "--epochs", 1, "--vocabulary-size", 300, "--output", run.parent, "--run", "words"]
    result = textapp("pretrain", "--objective", "mlm", "--unlabelled", run.parent / "films.csv", *options)
    assert result.exit_code == 0, result.output


def test_a_model_answers_over_http(run):
    import threading
    import urllib.request

    from textapp.serving import Server

    with Server(package.load(run / "nbsvm"), host="127.0.0.1", port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        request = urllib.request.Request(f"{server.url}/predict", json.dumps({"texts": ["a good film"]}).encode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert len(json.loads(answer.read())["answers"]) == 1
        server.shutdown()


def test_nothing_has_imported_tensorflow():
    assert "tensorflow" not in sys.modules
