"""A transformer decoder, KerasHub's GPT-2 made small, that writes texts like those it was trained on."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import keras
import keras_hub
import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.models.decoding import generate_ids, uniform_numbers
from textapp.models.folder import require_file, write_description
from textapp.models.keras_file import COMPILE, in_float32, load_network, quantized, save_network
from textapp.text.subwords import END_ID, Subwords
from textapp.training.budget import Budget
from textapp.training.fit import fit
from textapp.training.precision import building_in, choose_precision
from textapp.training.progress import Progress, Stopwatch
from textapp.training.windows import Windows, pack, score_windows

TOKENIZER_FOLDER = "tokenizer"
GPT2_WIDTH = 768
VALIDATION_TEXTS = 200  # enough to see where the validation loss goes
ORDERS = 4  # of the training texts, one a pass, before the first comes again where only a budget limits training
WARM_UP = 0.02  # share of a budget
PROMPTS = 16  # continued at a time
COMPILED_STEPS = 2_000  # tokens one after the other that are written in the seconds that XLA takes to compile


@keras.saving.register_keras_serializable(package="textapp")
class TextGPT2(keras_hub.models.GPT2CausalLM):
    """`GPT2CausalLM` whose generation takes its settings as inputs, so that they change without compiling."""

    def generate_step(self, inputs, stop_token_ids=None):
        return generate_ids(self, inputs, end_id=END_ID)


@dataclasses.dataclass(kw_only=True, eq=False)
class Decoder:
    """Prompts to texts. It sees texts as they are, never cleaned.

    Attributes:
        seed: for everything that is random while training.
        vocabulary_size: the most subwords, V.
        context: the most tokens it looks back on, T.
        layers, heads, hidden_dim: of GPT-2.
        batch_size, learning_rate: of the training; Muon, warmed up and then brought to zero as a cosine.
        training_tokens: how many tokens to train on, over as many passes as that takes.
        epochs: the most passes over the training texts.
        checks: how often to look at the validation texts.
        budget: how many seconds to train, subwords and all, the rate reaching zero when they are over, over at most
            `epochs` passes, None for as many as it allows; it takes the place of `training_tokens` and `checks`.
        precision: "auto", "float32" or "bfloat16", of the training; answers are float32.
        jit_compile: whether XLA compiles the training step: twice as fast on a CPU after some seconds.
        quantization: None, or "int8" for weights of 8 bits; `quantized` sets it.
    """

    name: ClassVar[str] = "decoder"
    kind: ClassVar[str] = "network"
    exports: ClassVar[bool] = True
    quantizes: ClassVar[bool] = True

    seed: int = 0
    vocabulary_size: int = 2_000
    context: int = 128
    layers: int = 2
    heads: int = 2
    hidden_dim: int = 128
    batch_size: int = 8
    learning_rate: float = 5e-3
    training_tokens: int = 4_000_000
    epochs: int | None = 10
    checks: int = 5
    budget: float | None = None
    precision: str = "auto"
    jit_compile: bool = True
    quantization: str | None = None

    subwords: Subwords = dataclasses.field(init=False, repr=False)
    network: keras.Model = dataclasses.field(init=False, repr=False)

    def build(self) -> keras.Model:
        """Return the untrained network: {"token_ids", "padding_mask"} of shape (B, T) to logits (B, T, V)."""
        backbone = keras_hub.models.GPT2Backbone(
            vocabulary_size=len(self.subwords),
            num_layers=self.layers,
            num_heads=self.heads,
            hidden_dim=self.hidden_dim,
            intermediate_dim=4 * self.hidden_dim,
            max_sequence_length=self.context,
            dropout=0.0,  # a small network that sees each text once or twice learns too little, not too much
        )
        # GPT-2's standard deviation of 0.02 is made for its width; a narrow network hardly starts to learn with it.
        for layer in backbone.transformer_layers:
            for variable in layer.trainable_variables:
                if variable.path.endswith("kernel"):
                    variable.assign(variable * math.sqrt(GPT2_WIDTH / self.hidden_dim))
        positions = backbone.position_embedding.position_embeddings
        positions.assign(keras.ops.zeros(positions.shape))
        network = TextGPT2(backbone)
        network.compile(jit_compile=COMPILE)
        return network

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        """Learn the subwords and the network; return a row for every look at the validation texts."""
        keras.utils.clear_session()
        keras.utils.set_random_seed(self.seed)
        progress, stopwatch = progress or Progress(), Stopwatch()
        progress.start("learning subwords")
        self.subwords = Subwords.train(train.texts, size=self.vocabulary_size)
        timed = self.budget is not None
        epochs = (self.epochs or ORDERS) if timed else self.epochs
        checks = epochs if timed else self.checks
        windows = Windows(
            pack(self.subwords.encode(train.texts), context=self.context, end_id=END_ID, seed=self.seed),
            batch_size=self.batch_size,
            training_tokens=sys.maxsize if timed else self.training_tokens,
            epochs=epochs,
            checks=checks,
            seed=self.seed,
        )
        with building_in(self._precision):
            self.network = self.build()
        trained = self._plain_network()
        rate = self.learning_rate
        if not timed:
            steps = checks * len(windows)
            warm_up = min(50, math.ceil(steps / 10))
            rate = keras.optimizers.schedules.CosineDecay(
                0.0, steps - warm_up, warmup_target=rate, warmup_steps=warm_up
            )
        trained.compile(
            optimizer=keras.optimizers.Muon(
                rate,
                weight_decay=0.01,
                adam_weight_decay=0.01,
                adam_beta_2=0.98,
                adam_lr_ratio=0.5,
                global_clipnorm=1.0,
            ),
            # Padding has weight 0 and must not count as tokens that were predicted perfectly.
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
            weighted_metrics=[],
            jit_compile=self._compiled,
        )
        history = fit(
            trained,
            windows,
            self._score_windows(validation.texts[:VALIDATION_TEXTS]),
            monitor="val_loss",
            epochs=self.epochs if timed else checks,
            patience=self.checks,
            progress=progress,
            budget=Budget(seconds=self.budget, learning_rate=rate, warm_up=WARM_UP) if timed else None,
            stopwatch=stopwatch,
        )
        self.network = in_float32(self)
        return history

    @property
    def _precision(self) -> str:
        return choose_precision(self.precision, width=self.hidden_dim, compiled=self._compiled)

    @property
    def computation(self) -> str:
        """How the network is trained on this device."""
        return f"{self._precision}, XLA" if self._compiled else self._precision

    @property
    def _compiled(self) -> bool:
        return self.jit_compile or COMPILE

    def _plain_network(self) -> keras.Model:
        """Return the network without KerasHub's own `fit` and `predict`, which want to do the batching."""
        network = keras.Model(self.network.input, self.network.output)
        network.compile(jit_compile=COMPILE)
        return network

    def _score_windows(self, texts: Sequence[str]):
        return score_windows(self.subwords.encode(texts), context=self.context, end_id=END_ID)

    def bits_per_byte(self, texts: Sequence[str]) -> float:
        """Return the information in the texts by this model, in bits per byte of UTF-8.

        Every text is read from its start in windows of `context` tokens. A token is predicted from the tokens
        before it in its window, the first of a text from the end-of-text token.
        """
        bits, size = 0.0, 0
        for nats, text in zip(self.negative_log_likelihoods(texts), texts, strict=True):
            bits += nats / math.log(2)
            size += len(text.encode("utf-8", errors="replace"))
        return bits / max(size, 1)

    def negative_log_likelihoods(self, texts: Sequence[str]) -> np.ndarray:
        """Return the nats of each of N texts, float64 of shape (N,)."""
        batches, network = self._score_windows(texts), self._plain_network()
        totals = np.zeros(len(texts))
        for index in range(len(batches)):
            inputs, targets, weights = batches[index]
            logits = np.asarray(network.predict_on_batch(inputs), np.float32)  # (B, T, V)
            logits -= logits.max(axis=-1, keepdims=True)
            chosen = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
            nats = (np.log(np.exp(logits).sum(axis=-1)) - chosen) * weights
            np.add.at(totals, batches.document_of[index], nats.sum(axis=-1, dtype=np.float64))
        return totals

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int = 60,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 0.95,
        seed: int = 0,
        compiled: bool | None = None,
    ) -> list[str]:
        """Continue prompts.

        Args:
            prompts: N texts; of one that is too long the last tokens are read. May be empty texts.
            max_new_tokens: the most tokens to add; fewer where the model ends the text.
            temperature: 0 always takes the most probable token; above 1 gets wild.
            top_k: choose among this many most probable tokens; 0 for all.
            top_p: choose among the fewest tokens that have this probability together.
            seed: the same seed gives the same texts.
            compiled: whether XLA compiles the loop over the tokens, which takes seconds and then makes it some times
                faster; None to let the number of tokens decide. JAX always compiles.

        Returns:
            N texts, each beginning with its prompt.

        Raises:
            UserError: a setting is out of range.
        """
        check_settings(self.context, max_new_tokens, temperature, top_k, top_p, seed)
        room = self.context - max_new_tokens
        # The end of text before it stands as its start: it is what the model saw before every text.
        encoded = [[END_ID, *ids][-room:] for ids in self.subwords.encode(prompts)]
        if compiled is None:
            compiled = -(-len(prompts) // PROMPTS) * max_new_tokens >= COMPILED_STEPS
        generate = self._generate_function(compiled=compiled or COMPILE)
        settings = {"temperature": np.float32(temperature), "top_k": np.int32(top_k), "top_p": np.float32(top_p)}
        texts = []
        for first in range(0, len(prompts), PROMPTS):
            given = encoded[first : first + PROMPTS]
            # Few shapes, so that little is traced or compiled: a power of two of rows, the last ones repeated.
            rows = 1 << (len(given) - 1).bit_length()
            lengths = np.array([len(ids) for ids in given] + [len(given[-1])] * (rows - len(given)))
            padding_mask = np.arange(self.context) < lengths[:, None]
            token_ids = np.full(padding_mask.shape, END_ID, np.int32)
            token_ids[padding_mask] = np.concatenate(given + [given[-1]] * (rows - len(given)))
            uniform = uniform_numbers(seed, first + rows, self.context)[first:]
            inputs = {"token_ids": token_ids, "padding_mask": padding_mask, "uniform": uniform, **settings}
            inputs["until"] = np.int32(lengths.max() + max_new_tokens)
            written = keras.ops.convert_to_numpy(generate(inputs, stop_token_ids=None))
            for ids, start in zip(written[: len(given)], lengths, strict=False):
                texts.append(prompts[len(texts)] + self.subwords.decode(ids[start : start + max_new_tokens]))
        return texts

    def _generate_function(self, *, compiled: bool):
        if self.network.jit_compile != compiled:
            self.network.jit_compile, self.network.generate_function = compiled, None
        return self.network.make_generate_function()

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return self.network.count_params()

    def quantized(self, quantization: str) -> Self:
        """Return a copy with smaller weights; see `textapp.models.keras_file.quantized`."""
        return quantized(self, quantization)

    def save(self, folder: Path) -> None:
        """Write everything that `textapp.load` needs into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.subwords.save(folder / TOKENIZER_FOLDER)
        save_network(self, folder)
        write_description(folder, self)

    @classmethod
    def load(cls, folder: Path, options: dict) -> Self:
        """Return the model that `save` wrote; `textapp.load` finds the class and the options."""
        model = cls(**options)
        model.subwords = Subwords.load(require_file(folder, TOKENIZER_FOLDER))
        model.network = load_network(model, folder)
        return model


def check_settings(context: int, max_new_tokens: int, temperature: float, top_k: int, top_p: float, seed: int) -> None:
    """Raise UserError for generation settings that are out of range."""
    if not 1 <= max_new_tokens < context:
        raise UserError(f"max-new-tokens is {max_new_tokens}; this model takes 1 to {context - 1}")
    if not (0 <= temperature < math.inf):
        raise UserError(f"temperature is {temperature}; it must be 0 or more")
    if top_k < 0:
        raise UserError(f"top-k is {top_k}; it must be 0 (for all tokens) or more")
    if not 0 < top_p <= 1:
        raise UserError(f"top-p is {top_p}; it must be above 0 and at most 1")
    if not 0 <= seed < 2**31:
        raise UserError(f"the seed is {seed}; it must be from 0 to {2**31 - 1}")
