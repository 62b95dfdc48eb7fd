"""The main job on real reviews with every model, tiny: its files, and its SavedModels in a fresh process."""

import csv
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import textapp
from textapp.config import DataConfig
from textapp.datasets import load_dataset
from textapp.models import CLASSIFIERS, GENERATORS

REPO = Path(__file__).parents[2]
SCHEMA = json.loads((REPO / "textapp" / "reports" / "schema.json").read_text(encoding="utf-8"))
CLASSIFYING = [name for name, known in CLASSIFIERS.items() if known.by_default]
WRITING = [name for name, known in GENERATORS.items() if known.by_default]
MODELS = [*CLASSIFYING, *WRITING, "mix"]
EXPORTED = [name for name in MODELS if name not in ("majority", "bigram", "kneser-ney", "mix")]
COPIES = ["encoder-int8", "decoder-int8"]  # of --quantize int8
# What somebody writes who has TensorFlow and nothing of ours.
ASK = """
import json, sys
import tensorflow as tf
folder, texts = sys.argv[1], sys.argv[2:]
answers = {}
for name in ("tfidf", "nbsvm", "lstm", "encoder"):
    signature = tf.saved_model.load(f"{folder}/{name}/1").signatures["serving_default"]
    answer = signature(text=tf.constant(texts))
    answers[name] = {
        "label": [label.decode() for label in answer["label"].numpy()],
        "score": answer["score"].numpy().tolist(),
    }
signatures = tf.saved_model.load(f"{folder}/decoder/1").signatures
answers["decoder"] = [
    text.decode() for text in signatures["serving_default"](prompt=tf.constant(texts))["text"].numpy()
]
foreign = {"textapp", "keras_hub", "nltk", "tensorflow_text"} & {name.split(".")[0] for name in sys.modules}
print(json.dumps({"answers": answers, "foreign": sorted(foreign)}))
"""


ON_JAX = """
import sys, pytest
from pathlib import Path
from helpers import tiny
from textapp import pipeline
from textapp.config import DataConfig, TrainConfig
tiny.shrink(pytest.MonkeyPatch())
data, output = map(Path, sys.argv[1:3])
pipeline.train(TrainConfig(data=DataConfig(data=data), output=output, models=(sys.argv[3],), epochs=1))
"""


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", autouse=True)
def started_on_jax(tmp_path_factory, request):
    """Return the file and the process of a run on JAX; the first goes on beside the other tests."""
    processes = {}

    def start(name):
        if name not in processes:
            data = tmp_path_factory.mktemp("jax") / "data.csv"
            texts = [f"{'good' if n % 2 else 'bad'} film {n},{'ny'[n % 2]}\n" for n in range(20)]
            data.write_text("text,label\n" + "".join(texts))
            path = f"{REPO}{os.pathsep}{REPO / 'tests'}"
            process = subprocess.Popen(
                [sys.executable, "-c", ON_JAX, str(data), str(data.parent), name],
                env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": path},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            processes[name] = data, process
        return processes[name]

    if any(item.name.endswith("[encoder]") and "jax" in item.name for item in request.session.items):
        start("encoder")
    yield start
    for _, process in processes.values():
        process.kill()
        process.wait()


def test_what_lies_in_a_run(finished):
    assert {path.name for path in finished.folder.iterdir()} == {"run.json", "report", *MODELS, *COPIES}
    for name in MODELS:
        found = {path.name for path in (finished.folder / name).iterdir()}
        needed = {"model.json", "metrics.json"}
        if name in CLASSIFYING:
            needed |= {"labels.json", "cleaning.json", "predictions.csv"}
        if name in WRITING or name == "mix":
            needed |= {"scores.csv"}
        if name in EXPORTED:
            needed |= {"1", "parity.json"}
            assert (finished.folder / name / "1" / "saved_model.pb").is_file()
        if name in ("lstm", "encoder", "decoder"):
            needed |= {"history.csv", "model.keras"}
        assert needed <= found, name
        assert not {file for file in found if file.startswith(".")}
    assert not list(finished.folder.parent.glob("*.unfinished"))


def test_run_json(finished):
    run = read(finished.folder / "run.json")
    assert run["models"] == [*CLASSIFYING, COPIES[0], *WRITING, COPIES[1], "mix"]
    assert {"training", "export", "report"} == run["stages"].keys()
    # What `compare` says of a run comes from here.
    assert {"command", "seed", "versions", "device", "created"} <= run.keys()
    assert datetime.datetime.fromisoformat(run["created"]).tzinfo
    assert run["seed"] == run["config"]["data"]["seed"] == 3
    assert run["dataset"]["name"] == "rotten_tomatoes"
    assert run["dataset"]["sizes"] == {"train": 200, "validation": 200, "test": 200}
    assert run["dataset"]["label_names"] == ["negative", "positive"]
    assert {"python", "keras", "tensorflow"} <= run["versions"].keys()
    assert len(run["dataset"]["fingerprint"]) == 64


def test_the_report_has_a_row_for_every_model(finished):
    report = read(finished.folder / "report" / "report.json")
    assert [row["name"] for row in report["classifiers"]] == [*CLASSIFYING, COPIES[0]]
    assert [row["name"] for row in report["generators"]] == [*WRITING, COPIES[1], "mix"]
    assert not list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(report))
    markdown = (finished.folder / "report" / "report.md").read_text(encoding="utf-8")
    for name in [*MODELS, *COPIES]:
        assert f"| {name} |" in markdown
        assert name in finished.stdout
    assert finished.stderr == ""
    assert report["verdict"]["sentence"] in " ".join(finished.stdout.split())
    accuracy = {row["name"]: row["metrics"]["accuracy"] for row in report["classifiers"]}
    assert accuracy["majority"] == 0.5
    assert max(accuracy["tfidf"], accuracy["nbsvm"]) > 0.55
    bits = {row["name"]: row["bits_per_byte"] for row in report["generators"]}
    assert all(0 < value < 9 for value in bits.values())
    assert bits["decoder-int8"] == pytest.approx(bits["decoder"], rel=0.05)


def test_the_page_holds_every_part_and_asks_nobody(finished):
    page = (finished.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert len(page) < 5e6
    for part in ("Verdict", "Significance", "Calibration", "Abstention", "Errors", "Slices", "Robustness", "Data"):
        assert f">{part}</h2>" in page
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?\s*(?:https?:)?//", page)
    for name in [*MODELS, *COPIES]:
        card = (finished.folder / name / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert card.startswith(f"# Model card: {name}\n")
        assert card.count("\n## ") == 9


def test_the_pages_are_made_anew_from_the_report(request, finished, tmp_path):
    command = request.getfixturevalue("textapp")
    copy = shutil.copytree(finished.folder, tmp_path / "run")
    page = (copy / "report" / "index.html").read_bytes()
    (copy / "report" / "index.html").write_text("")
    result = command("report", copy)
    assert result.exit_code == 0, result.stderr
    assert (copy / "report" / "index.html").read_bytes() == page
    (copy / "run.json").unlink()
    assert "is no finished run: it has no run.json" in command("report", copy).stderr


@pytest.mark.parametrize("name", [*CLASSIFYING, COPIES[0]])
def test_predictions_are_those_of_the_model_from_the_disk(finished, name):
    dataset = load_dataset(DataConfig(dataset="rotten_tomatoes", limit=200, seed=3))
    lines = rows(finished.folder / name / "predictions.csv")
    model = textapp.load(finished.folder / name)
    assert [int(line["row"]) for line in lines] == dataset.test.rows.tolist()
    assert [line["label"] for line in lines] == [dataset.label_names[i] for i in dataset.test.labels]
    found = [[float(line[f"probability_{label}"]) for label in dataset.label_names] for line in lines]
    np.testing.assert_allclose(found, model.predict_proba(dataset.test.texts), atol=1e-5)
    assert [line["predicted"] for line in lines] == model.predict(dataset.test.texts)
    right = np.mean([line["label"] == line["predicted"] for line in lines])
    assert read(finished.folder / name / "metrics.json")["metrics"]["accuracy"] == pytest.approx(right)


def test_parity_is_proven(finished):
    for name in [*EXPORTED, *COPIES]:
        certificate = read(finished.folder / name / "parity.json")
        assert certificate.get("labels_that_differ", certificate.get("texts_that_differ")) == 0
        assert len(certificate["unusual_texts"]) > 10
        assert certificate["needs"] == ["tensorflow"]
        # Neither a GPU's ops, nor XLA's, nor Python.
        assert not [op for op in certificate["ops"] if op.startswith(("Cudnn", "Xla", "PyFunc", "EagerPyFunc"))]


@pytest.mark.slow
def test_savedmodels_answer_in_a_process_that_has_nothing_of_ours(finished, tmp_path):
    texts = ["A great film!", "", "boring and bad"]
    command = [sys.executable, "-I", "-c", ASK, str(finished.folder), *texts]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["foreign"] == []
    for name in ("tfidf", "nbsvm", "lstm", "encoder"):
        model = textapp.load(finished.folder / name)
        assert found["answers"][name]["label"] == model.predict(texts)
        expected = model.predict_proba(texts).max(axis=1)
        np.testing.assert_allclose(found["answers"][name]["score"], expected, atol=1e-5)
    expected = textapp.load(finished.folder / "decoder").generate(texts, max_new_tokens=60, top_p=0.95)
    assert found["answers"]["decoder"] == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_trained_on_jax_exported_on_tensorflow(started_on_jax, name):
    """In a process of its own; the SavedModel and the weights then answer the same on TensorFlow."""
    data, process = started_on_jax(name)
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-2000:]
    assert read(data.with_suffix("") / "run.json")["device"].endswith(", jax")
    folder = data.with_suffix("") / name
    assert (folder / "1" / "saved_model.pb").is_file()
    certificate = read(folder / "parity.json")
    assert certificate.get("labels_that_differ", certificate.get("texts_that_differ")) == 0
    texts = load_dataset(DataConfig(data=data)).test.texts
    if name == "decoder":
        expected = read(folder / "metrics.json")["bits_per_byte"]
        assert textapp.load(folder).bits_per_byte(texts) == pytest.approx(expected, rel=1e-4)
    else:
        lines = rows(folder / "predictions.csv")
        expected = [[float(line["probability_n"]), float(line["probability_y"])] for line in lines]
        np.testing.assert_allclose(textapp.load(folder).predict_proba(texts), expected, atol=1e-5)
