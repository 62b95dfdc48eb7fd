"""A transformer decoder, KerasHub's GPT-2 made small, that writes texts like those it was trained on."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

import keras
import keras_hub
import numpy as np

from textapp.datasets import Split
from textapp.errors import UserError
from textapp.machine import has_gpu
from textapp.models.cached_reader import CachedReader
from textapp.models.decoding import generate_ids, read_ids, uniform_numbers
from textapp.models.folder import require_file
from textapp.models.generator import TOKENIZER_FOLDER, Generator, valid
from textapp.models.keras_file import COMPILE, in_float32, load_network, quantized, save_network
from textapp.models.layers import drop_no_attention
from textapp.models.sampling import Sampling
from textapp.models.starting import check_sizes, start_embedding
from textapp.models.writing import Reader
from textapp.text.generator_tokens import Tokens
from textapp.text.ragged import Ragged
from textapp.text.subwords import END_ID
from textapp.text.word_vectors import word_vectors
from textapp.training.budget import Budget
from textapp.training.fit import fit
from textapp.training.muon import from_scratch
from textapp.training.precision import attention_path, building_in, choose_precision
from textapp.training.progress import Progress, Stopwatch
from textapp.training.schedule import warmed_up
from textapp.training.shapes import shapes
from textapp.training.windows import Windows, pack, score_windows

GPT2_WIDTH = 768
VALIDATION_TEXTS = 200  # enough to see where the validation loss goes
WARM_UP = 0.02  # share of a budget
COMPILED_STEPS = 2_000  # tokens one after the other that are written in the seconds that XLA takes to compile


@keras.saving.register_keras_serializable(package="textapp")
class TextGPT2(keras_hub.models.GPT2CausalLM):
    """`GPT2CausalLM` whose generation takes its settings as inputs, so that they change without compiling."""

    label_tokens = 0  # the last ones of the vocabulary, which stand for labels and are never written

    def generate_step(self, inputs, stop_token_ids=None):
        if "padding_mask" not in inputs:
            return read_ids(self, inputs)
        return generate_ids(self, inputs, end_id=END_ID)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """A prompt's continuation and how it came about.

    Attributes:
        text: with the prompt.
        token_ids: the K tokens that were added, an end of text among them.
        logits: that each was chosen by, float32 (K, V), of all these tokens read at once.
        uniform: the number that each was drawn with, float32 (K,).
    """

    text: str
    token_ids: np.ndarray
    logits: np.ndarray
    uniform: np.ndarray


@dataclasses.dataclass(kw_only=True, eq=False)
class Decoder(Generator):
    """Prompts to texts. It sees texts as they are, never cleaned.

    Attributes:
        seed: for everything that is random while training.
        context: the most tokens it looks back on, T.
        layers, heads, hidden_dim: of GPT-2.
        corpus_embeddings: standard deviation of the embedding before training, made by `word_vectors` of the training
            texts; 0 for a random one.
        dropout: share of the numbers left out behind the embeddings and in each layer while training; none, since a
            small network that sees each text once or twice learns too little, not too much.
        batch_size, learning_rate: of the training; Muon, warmed up and then brought to zero as a cosine.
        training_tokens: how many tokens to train on, over as many passes as that takes.
        epochs: the most passes over the training texts.
        checks: how often to look at the validation texts.
        budget: how many seconds to train, subwords and all, the rate reaching zero when they are over, over at most
            `epochs` passes, None for as many as it allows; it takes the place of `training_tokens` and `checks`.
        precision: "auto", "float32" or "bfloat16", of the training; answers are float32.
        jit_compile: whether XLA compiles the training step; None for wherever that is faster: in float32 (on a CPU
            twice, after some seconds) and on a GPU.
        label_names: each has a token, too, which stands before texts with that label.
        unlabelled: the share of training texts before which it is left out, so that texts can be written and scored
            without a label.
        init_from: the folder of a pretrained decoder, see `textapp.models.starting`, of which the subwords and all
            weights are taken over; None to start from random ones.
        quantization: None, or "int8" for weights of 8 bits; `quantized` sets it.
    """

    name: ClassVar[str] = "decoder"
    kind: ClassVar[str] = "network"
    exports: ClassVar[bool] = True
    quantizes: ClassVar[bool] = True
    # Options of one that starts from pretraining; the rate was judged, not chosen on validation texts.
    started: ClassVar[dict] = {"learning_rate": 2e-3}

    seed: int = 0
    context: int = 128
    layers: int = 2
    heads: int = 2
    hidden_dim: int = 128
    corpus_embeddings: float = 0.1
    dropout: float = 0.0
    batch_size: int = 8
    learning_rate: float = 5e-3
    training_tokens: int = 2_600_000
    epochs: int | None = 10
    checks: int = 5
    budget: float | None = None
    precision: str = "auto"
    jit_compile: bool | None = None
    unlabelled: float = 0.5
    init_from: str | None = None
    quantization: str | None = None

    network: keras.Model = dataclasses.field(init=False, repr=False)

    def build(self) -> keras.Model:
        """Return the untrained network: {"token_ids", "padding_mask"} of shape (B, T) to logits (B, T, V)."""
        backbone = keras_hub.models.GPT2Backbone(
            vocabulary_size=len(self.subwords) + len(self.label_names),
            num_layers=self.layers,
            num_heads=self.heads,
            hidden_dim=self.hidden_dim,
            intermediate_dim=4 * self.hidden_dim,
            max_sequence_length=self.context,
            dropout=self.dropout,
        )
        drop_no_attention(backbone)
        # GPT-2's standard deviation of 0.02 is made for its width; a narrow network hardly starts to learn with it.
        for layer in backbone.transformer_layers:
            for variable in layer.trainable_variables:
                if variable.path.endswith("kernel"):
                    variable.assign(variable * math.sqrt(GPT2_WIDTH / self.hidden_dim))
        positions = backbone.position_embedding.position_embeddings
        positions.assign(keras.ops.zeros(positions.shape))
        network = TextGPT2(backbone)
        network.label_tokens = len(self.label_names)
        network.compile(jit_compile=COMPILE)
        return network

    def fit(self, train: Split, validation: Split, *, progress: Progress | None = None) -> list[dict[str, float]]:
        """Learn the subwords and the network; return a row for every look at the validation texts."""
        keras.utils.clear_session()
        keras.utils.set_random_seed(self.seed)
        progress, stopwatch = progress or Progress(), Stopwatch()
        progress.start("learning subwords")
        documents = self.learn_tokens(train)
        epochs, checks, training_tokens = self.epochs, self.checks, self.training_tokens
        if self.budget is not None:
            epochs = checks = self.epochs or 1  # of one part each; a budget may go on with more
            training_tokens = sys.maxsize
        windows = Windows(
            pack(self._with_labels(documents, train.labels), context=self.context, end_id=END_ID, seed=self.seed),
            batch_size=self.batch_size,
            training_tokens=training_tokens,
            epochs=epochs,
            checks=checks,
            seed=self.seed,
            vocabulary_size=len(self.subwords),
        )
        with building_in(self.chosen_precision):
            self.network = self.build()
        self._start(documents)
        trained = self._plain_network()
        rate, budget = self.learning_rate, None
        if self.budget is None:
            steps = checks * len(windows)
            rate = warmed_up(rate, steps=steps, rising=min(50, math.ceil(steps / 10)))
        else:
            budget = Budget(seconds=self.budget, learning_rate=rate, warm_up=WARM_UP)
        trained.compile(
            optimizer=from_scratch(rate, precision=self.chosen_precision),
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
            epochs=checks if budget is None else self.epochs,
            patience=self.checks,
            progress=progress,
            computation=self.computation,
            budget=budget,
            stopwatch=stopwatch,
            passes=windows.passes,
        )
        self.network = in_float32(self)
        return history

    def _known_tokens(self) -> Tokens | None:
        if self.init_from is None:
            return None
        check_sizes(self, Path(self.init_from))
        return self.shared_tokens.known or self._load_tokens(require_file(Path(self.init_from), TOKENIZER_FOLDER))

    def _start(self, documents: Sequence[np.ndarray]) -> None:
        """Give the network that was just built a better start: pretrained weights, or the embedding of its texts."""
        if self.init_from is not None:
            self._take_over(Path(self.init_from))
        elif self.corpus_embeddings:
            rows, size = Ragged.of(documents, empty=END_ID), len(self.subwords)
            vectors = word_vectors(rows, size=size, width=self.hidden_dim, first=END_ID + 1)
            embeddings = self.network.get_layer("token_embedding").weights[0]
            start_embedding(embeddings, vectors, scale=self.corpus_embeddings)

    def _take_over(self, folder: Path) -> None:
        """Give the network that was just built the weights of a pretrained one, which knows no labels."""
        pretrained = load_network(self, folder).get_weights()
        found = []
        for old, new in zip(pretrained, self.network.get_weights(), strict=True):
            if old.shape[1:] != new.shape[1:] or len(new) - len(old) not in (0, len(self.label_names)):
                raise UserError(f"{folder} is damaged: its network has other shapes than its options say")
            found.append(np.concatenate([old, new[len(old) :]]))
        self.network.set_weights(found)

    def _with_labels(self, documents: Sequence[np.ndarray], labels: np.ndarray) -> Sequence[np.ndarray]:
        """Return the ids of each training text, some of them with their label's token before."""
        if not self.label_names:
            return documents
        labelled = np.random.default_rng(self.seed).random(len(documents)) >= self.unlabelled
        tokens = len(self.subwords) + labels.astype(np.int32)
        return [
            np.concatenate([tokens[row : row + 1], ids]) if labelled[row] else ids for row, ids in enumerate(documents)
        ]

    @property
    def chosen_precision(self) -> str:
        """What `precision` comes to on this device: "float32" or "bfloat16"."""
        return choose_precision(self.precision, width=self.hidden_dim, compiled=bool(self.jit_compile) or COMPILE)

    @property
    def computation(self) -> str:
        """How the network is trained on this device."""
        return ", ".join(filter(None, (self.chosen_precision, "XLA" if self._compiled else None, self._kernel)))

    @property
    def _kernel(self) -> str | None:
        """What computes most of it, where that is no plain operations."""
        return attention_path(self.chosen_precision)

    @property
    def _compiled(self) -> bool:
        if self.jit_compile is None:
            return COMPILE or has_gpu() or self.chosen_precision == "float32"
        return self.jit_compile or COMPILE

    def _plain_network(self) -> keras.Model:
        """Return the network without KerasHub's own `fit` and `predict`, which want to do the batching."""
        network = keras.Model(self.network.input, keras.ops.cast(self.network.output, "float32"))
        network.compile(jit_compile=COMPILE)
        return network

    def _score_windows(self, texts: Sequence[str]):
        return score_windows(self.subwords.encode(texts), context=self.context, end_id=END_ID)

    def token_log_probabilities(self, documents: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the logarithm of the probability of every token, float64 (tokens,), one text after the other.

        Every text is read from its start in windows of `context` tokens. A token is predicted from the tokens
        before it in its window, the first of a text from the end-of-text token.
        """
        batches, network = score_windows(documents, context=self.context, end_id=END_ID), self._plain_network()
        found = [np.zeros(0)]
        for index in range(len(batches)):
            inputs, targets, weights = batches[index]
            logits = np.asarray(network.predict_on_batch(inputs), np.float32)[..., : len(self.subwords)]  # (B, T, V)
            logits -= logits.max(axis=-1, keepdims=True)
            chosen = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
            found.append((chosen - np.log(np.exp(logits).sum(axis=-1)))[weights > 0].astype(np.float64))
        return np.concatenate(found)

    def next_logits(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the logits of the token after each of B rows, float32 of shape (B, V); of a long one its end is read.

        Args:
            rows: the ids of texts so far, `END_ID` before the first of a text; at least one id a row.
        """
        lengths = np.array([min(len(row), self.context) for row in rows])
        token_ids = np.zeros((len(rows), self.context), np.int32)
        for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            token_ids[number, :length] = row[len(row) - length :]
        read = self._generate_function(compiled=COMPILE)
        logits, _, _ = read({"token_ids": token_ids, "last": (lengths - 1).astype(np.int32)}, stop_token_ids=None)
        return keras.ops.convert_to_numpy(logits)

    def reader(self) -> Reader:
        """Return what reads rows of tokens and keeps the keys and values of those before."""
        return CachedReader(self._generate_function(compiled=COMPILE), self.context)

    def start_ids(self, label: str | None) -> list[int]:
        """Return the tokens before a text.

        Raises:
            UserError: the model knows no such label.
        """
        number = self._label_number(label)
        return [END_ID] if number is None else [END_ID, len(self.subwords) + number]

    def generate(
        self, prompts: Sequence[str], *, label: str | None = None, compiled: bool | None = None, **settings
    ) -> list[str]:
        """Continue prompts; as `Generator.generate`, in one loop in a graph where that can do what is wanted.

        Args:
            prompts, label, settings: as for `Generator.generate`.
            compiled: whether XLA compiles the loop over the tokens, which takes seconds and then makes it some times
                faster; None to let the number of tokens decide. JAX always compiles.
        """
        sampling = Sampling(**settings)
        if not sampling.in_one_loop:
            return super().generate(prompts, label=label, **settings)
        prompts = valid(prompts)
        rows = [ids for ids in self._prompt_ids(prompts, sampling, label) for _ in range(sampling.samples)]
        written = self._written(rows, sampling, bias=self.bias(label, sampling), compiled=compiled)
        prompts = [prompt for prompt in prompts for _ in range(sampling.samples)]
        return [prompt + self.subwords.decode(ids) for prompt, ids in zip(prompts, written, strict=True)]

    def generate_steps(self, prompts: Sequence[str], **settings) -> Iterator[Written]:
        """Continue prompts as `generate` does, and yield for each of them how it came about.

        Args:
            prompts: N texts.
            settings: those that a compiled loop knows, see `Sampling.in_one_loop`; one sample.
        """
        sampling = Sampling(**settings)
        rows = self._prompt_ids(prompts, sampling, None)
        written = self._written(rows, sampling)
        network = self._plain_network()
        for number, (prompt, row, ids) in enumerate(zip(prompts, rows, written, strict=True)):
            token_ids = np.full((1, self.context), END_ID, np.int32)
            token_ids[0, : len(row) + len(ids) - 1] = [*row, *ids[:-1]]
            inputs = {"token_ids": token_ids, "padding_mask": np.ones(token_ids.shape, bool)}
            logits = np.asarray(network.predict_on_batch(inputs), np.float32)[0, len(row) - 1 :, : len(self.subwords)]
            uniform = uniform_numbers(sampling.seed, 1, len(row) + len(ids), first=number)[0]
            yield Written(
                text=prompt + self.subwords.decode(ids),
                token_ids=ids,
                logits=logits[: len(ids)],
                uniform=uniform[len(row) :],
            )

    def _written(
        self,
        rows: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        bias: np.ndarray | None = None,
        compiled: bool | None = None,
    ) -> list[np.ndarray]:
        """Return the tokens that come after each row, up to an end of text and with it."""
        choices, found = shapes().prompt_rows, []
        if compiled is None:
            compiled = -(-len(rows) // max(choices)) * sampling.max_new_tokens >= COMPILED_STEPS
        generate = self._generate_function(compiled=compiled or COMPILE)
        for first in range(0, len(rows), max(choices)):
            given = list(rows[first : first + max(choices)])
            count = next(count for count in choices if count >= len(given))
            padded = given + [given[-1]] * (count - len(given))
            lengths = np.array([len(ids) for ids in padded])
            padding_mask = np.arange(self.context) < lengths[:, None]
            token_ids = np.full(padding_mask.shape, END_ID, np.int32)
            token_ids[padding_mask] = np.concatenate(padded)
            inputs = {
                "token_ids": token_ids,
                "padding_mask": padding_mask,
                "uniform": uniform_numbers(sampling.seed, count, self.context, first=first),
                "until": np.int32(lengths.max() + sampling.max_new_tokens),
                **self._settings(sampling, padded),
                **({} if bias is None else {"bias": bias}),
            }
            written = keras.ops.convert_to_numpy(generate(inputs, stop_token_ids=None))
            for ids, start in zip(written[: len(given)], lengths, strict=False):
                added = ids[start : start + sampling.max_new_tokens]
                found.append(added[: int(np.argmax(added == END_ID)) + 1] if END_ID in added else added)
        return found

    def _settings(self, sampling: Sampling, rows: Sequence[Sequence[int]]) -> dict[str, np.ndarray | np.generic]:
        """Return what `generate_ids` takes beside prompts; more than the plain settings only where they are wanted."""
        settings: dict[str, np.ndarray | np.generic] = {
            "temperature": np.float32(sampling.temperature),
            "top_p": np.float32(sampling.top_p),
            "top_k": np.int32(sampling.top_k),
        }
        if not sampling.adjusts:
            return settings
        seen = np.zeros((len(rows), len(self.subwords)), bool)
        for row, ids in zip(seen, rows, strict=True):
            row[[token for token in ids if token < len(self.subwords)]] = True
        end_from = np.array([len(ids) + sampling.min_new_tokens for ids in rows], np.int32)
        settings |= {name: np.float32(getattr(sampling, name)) for name in ("min_p", "repetition_penalty")}
        return settings | {"seen": seen, "end_from": end_from}

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

    def _save(self, folder: Path) -> None:
        save_network(self, folder)

    def _load(self, folder: Path) -> None:
        self.network = load_network(self, folder)
        self.network.label_tokens = len(self.label_names)
