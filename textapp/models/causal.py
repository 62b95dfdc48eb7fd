"""A pretrained decoder of KerasHub's, fine-tuned to write texts like the user's."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

import keras
import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.cached_reader import CachedReader
from textapp.models.causal_network import make_backbone, make_network, make_reader
from textapp.models.causal_presets import WANTED, CausalPreset, load_causal
from textapp.models.folder import read_json, require_file, write_json
from textapp.models.generator import Generator
from textapp.models.keras_file import COMPILE, load_network, save_network
from textapp.models.low_rank import add_matrices, merged_weights
from textapp.models.presets import ARCHITECTURE_FILE
from textapp.text.preset_tokens import PresetTokens
from textapp.text.subwords import END_ID
from textapp.training.budget import Budget
from textapp.training.fit import fit
from textapp.training.layerwise import fine_tuning
from textapp.training.precision import attention_path, building_in, choose_precision
from textapp.training.progress import Progress, Stopwatch
from textapp.training.windows import Windows, pack, score_windows

# How much of a network learns; at which rate and over how many epochs, by default.
TUNES = {"full": (5e-5, 2), "lora": (5e-4, 3)}
VALIDATION_TEXTS = 200  # enough to see where the validation loss goes


@dataclasses.dataclass(kw_only=True, eq=False)
class CausalLM(Generator):
    """The decoder of a preset, with its own tokens, whatever those of the other generators of a run are.

    It has no SavedModel: Llama's and Qwen's texts are cut by patterns that TensorFlow's string operations cannot
    follow.

    Attributes:
        preset: which decoder, see `textapp.models.causal_presets.load_causal`; None, the default, cannot be trained.
        context: the most tokens it looks back on, T; at most the preset's.
        tune: "full" trains every weight; "lora" matrices of low rank beside the attention's queries and values, added
            to them in the end.
        learning_rate, epochs: None for what suits `tune`; with a budget no epochs stand for as many as it allows.
        batch_size: windows a step.
        weight_decay: of AdamW.
        warm_up: share of the steps, or of the budget, in which the rate rises; then it falls as a cosine.
        lora_rank: of those matrices.
        accumulate: batches go through the network in so many parts, which takes less memory.
        budget: how many seconds to train, tokens and all; None for no limit.
        precision: "auto", "float32" or "bfloat16", of the training; answers are float32.
    """

    name: ClassVar[str] = "causal-lm"
    kind: ClassVar[str] = "network"
    exports: ClassVar[bool] = False
    by_default: ClassVar[bool] = False
    own_tokens: ClassVar[bool] = True

    preset: str | None = None
    context: int = 256
    tune: str = "full"
    learning_rate: float | None = None
    epochs: int | None = None
    batch_size: int = 8
    weight_decay: float = 0.01
    warm_up: float = 0.1
    lora_rank: int = 8
    accumulate: int = 1
    budget: float | None = None
    precision: str = "auto"

    # What training sets.
    architecture: dict = dataclasses.field(init=False, repr=False)
    network: keras.Model = dataclasses.field(init=False, repr=False)
    _made: tuple | None = dataclasses.field(init=False, repr=False, default=None)
    quantization: ClassVar[None] = None  # `save_network` asks

    def __post_init__(self) -> None:
        super().__post_init__()
        rate, epochs = TUNES[self.tune]
        self.learning_rate = rate if self.learning_rate is None else self.learning_rate
        self.epochs = epochs if self.epochs is None and self.budget is None else self.epochs

    @classmethod
    def check(cls, *, preset: str | None, tune: str, init_from: Path | None = None) -> None:
        """Raise UserError where a model with these options could not be trained."""
        if tune not in TUNES:
            raise UserError(f"--tune is {tune!r}, but of causal-lm can be tuned {list(TUNES)}; choose one of them")
        _load_preset(cls.preset if preset is None else preset)

    def build(self) -> keras.Model:
        """Return the untrained network: {"token_ids", "padding_mask"} of shape (B, T) to logits (B, T, V)."""
        return make_network(make_backbone(self.architecture), self._known_tokens())

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        """Read the preset and train it; return a row for every look at the validation texts."""
        keras.utils.clear_session()  # layer names and memory of the model before
        keras.utils.set_random_seed(self.seed)
        progress, stopwatch = progress or Progress(), Stopwatch()
        progress.start("reading the preset")
        preset = _load_preset(self.preset)
        self.architecture, self.subwords = preset.architecture, preset.tokens
        self.context = min(self.context, preset.context or self.context)
        windows = self._windows(self.learn_tokens(train))
        with building_in(self.chosen_precision):
            self.network = self.build()
        self.network.get_layer("backbone").set_weights(preset.weights)
        del preset
        if self.tune == "lora":
            add_matrices(self.network, self.lora_rank)
        self.network.compile(
            optimizer=self._optimizer(len(windows)),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
            weighted_metrics=[],
            jit_compile=COMPILE,
        )
        assert self.learning_rate is not None  # since the model was made
        history = fit(
            self.network,
            windows,
            self._score_windows(self.encode(validation.texts[:VALIDATION_TEXTS])),
            monitor="val_loss",
            epochs=self.epochs,
            patience=2,
            progress=progress,
            computation=self.computation,
            budget=None
            if self.budget is None
            else Budget(seconds=self.budget, learning_rate=self.learning_rate, warm_up=self.warm_up),
            stopwatch=stopwatch,
            passes=windows.passes,
        )
        self.network = self._finished()
        return history

    def _finished(self) -> keras.Model:
        """Return the network in float32, what was learned beside a matrix added to it, without its optimizer."""
        weights = merged_weights(self.network)
        network = self.build()
        network.set_weights(weights)
        network.compile(jit_compile=COMPILE)
        return network

    def _known_tokens(self) -> PresetTokens:
        return cast("PresetTokens", self.subwords)  # it has no others

    def _load_tokens(self, folder: Path) -> PresetTokens:
        return PresetTokens.load(folder)

    @property
    def _rows_at_once(self) -> int:
        return -(-self.batch_size // self.accumulate)

    def _windows(self, documents: Sequence[np.ndarray]) -> Windows:
        """Return the training texts in windows, none of them longer than all texts are: padding would be learned."""
        context = min(self.context, sum(map(len, documents)) + len(documents))
        passes = self.epochs or 1  # of one part each; a budget goes on with more
        return Windows(
            pack(documents, context=context, end_id=END_ID, seed=self.seed),
            batch_size=self._rows_at_once,
            training_tokens=sys.maxsize,
            epochs=passes,
            checks=passes,
            seed=self.seed,
        )

    def _score_windows(self, documents: Sequence[Sequence[int]]):
        return score_windows(documents, context=self.context, end_id=END_ID, batch_size=self._rows_at_once)

    def _optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        assert self.learning_rate is not None  # since the model was made
        return fine_tuning(
            self.learning_rate,
            steps=None if self.epochs is None or self.budget is not None else self.epochs * steps,
            warm_up=self.warm_up,
            accumulate=self.accumulate,
            decay=self.weight_decay,
        )

    @property
    def chosen_precision(self) -> str:
        """What `precision` comes to on this device: "float32" or "bfloat16"."""
        return choose_precision(self.precision, width=self.architecture["config"]["hidden_dim"], compiled=COMPILE)

    @property
    def computation(self) -> str:
        """How the network is trained on this device."""
        kernel = attention_path(self.chosen_precision)
        return ", ".join(filter(None, (self.chosen_precision, "XLA" if COMPILE else None, kernel)))

    def token_log_probabilities(self, documents: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the logarithm of the probability of every token, float64 (tokens,), one text after the other.

        Every text is read from its start in windows of `context` tokens. A token is predicted from the tokens
        before it in its window, the first of a text from the token before a text.
        """
        batches, found = self._score_windows(documents), [np.zeros(0)]
        scorer, _ = self._compiled()
        for index in range(len(batches)):
            inputs, targets, weights = batches[index]
            scores = np.asarray(scorer.predict_on_batch({**inputs, "targets": targets}), np.float64)
            found.append(scores[weights > 0])
        return np.concatenate(found)

    def _compiled(self) -> tuple[keras.Model, keras.Model]:
        """Return what scores given tokens and what reads a few at a time, made once for a network.

        The logits stay within them: those of tens of thousands of tokens are more than one wants to carry around.
        """
        network = self.network
        if self._made is None or self._made[0] is not network:
            targets = keras.Input((None,), dtype="int32", name="targets")
            chosen = keras.ops.take_along_axis(network.output, keras.ops.expand_dims(targets, -1), axis=-1)[..., 0]
            scores = chosen - keras.ops.logsumexp(network.output, axis=-1)
            scorer = keras.Model({**network.input, "targets": targets}, scores)
            reader = make_reader(network.get_layer("backbone"), self._known_tokens())
            for part in (scorer, reader):
                part.compile(jit_compile=COMPILE)
            self._made = network, scorer, reader
        return self._made[1:]

    def next_logits(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the logits of the token after each of B rows, float32 of shape (B, V); of a long one its end is read.

        Args:
            rows: the ids of texts so far, `END_ID` before the first of a text; at least one id a row.
        """
        lengths = np.array([min(len(row), self.context) for row in rows])
        token_ids = np.full((len(rows), self.context), END_ID, np.int32)
        for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            token_ids[number, :length] = row[len(row) - length :]
        inputs = {"token_ids": token_ids, "padding_mask": np.ones(token_ids.shape, bool)}
        return np.asarray(self.network.predict_on_batch(inputs), np.float32)[np.arange(len(rows)), lengths - 1]

    def reader(self) -> CachedReader:
        """Return what reads rows of tokens and keeps the keys and values of those before."""
        _, reader = self._compiled()
        return CachedReader(reader.make_generate_function(), self.context)

    @property
    def remarks(self) -> list[str]:
        kind, size = self.architecture["class"].removesuffix("Backbone"), self.parameters
        return [
            f"Starts from {self.preset} ({kind}, {size:,} weights, tuned {self.tune}). What that has read is not known "
            "here: it may have seen the test texts."
        ]

    @property
    def parameters(self) -> int:
        """How many numbers were learned, here or before."""
        return self.network.count_params()

    def _save(self, folder: Path) -> None:
        write_json(folder / ARCHITECTURE_FILE, self.architecture)
        save_network(self, folder)

    def _load(self, folder: Path) -> None:
        self.architecture = read_json(require_file(folder, ARCHITECTURE_FILE))
        self.network = load_network(self, folder, rebuild=True)


def _load_preset(preset: str | None) -> CausalPreset:
    """Load the preset; raise UserError where there is none, or it cannot be used."""
    if preset is None:
        raise UserError(
            "causal-lm has no decoder of its own to start from; give --preset a folder in KerasHub's or Hugging "
            f"Face's format, or a name of KerasHub's such as 'gpt2_base_en', of the {WANTED.families} families"
        )
    return load_causal(preset)
