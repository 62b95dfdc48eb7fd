"""A pretrained encoder of KerasHub's, fine-tuned."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

import keras
import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.folder import read_json, require_file, write_json
from textapp.models.keras_file import COMPILE, load_network, save_network
from textapp.models.low_rank import add_matrices, merged_weights
from textapp.models.network import KerasClassifier
from textapp.models.presets import ARCHITECTURE_FILE, Preset, load_preset, make_encoder, read_pretrained
from textapp.models.starting import check_sizes
from textapp.text.pretrained_tokens import FOLDER, PretrainedTokens, load_tokens
from textapp.text.ragged import Ragged
from textapp.training.budget import Budget
from textapp.training.layerwise import fine_tuning
from textapp.training.precision import building_in
from textapp.training.progress import Progress, Stopwatch
from textapp.training.vectors import VectorBatches

# How much of a network learns; at which rate and over how many epochs, by default.
TUNES = {"full": (8e-5, 2), "lora": (1e-3, 3), "head": (3e-3, 30)}


@dataclasses.dataclass(kw_only=True, eq=False)
class MiniLM(KerasClassifier):
    """The encoder of a preset, the mean over a text's tokens, and a last layer. It reads texts as they are.

    Attributes:
        sequence_length: of the texts that it answers, no more than the preset's own.
        training_length: of those that it learns from, which takes less time and memory. Trained on 256 tokens of each
            review, a network reached 0.925 on the validation texts with 256, 0.930 with 384 and 0.935 with 512; one
            that was trained on 512 for as long 0.930.
        preset: which encoder, see `textapp.models.presets.load_preset`; None for all-MiniLM-L6-v2.
        tune: "full" trains every weight; "lora" matrices of low rank beside the attention's queries and values
            (Hu et al. 2021), added to them in the end; "head" the last layer alone.
        learning_rate, epochs: None for what suits `tune`; with a budget no epochs stand for rounds of so many, twice
            as many, and so on.
        layer_decay: each layer learns at this share of the rate of the layer above it (Howard and Ruder 2018).
        weight_decay: of AdamW.
        warm_up: share of the steps, or of a budget's rounds, in which the rate rises.
        encoder_dropout: share of the numbers left out behind the embeddings and in each layer while training.
        lora_rank: of those matrices.
        accumulate: batches go through the network in so many parts, which takes less memory; a step is taken after
            all of them.
        init_from: the folder of a pretrained encoder, see `textapp.models.starting`, to start from instead of a preset.
    """

    name: ClassVar[str] = "minilm"
    quantizes: ClassVar[bool] = True
    by_default: ClassVar[bool] = False
    cleans: ClassVar[bool] = False

    sequence_length: int = 512
    training_length: int = 256
    preset: str | None = None
    tune: str = "full"
    dropout: float = 0.1
    label_smoothing: float = 0.0
    batch_size: int = 16
    learning_rate: float = cast("float", None)  # until the model is made
    epochs: int | None = None
    layer_decay: float = 0.9
    weight_decay: float = 0.01
    warm_up: float = 0.1
    encoder_dropout: float = 0.1
    lora_rank: int = 8
    accumulate: int = 1
    init_from: str | None = None

    # What training sets.
    tokenizer: PretrainedTokens = dataclasses.field(init=False, repr=False)
    architecture: dict = dataclasses.field(init=False, repr=False)

    def __post_init__(self):
        rate, epochs = TUNES[self.tune]
        self.learning_rate = rate if self.learning_rate is None else self.learning_rate
        self.epochs = epochs if self.epochs is None and self.budget is None else self.epochs

    @classmethod
    def check(cls, *, preset: str | None, tune: str, init_from: Path | None = None) -> None:
        """Raise UserError where a model with these options could not be trained."""
        if tune not in TUNES:
            raise UserError(f"unknown --tune {tune!r}; choose from {list(TUNES)}")
        if init_from is None:
            load_preset(cls.preset if preset is None else preset)

    def build(self) -> keras.Model:
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        encoder = make_encoder(self.architecture, dropout=self.encoder_dropout)
        inputs = {"token_ids": token_ids, "padding_mask": keras.ops.cast(padding_mask, "int32")}
        if "segment_ids" in encoder.input:
            inputs["segment_ids"] = keras.ops.zeros_like(token_ids)
        hidden = encoder(inputs)  # (B, T, D)
        # In float32: a sum of bfloat16 numbers loses the last ones.
        pooled = keras.layers.GlobalAveragePooling1D(dtype="float32", name="pooling")(hidden, mask=padding_mask)
        pooled = keras.layers.Dropout(self.dropout, dtype="float32", name="pooled_dropout")(pooled)
        logits = keras.layers.Dense(len(self.label_names), dtype="float32", name="logits")(pooled)
        return keras.Model({"token_ids": token_ids, "padding_mask": padding_mask}, logits, name=self.name)

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        keras.utils.clear_session()  # layer names and memory of the model before
        keras.utils.set_random_seed(self.seed)
        stopwatch = Stopwatch()
        preset = self._preset()
        self.tokenizer, self.architecture = preset.tokenizer, preset.architecture
        self.sequence_length = min(self.sequence_length, self.architecture["config"]["max_sequence_length"])
        with building_in(self.chosen_precision):
            self.network = self.build()
        self.network.get_layer("encoder").set_weights(preset.weights)
        del preset
        network, make = self.network, self._batches
        if self.tune == "head":
            network, make = self._head(), self._vectors
        elif self.tune == "lora":
            add_matrices(self.network.get_layer("encoder"), self.lora_rank)
        weights = self.class_weights(train.labels)
        batches = make(self.encode(train.texts), train.labels, weights, seed=self.seed)
        validation_batches = make(self.encode(validation.texts), validation.labels, weights)
        return self._train(network, batches, validation_batches, progress=progress, stopwatch=stopwatch)

    def _preset(self) -> Preset:
        if self.init_from is None:
            return load_preset(self.preset)
        check_sizes(self, Path(self.init_from))
        return read_pretrained(Path(self.init_from))

    @property
    def width(self) -> int:
        return self.architecture["config"]["hidden_dim"]

    def encode(self, texts: Sequence[str]) -> Ragged:
        return self.tokenizer.encode(texts)

    @property
    def _learned_length(self) -> int:
        return min(self.training_length, self.sequence_length)

    @property
    def _rows_at_once(self) -> int:
        return -(-self.batch_size // self.accumulate)

    def _optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        return fine_tuning(
            self.learning_rate,
            steps=None if self.epochs is None or self.budget is not None else self.epochs * steps,
            warm_up=self.warm_up,
            accumulate=self.accumulate,
            decay=self.weight_decay,
            scale_of=self._scale_of,
        )

    def _scale_of(self, path: str) -> float:
        """Return the share of the rate at which a weight learns: 1 for the last layer, least for the embeddings."""
        layers = self.architecture["config"]["num_layers"]
        return self.layer_decay ** (layers + 1 - _depth(path, layers))

    def _usual_epochs(self, steps: int) -> int:
        return self.epochs or TUNES[self.tune][1]

    def _budget(self, steps: int) -> Budget | None:
        budget = super()._budget(steps)
        return None if budget is None else dataclasses.replace(budget, warm_up=self.warm_up)

    def _head(self) -> keras.Model:
        """Return the last layer, and what comes after the encoder, as a network of pooled vectors (B, D)."""
        vectors = keras.Input((self.width,), name="vectors")
        dropped = self.network.get_layer("pooled_dropout")(vectors)
        return keras.Model(vectors, self.network.get_layer("logits")(dropped), name="head")

    def _vectors(
        self, rows: Ragged, labels: np.ndarray, class_weights: np.ndarray, *, seed: int | None = None
    ) -> VectorBatches:
        """Return the pooled vectors of N texts, which a frozen encoder gives once and for all, in batches."""
        encoder = keras.Model(self.network.input, self.network.get_layer("pooling").output)
        encoder.compile(jit_compile=COMPILE)
        batches = self._batches(rows)
        vectors = batches.put_back([encoder.predict_on_batch(batches[index][0]) for index in range(len(batches))])
        return VectorBatches(vectors, labels, class_weights[labels], batch_size=self.batch_size, seed=seed)

    def _finished(self) -> keras.Model:
        """Return the network in float32, what was learned beside a matrix added to it, without its optimizer."""
        weights = merged_weights(self.network)
        network = self.build()
        network.set_weights(weights)
        network.compile(jit_compile=COMPILE)
        return network

    def _save(self, folder: Path) -> None:
        self.tokenizer.save(folder / FOLDER)
        write_json(folder / ARCHITECTURE_FILE, self.architecture)
        save_network(self, folder)

    def _load(self, folder: Path) -> None:
        self.tokenizer = load_tokens(require_file(folder, FOLDER))
        self.architecture = read_json(require_file(folder, ARCHITECTURE_FILE))
        self.network = load_network(self, folder, rebuild=True)  # Keras cannot read KerasHub's DeBERTa


def _depth(path: str, layers: int) -> int:
    """Return how far from the texts a weight is: 0 for embeddings, 1 to `layers`, and one more for the last layer."""
    if "encoder/" not in path:
        return layers + 1
    found = re.search(r"layer_([0-9]+)/", path)
    return int(found[1]) + 1 if found else 0
