"""Pretraining and starting from it: what is learned, taken over, left out and refused."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import tiny
from helpers.commands import refused

from textapp import few_labels, machine, pipeline, pretraining
from textapp.config import DataConfig, PretrainConfig, TrainConfig
from textapp.datasets import load_dataset
from textapp.datasets.cleaning import text_hash
from textapp.errors import UserError
from textapp.models import Decoder, Encoder, load
from textapp.models.masked_preset import MaskedPreset
from textapp.models.masked_words import MaskedEncoder, measure_masked
from textapp.models.pretrained import MiniLM
from textapp.models.starting import PRETRAINING_FILE
from textapp.training.progress import Progress

# Each word tells the next, so that a masked one can be told from its neighbours.
CIRCLE = ("red green blue grey pink gold " * 3).split()
CORPUS = [" ".join(CIRCLE[start : start + 6]) for start in range(6)] * 12
ROWS = [f"{'good' if n % 3 else 'bad'} {CORPUS[n]} number {n},{'yn'[n % 3 == 0]}" for n in range(60)]


def write_options(folder, model, objective, options):
    """Write the pretraining.json that the command writes."""
    content = {"objective": objective, "model": model, "options": options, "texts": 72, "tokens": 432, "passes": 2}
    content |= {"held_out": {"texts": 6, "loss": 1.0}, "seconds": 3.0}
    (folder / PRETRAINING_FILE).write_text(json.dumps(content))


def encoder(**options):
    sizes = {"vocabulary_size": 20, "sequence_length": 11, "embedding_dim": 8, "layers": 2, "heads": 2}
    sizes |= {"intermediate_dim": 12, "batch_size": 6, "token_dropout": 0.0, "block_dropout": 0.0}
    return Encoder(**{"label_names": tiny.LABEL_NAMES, "cleaning": tiny.CLEANING, **sizes, **options})


@pytest.fixture(
    scope="module", params=[pytest.param(False, id="words"), pytest.param(True, id="pairs", marks=pytest.mark.slow)]
)
def pretrained(request, tmp_path_factory):
    """A pretrained encoder and its folder."""
    folder = tmp_path_factory.mktemp("pretrained") / "encoder"
    masked = MaskedEncoder(encoder=encoder(epochs=1), pairs=request.param)
    masked.fit(CORPUS, CORPUS[:6], progress=Progress())
    write_options(folder_of(masked, folder), "encoder", "mlm", masked.options)
    return masked, folder


def folder_of(masked, folder):
    masked.options = masked.save(folder)
    return folder


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("pairs", [False, True], ids=["words", "pairs"])
def test_the_loss_on_held_out_texts_falls(pairs):
    masked = MaskedEncoder(encoder=encoder(epochs=30, learning_rate=2e-2), pairs=pairs)
    learned = masked.fit(CORPUS, CORPUS[:6], progress=Progress())
    history, figures = learned.history, learned.figures
    guessing = np.log(6) + (np.log(2) if masked.pairs else 0)  # among the words, and between yes and no
    assert min(row["val_loss"] for row in history) < guessing - 0.1 < history[0]["val_loss"]
    assert 0 < figures["loss"] < np.log(6)
    assert figures["accuracy"] > (0 if masked.pairs else 0.9)  # with both to tell, so few steps teach little
    assert ("next_accuracy" in figures) == masked.pairs
    assert (learned.tokens, learned.passes) == (72 * 6, 30)


def test_the_head_is_tied_to_the_embedding(pretrained):
    masked, _ = pretrained
    ids = len(masked.encoder.vocabulary) + (2 if masked.pairs else 1)
    assert [weight.path for weight in masked.network.weights if tuple(weight.shape) == (ids, 8)] == [
        "embedding/token_embedding/embeddings"
    ]
    assert masked.masking.mask_id == len(masked.encoder.vocabulary)


def test_an_encoder_starts_from_it(pretrained):
    """Without a learning rate the first epoch leaves the weights as they were taken over."""
    masked, folder = pretrained
    model = encoder(init_from=str(folder), learning_rate=0.0, epochs=1)
    model.fit(tiny.split(), tiny.split())
    assert model.vocabulary.words == masked.encoder.vocabulary.words
    ids = masked.encoder.vocabulary.encode(tiny.CLEANING(CORPUS[:4]))
    token_ids = np.stack([ids[row] for row in range(4)])
    inputs = {"token_ids": token_ids, "padding_mask": token_ids > 0}
    theirs = {**inputs, "mask_positions": np.zeros((4, 1), np.int32)}
    if masked.pairs:
        theirs["segment_ids"] = np.zeros_like(token_ids)  # the first segment's embedding is part of the positions
    hidden = [
        keras.Model(network.input, network.get_layer("block_1").output).predict_on_batch(given)
        for network, given in ((model.network, inputs), (masked.network, theirs))
    ]
    np.testing.assert_allclose(*hidden, atol=1e-5)
    plain = encoder(learning_rate=0.0, epochs=1)
    plain.fit(tiny.split(), tiny.split())
    assert plain.vocabulary.words != model.vocabulary.words


def test_a_started_encoder_is_saved_and_needs_its_start_no_longer(pretrained, tmp_path):
    _, folder = pretrained
    copy = shutil.copytree(folder, tmp_path / "start")
    model = encoder(init_from=str(copy), epochs=1)
    model.fit(tiny.split(), tiny.split())
    model.save(tmp_path / "encoder")
    shutil.rmtree(copy)
    answers = load(tmp_path / "encoder").predict_proba(tiny.TEXTS)
    np.testing.assert_allclose(answers, model.predict_proba(tiny.TEXTS), atol=1e-6)


def test_other_sizes_are_refused(pretrained):
    _, folder = pretrained
    with pytest.raises(
        Exception, match="was pretrained with embedding_dim 8, and encoder has 4; they must be the same"
    ):
        encoder(init_from=str(folder), embedding_dim=4).fit(tiny.split(), tiny.split())


@pytest.mark.slow
def test_minilm_goes_on_from_a_preset_and_starts_from_that(tmp_path):
    own = {"preset": str(tiny.preset()), "sequence_length": 9, "batch_size": 6}
    model = MiniLM(label_names=(), cleaning=tiny.CLEANING, epochs=6, learning_rate=2e-2, **own)
    masked = MaskedPreset(model=model)
    learned = masked.fit(tiny.TEXTS * 3, tiny.TEXTS, progress=Progress())
    assert min(row["val_loss"] for row in learned.history[3:]) < learned.history[0]["val_loss"]
    write_options(folder_of(masked, tmp_path / "minilm"), "minilm", "mlm", masked.options)
    assert masked.options == {"preset": own["preset"]}
    started = tiny.make("minilm", init_from=str(tmp_path / "minilm"), learning_rate=0.0, epochs=1)
    started.fit(tiny.split(), tiny.split())
    for ours, theirs in zip(started.network.get_layer("encoder").weights, masked.encoder.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    (tmp_path / "minilm" / "model.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(Exception, match="is damaged"):
        started.fit(tiny.split(), tiny.split())


def test_minilm_stands_beside_the_preset_that_its_pretraining_went_on_from(csv_file, tmp_path):
    """And what cannot be loaded is refused before anything is trained."""
    (tmp_path / "minilm").mkdir()
    data = DataConfig(data=csv_file)
    config = TrainConfig(data=data, models=("minilm",), init_from=tmp_path / "minilm", label_counts=(6,))
    for preset in (str(tiny.preset()), str(tmp_path / "gone")):
        write_options(tmp_path / "minilm", "minilm", "mlm", {"preset": preset})
        without = few_labels._without_pretraining("minilm", config)
        assert (without.init_from, without.preset) == (None, preset)
        if "gone" in preset:
            with pytest.raises(UserError, match="gone"):
                few_labels.check_label_counts(config, ["minilm"], load_dataset(data))
        else:
            few_labels.check_label_counts(config, ["minilm"], load_dataset(data))


@pytest.mark.parametrize("names", [(), tiny.LABEL_NAMES], ids=["plain", "labels"])
def test_a_decoder_starts_from_it(tmp_path, names):
    own = tiny.make("decoder")
    own.fit(tiny.split(), tiny.split())
    own.save(tmp_path / "decoder")
    sizes = ("tokens", "vocabulary_size", "context", "layers", "heads", "hidden_dim")
    write_options(tmp_path / "decoder", "decoder", "clm", {name: getattr(own, name) for name in sizes})
    other = ["something else entirely", "which has other subwords"] * 4
    started = tiny.make("decoder", init_from=str(tmp_path / "decoder"), learning_rate=0.0, label_names=names)
    started.fit(tiny.split(texts=other), tiny.split())
    assert started.subwords.vocabulary == own.subwords.vocabulary
    for new, old in zip(started.network.get_weights(), own.network.get_weights(), strict=True):
        assert len(new) - len(old) in (0, len(names))
        np.testing.assert_allclose(new[: len(old)], old, atol=1e-6)


# The command.


@pytest.fixture
def files(tmp_path):
    """A labelled file and one without labels that holds all of its texts, and others."""
    labelled, unlabelled = tmp_path / "data.csv", tmp_path / "more.csv"
    labelled.write_text("text,label\n" + "\n".join(ROWS) + "\n")
    more = [row.rsplit(",", 1)[0].upper() for row in ROWS] + CORPUS[:7] + [""]
    unlabelled.write_text("text\n" + "\n".join(more) + "\n")
    return labelled, unlabelled


SMALL = ["--layers", 1, "--embedding-dim", 32, "--sequence-length", 8, "--epochs", 2]


@pytest.mark.slow
def test_the_command_reads_no_text_that_is_tested_on(textapp, files, tmp_path, monkeypatch):
    tiny.draw_charts(monkeypatch)
    monkeypatch.setattr(few_labels, "EPOCH_TEXTS", 60)
    monkeypatch.setattr(Encoder, "exports", False)
    labelled, unlabelled = files
    runs = tmp_path / "runs"
    command = ["pretrain", "--objective", "mlm", "--nsp", "--data", labelled, "--unlabelled", unlabelled, *SMALL]
    done = textapp(*command, "--output", runs)
    assert done.exit_code == 0, done.output
    assert "Left out of" in done.output
    assert "12 of the validation or test split" in " ".join(done.output.split())  # a line may break anywhere
    facts = json.loads((runs / "data-mlm" / "run.json").read_text())
    assert facts["pretraining"]["texts"] + facts["pretraining"]["held_out"]["texts"] == 48 + 6
    assert facts["pretraining"]["passes"] == 2
    hashes = {row.tobytes() for row in np.load(runs / "data-mlm" / "encoder" / "texts.npy")}
    dataset = load_dataset(DataConfig(data=labelled))
    assert all(text_hash(text) in hashes for text in dataset.train.texts)
    for split in (dataset.validation, dataset.test):
        assert not any(text_hash(text) in hashes for text in split.texts)

    train = ["train", "--data", labelled, "--models", "nbsvm,encoder", "--epochs", 1, "--output", runs]
    done = textapp(*train, "--init-from", runs / "data-mlm", "--label-counts", "30,6")
    assert done.exit_code == 0, done.output
    report = json.loads((runs / "data" / "report" / "report.json").read_text())
    assert any("pretrained (mlm and next segments) on" in note for note in report["classifiers"][1]["notes"])
    rows = {
        (row["name"], row["pretrained"]): [point["labels"] for point in row["points"]] for row in report["few_labels"]
    }
    assert rows == {name: [6, 30, 48] for name in (("nbsvm", False), ("encoder", True), ("encoder", False))}
    assert "labels-accuracy" in (runs / "data" / "report" / "index.html").read_text()
    page = (runs / "data" / "report" / "report.md").read_text()
    assert "encoder, pretrained" in page
    assert "Without pretraining a model has the sizes that it has by default" in page
    assert json.loads((runs / "data" / "run.json").read_text())["config"]["init_from"] == str(runs / "data-mlm")
    main = next(row for row in report["classifiers"] if row["name"] == "encoder")
    assert report["few_labels"][1]["points"][-1]["accuracy"] == main["metrics"]["accuracy"]

    # Another seed splits the texts in another way, so that some that were read would be tested on.
    done = textapp(*train, "--init-from", runs / "data-mlm" / "encoder", "--seed", 1)
    refused(done, "of the 12 validation and test texts of this run; pretrain again with the same --data")
    refused(textapp(*train, "--init-from", runs / "data-mlm", "--stopwords", "none"), "cleaned in another way")
    refused(textapp(*train[:4], "tfidf", "--init-from", runs / "data-mlm"), "holds encoder, from which none of")
    refused(textapp(*train, "--label-counts", "1"), "--label-counts has 1; it must be at least 2")
    refused(textapp(*train, "--label-counts", "48"), "below the 48 training texts")
    refused(textapp(*train, "--label-counts", "few"), "must be whole numbers above 0")
    weights = runs / "data-mlm" / "encoder" / "model.npz"
    weights.write_bytes(weights.read_bytes()[:100])
    refused(textapp(*train, "--init-from", runs / "data-mlm"), "is damaged")
    (runs / "data-mlm" / "encoder" / "pretraining.json").write_text('{"model": "encoder", "objective": "clm"}')
    refused(textapp(*train, "--init-from", runs / "data-mlm"), "is damaged: it lacks the model")


def test_the_decoders_command(textapp, files, tmp_path):
    runs = tmp_path / "runs"
    small = ["--layers", 1, "--embedding-dim", 64, "--sequence-length", 16, "--vocabulary-size", 300, "--epochs", 1]
    done = textapp(
        "pretrain", "--objective", "clm", "--unlabelled", files[1], *small, "--output", runs, "--run", "more"
    )
    assert done.exit_code == 0, done.output
    found = json.loads((runs / "more" / "decoder" / PRETRAINING_FILE).read_text())
    assert (found["model"], found["options"]["hidden_dim"]) == ("decoder", 64)
    assert found["passes"] == pytest.approx(16 / 9, abs=1e-4)  # one step, of 16 windows, where there are 9
    assert found["held_out"]["bits_per_byte"] > 0
    assert isinstance(load(runs / "more" / "decoder"), Decoder)  # it can be used as it is


@pytest.mark.slow
def test_all_generators_of_a_run_read_the_tokens_of_the_decoder_that_one_starts_from(
    textapp, tiny_models, files, tmp_path, monkeypatch
):
    labelled, unlabelled = files
    runs = tmp_path / "runs"
    small = ["--layers", 1, "--embedding-dim", 64, "--sequence-length", 70, "--vocabulary-size", 300, "--epochs", 1]
    texts = ["--data", labelled, "--unlabelled", unlabelled]
    done = textapp("pretrain", "--objective", "clm", *texts, *small, "--output", runs, "--run", "start")
    assert done.exit_code == 0, done.output
    train = ["train", "--data", labelled, "--output", runs, "--init-from", runs / "start"]
    done = textapp(*train, "--models", "kneser-ney,decoder")
    assert done.exit_code == 0, done.output
    start = load(runs / "start" / "decoder").subwords.vocabulary
    names = ("kneser-ney", "decoder", "mix")
    assert [load(runs / "data" / name).subwords.vocabulary for name in names] == [start] * 3
    refused(textapp(*train, "--generator-tokens", "words"), "reads 'bpe', as all generators of its run do then")
    (runs / "start" / "decoder" / "tokenizer" / "vocabulary.json").write_text("{")
    refused(textapp(*train), "tokenizer is damaged")


def test_one_column_of_texts_for_labelled_files_and_others(textapp, tmp_path, monkeypatch):
    """Beside a dataset of ours, too, which has no file whose column there would be to name."""
    seen = []
    monkeypatch.setattr(pretraining, "pretrain", lambda config, **_: seen.append(config))
    monkeypatch.setattr(pipeline, "train", lambda config, **_: seen.append(config))
    column, more = ["--text-column", "body"], ["--unlabelled", "more.csv"]
    for command in (["pretrain", "--objective", "mlm"], ["train", "--teacher", "a/b"]):
        for texts in (["--dataset", "imdb"], ["--data", "data.csv"]):
            assert textapp(*command, *texts, *more, *column).exit_code == 0
    assert [(config.data.text_column, config.text_column) for config in seen] == [(None, "body"), ("body", "body")] * 2
    monkeypatch.undo()
    refused(textapp("train", *column, "--output", tmp_path), "--text-column body goes with --data FILE")
    refused(textapp("pretrain", "--objective", "mlm", *column, "--output", tmp_path), "--text-column body goes with")


def test_the_column_is_read(files, tmp_path):
    more = tmp_path / "other.csv"
    more.write_text("text,body\n" + "".join(f"the same,{text}\n" for text in CORPUS[:6]))
    config = {"objective": "mlm", "data": DataConfig(data=files[0]), "unlabelled": (more,), "text_column": "body"}
    corpus = pretraining.read_corpus(PretrainConfig(**config))
    assert len(corpus.texts) + len(corpus.held_out) == 48 + 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "mml"], "unknown objective 'mml'; choose from ['mlm', 'clm']"),
        (["--objective", "mlm", "--model", "decoder"], "--objective mlm is for encoder and minilm, not for 'decoder'"),
        (["--objective", "clm", "--nsp"], "--nsp goes with --objective mlm and --model encoder, not with decoder"),
        (["--objective", "mlm", "--preset", "x"], "--preset goes with --model minilm, not with encoder"),
        (["--objective", "mlm", "--model", "minilm", "--layers", "2"], "minilm has the sizes of its preset"),
        (
            ["--objective", "mlm", "--embedding-dim", "50"],
            "--embedding-dim is 50; for encoder it must be a multiple of",
        ),
        (["--objective", "mlm", "--learning-rate", "0"], "--learning-rate is 0.0; it must be a number above 0"),
        (["--objective", "mlm", "--budget", "soon"], "--budget is 'soon'; it must be a time above 0"),
        (["--objective", "mlm", "--unlabelled", "nowhere.csv"], f"there is no file {Path.cwd() / 'nowhere.csv'}"),
        (
            ["--objective", "clm", "--embedding-dim", "8192", "--layers", "100"],
            "100 layers of 8192 have about 80,530,636,800 weights, and to train such a decoder takes 1,200 GiB",
        ),
        (["--objective", "mlm", "--unlabelled", "x.csv", "--test", "y.csv"], "--test goes with --data FILE or"),
        (["--objective", "mlm", "--dataset", "imbd"], "unknown dataset 'imbd'"),
    ],
)
def test_bad_options(textapp, tmp_path, monkeypatch, arguments, message):
    monkeypatch.setattr(machine, "memory_bytes", lambda: 16 * 2**30)
    refused(textapp("pretrain", *arguments, "--output", tmp_path / "runs"), message)
    assert not (tmp_path / "runs").exists()


def test_bad_starts(textapp, csv_file, tmp_path):
    train = ["train", "--data", csv_file, "--models", "encoder", "--output", tmp_path / "runs", "--init-from"]
    refused(textapp(*train, tmp_path / "nowhere"), "nowhere, which is no folder")
    refused(textapp(*train, tmp_path), "holds no pretrained model; `python -m textapp pretrain` leaves a run that does")


def test_what_is_measured_is_by_hand():
    """A network that always gives the first word the probability 1/2."""

    class Fixed:
        def predict_on_batch(self, inputs):
            return {"words": np.zeros((1, 2, 2), np.float32)}

    class One(list):
        pass

    batches = One([({}, {"words": np.array([[0, 1]])}, {"words": np.array([[1.0, 0.0]])})])
    assert measure_masked(Fixed(), batches) == {"loss": pytest.approx(np.log(2)), "accuracy": 1.0}
