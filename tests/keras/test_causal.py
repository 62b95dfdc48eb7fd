"""A pretrained decoder: its numbers beside those of its family's formulas, its tokens, what of it learns, files."""

import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys

import keras
import keras_hub
import numpy as np
import pytest
from helpers import tiny

from textapp.config import TrainConfig
from textapp.errors import UserError
from textapp.fitting import check_options, chosen_models, preset_of
from textapp.models import load
from textapp.models.causal import CausalLM
from textapp.models.causal_network import make_backbone, make_network
from textapp.models.causal_presets import FAMILIES, load_causal
from textapp.models.writing import Reader
from textapp.text.preset_tokens import PROBE, PresetTokens
from textapp.text.subwords import BYTE_OF, END_ID

MERGES = [("o", "o"), ("g", "oo"), ("goo", "d"), ("Ġ", "f"), ("i", "l"), ("Ġf", "il")]
PIECES = [*BYTE_OF, *(left + right for left, right in MERGES)]
SPECIAL = {
    "gpt2": ["<|endoftext|>"],
    "llama": ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"],
    "qwen2": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
}
SIZES = {"hidden_size": 12, "intermediate_size": 10, "num_hidden_layers": 2, "vocab_size": 271}
MODERN = {**SIZES, "num_attention_heads": 6, "num_key_value_heads": 3, "rms_norm_eps": 1e-5, "hidden_act": "silu"}
MODERN |= {"rope_theta": 500.0, "max_position_embeddings": 90}
SLIDING = {"use_sliding_window": False, "sliding_window": None}
SCALING = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
SCALING |= {"original_max_position_embeddings": 32, "rope_theta": 500.0}
CONFIGS = {
    "gpt2": {
        **{"model_type": "gpt2", "n_embd": 12, "n_layer": 2, "n_head": 3, "n_positions": 90, "vocab_size": 263},
        **{"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "activation_function": "gelu_new"},
    },
    "llama": {**MODERN, "num_hidden_layers": 1, "model_type": "llama", "tie_word_embeddings": False},
    "llama-scaled": {**MODERN, "model_type": "llama", "tie_word_embeddings": True, "rope_parameters": SCALING},
    "qwen2": {**MODERN, **SLIDING, "model_type": "qwen2", "tie_word_embeddings": True},
    "qwen3": {
        **{**MODERN, **SLIDING, "model_type": "qwen3", "tie_word_embeddings": False},
        **{"head_dim": 4, "attention_bias": False},
    },
}
TEXT = "It's good,  good film\n\nin 1999\u00e9 \u4eac"


def arrays_of(config) -> dict[str, np.ndarray]:
    """Return random weights by the names that Hugging Face has for them."""
    random = np.random.default_rng(3)
    if config["model_type"] == "gpt2":
        width, shapes = config["n_embd"], {}
        for n in range(config["n_layer"]):
            shapes |= {f"h.{n}.attn.c_attn": (width, 3 * width), f"h.{n}.attn.c_proj": (width, width)}
            shapes |= {f"h.{n}.mlp.c_fc": (width, 4 * width), f"h.{n}.mlp.c_proj": (4 * width, width)}
        arrays = {f"{name}.weight": random.normal(size=shape) * 0.3 for name, shape in shapes.items()}
        arrays |= {f"{name}.bias": random.normal(size=shape[1]) for name, shape in shapes.items()}
        norms = ["ln_f", *(f"h.{n}.ln_{part}" for n in range(config["n_layer"]) for part in (1, 2))]
        arrays |= {f"{name}.{end}": random.normal(size=width) for name in norms for end in ("weight", "bias")}
        arrays |= {"wte.weight": random.normal(size=(config["vocab_size"], width))}
        arrays |= {"wpe.weight": random.normal(size=(config["n_positions"], width))}
        return {f"transformer.{name}": array.astype(np.float32) for name, array in arrays.items()}
    width, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    each = config.get("head_dim", width // heads)
    arrays = {"model.embed_tokens.weight": random.normal(size=(config["vocab_size"], width))}
    arrays |= {"model.norm.weight": random.normal(size=width)}
    if not config["tie_word_embeddings"]:
        arrays |= {"lm_head.weight": random.normal(size=(config["vocab_size"], width))}
    for n in range(config["num_hidden_layers"]):
        layer, narrow = f"model.layers.{n}", config["num_key_value_heads"] * each
        shapes = {"self_attn.q_proj": (heads * each, width), "self_attn.o_proj": (width, heads * each)}
        shapes |= {f"self_attn.{name}_proj": (narrow, width) for name in "kv"}
        shapes |= {"mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width), "mlp.down_proj": (width, inner)}
        arrays |= {f"{layer}.{name}.weight": random.normal(size=shape) * 0.5 for name, shape in shapes.items()}
        norms = {"input_layernorm": width, "post_attention_layernorm": width}
        if config["model_type"] == "qwen3":
            norms |= {"self_attn.q_norm": each, "self_attn.k_norm": each}
        arrays |= {f"{layer}.{name}.weight": random.normal(size=size) for name, size in norms.items()}
        if config["model_type"] == "qwen2":
            biases = {name: shapes[f"self_attn.{name}_proj"][0] for name in "qkv"}
            arrays |= {f"{layer}.self_attn.{name}_proj.bias": random.normal(size=n) for name, n in biases.items()}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def write_tokens(folder, family) -> dict[str, int]:
    """Write the tokenizer's files as the family has them; return its vocabulary."""
    special = SPECIAL.get(family, SPECIAL["qwen2"])
    vocabulary = {piece: position for position, piece in enumerate([*PIECES, *special])}
    merges = [" ".join(pair) for pair in MERGES]
    if family == "gpt2":
        (folder / "vocab.json").write_text(json.dumps(vocabulary))
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
        return vocabulary
    ordinary = {piece: vocabulary[piece] for piece in PIECES}
    settings = {"id": 0, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{**settings, "id": vocabulary[piece], "content": piece} for piece in special]
    content = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None}
    content |= {"pre_tokenizer": FAMILIES[family].split, "post_processor": None, "decoder": {"type": "ByteLevel"}}
    content["decoder"] |= {"add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    content["model"] = {"type": "BPE", "vocab": ordinary, "merges": merges, "ignore_merges": family == "llama"}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    named = {"bos_token": special[0], "eos_token": special[1]} if family == "llama" else {"eos_token": special[0]}
    (folder / "tokenizer_config.json").write_text(json.dumps(named | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    return vocabulary


def write_folder(folder, name, dtype=np.float32) -> dict[str, int]:
    """Write a random decoder in Hugging Face's format; return its vocabulary."""
    numpy_files, config = pytest.importorskip("safetensors.numpy"), CONFIGS[name]
    arrays = {key: array.astype(dtype) for key, array in arrays_of(config).items()}
    numpy_files.save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
    kinds = {"gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}
    kind = kinds.get(config["model_type"], "Qwen3ForCausalLM")
    (folder / "config.json").write_text(json.dumps({**config, "architectures": [kind]}))
    return write_tokens(folder, config["model_type"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return the folder of a name in CONFIGS, in Hugging Face's format, written once; not to be changed."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("hugging_face") / name
            made[name].mkdir()
            write_folder(made[name], name)
        return made[name]

    return get


def norm(x, scale, epsilon):
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon) * scale


def attend(query, key, value):
    """Return (T, heads * each) of (T, heads, each): each position sees itself and what is before it."""
    length, _, each = query.shape
    scores = np.einsum("qhd,khd->hqk", query, key) / math.sqrt(each)
    scores = np.where(np.tril(np.ones((length, length), bool)), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", weights, value).reshape(length, -1)


def gpt2_logits(config, arrays, ids):
    """Radford et al. 2019, by https://github.com/openai/gpt-2/blob/master/src/model.py."""
    arrays = {name.removeprefix("transformer."): array for name, array in arrays.items()}

    def layer_norm(x, name):
        x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        return x * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]

    def dense(x, name):
        return x @ arrays[f"{name}.weight"] + arrays[f"{name}.bias"]

    x = arrays["wte.weight"][ids] + arrays["wpe.weight"][: len(ids)]
    for n in range(config["n_layer"]):
        parts = np.split(dense(layer_norm(x, f"h.{n}.ln_1"), f"h.{n}.attn.c_attn"), 3, axis=-1)
        query, key, value = (part.reshape(len(ids), config["n_head"], -1) for part in parts)
        x = x + dense(attend(query, key, value), f"h.{n}.attn.c_proj")
        inner = dense(layer_norm(x, f"h.{n}.ln_2"), f"h.{n}.mlp.c_fc")
        inner = inner / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        x = x + dense(inner, f"h.{n}.mlp.c_proj")
    return layer_norm(x, "ln_f") @ arrays["wte.weight"].T


def frequencies(config, each):
    """Return the rotations per position, float (each / 2,); Llama 3.1's are slower where a turn is long."""
    found = 1 / config["rope_theta"] ** (np.arange(0, each, 2) / each)
    scaling = config.get("rope_parameters")
    if scaling is None:
        return found
    turns = scaling["original_max_position_embeddings"] * found / (2 * math.pi)
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return kept * found + (1 - kept) * found / scaling["factor"]


def modern_logits(config, arrays, ids):
    """Touvron et al. 2023 and Yang et al. 2025: rotary positions, grouped queries, RMSNorm, SwiGLU."""
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    each, epsilon = config.get("head_dim", config["hidden_size"] // heads), config["rms_norm_eps"]
    angles = np.outer(np.arange(len(ids)), frequencies(config, each))
    cosine, sine = (np.tile(turn(angles), 2)[:, None] for turn in (np.cos, np.sin))  # (T, 1, each)

    def rotated(x):
        left, right = np.split(x, 2, axis=-1)
        return x * cosine + np.concatenate([-right, left], axis=-1) * sine

    x = arrays["model.embed_tokens.weight"][ids]
    for n in range(config["num_hidden_layers"]):

        def dense(x, name, n=n):
            name = f"model.layers.{n}.{name}"
            return x @ arrays[f"{name}.weight"].T + arrays.get(f"{name}.bias", 0)

        def normed(x, name, n=n):
            return norm(x, arrays[f"model.layers.{n}.{name}.weight"], epsilon)

        seen = normed(x, "input_layernorm")
        query, key, value = (dense(seen, f"self_attn.{name}_proj").reshape(len(ids), -1, each) for name in "qkv")
        if config["model_type"] == "qwen3":
            query, key = normed(query, "self_attn.q_norm"), normed(key, "self_attn.k_norm")
        key, value = (np.repeat(part, heads // groups, axis=1) for part in (rotated(key), value))
        x = x + dense(attend(rotated(query), key, value), "self_attn.o_proj")
        seen = normed(x, "post_attention_layernorm")
        gate = dense(seen, "mlp.gate_proj")
        x = x + dense(gate / (1 + np.exp(-gate)) * dense(seen, "mlp.up_proj"), "mlp.down_proj")
    last = "model.embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"
    return norm(x, arrays["model.norm.weight"], epsilon) @ arrays[last].T


def network_of(preset):
    backbone = make_backbone(preset.architecture)
    backbone.set_weights(preset.weights)
    return make_network(backbone, preset.tokens)


def logits_of(preset, text):
    """Return the ids of a text in the preset's own numbers, what stands before it included, and their logits."""
    tokens, network = preset.tokens, network_of(preset)
    row = [END_ID, *tokens.encode([text])[0]]
    inputs = {"token_ids": np.array([row]), "padding_mask": np.ones((1, len(row)), bool)}
    return row, keras.ops.convert_to_numpy(network(inputs))[0]


def own_ids(vocabulary, tokens, row):
    """Return ids as the preset's files have them; what stands before a text is its start."""
    names = {number: token for token, number in tokens.vocabulary.items()}
    return [vocabulary[tokens.start if number == END_ID else names[number]] for number in row]


def written(tokens, vocabulary):
    """Return the numbers of all tokens that are ever written, here and in the preset's files."""
    found = [token for token, number in tokens.vocabulary.items() if not tokens.silent[number]]
    return [tokens.vocabulary[token] for token in found], [vocabulary[token] for token in found]


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_are_those_of_the_formulas(folders, name):
    config, vocabulary = CONFIGS[name], write_tokens_of(folders(name))
    preset = load_causal(str(folders(name)))
    row, logits = logits_of(preset, TEXT)
    formula = gpt2_logits if name == "gpt2" else modern_logits
    arrays = {key: array.astype(np.float64) for key, array in arrays_of(config).items()}
    expected = formula(config, arrays, own_ids(vocabulary, preset.tokens, row))
    ours, theirs = written(preset.tokens, vocabulary)
    assert len(ours) == len(PIECES) + 1
    np.testing.assert_allclose(logits[:, ours], expected[:, theirs], atol=1e-4)
    assert (logits[:, preset.tokens.silent] < -1e8).all()
    assert preset.context == 90


def write_tokens_of(folder):
    """Return the vocabulary of a folder that `write_folder` wrote."""
    family = json.loads((folder / "config.json").read_text())["model_type"]
    special = SPECIAL.get(family, SPECIAL["qwen2"])
    return {piece: position for position, piece in enumerate([*PIECES, *special])}


# In a process of its own: torch and TensorFlow do not get along in one.
REFERENCE = """
import json, sys
import torch, transformers
work = json.load(open(sys.argv[1]))
answers = {}
for folder, texts, ids in work:
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokens = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = network(torch.tensor([ids])).logits[0].tolist()
    answers[folder] = {"logits": logits, "ids": [tokens(text, add_special_tokens=False)["input_ids"] for text in texts]}
json.dump(answers, open(sys.argv[1] + ".answers", "w"))
"""
TEXTS = [TEXT, PROBE.replace("<|endoftext|>", ""), "  a\n b\t\n\n1234567 I'LL 12.5%", ""]


@pytest.fixture(scope="module")
def reference(folders, tmp_path_factory):
    """Return what `transformers` makes of the folders, by their paths."""
    if any(importlib.util.find_spec(package) is None for package in ("torch", "transformers")):
        pytest.skip("transformers and torch are not there")
    path, work = tmp_path_factory.mktemp("reference") / "work.json", []
    for name in CONFIGS:
        tokens = load_causal(str(folders(name))).tokens
        row = [END_ID, *tokens.encode([TEXT])[0]]
        work.append((str(folders(name)), TEXTS, own_ids(write_tokens_of(folders(name)), tokens, row)))
    path.write_text(json.dumps(work))
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", REFERENCE, str(path)], check=True, env=environment, capture_output=True)
    return json.loads(path.with_name("work.json.answers").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_logits_and_tokens_are_those_of_transformers(folders, reference, name):
    preset, expected = load_causal(str(folders(name))), reference[str(folders(name))]
    tokens, vocabulary = preset.tokens, write_tokens_of(folders(name))
    _, logits = logits_of(preset, TEXT)
    ours, theirs = written(tokens, vocabulary)
    np.testing.assert_allclose(logits[:, ours], np.array(expected["logits"])[:, theirs], atol=1e-4)
    for text, ids in zip(TEXTS, expected["ids"], strict=True):
        assert own_ids(vocabulary, tokens, tokens.encode([text])[0]) == ids


def test_weights_in_bfloat16_are_read(tmp_path):
    import ml_dtypes

    write_folder(tmp_path, "llama", dtype=ml_dtypes.bfloat16)
    preset = load_causal(str(tmp_path))
    assert all(weight.dtype == np.float32 for weight in preset.weights)
    assert np.isfinite(logits_of(preset, TEXT)[1]).all()


def test_a_folder_of_kerashubs(folders, tmp_path):
    backbone = keras_hub.models.Backbone.from_preset(str(folders("llama")))
    backbone.save_to_preset(tmp_path)
    keras_hub.models.Llama3Tokenizer.from_preset(str(folders("llama"))).save_to_preset(tmp_path)
    preset, original = load_causal(str(tmp_path)), load_causal(str(folders("llama")))
    assert preset.tokens.vocabulary == original.tokens.vocabulary
    assert preset.tokens.encode(TEXTS) == original.tokens.encode(TEXTS)
    np.testing.assert_allclose(logits_of(preset, TEXT)[1], logits_of(original, TEXT)[1], atol=0.01)  # their epsilon
    assert load_causal(str(tiny.preset("gpt2"))).context == 72


def test_special_tokens_are_spelled_out_and_never_written(folders):
    tokens = load_causal(str(folders("llama"))).tokens
    (ids,) = tokens.encode(["a<|eot_id|><|end_of_text|>"])
    assert not tokens.silent[ids].any()
    assert END_ID not in ids
    assert tokens.decode(ids) == "a<|eot_id|><|end_of_text|>"
    assert tokens.vocabulary["<|end_of_text|>"] == END_ID
    assert tokens.silent[[tokens.vocabulary["<|eot_id|>"], tokens.start_id, 270]].all()
    assert tokens.token_bytes(END_ID) == tokens.token_bytes(270) == b""
    assert len(tokens) == 271


def test_tokens_in_a_folder(folders, tmp_path):
    tokens = load_causal(str(folders("qwen2"))).tokens
    tokens.save(tmp_path)
    again = PresetTokens.load(tmp_path)
    assert again.encode(TEXTS) == tokens.encode(TEXTS)
    assert (again.silent == tokens.silent).all()
    (tmp_path / "merges.txt").write_text("o o\n")
    with pytest.raises(UserError, match="is damaged: 1 merges instead of 6"):
        PresetTokens.load(tmp_path)
    (tmp_path / "vocabulary.json").unlink()
    with pytest.raises(UserError, match=r"vocabulary\.json is missing"):
        PresetTokens.load(tmp_path)


def refused_tokens(message, **changes):
    made = {"vocabulary": {piece: place for place, piece in enumerate([*PIECES, "<|endoftext|>"])}, "merges": MERGES}
    made |= {"end": "<|endoftext|>", "start": "<|endoftext|>", "size": 263, "split": FAMILIES["gpt2"].split}
    with pytest.raises(UserError, match=message):
        PresetTokens.of(**made | changes)


def test_tokens_that_do_not_fit():
    refused_tokens("has 263 tokens, but there are 262 embeddings", size=262)
    refused_tokens("no end of text '</s>'", end="</s>")
    refused_tokens(r"its 2 tokens lack '!'; only byte-level BPE", vocabulary={"▁a": 0, "<|endoftext|>": 1})
    refused_tokens("cuts texts by 'Metaspace'", split={"type": "Metaspace"})
    refused_tokens("cuts texts by None", split=None)
    pieces = {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": False}
    both = {"type": "Sequence", "pretokenizers": [pieces, FAMILIES["gpt2"].split]}
    refused_tokens("does not give a text back as it was", split=both)
    refused_tokens("the tokenizers library refuses it", merges=[("q", "zz")])
    twice = {piece: min(place, 261) for place, piece in enumerate([*PIECES, "<|endoftext|>"])}
    refused_tokens("ids of its 263 tokens are damaged", vocabulary=twice)


def refused(message, folder, **options):
    with pytest.raises(UserError, match=message) as caught:
        check_options(TrainConfig(models=("causal-lm",), preset=folder and str(folder), **options), ["causal-lm"])
    assert "\n" not in str(caught.value)


def test_what_causal_lm_does_not_take(folders):
    refused("no decoder of its own to start from; give --preset a folder", None)
    refused(r"--tune is 'head', but of causal-lm can be tuned \['full', 'lora'\]", folders("gpt2"), tune="head")
    refused("unknown preset 'gpt_enormous'", "gpt_enormous")
    refused("unknown preset 'bert_tiny_en_uncased'", "bert_tiny_en_uncased")
    refused("'hf://user/model' is no folder; download it", "hf://user/model")
    refused("is a BertBackbone, which cannot write here", tiny.preset())


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("gpt2", {"activation_function": "relu"}, "has activation_function 'relu', and KerasHub's GPT2Backbone only"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "has scale_attn_by_inverse_layer_idx True"),
        ("gpt2", {"n_embd": 15}, "cannot be loaded: "),
        ("llama", {"attention_bias": True}, "has attention_bias True, and KerasHub's Llama3Backbone only False"),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2}}, "rotary positions of the kind 'linear'"),
        ("qwen2", {"rope_scaling": {"rope_type": "yarn"}}, r"of the kind 'yarn'; only \['default'\]"),
        ("qwen3", {"vocab_size": 260}, "cannot be loaded: |does not fit"),
        ("qwen3", {"model_type": "qwen3_moe"}, "is a qwen3_moe, which cannot write here; choose one of the GPT-2"),
        ("qwen3", {"model_type": ["gpt2"]}, "which cannot write here"),
    ],
)
def test_settings_that_kerashub_passes_over_are_refused(folders, tmp_path, name, changes, message):
    shutil.copytree(folders(name), tmp_path / "copy")
    (tmp_path / "copy" / "config.json").write_text(
        json.dumps(json.loads((folders(name) / "config.json").read_text()) | changes)
    )
    refused(message, tmp_path / "copy")


def test_damaged_folders(folders, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(folders("llama"), folder)
    tokens = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(tokens.replace('"BPE"', '"WordPiece"'))
    refused(r"the tokenizer of the preset .* does not fit: it is a WordPiece; only byte-level BPE", folder)
    (folder / "tokenizer.json").write_text("{}")
    refused("cannot be loaded: 'model'", folder)
    (folder / "tokenizer.json").unlink()
    refused(r"does not fit: .*vocab\.json is missing", folder)
    (folder / "tokenizer.json").write_text(tokens)
    (folder / "model.safetensors").write_bytes(b"nothing")
    refused("cannot be loaded: ", folder)
    (folder / "model.safetensors").unlink()
    refused("cannot be loaded: ", folder)
    (folder / "config.json").write_text("{")
    refused("is damaged", folder)
    (folder / "config.json").unlink()
    refused("is no preset: config.json is missing", folder)
    kept = {"class_name": "GPT2Backbone", "registered_name": "keras_hub>GPT2Backbone", "module": "keras_hub"}
    (folder / "config.json").write_text(json.dumps(kept))
    refused("is a None, which cannot write here", folder)  # its tokenizer.json is none of KerasHub's


def test_who_gets_the_preset(folders):
    gpt2, bert = str(folders("gpt2")), str(tiny.preset())
    both = TrainConfig(models=("minilm", "causal-lm"), preset=gpt2)
    assert (preset_of("minilm", both), preset_of("causal-lm", both)) == (None, gpt2)
    both = TrainConfig(models=("minilm", "causal-lm"), preset=bert)
    assert (preset_of("minilm", both), preset_of("causal-lm", both)) == (bert, None)
    assert preset_of("minilm", TrainConfig(models=("minilm",), preset=gpt2)) == gpt2
    assert "causal-lm" not in chosen_models(TrainConfig())
    assert "causal-lm" not in chosen_models(TrainConfig(models=("all",)))
    assert "causal-lm" not in chosen_models(TrainConfig(models=("all",), preset=bert))
    assert "causal-lm" in chosen_models(TrainConfig(models=("all",), preset=gpt2))
    assert "causal-lm" in chosen_models(TrainConfig(models=("all",), preset="gpt2_base_en"))


class Watched(CausalLM):
    """Keeps what the trained network answers before it is made anew for answering."""

    def _finished(self):
        self.asked = {"token_ids": np.array([[END_ID, 70, 71]]), "padding_mask": np.ones((1, 3), bool)}
        self.said = keras.ops.convert_to_numpy(self.network(self.asked))
        return super()._finished()


def fine_tuned(folder, **options):
    """Return a model trained on `tiny.TEXTS`."""
    settings = {"context": 40, "batch_size": 4, "epochs": 4, "learning_rate": 0.02, "seed": 1}
    model = Watched(preset=str(folder), **{**settings, **options})
    model.history = model.fit(tiny.split(), tiny.split())
    return model


@pytest.fixture(scope="module")
def tuned(folders):
    """Return the model of a tuning, trained once on texts: all of a Llama, or matrices beside those of a GPT-2."""
    made, more = {}, {"tune": "lora", "accumulate": 2, "context": 1_000}

    def get(tune):
        if tune not in made:
            made[tune] = fine_tuned(folders("llama")) if tune == "full" else fine_tuned(folders("gpt2"), **more)
        return made[tune]

    return get


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_what_learns_and_that_it_helps(tuned, folders, tune):
    model, preset = tuned(tune), load_causal(str(folders("llama" if tune == "full" else "gpt2")))
    pairs = list(zip(model.network.get_layer("backbone").weights, preset.weights, strict=True))
    changed = [weight.path for weight, old in pairs if not np.allclose(weight, old, atol=1e-9)]
    if tune == "full":
        assert len(changed) == len(pairs)
    else:
        assert len(changed) == 4
        assert all(path.endswith(("query/kernel", "value/kernel")) for path in changed)
    assert not any("lora" in weight.path for weight in model.network.weights)
    np.testing.assert_allclose(model.network(model.asked), model.said, atol=1e-4)
    untrained = Watched(preset=model.preset, context=model.context)
    untrained.subwords, untrained.network = preset.tokens, network_of(preset)
    assert 0 < model.bits_per_byte(tiny.TEXTS) < untrained.bits_per_byte(tiny.TEXTS) < 40
    assert [row["epoch"] for row in model.history] == list(range(1, len(model.history) + 1))


def test_bits_are_those_of_the_logits(tuned):
    model, text = tuned("full"), "a good and great film " * 4  # longer than a window
    (ids,) = model.encode([text])
    nats = 0.0
    for start in range(0, len(ids), model.context):
        window = [END_ID, *ids][start : start + model.context]
        for place, token in enumerate(ids[start : start + model.context]):
            logits = model.next_logits([window[: place + 1]])[0].astype(np.float64)
            nats += np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[token]
    assert model.bits_per_byte([text]) == pytest.approx(nats / math.log(2) / len(text.encode()), rel=1e-5)
    assert model.bits_per_byte([""]) == 0


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["gpt2", "llama-scaled", "qwen3"])
def test_greedy_with_a_cache_is_greedy_without(folders, name):
    preset = load_causal(str(folders(name)))
    model = CausalLM(preset=str(folders(name)), context=30)
    model.architecture, model.subwords, model.network = preset.architecture, preset.tokens, network_of(preset)
    prompts, settings = ["good film", "", "It's " * 20], {"temperature": 0.0, "max_new_tokens": 20}
    cached = model.generate(prompts, **settings)
    assert all(text.startswith(prompt) for text, prompt in zip(cached, prompts, strict=True))
    model.reader = lambda: Reader(model)
    assert model.generate(prompts, **settings) == cached


def test_it_writes_as_other_generators_do(tuned):
    model = tuned("full")
    read = model.reader()._read
    assert model.reader()._read is read  # compiled once
    first = model.generate(["good"], max_new_tokens=12, seed=3, samples=2)
    assert model.generate(["good"], max_new_tokens=12, seed=3, samples=2) == first
    assert len(set(first)) == 2
    assert "".join(model.stream("good", max_new_tokens=12, seed=3)) == first[0]
    assert model.generate(["bad"], beams=3, max_new_tokens=6)[0].startswith("bad")
    assert model.generate(["bad"], contrastive=0.6, top_k=3, max_new_tokens=6)[0].startswith("bad")
    assert " good" in model.generate(["bad"], forced=["good"], max_new_tokens=10)[0]
    with pytest.raises(UserError, match="max-new-tokens is 40; this model takes 1 to 39"):
        model.generate(["bad"], max_new_tokens=40)


def test_saved_and_loaded(tuned, tmp_path):
    model = tuned("lora")
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert np.array_equal(again.next_logits([[END_ID, 70], [END_ID]]), model.next_logits([[END_ID, 70], [END_ID]]))
    assert again.generate(["good"], max_new_tokens=9, seed=2) == model.generate(["good"], max_new_tokens=9, seed=2)
    assert (again.context, again.tune, again.parameters) == (90, "lora", model.parameters)  # no more than the preset's
    architecture = tmp_path / "model" / "architecture.json"
    architecture.write_text(architecture.read_text().replace("GPT2Backbone", "Lambda"))
    tiny.sign(tmp_path / "model")
    with pytest.raises(UserError, match="the architecture of a pretrained decoder is damaged: 'Lambda'"):
        load(tmp_path / "model")
    architecture.unlink()
    with pytest.raises(UserError, match=r"architecture\.json is missing"):
        load(tmp_path / "model")


def test_windows_have_no_padding():
    documents = [np.array([5, 6], np.int32), np.array([7], np.int32)]
    inputs, targets, weights = CausalLM()._windows(documents)[0]
    assert inputs["token_ids"].shape == (1, 5)
    assert targets[0, -1] == END_ID
    assert (weights == 1).all()


def test_rates_and_epochs_are_those_that_suit_what_is_tuned():
    full, lora = CausalLM(), CausalLM(tune="lora")
    assert full.learning_rate < lora.learning_rate
    assert full.epochs < lora.epochs
    assert CausalLM(budget=60.0).epochs is None
    assert CausalLM(budget=60.0, epochs=3).epochs == 3


@pytest.mark.slow
def test_a_run_with_a_pretrained_decoder(textapp, csv_file, folders, tmp_path, monkeypatch):
    arguments = ["--data", csv_file, "--models", "kneser-ney,causal-lm", "--preset", folders("llama")]
    arguments += ["--tune", "lora", "--epochs", 1, "--run", "x", "--output", tmp_path / "runs"]
    result = textapp("train", *arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "runs" / "x" / "report" / "report.json").read_text())
    rows = {row["name"]: row for row in report["generators"]}
    assert rows.keys() == {"kneser-ney", "causal-lm"}  # no mix: their tokens are others
    assert "it may have seen the test texts" in rows["causal-lm"]["notes"][0]
    assert not rows["causal-lm"]["exported"]
    model = load(tmp_path / "runs" / "x" / "causal-lm")
    assert model.generate(["good"], label="n", max_new_tokens=5)[0].startswith("good")
    card = (tmp_path / "runs" / "x" / "causal-lm" / "MODEL_CARD.md").read_text()
    assert "it may have seen the test texts" in card
