"""The main job on real reviews with every model, tiny; a model that a test adds; the same twice."""

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

import textapp
from textapp import pipeline
from textapp.config import DataConfig, TrainConfig
from textapp.datasets import DATASETS, Examples, Source, load_dataset
from textapp.errors import UserError
from textapp.models import CLASSIFIERS, GENERATORS
from textapp.models.classifier import Classifier

REPO = Path(__file__).parents[1]
MODELS = [*CLASSIFIERS, *GENERATORS]
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
import tensorflow_text
signatures = tf.saved_model.load(f"{folder}/decoder/1").signatures
answers["decoder"] = [
    text.decode() for text in signatures["serving_default"](prompt=tf.constant(texts))["text"].numpy()
]
foreign = {"textapp", "keras_hub", "nltk"} & {name.split(".")[0] for name in sys.modules}
print(json.dumps({"answers": answers, "foreign": sorted(foreign)}))
"""


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def config(data, output, **options):
    return TrainConfig(data=DataConfig(data=data), output=output, **options)


def test_what_lies_in_a_run(finished):
    assert {path.name for path in finished.folder.iterdir()} == {"run.json", "report", *MODELS}
    for name in MODELS:
        found = {path.name for path in (finished.folder / name).iterdir()}
        needed = {"model.json", "metrics.json"}
        if name in CLASSIFIERS:
            needed |= {"labels.json", "cleaning.json", "predictions.csv"}
        if name != "majority":
            needed |= {"1", "parity.json"}
            assert (finished.folder / name / "1" / "saved_model.pb").is_file()
        if name in ("lstm", "encoder", "decoder"):
            needed |= {"history.csv", "model.keras"}
        assert needed <= found, name
        assert not {file for file in found if file.startswith(".")}
    assert not list(finished.folder.parent.glob("*.unfinished"))


def test_run_json(finished):
    run = read(finished.folder / "run.json")
    assert run["models"] == MODELS
    assert run["seed"] == run["config"]["data"]["seed"] == 3
    assert run["dataset"]["name"] == "rotten_tomatoes"
    assert run["dataset"]["sizes"] == {"train": 200, "validation": 200, "test": 200}
    assert run["dataset"]["label_names"] == ["negative", "positive"]
    assert {"python", "keras", "tensorflow"} <= run["versions"].keys()
    assert len(run["dataset"]["fingerprint"]) == 64


def test_the_report_has_a_row_for_every_model(finished):
    report = read(finished.folder / "report" / "report.json")
    assert [row["name"] for row in report["classifiers"]] == list(CLASSIFIERS)
    assert [row["name"] for row in report["generators"]] == list(GENERATORS)
    markdown = (finished.folder / "report" / "report.md").read_text(encoding="utf-8")
    for name in MODELS:
        assert f"| {name} |" in markdown
        assert name in finished.stdout
    assert finished.stderr == ""
    assert report["verdict"]["sentence"] in " ".join(finished.stdout.split())
    accuracy = {row["name"]: row["metrics"]["accuracy"] for row in report["classifiers"]}
    assert accuracy["majority"] == 0.5
    assert max(accuracy["tfidf"], accuracy["nbsvm"]) > 0.55
    assert 0 < report["generators"][0]["bits_per_byte"] < 9


@pytest.mark.parametrize("name", CLASSIFIERS)
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
    for name in MODELS:
        if name != "majority":
            certificate = read(finished.folder / name / "parity.json")
            assert certificate.get("labels_that_differ", certificate.get("texts_that_differ")) == 0
            assert len(certificate["unusual_texts"]) > 10
            assert certificate["needs"][0] == "tensorflow"


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


@dataclasses.dataclass(kw_only=True, eq=False)
class Toy(Classifier):
    """Answers with the first class where the text is short."""

    name = "toy"
    kind = "linear"
    exports = False
    seen = {}  # noqa: RUF012

    longest: int = 15
    epochs: int = 7

    def fit(self, train, validation, *, progress=None):
        options = {"class_weight": self.class_weight, "seed": self.seed, "epochs": self.epochs}
        self.seen |= {**options, "texts": len(train)}
        return []

    def predict_proba(self, texts):
        first = np.array([[float(len(text) <= self.longest)] for text in texts], np.float32)
        return np.concatenate([first, 1 - first] + [0 * first] * (len(self.label_names) - 2), axis=1)

    @property
    def parameters(self):
        return 1

    def _save(self, folder):
        (folder / "toy.txt").write_text("toy")

    def _load(self, folder):
        assert (folder / "toy.txt").read_text() == "toy"


def test_a_model_is_added_by_one_line(monkeypatch, csv_file, tmp_path):
    monkeypatch.setitem(CLASSIFIERS, "toy", Toy)
    options = {"models": ("toy", "majority"), "class_weight": "balanced", "seed": 8}
    folder = pipeline.train(config(csv_file, tmp_path / "runs", **options))
    assert Toy.seen == {"class_weight": "balanced", "seed": 8, "epochs": 7, "texts": 48}
    report = read(folder / "report" / "report.json")
    assert [row["name"] for row in report["classifiers"]] == ["majority", "toy"]
    assert "toy: not exported as a SavedModel." in (folder / "report" / "report.md").read_text()
    assert len(rows(folder / "toy" / "predictions.csv")) == 6
    assert textapp.load(folder / "toy").predict(["short", "a text that is long"]) == ["n", "y"]


def test_a_dataset_is_added_by_one_line(monkeypatch, tmp_path):
    def toy(_):
        return Source(name="fruit", train=Examples(texts=list("abcdefgh"), labels=["x", "y"] * 4))

    monkeypatch.setitem(DATASETS, "fruit", toy)
    folder = pipeline.train(TrainConfig(data=DataConfig(dataset="fruit"), models=("majority",), output=tmp_path))
    assert folder == tmp_path / "fruit"
    assert read(folder / "run.json")["dataset"]["sizes"] == {"train": 4, "validation": 2, "test": 2}


def test_more_classes_than_two(tiny_models, tmp_path):
    """Through the report; `test_export` asks the SavedModels of three classes."""
    texts = [f"{word} {number}" for number in range(8) for word in ("good", "bad", "odd", "new")]
    data = tmp_path / "four.csv"
    data.write_text("text,label\n" + "".join(f"{text},{text.split()[0]}\n" for text in texts))
    folder = pipeline.train(config(data, tmp_path, models=("majority", "tfidf", "nbsvm")))
    report = read(folder / "report" / "report.json")
    for row in report["classifiers"]:
        assert np.shape(row["metrics"]["confusion_matrix"]) == (4, 4)
    accuracy = {row["name"]: row["metrics"]["accuracy"] for row in report["classifiers"]}
    assert accuracy == {"majority": 0.25, "tfidf": 1, "nbsvm": 1}


def test_the_same_twice_gives_the_same_bytes(tiny_models, csv_file, tmp_path):
    models = ("majority", "tfidf", "nbsvm", "encoder")
    folders = [pipeline.train(config(csv_file, tmp_path, run=name, models=models)) for name in ("one", "two")]
    for name in models:
        first, second = ((folder / name / "predictions.csv").read_bytes() for folder in folders)
        assert first == second
    assert len(rows(folders[0] / "encoder" / "history.csv")) == 2


def test_models_are_trained_once_in_the_order_of_the_dicts(monkeypatch, csv_file, tmp_path):
    monkeypatch.setitem(CLASSIFIERS, "toy", Toy)
    folder = pipeline.train(config(csv_file, tmp_path, models=("toy", "majority", "toy"), epochs=1))
    assert read(folder / "run.json")["models"] == ["majority", "toy"]
    assert Toy.seen["epochs"] == 1


@pytest.mark.parametrize("stage", ["export", "parity"])
def test_a_savedmodel_that_is_refused(monkeypatch, csv_file, tmp_path, stage):
    """It is taken away; the run is kept, says so and does not end well."""

    def export(pairs):
        if stage == "export":
            return "it went wrong"
        for _, target in pairs:
            target.mkdir()
            (target / "saved_model.pb").touch()

    def differs(*_):
        raise UserError("it went wrong")

    monkeypatch.setattr(pipeline, "export_models", export)
    monkeypatch.setattr(pipeline, "check_classifier", differs)
    with pytest.raises(UserError, match="data is complete but for SavedModels: tfidf: it went wrong"):
        pipeline.train(config(csv_file, tmp_path / "runs", models=("majority", "tfidf")))
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["data"]
    assert not {"1", "parity.json"} & {path.name for path in (tmp_path / "runs" / "data" / "tfidf").iterdir()}
    report = read(tmp_path / "runs" / "data" / "report" / "report.json")
    (row,) = [row for row in report["classifiers"] if row["name"] == "tfidf"]
    assert (row["exported"], row["notes"]) == (False, ["it went wrong"])


def test_trained_on_jax_exported_on_tensorflow(csv_file, tmp_path):
    """In a process of its own; the weights then answer the same here."""
    pytest.importorskip("jax")
    program = (
        "import sys, pytest, tiny\n"
        "from pathlib import Path\n"
        "from textapp import pipeline\n"
        "from textapp.config import DataConfig, TrainConfig\n"
        "from textapp.models import CLASSIFIERS\n"
        "tiny.shrink(pytest.MonkeyPatch())\n"
        "CLASSIFIERS['encoder'].exports = False  # to take less time\n"
        "data, output = map(Path, sys.argv[1:])\n"
        "models = ('encoder', 'decoder')\n"
        "pipeline.train(TrainConfig(data=DataConfig(data=data), output=output, models=models))\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'tests'}"}
    command = [sys.executable, "-c", program, str(csv_file), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    folder = tmp_path / "data"
    assert read(folder / "run.json")["device"].endswith(", jax")
    assert read(folder / "decoder" / "parity.json")["texts_that_differ"] == 0
    assert (folder / "decoder" / "1" / "saved_model.pb").is_file()
    dataset = load_dataset(DataConfig(data=csv_file))
    probabilities = textapp.load(folder / "encoder").predict_proba(dataset.test.texts)
    lines = rows(folder / "encoder" / "predictions.csv")
    found = [[float(line["probability_n"]), float(line["probability_y"])] for line in lines]
    np.testing.assert_allclose(probabilities, found, atol=1e-5)
    bits = textapp.load(folder / "decoder").bits_per_byte(dataset.test.texts)
    assert bits == pytest.approx(read(folder / "decoder" / "metrics.json")["bits_per_byte"], rel=1e-4)
