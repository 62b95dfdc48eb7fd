"""The registered models made small, different in every dimension, so that a swapped axis shows."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from textapp import config
from textapp.datasets import Split
from textapp.models import CLASSIFIERS, GENERATORS
from textapp.models.folder import checksums
from textapp.text.cleaning import make_cleaning

_NETWORK = {"vocabulary_size": 12, "sequence_length": 7, "embedding_dim": 4, "batch_size": 3, "epochs": 2}
_NETWORK |= {"bigrams": 17, "bigram_width": 2}
# What "minilm" and "causal-lm" start from: folders that `preset` writes.
_PRESETS = tempfile.TemporaryDirectory(prefix="textapp-presets-")  # removed when the tests end
# A model that is not named here is tested as it is.
OPTIONS = {
    "tfidf": {"min_documents": 1},
    "nbsvm": {"min_documents": 1},
    "lstm": {**_NETWORK, "units": 5},
    "encoder": {**_NETWORK, "heads": 2, "intermediate_dim": 6},
    "minilm": {"preset": f"{_PRESETS.name}/bert", "sequence_length": 9, "batch_size": 3, "epochs": 2},
    "causal-lm": {
        "preset": f"{_PRESETS.name}/gpt2",
        "context": 70,
        "batch_size": 3,
        "epochs": 2,
        "learning_rate": 0.01,
    },
    "bigram": {"vocabulary_size": 275},
    "kneser-ney": {"vocabulary_size": 275, "orders": (2, 3)},
    "lstm-lm": {
        **{"vocabulary_size": 275, "context": 70, "hidden_dim": 4, "batch_size": 3},
        **{"training_tokens": 1_500, "epochs": 2, "checks": 2},
    },
    "decoder": {
        **{"vocabulary_size": 275, "context": 70, "layers": 1, "heads": 2, "hidden_dim": 4},
        **{"batch_size": 3, "training_tokens": 1_500, "epochs": 2, "checks": 2, "jit_compile": False},
    },
}
CLEANING = make_cleaning()
LABEL_NAMES = ("bad", "good", "odd")
TEXTS = [
    "a good and great film",
    "great great fun, good fun!",
    "not bad but boring",
    "bad, boring and far too long",
    "strange weird puzzle",
    "weird film, a strange long dream about nothing at all",
    "good",
    "boring boring",
]
LABELS = [1, 1, 0, 0, 2, 2, 1, 0]


WORD_PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "bor", "##ing", "great", "weird"),
    *("but", "strange", "dream", ",", "!", "f", "##u", "##n", "not", "long", "too"),
]


@functools.cache
def preset(family: str = "bert", *, hidden_dim: int = 4) -> Path:
    """Return a folder in KerasHub's format with a random network of a family.

    "bert" is what `minilm` starts from, "gpt2" what `causal-lm` does.
    """
    import keras
    import keras_hub

    made = keras_hub.models
    tokenizer = {
        "bert": lambda: made.BertTokenizer(WORD_PIECES, lowercase=True),
        "distilbert": lambda: made.DistilBertTokenizer(WORD_PIECES, lowercase=True),
        "roberta": lambda: made.RobertaTokenizer(*_byte_pieces()),
        "deberta": lambda: made.DebertaV3Tokenizer(sentence_pieces()),
        "gpt2": lambda: made.GPT2Tokenizer(*_byte_pieces(before=(), after=("<|endoftext|>",))),
    }[family]()
    backbone = {
        "bert": made.BertBackbone,
        "distilbert": made.DistilBertBackbone,
        "roberta": made.RobertaBackbone,
        "deberta": made.DebertaV3Backbone,
        "gpt2": made.GPT2Backbone,
    }[family]
    folder = Path(_PRESETS.name) / (family if hidden_dim == 4 else f"{family}-{hidden_dim}")
    keras.utils.set_random_seed(1)
    sizes = {"vocabulary_size": tokenizer.vocabulary_size() + 1, "num_layers": 2, "num_heads": 2}
    sizes |= {"hidden_dim": hidden_dim, "intermediate_dim": 6, "max_sequence_length": 72 if family == "gpt2" else 11}
    backbone(**sizes).save_to_preset(folder)
    tokenizer.save_to_preset(folder)
    return folder


def _byte_pieces(
    *, before: Sequence[str] = ("<s>", "<pad>", "</s>", "<unk>"), after: Sequence[str] = ("<mask>",)
) -> tuple[dict[str, int], list[str]]:
    """Return a vocabulary and the lines of merges.txt as RoBERTa has them, or with other special tokens."""
    from textapp.text.subwords import BYTE_OF

    merges = ["o o", "g oo", "goo d", "Ġ b"]
    pieces = [*before, *BYTE_OF, *(merge.replace(" ", "") for merge in merges), *after]
    return {piece: position for position, piece in enumerate(pieces)}, ["#version: 0.2", *merges]


def sentence_pieces() -> bytes:
    """Return a SentencePiece model as DeBERTa has it, by the fields of its protocol buffer."""
    pieces = [
        ("[PAD]", 3),
        ("[CLS]", 3),
        ("[SEP]", 3),
        ("[UNK]", 2),
        ("\u2581good", 1),
        ("\u2581film", 1),
        ("\u2581", 1),
    ]
    pieces += [(letter, 1) for letter in "abdefgilmnorst"]
    content = b""
    for score, (piece, kind) in enumerate(pieces):
        raw = piece.encode()
        # Its text, its score as float32 of minus its place, and what kind of piece it is.
        inner = b"\x0a" + bytes([len(raw)]) + raw + b"\x15" + np.float32(-score).tobytes() + b"\x18" + bytes([kind])
        content += b"\x0a" + bytes([len(inner)]) + inner
    trainer = b"\x18\x01" + b"\xc0\x02\x03"  # model_type unigram, unk_id 3
    trainer += b"\xc8\x02\x01" + b"\xd0\x02\x02" + b"\xd8\x02\x00"  # bos_id 1, eos_id 2, pad_id 0
    return content + b"\x12" + bytes([len(trainer)]) + trainer


def split(texts=TEXTS, labels=LABELS) -> Split:
    """Return a split of texts with labels."""
    return Split(texts=list(texts), labels=np.array(labels, np.int32), rows=np.arange(len(texts)))


def make(name: str, **options):
    """Return an untrained tiny model, classifier or generator, of the three classes above."""
    if name in ("minilm", "causal-lm"):
        preset("bert" if name == "minilm" else "gpt2")
    if name in CLASSIFIERS:
        options = {"label_names": LABEL_NAMES, "cleaning": CLEANING, **options}
    return {**CLASSIFIERS, **GENERATORS}[name](**{**OPTIONS.get(name, {}), **options})


def shrink(monkeypatch, *, batch_size: int = 16, **attributes) -> None:
    """Make the pipeline train tiny models: same names, smaller defaults.

    Their folders hold these options, so that a process without this patch loads and exports them.

    Args:
        monkeypatch: undoes it.
        batch_size: of all that have one.
        attributes: of the classes, such as exports=False.
    """
    preset()
    preset("gpt2")
    for models in (CLASSIFIERS, GENERATORS):
        for name, known in models.items():
            types = {field.name: field.type for field in dataclasses.fields(known)}
            options = dict(OPTIONS.get(name, {}))
            options |= {"batch_size": batch_size} if "batch_size" in options else {}
            fields = [(key, types[key], dataclasses.field(default=value)) for key, value in options.items()]
            small = dataclasses.make_dataclass(
                known.__name__, fields, bases=(known,), namespace=attributes, kw_only=True, eq=False
            )
            monkeypatch.setitem(models, name, small)


@contextlib.contextmanager
def compiling(wanted: bool = True):
    """Compile what is done here, or do not: it is worth it where there are many steps."""
    import tensorflow as tf

    eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(not wanted)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(eager)


def draw_charts(monkeypatch) -> None:
    """Let the runs of a test have the page with the charts."""
    monkeypatch.setattr(config, "MEASURE", dataclasses.replace(config.MEASURE, charts=True))


def sign(folder: Path) -> None:
    """Write the checksums of a model's files anew, as somebody does who wants them to be believed."""
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": checksums(folder)}))


def stepped(optimizer, start: np.ndarray, gradients: Sequence, *, name: str | None = None) -> np.ndarray:
    """Return a variable after a step of an optimizer for each gradient."""
    variable = keras.Variable(start, name=name)
    optimizer.build([variable])
    for gradient in gradients:
        whole = keras.ops.convert_to_tensor(gradient) if isinstance(gradient, np.ndarray) else gradient
        optimizer.apply([whole], [variable])
    return keras.ops.convert_to_numpy(variable)
