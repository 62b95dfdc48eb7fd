"""What each step of the cleaning is worth: the table's numbers by hand, and the command on a small run."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from helpers import tiny
from helpers.commands import refused
from scipy import stats

import textapp as library
from textapp import ablation
from textapp.ablation import FULL, ablate, ablation_rows
from textapp.errors import UserError
from textapp.finished import FinishedRun
from textapp.models.encoder import Encoder
from textapp.models.tfidf import Tfidf
from textapp.reports import schema
from textapp.reports.page import to_html
from textapp.text.steps import STEPS

# Only upper case tells the two classes apart.
WORDS = ("WONDER", "wonder")
DATA = "text,label\n" + "".join(f'"A <b>{WORDS[n % 2]}</b> film, 7/10, number {n}!",{n % 2}\n' for n in range(200))
CHANGING = ["removing HTML and entities", "lower case", "leaving out stop words", "numbers in one piece",
            "keeping ! and ?"]  # fmt: skip
PAGES = {"report/report.json", "report/report.md", "report/index.html"}


def answers(*wrong):
    """Return classes of ten texts of the class 1, the named ones answered with 0."""
    given = np.ones(10, np.int32)
    given[list(wrong)] = 0
    return given


def test_rows_by_hand():
    labels = np.ones(10, np.int32)
    first, worse, same = ablation_rows(
        labels, {FULL: [answers(0, 1)], "lower case": [answers(0, 1, 2, 3, 4, 5, 6)], "stop words": [answers(1, 0)]}
    )
    # A resample holds Binomial(10, share) texts with a right answer.
    assert first == {
        "removed": "nothing",
        "accuracy": 0.8,
        "interval": pytest.approx((stats.binom.ppf([0.025, 0.975], 10, 0.8) / 10).tolist()),
        "difference": None,
        "difference_interval": None,
        "p_value": None,
    }
    assert worse == {
        "removed": "lower case",
        "accuracy": pytest.approx(0.3),
        "interval": pytest.approx((stats.binom.ppf([0.025, 0.975], 10, 0.3) / 10).tolist()),
        "difference": pytest.approx(-0.5),
        "difference_interval": pytest.approx((-stats.binom.ppf([0.975, 0.025], 10, 0.5) / 10).tolist()),
        "p_value": pytest.approx(2 * (2 * 0.5**5)),  # five coins, all heads or all tails; twice for the two rows
    }
    assert (same["difference"], same["difference_interval"], same["p_value"]) == (0, [0, 0], 1)


def test_rows_of_several_seeds_are_means_over_them():
    """Every text is right in one of two seeds, so that nothing hangs on which texts a resample holds."""
    half = [answers(0, 1, 2), answers(3, 4, 5, 6, 7, 8, 9)]
    first, row = ablation_rows(
        np.ones(10, np.int32), {FULL: [answers(), answers()], "lower case": half}, resamples=1000
    )
    assert (first["accuracy"], first["interval"]) == (1, [1, 1])
    assert (row["accuracy"], row["interval"]) == (0.5, [0.5, 0.5])
    assert (row["difference"], row["difference_interval"]) == (-0.5, [-0.5, -0.5])
    assert row["p_value"] == pytest.approx(2 / 1001)  # none of the resamples on the other side


def test_rows_depend_on_the_seed_only():
    labels = np.arange(40) % 2
    given = {FULL: [labels], "lower case": [labels * (np.arange(40) % 3 > 0)]}
    assert ablation_rows(labels, given, seed=1, resamples=50) == ablation_rows(labels, given, seed=1, resamples=50)
    assert ablation_rows(labels, given, seed=1, resamples=50) != ablation_rows(labels, given, seed=2, resamples=50)


@pytest.fixture(scope="module")
def trained_run(textapp, tmp_path_factory):
    """A run on `DATA`; not to be changed."""
    folder = tmp_path_factory.mktemp("ablation")
    (folder / "data.csv").write_text(DATA)
    arguments = ["--models", "majority,tfidf"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        tiny.shrink(monkeypatch, exports=False)
        result = textapp("train", "--data", folder / "data.csv", *arguments, "--output", folder / "runs")
    assert result.exit_code == 0, result.output
    return folder / "runs" / "data"


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy of the run."""
    return shutil.copytree(trained_run, tmp_path / "small")


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def report_of(run):
    return json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))


def test_the_command_adds_its_table_and_changes_nothing_else(textapp, run):
    before, old = contents(run), report_of(run)
    result = textapp("ablate", "--run", run, "--model", "tfidf", "--seeds", 4)
    assert result.exit_code == 0, result.output
    after, report = contents(run), report_of(run)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} <= PAGES
    assert {key: value for key, value in report.items() if key not in ("ablation", "ablation_method")} == {
        key: value for key, value in old.items() if key != "ablation"
    }
    rows = {row["removed"]: row for row in report["ablation"]}
    assert list(rows) == [FULL, *CHANGING]
    described = json.loads(Path(schema.__file__).with_name("schema.json").read_text(encoding="utf-8"))
    jsonschema.validate({"ablation": report["ablation"]}, {**described, "required": ["ablation"]})
    assert after["report/index.html"].decode() == to_html(report)
    assert all(step.encode() in after["report/index.html"] for step in CHANGING if "&" not in step)

    dataset = FinishedRun(run).dataset()
    right = library.load(run / "tfidf").predict_proba(dataset.validation.texts).argmax(1) == dataset.validation.labels
    assert rows[FULL]["accuracy"] == right.mean()
    assert rows["lower case"]["accuracy"] == 1
    assert rows["lower case"]["difference"] == pytest.approx(1 - right.mean())
    assert rows["lower case"]["p_value"] == pytest.approx(min(1, 5 * 2 * 0.5 ** (~right).sum()))
    assert rows["numbers in one piece"]["p_value"] == 1

    method = report["ablation_method"]
    assert f"Accuracy is that on the {len(right)} validation texts" in method
    assert "trained once on the 160 training texts" in method
    left_out = [step for step in STEPS if step not in CHANGING]
    assert method.endswith(f"Left out, since they change none of these texts: {'; '.join(left_out)}.")
    flat = " ".join(result.stdout.split())
    assert "[1/6] tfidf, nothing taken away trained seconds" in flat
    assert "[3/6] tfidf without lower case trained" in flat
    assert "validation accuracy 1.0000" in flat
    assert "lower case 1.000 [1.000, 1.000] +" in flat
    assert method in flat
    assert f"Added to {run / 'report'}; open index.html" in flat


def test_a_network_is_trained_with_several_seeds(textapp, finished, tmp_path, monkeypatch):
    """From the run's seed on, and with the other options that its model.json has."""
    run = shutil.copytree(finished.folder, tmp_path / "copy")
    description = json.loads((run / "encoder" / "model.json").read_text())
    description["options"] |= {"epochs": 1, "batch_size": 50}
    (run / "encoder" / "model.json").write_text(json.dumps(description))
    seen = []
    fit = Encoder.fit

    def counted(self, *args, **kwargs):
        seen.append((self.seed, self.intermediate_dim, self.epochs, self.cleaning.to_json()["stopwords_name"]))
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(Encoder, "fit", counted)
    monkeypatch.setattr(ablation, "STEPS", {step: STEPS[step] for step in ("lower case", "leaving out stop words")})
    result = textapp("ablate", "--run", run, "--model", "encoder", "--seeds", 2)
    assert result.exit_code == 0, result.output
    assert seen == [(seed, 6, 1, stopwords) for stopwords in ("default", "none") for seed in (3, 4)]
    method = report_of(run)["ablation_method"]
    assert "encoder was trained 2 times, with the seeds 3 to 4, on the 200" in method
    assert "p-values are from the same resamples" in method
    assert "that other seeds may differ is not in the intervals" in method
    assert method.endswith("these texts: lower case.")  # the snippets have none to begin with
    assert "[2/2] encoder without leaving out stop words  seed 4" in result.stdout


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("tdidf", "has no classifier 'tdidf'; choose from ['tfidf', 'nbsvm', 'lstm', 'encoder']"),
        ("../rotten_tomatoes/tfidf", "has no classifier '../rotten_tomatoes/tfidf'"),
        ("decoder", "decoder writes texts and cleans none; choose from"),
        ("majority", "majority reads no text, so no cleaning matters to it; choose from"),
        ("encoder-int8", "encoder-int8 is no model of its own but made of trained ones"),
    ],
)
def test_models_that_cannot_be_ablated(textapp, finished, model, message):
    before = contents(finished.folder)
    refused(textapp("ablate", "--run", finished.folder, "--model", model), message)
    assert contents(finished.folder) == before


def test_an_encoder_that_started_from_pretraining(textapp, finished, tmp_path):
    """Its vocabulary is that of the pretraining, whatever the cleaning."""
    run = shutil.copytree(finished.folder, tmp_path / "copy")
    description = json.loads((run / "encoder" / "model.json").read_text())
    description["options"]["init_from"] = "runs/words/encoder"
    (run / "encoder" / "model.json").write_text(json.dumps(description))
    result = textapp("ablate", "--run", run, "--model", "encoder")
    refused(result, "encoder started from runs/words/encoder and has its words, so that")
    assert result.stderr.rstrip().endswith("choose from ['tfidf', 'nbsvm', 'lstm']")


def without_metrics(report):
    del report["classifiers"][1]["metrics"]


def with_a_number_for_a_name(report):
    report["classifiers"][0]["name"] = 7


@pytest.mark.parametrize("damage", [without_metrics, with_a_number_for_a_name, lambda report: report.clear()])
def test_a_damaged_report(textapp, run, damage):
    report = report_of(run)
    damage(report)
    (run / "report" / "report.json").write_text(json.dumps(report))
    before = contents(run)
    refused(textapp("ablate", "--run", run, "--model", "tfidf"), f"{run / 'report' / 'report.json'} is damaged")
    assert contents(run) == before


def test_runs_that_cannot_be_read(textapp, run):
    ablate = ["ablate", "--run", run, "--model", "tfidf"]
    (run / "tfidf" / "model.skops").rename(run / "away")
    refused(textapp(*ablate), "model.skops is missing")
    (run / "away").rename(run / "tfidf" / "model.skops")
    (run / "report" / "report.json").write_text("{")
    refused(textapp(*ablate), "report.json is damaged")
    (run / "report" / "report.json").unlink()
    refused(textapp(*ablate), "report.json is missing")
    (run / "run.json").unlink()
    refused(textapp(*ablate), f"{run} is no finished run: it has no run.json")
    refused(textapp("ablate", "--run", run / "nowhere", "--model", "tfidf"), "no run ")


def test_texts_that_have_changed_or_are_gone(textapp, run, tmp_path):
    facts = json.loads((run / "run.json").read_text())
    copy = tmp_path / "data.csv"
    copy.write_text(DATA.replace("number 7!", "number seven!"))
    facts["config"]["data"]["data"] = str(copy)
    (run / "run.json").write_text(json.dumps(facts))
    before = contents(run)
    refused(textapp("ablate", "--run", run, "--model", "tfidf"), f"the texts of {run} have changed since")
    copy.unlink()
    refused(textapp("ablate", "--run", run, "--model", "tfidf"), f"the texts of {run} cannot be read: ")
    assert contents(run) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_a_training_that_breaks_off_leaves_the_run_as_it_was(textapp, run, monkeypatch, error):
    fit = Tfidf.fit

    def fails_later(self, train, validation, *, progress=None):
        if not self.cleaning.to_json()["lowercase"]:
            raise error
        return fit(self, train, validation, progress=progress)

    monkeypatch.setattr(Tfidf, "fit", fails_later)
    before = contents(run)
    refused(textapp("ablate", "--run", run, "--model", "tfidf"), "", exit_code=130 if "Key" in repr(error) else 1)
    assert contents(run) == before


def test_what_another_command_adds_to_the_report_meanwhile_stays(run, monkeypatch):
    fit = Tfidf.fit

    def fit_and_add(self, train, validation, *, progress=None):
        (run / "report" / "report.json").write_text(json.dumps(report_of(run) | {"added": 1}))
        return fit(self, train, validation, progress=progress)

    monkeypatch.setattr(Tfidf, "fit", fit_and_add)
    rows = ablate(run, "tfidf")
    assert report_of(run)["added"] == 1
    assert report_of(run)["ablation"] == rows


def test_a_second_table_takes_the_place_of_the_first(run):
    ablate(run, "tfidf")
    first = contents(run)
    ablate(run, "tfidf")
    assert contents(run) == first
    with pytest.raises(UserError, match="has no classifier 'nbsvm'"):
        ablate(run, "nbsvm")
