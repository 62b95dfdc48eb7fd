"""The main job with a model and a dataset that a test adds, the same twice, and refused SavedModels."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from helpers import tiny

import textapp
from textapp import fitting, measuring, pipeline, shipping
from textapp.config import DataConfig, TrainConfig
from textapp.datasets import DATASETS, Examples, Source, load_dataset
from textapp.errors import UserError
from textapp.models import CLASSIFIERS, Tfidf
from textapp.models.classifier import Classifier


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def config(data, output, **options):
    return TrainConfig(data=DataConfig(data=data), output=output, **options)


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


def test_what_is_measured_on_a_part_is_of_every_class(monkeypatch, csv_file, tmp_path):
    """A test file that lists all texts of one class first."""
    names = [name for name in "ny" for _ in range(20)]
    lines = [f"a text of {name} number {number},{name}\n" for number, name in enumerate(names)]
    (tmp_path / "test.csv").write_text("text,label\n" + "".join(lines))
    monkeypatch.setitem(CLASSIFIERS, "toy", Toy)
    monkeypatch.setattr(fitting, "SCORED_TEXTS", 6)
    asked = []
    monkeypatch.setattr(measuring, "explain", lambda model, texts, classes: asked.append(texts) or weigh(texts))
    data = DataConfig(data=csv_file, test=tmp_path / "test.csv")
    measure = dataclasses.replace(textapp.config.MEASURE, perturbed_texts=8, explained_texts=5)
    options = TrainConfig(data=data, output=tmp_path / "runs", models=("toy", "bigram"))
    folder = pipeline.train(options, measure=measure)
    report = read(folder / "report" / "report.json")
    labels = [[text.split()[3] for text in texts] for texts in asked]
    assert [(found.count("n"), found.count("y")) for found in labels] == [(3, 2), (3, 2)]
    assert sorted(text["label"] for text in report["explanations"]["texts"]) == [*"nnnyy"]
    # It says "y" of all of them, which are longer than 15 characters.
    found = report["classifiers"][0]["robustness"][0]
    assert (found["n"], found["accuracy_before"]) == (8, 0.5)
    scored = fitting.scored_texts(load_dataset(data))
    assert [text.split()[3] for text in scored] == [*"nnnyyy"]
    generator = report["generators"][0]
    assert generator["test_documents"] == 6
    assert generator["bits_per_byte"] == pytest.approx(textapp.load(folder / "bigram").bits_per_byte(scored))


def weigh(texts):
    return [[(word, 1.0) for word in text.split()] for text in texts]


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


@pytest.mark.slow
def test_the_same_twice_gives_the_same_bytes(tiny_models, csv_file, tmp_path):
    """And several seeds leave the first as it is alone."""
    models = ("majority", "tfidf", "nbsvm", "encoder")
    seeds = {"one": 1, "two": 3}
    folders = [pipeline.train(config(csv_file, tmp_path, run=run, models=models, seeds=seeds[run])) for run in seeds]
    for name in models:
        first, second = ((folder / name / "predictions.csv").read_bytes() for folder in folders)
        assert first == second
    assert len(rows(folders[0] / "encoder" / "history.csv")) == 2
    seeds = read(folders[1] / "report" / "report.json")["classifiers"][-1]["seeds"]
    assert (seeds["seeds"], len(seeds["accuracies"])) == ([0, 1, 2], 3)


def test_the_temperature_is_fitted_on_validation_and_kept(monkeypatch, csv_file, tmp_path):
    """In the model, its predictions, and beside what was there before it."""
    monkeypatch.setattr(Tfidf, "exports", False)
    folder = pipeline.train(config(csv_file, tmp_path / "runs", models=("majority", "tfidf")))
    by_name = {row["name"]: row for row in read(folder / "report" / "report.json")["classifiers"]}
    assert by_name["majority"]["calibration"]["temperature"] == 1
    temperature = by_name["tfidf"]["calibration"]["temperature"]
    assert temperature != 1
    model = textapp.load(folder / "tfidf")
    assert model.temperature == temperature
    texts = ["good film", "bad film number 3", ""]
    calibrated = model.predict_proba(texts)
    model.temperature = 1.0
    logits = np.log(model.predict_proba(texts)) / temperature
    np.testing.assert_allclose(calibrated, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-4)


def test_several_seeds(tiny_models, csv_file, tmp_path):
    """A network is trained with each; the first is the one that stays."""
    models = ("tfidf", "encoder")
    folder = pipeline.train(config(csv_file, tmp_path, models=models, seeds=2, seed=5))
    report = read(folder / "report" / "report.json")
    linear, network = report["classifiers"]
    assert linear["seeds"] is None
    assert network["seeds"]["seeds"] == [5, 6]
    assert len(network["seeds"]["accuracies"]) == 2
    assert network["seeds"]["accuracies"][0] == network["metrics"]["accuracy"]


@pytest.mark.slow
def test_tensorboard_logs(tiny_models, csv_file, tmp_path):
    folder = pipeline.train(config(csv_file, tmp_path, models=("tfidf", "encoder"), tensorboard=True))
    assert list((folder / "encoder" / "logs").rglob("events.out.tfevents.*"))
    assert not (folder / "tfidf" / "logs").exists()


@pytest.mark.parametrize(("column", "found"), [(None, ["a", "b"]), ("shop", ["x", "y"])])
def test_accuracy_by_a_column(tmp_path, column, found):
    """By "source" where there is one, or the column that the user names."""
    data = tmp_path / "data.csv"
    lines = [
        f"{'good' if n % 2 else 'bad'} film {n},{'ny'[n % 2]},{'ab'[n % 3 == 0]},{'xy'[n % 5 == 0]}" for n in range(80)
    ]
    data.write_text("text,label,source,shop\n" + "\n".join(lines))
    chosen = TrainConfig(
        data=DataConfig(data=data, text_column="text", label_column="label", slice_column=column),
        models=("majority",),
        output=tmp_path,
    )
    folder = pipeline.train(chosen)
    (row,) = read(folder / "report" / "report.json")["classifiers"]
    groups = {part["group"]: part["n"] for part in row["slices"] if part["slice"] == "source"}
    place = {"a": 2, "b": 2, "x": 3, "y": 3}
    tested = [lines[int(line["row"])].split(",") for line in rows(folder / "majority" / "predictions.csv")]
    assert groups == {name: sum(line[place[name]] == name for line in tested) for name in found}


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
            return {folder: "it went wrong" for folder, _ in pairs}
        for _, target in pairs:
            target.mkdir()
            (target / "saved_model.pb").touch()
        return {}

    monkeypatch.setattr(shipping, "export_models", export)
    monkeypatch.setattr(shipping, "prove", lambda proofs: [UserError("it went wrong") for _ in proofs])
    with pytest.raises(UserError, match="data is complete but for SavedModels: tfidf: it went wrong"):
        pipeline.train(config(csv_file, tmp_path / "runs", models=("majority", "tfidf")))
    assert [path.name for path in (tmp_path / "runs").glob("[!.]*")] == ["data"]
    assert not {"1", "parity.json"} & {path.name for path in (tmp_path / "runs" / "data" / "tfidf").iterdir()}
    report = read(tmp_path / "runs" / "data" / "report" / "report.json")
    (row,) = [row for row in report["classifiers"] if row["name"] == "tfidf"]
    assert (row["exported"], row["notes"]) == (False, ["it went wrong"])


def test_a_run_without_tensorflow_says_what_it_lacks(monkeypatch, csv_file, tmp_path, textapp):
    tiny.draw_charts(monkeypatch)
    monkeypatch.setattr(shipping, "has_tensorflow", lambda: False)
    folder = pipeline.train(config(csv_file, tmp_path / "runs", models=("majority", "nbsvm")))
    missing = f"no SavedModels: TensorFlow is not installed here; `python -m textapp export --run {folder}` adds them"
    before = read(folder / "report" / "report.json")
    assert before["saved_models_missing"] == read(folder / "run.json")["saved_models_missing"] == missing
    page, markdown, card = (folder / name for name in ("report/index.html", "report/report.md", "nbsvm/MODEL_CARD.md"))
    for path in (page, markdown, card):
        assert "TensorFlow is not installed here" in path.read_text()
    assert "not exported" not in markdown.read_text()
    refusal = textapp("export", "--run", folder)
    assert refusal.exit_code == 1
    assert refusal.stderr.startswith("Error: a SavedModel takes TensorFlow, which is not installed here; run")


@pytest.mark.slow
def test_a_run_without_tensorflow_is_completed_later(monkeypatch, csv_file, tmp_path, textapp):
    """The command that the run names adds and proves what is missing."""
    tiny.draw_charts(monkeypatch)
    monkeypatch.setattr(shipping, "has_tensorflow", lambda: False)
    folder = pipeline.train(config(csv_file, tmp_path / "runs", models=("majority", "nbsvm")))
    before = read(folder / "report" / "report.json")
    page, markdown, card = (folder / name for name in ("report/index.html", "report/report.md", "nbsvm/MODEL_CARD.md"))
    monkeypatch.undo()
    done = textapp("export", "--run", folder)
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith(f"Added SavedModels of nbsvm to {folder}.\n")
    assert (folder / "nbsvm" / "1" / "saved_model.pb").is_file()
    proof = read(folder / "nbsvm" / "parity.json")
    assert proof["labels_that_differ"] == 0
    after = read(folder / "report" / "report.json")
    (row,) = [row for row in after["classifiers"] if row["name"] == "nbsvm"]
    (old,) = [row for row in before["classifiers"] if row["name"] == "nbsvm"]
    assert (row["exported"], row["export"]) == (True, proof)
    assert row["cost"]["bytes_on_disk"] == old["cost"]["bytes_on_disk"] + proof["bytes"]
    assert row["metrics"] == old["metrics"]
    assert after["saved_models_missing"] is read(folder / "run.json")["saved_models_missing"] is None
    assert "TensorFlow is not installed here" not in page.read_text() + markdown.read_text() + card.read_text()
    again = textapp("export", "--run", folder)
    assert (again.exit_code, again.stdout) == (0, f"No SavedModel is missing in {folder}.\n")


def test_a_savedmodel_that_is_refused_later(monkeypatch, csv_file, tmp_path, textapp):
    monkeypatch.setattr(shipping, "has_tensorflow", lambda: False)
    folder = pipeline.train(config(csv_file, tmp_path / "runs", models=("nbsvm",)))
    monkeypatch.setattr(shipping, "has_tensorflow", lambda: True)
    monkeypatch.setattr(shipping, "export_models", lambda pairs: {pairs[0][0]: "it went wrong"})
    result = textapp("export", "--run", folder)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {folder} is complete but for SavedModels: nbsvm: it went wrong\n"
    (row,) = read(folder / "report" / "report.json")["classifiers"]
    assert (row["exported"], row["notes"]) == (False, ["it went wrong"])
