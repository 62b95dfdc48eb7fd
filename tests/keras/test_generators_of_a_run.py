"""A run with several generators: n-grams, a network, their mix, and what the report says of them."""

import json

import keras
import numpy as np
import pytest
from helpers import tiny

from textapp.models import load

TEXTS = ["a good film by jane@example.org", "a bad film, see www.example.org", "a good story", "a bad story"] * 15
DATA = "text,label\n" + "".join(f'"{text} {n}",{"yn"[n % 2]}\n' for n, text in enumerate(TEXTS))
MODELS = ("bigram", "kneser-ney", "decoder")


@pytest.fixture(scope="module")
def run(textapp, tmp_path_factory):
    """A run of all generators, tiny, on characters: the result of the command, with `folder`."""
    folder = tmp_path_factory.mktemp("generators")
    (folder / "data.csv").write_text(DATA)
    with pytest.MonkeyPatch.context() as monkeypatch:
        tiny.shrink(monkeypatch, exports=False)
        options = ["--models", ",".join(MODELS), "--generator-tokens", "characters", "--output", folder]
        result = textapp("train", "--data", folder / "data.csv", *options)
        result.folder = folder / "data"
        result.models = {name: load(result.folder / name) for name in (*MODELS, "mix")} if not result.exit_code else {}
    assert result.exit_code == 0, result.output
    return result


def test_the_mix_is_a_model_of_the_run(run):
    report = json.loads((run.folder / "report" / "report.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in report["generators"]] == [*MODELS, "mix"]
    assert "[4/4] mix" in run.stdout
    for row in report["generators"]:
        low, high = row["bits_per_byte_interval"]
        assert 0 < low <= row["bits_per_byte"] <= high
        assert {sample["prompt"] for sample in row["samples"]}
    pairs = report["generator_comparisons"]
    assert [(pair["a"], pair["b"]) for pair in pairs][:2] == [("bigram", "kneser-ney"), ("bigram", "decoder")]
    assert len(pairs) == 6
    assert "The mean of the probabilities of kneser-ney and decoder." in report["generators"][3]["notes"][0]
    markdown = (run.folder / "report" / "report.md").read_text(encoding="utf-8")
    assert "| bigram − kneser-ney |" in markdown
    assert "Generators in pairs" in (run.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "mix" in run.stdout


def test_what_was_scrubbed_is_counted(run):
    report = json.loads((run.folder / "report" / "report.json").read_text(encoding="utf-8"))
    counts = report["dataset"]["scrubbed"]
    assert counts["phone"] == 0
    assert counts["email"] > 5 < counts["link"]
    said = f"Replaced in the texts that generators learn from: {counts['email']} e-mail addresses"
    assert any(note.startswith(said) for note in report["dataset"]["notes"])
    assert report["config"]["scrub"] is True


def test_all_have_the_tokens_that_were_asked_for(run):
    assert {model.tokens for model in run.models.values()} == {"characters"}
    text = "a good film"
    ids = {name: model.encode([text])[0] for name, model in run.models.items()}
    assert all(len(found) == len(text) for found in ids.values())
    assert len({tuple(found) for found in ids.values()}) == 1


def test_options_are_refused_before_anything_is_read(textapp, csv_file, tmp_path):
    result = textapp("train", "--data", csv_file, "--generator-tokens", "bytes", "--output", tmp_path)
    assert result.exit_code == 1
    assert "unknown generator tokens 'bytes'; choose from ['bpe', 'words', 'characters']" in " ".join(
        result.stderr.split()
    )
    assert not list(tmp_path.glob("data*.unfinished"))


@pytest.mark.parametrize("tokens", ["words", "characters"])
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="SavedModels are made on the TensorFlow backend")
def test_a_decoder_of_other_tokens_as_a_module(tokens, tmp_path):
    import tensorflow as tf

    from textapp.export.generator import GeneratorModule

    model = tiny.make("decoder", tokens=tokens, vocabulary_size=None, training_tokens=300, epochs=1, checks=1)
    model.fit(tiny.split(), tiny.split())
    module = GeneratorModule(model, tmp_path)
    prompts = ["", "good", "caf\u00e9 👍🏽\n"]
    settings = {"max_new_tokens": 9, "temperature": 1.2, "top_k": 0, "top_p": 0.95, "seed": 7}
    constants = {name: tf.constant(value) for name, value in settings.items()}
    written = module.generate(tf.constant(prompts), **constants)["text"].numpy()
    assert [text.decode() for text in written] == model.generate(prompts, **settings)
    found = module.score(tf.constant(tiny.TEXTS))["bits_per_byte"].numpy()
    sizes = [len(text.encode()) for text in tiny.TEXTS]
    np.testing.assert_allclose(found, model.negative_log_likelihoods(tiny.TEXTS) / np.log(2) / sizes, rtol=1e-4)
