"""Several classifiers that answer together: weights, files, the SavedModel and the main job."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import run_example, tiny

import textapp as library
from textapp.datasets import load_dataset
from textapp.datasets.cleaning import text_hash
from textapp.errors import UserError
from textapp.export.ask import operations
from textapp.export.parity import CORE_OPS
from textapp.models import load
from textapp.models.ensemble import Ensemble, fit_weights
from textapp.models.explaining import explain
from textapp.other_runs import borrowed, members_of_other_runs

MEMBERS = ("tfidf", "nbsvm", "encoder")
UNUSUAL = ["", "the of it is", "zzyzzx", "not a good film at all " * 500]


def log_loss(weights, probabilities, labels):
    mean = np.tensordot(weights, probabilities, axes=1)
    return -np.log(mean[np.arange(len(labels)), labels]).mean()


@pytest.fixture(scope="module")
def ensemble(trained, tmp_path_factory):
    """Three tiny models with other weights than 1 / 3 and a temperature, and their folder."""
    model = Ensemble(label_names=tiny.LABEL_NAMES, cleaning=tiny.CLEANING, weights=dict.fromkeys(MEMBERS, 0.0))
    model.members = {name: trained(name) for name in MEMBERS}
    model.weights = {"tfidf": 0.2, "nbsvm": 0.5, "encoder": 0.3}
    model.temperature = 0.8
    folder = tmp_path_factory.mktemp("ensemble") / "ensemble"
    model.save(folder)
    return model, folder


def test_weights_make_the_log_loss_smallest():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 500)
    right = np.eye(3)[labels]
    answers = [random.dirichlet(np.ones(3), 500) * noise + right * (1 - noise) for noise in (0.9, 0.8, 1.0, 0.85)]
    probabilities = np.stack(answers)
    weights = fit_weights(probabilities, labels)
    assert weights.shape == (4,)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    best = log_loss(weights, probabilities, labels)
    for other in random.dirichlet(np.ones(4), 300):
        assert best <= log_loss(other, probabilities, labels) + 1e-6


def test_a_member_that_is_always_worse_has_no_weight():
    labels = np.array([0, 1, 1, 0])
    good, bad = np.eye(2)[labels] * 0.8 + 0.1, np.full((4, 2), 0.5)
    assert fit_weights(np.stack([bad, good]), labels).tolist() == [0, 1]


def test_equal_members_share_and_a_zero_is_no_error():
    labels = np.array([0, 1])
    sure = np.array([[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(fit_weights(np.stack([sure, sure]), labels), [0.5, 0.5])


def test_it_answers_with_the_mean(trained, ensemble):
    model, _ = ensemble
    found = model.predict_proba([*tiny.TEXTS, *UNUSUAL])
    mean = sum(w * trained(name).predict_proba([*tiny.TEXTS, *UNUSUAL]) for name, w in model.weights.items())
    sharper = mean ** (1 / 0.8)
    np.testing.assert_allclose(found, sharper / sharper.sum(axis=1, keepdims=True), rtol=1e-5)
    assert found.dtype == np.float32
    assert model.predict_proba([]).shape == (0, 3)
    assert model.parameters == sum(trained(name).parameters for name in MEMBERS) + 3


def test_fit_weighs_the_members(trained):
    model = Ensemble(label_names=tiny.LABEL_NAMES, cleaning=tiny.CLEANING)
    model.members = {name: trained(name) for name in ("majority", "nbsvm")}
    assert model.fit(tiny.split(), tiny.split()) == []
    assert list(model.weights) == list(model.members) == ["nbsvm"]
    np.testing.assert_allclose(model.predict_proba(tiny.TEXTS), trained("nbsvm").predict_proba(tiny.TEXTS), rtol=1e-5)


def test_saved_and_loaded_it_answers_the_same(ensemble):
    model, folder = ensemble
    again = library.load(folder)
    assert (again.weights, again.temperature) == (model.weights, 0.8)
    np.testing.assert_allclose(again.predict_proba(tiny.TEXTS), model.predict_proba(tiny.TEXTS), rtol=1e-6)


def test_words_are_left_out_to_explain(ensemble):
    model, _ = ensemble
    (words,) = explain(model, ["a good and great film"], [1])
    assert [word for word, _ in words] == ["good", "great", "film"]
    assert all(np.isfinite(weight) for _, weight in words)


def test_the_savedmodel_answers_the_same(ensemble, tmp_path):
    """One SavedModel of all members, of core ops; parity proofs are made by a process of their own."""
    tf = pytest.importorskip("tensorflow")
    from textapp.export.saved_model import export

    model, folder = ensemble
    export(folder, tmp_path / "1")
    ask = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    texts = [*tiny.TEXTS, *UNUSUAL]
    for some in (texts, texts[:1]):
        found = ask(text=tf.constant(some))
        np.testing.assert_allclose(found["probabilities"].numpy(), model.predict_proba(some), atol=1e-5)
        assert [name.decode() for name in found["label"].numpy()] == model.predict(some)
    assert set(operations(str(tmp_path / "1"))) <= CORE_OPS


@pytest.mark.parametrize("damage", ["member", "labels", "weights", "path"])
def test_a_damaged_folder_is_one_sentence(ensemble, tmp_path, damage):
    folder = shutil.copytree(ensemble[1], tmp_path / "copy")
    description = json.loads((folder / "model.json").read_text())
    if damage == "member":
        shutil.rmtree(folder / "members" / "nbsvm")
    elif damage == "labels":
        (folder / "members" / "nbsvm" / "labels.json").write_text('["x", "y", "z"]')
        tiny.sign(folder / "members" / "nbsvm")
    else:
        description["options"]["weights"] = {"weights": {}, "path": {"../members/nbsvm": 1.0}}[damage]
        (folder / "model.json").write_text(json.dumps(description))
    message = {"member": "no model folder", "labels": "its member nbsvm is no classifier of"}
    with pytest.raises(UserError, match=message.get(damage, "is damaged: its weights")):
        load(folder)


@pytest.mark.parametrize("exports", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_main_job(textapp, tiny_models, csv_file, tmp_path, monkeypatch, exports):
    monkeypatch.setattr(Ensemble, "exports", exports)
    train = ["train", "--data", csv_file, "--output", tmp_path, "--epochs", 1]
    assert textapp(*train, "--models", "tfidf", "--run", "first").exit_code == 0
    options = ["--models", "majority,nbsvm", "--ensemble-with", tmp_path / "first" / "tfidf", "--run", "second"]
    result = textapp(*train, *options)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "second" / "report" / "report.json").read_text())
    rows = {row["name"]: row for row in report["classifiers"]}
    assert list(rows) == ["majority", "nbsvm", "ensemble"]
    assert rows["ensemble"]["kind"] == "ensemble"
    assert rows["ensemble"]["exported"] is exports
    assert rows["ensemble"]["weights"] == library.load(tmp_path / "second" / "ensemble").weights
    assert sum(rows["ensemble"]["weights"].values()) == pytest.approx(1)
    assert set(rows["ensemble"]["weights"]) <= {"nbsvm", "first-tfidf"}
    page = (tmp_path / "second" / "report" / "report.md").read_text()
    assert "ensemble: The mean of the probabilities with weights fitted on the validation texts" in page
    assert "the weighted mean of" in (tmp_path / "second" / "ensemble" / "MODEL_CARD.md").read_text()
    assert textapp("predict", "--model", tmp_path / "second" / "ensemble", "good film").exit_code == 0
    refused = textapp("ablate", "--run", tmp_path / "second", "--model", "ensemble")
    assert "ensemble is no model of its own but made of trained ones" in refused.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "majority,nbsvm", "--ensemble"], "--ensemble takes two classifiers or more and got ['nbsvm']"),
        (
            ["--models", "nbsvm,tfidf", "--ensemble-with", "nowhere/lstm"],
            f"no model folder {Path.cwd() / 'nowhere' / 'lstm'}",
        ),
    ],
)
def test_what_train_refuses(textapp, csv_file, tmp_path, options, message):
    result = textapp("train", "--data", csv_file, "--output", tmp_path / "runs", *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_model_of_another_run_must_not_know_the_answers(trained, tmp_path):
    data = run_example.write_data(tmp_path / "data")
    run = run_example.write_run(tmp_path / "run", data, {"nbsvm": 2})
    model = tiny.make("nbsvm", label_names=("bad", "good"))
    model.fit(tiny.split(["bad film", "good film"], [0, 1]), tiny.split())
    model.save(run / "nbsvm")
    dataset = load_dataset(data)
    assert borrowed(run / "nbsvm", dataset, option="--teacher").label_names == ("bad", "good")
    other = run_example.write_data(tmp_path / "other", extra=" of another kind")
    assert list(members_of_other_runs([run / "nbsvm"], load_dataset(other), option="--x")) == ["run-nbsvm"]
    # Its training texts are what the other run is tested on.
    (tmp_path / "other" / "test.csv").write_text((tmp_path / "data" / "train.csv").read_text())
    with pytest.raises(UserError, match=r"which has learned from [0-9]+ of the [0-9]+ validation and test texts"):
        borrowed(run / "nbsvm", load_dataset(other), option="--teacher")
    (tmp_path / "data" / "train.csv").unlink()
    with pytest.raises(UserError, match=r"was trained on other texts, and whether .* cannot be seen"):
        borrowed(run / "nbsvm", load_dataset(other), option="--teacher")
    for name, message in (("lstm", r"whose labels are .*; these texts have"), ("decoder", "which holds a generator")):
        trained(name).save(run / name)
        with pytest.raises(UserError, match=message):
            borrowed(run / name, load_dataset(other), option="--teacher")
    with pytest.raises(UserError, match="each model is taken once"):
        members_of_other_runs([run / "nbsvm", run / ".." / "run" / "nbsvm"], dataset, option="--ensemble-with")


def test_members_of_other_runs_make_an_ensemble_that_can_be_loaded(tmp_path):
    data = run_example.write_data(tmp_path / "data")
    run = run_example.write_run(tmp_path / "-my run (2)", data, {"nbsvm": 2})
    for name in ("nbsvm", "majority"):
        model = tiny.make(name, label_names=("bad", "good"))
        model.fit(tiny.split(["bad film", "good film"], [0, 1]), tiny.split())
        model.save(run / name)
    found = members_of_other_runs([run / "nbsvm"], load_dataset(data), option="--ensemble-with")
    assert list(found) == ["_my_run__2_-nbsvm"]
    model = Ensemble(label_names=("bad", "good"), cleaning=tiny.CLEANING)
    model.members, model.weights = found, dict.fromkeys(found, 1.0)
    model.save(run / "ensemble")
    assert load(run / "ensemble").weights == model.weights
    for name in ("majority", "ensemble"):
        with pytest.raises(UserError, match=f"is .*{name}, which cannot join an ensemble; it takes classifiers"):
            members_of_other_runs([run / name], load_dataset(data), option="--ensemble-with")


def test_nor_may_what_it_learned_from(tmp_path):
    """Its run's teacher and ensemble, the texts that the teacher labelled, and what it was pretrained on."""
    run = run_example.write_run(
        tmp_path / "run", run_example.write_data(tmp_path / "data", extra=" more"), {"nbsvm": 2}
    )
    model = tiny.make("nbsvm", label_names=("bad", "good"))
    model.fit(tiny.split(["bad film", "good film"], [0, 1]), tiny.split())
    model.save(run / "nbsvm")
    mine = run_example.write_data(tmp_path / "mine")
    dataset = load_dataset(mine)
    # A run that was trained on what this one is tested on.
    theirs = run_example.write_data(tmp_path / "theirs", extra=" else")
    shutil.copy(mine.test, theirs.data)
    knowing = run_example.write_run(tmp_path / "knowing", theirs, {"tfidf": 1})
    start = tmp_path / "words" / "encoder"
    start.mkdir(parents=True)
    run_example.write(start / "pretraining.json", {"objective": "mlm", "model": "encoder", "options": {}})
    hashes = b"".join(map(text_hash, dataset.test.texts))
    np.save(start / "texts.npy", np.frombuffer(hashes, np.uint64).reshape(-1, 2))
    facts = run_example.read(run / "run.json")

    def borrow(**chosen):
        run_example.write(run / "run.json", facts | {"config": facts["config"] | chosen})
        return borrowed(run / "nbsvm", dataset, option="--teacher")

    itself = {"teacher": str(run / "nbsvm"), "ensemble_with": [str(run / "nbsvm")], "unlabelled": None}
    assert borrow(**itself, init_from=None).label_names == ("bad", "good")
    ways = [
        {"unlabelled": str(mine.test), "text_column": None},
        {"teacher": str(knowing / "tfidf")},
        {"ensemble_with": [str(run / "nbsvm"), str(knowing / "tfidf")]},
        {"init_from": str(tmp_path / "words")},
    ]
    for way in ways:
        with pytest.raises(
            UserError, match=r"run/nbsvm, which has learned from [0-9]+ of the [0-9]+ validation and test"
        ):
            borrow(**way)
    mine.test.unlink()
    shutil.rmtree(knowing)
    shutil.rmtree(tmp_path / "words")
    for way in ways:
        with pytest.raises(UserError, match="whether they hold texts that this run is tested on cannot be seen: "):
            borrow(**way)
