"""Pretraining by masked words: an encoder learns from texts without labels what stood where (BERT)."""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import keras_hub
import numpy as np

from textapp.models.encoder import Encoder
from textapp.models.keras_file import COMPILE
from textapp.models.layers import MaskedPooling
from textapp.models.network import VOCABULARY_FILE, KerasClassifier
from textapp.models.starting import SIZES, write_weights
from textapp.text.ragged import Ragged
from textapp.text.vocabulary import Vocabulary
from textapp.training.batches import Batches
from textapp.training.budget import Budget
from textapp.training.fit import fit
from textapp.training.masking import NEXT, WORDS, MaskedBatches, Masking
from textapp.training.muon import from_scratch
from textapp.training.precision import building_in
from textapp.training.progress import Progress, Stopwatch
from textapp.training.schedule import Rate, warmed_up

WARM_UP = 0.05  # share of the training in which the rate rises


def masked_network(
    inputs: Mapping[str, keras.KerasTensor],
    hidden: keras.KerasTensor,
    token_embedding: keras.layers.Layer,
    *,
    pairs: bool,
) -> keras.Model:
    """Return a network that tells masked words, {`WORDS`: logits (B, M, V)}, and with pairs `NEXT` (B, 2) as well.

    Args:
        inputs: what `hidden` was made of; "mask_positions" int32 (B, M) is added.
        hidden: a vector a token, (B, T, D).
        token_embedding: KerasHub's `ReversibleEmbedding`; its weights tell the words, too.
        pairs: whether the mean and the maximum of the tokens tell if the second segment is the text's own.
    """
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    head = keras_hub.layers.MaskedLMHead(token_embedding=token_embedding, intermediate_activation="gelu", name=WORDS)
    outputs = {WORDS: head(hidden, mask_positions=positions)}
    if pairs:
        pooled = MaskedPooling(name="pooling")(hidden, inputs["padding_mask"])
        outputs[NEXT] = keras.layers.Dense(2, dtype="float32", name=NEXT)(pooled)
    return keras.Model({**inputs, "mask_positions": positions}, outputs, name="masked_words")


@dataclasses.dataclass(frozen=True)
class Learned:
    """What a network learned without labels.

    Attributes:
        history: a row for every look at the held-out texts.
        figures: measured on those in the end: `loss`, nats a masked or a next token, and others.
        tokens: how many the texts to learn from have, as far as they are read.
        passes: how often they were read.
    """

    history: list[dict[str, float]]
    figures: dict[str, float]
    tokens: int
    passes: float


def fit_masked(
    network: keras.Model,
    rows: Ragged,
    held_out: Ragged,
    masking: Masking,
    *,
    optimizer: Callable[[Rate], keras.optimizers.Optimizer],
    options: KerasClassifier,
    progress: Progress,
    stopwatch: Stopwatch,
) -> Learned:
    """Train a network of `masked_network`, its rate warmed up and then brought to zero as a cosine.

    Args:
        network: not compiled; afterwards it has the weights with which the loss on `held_out` was lowest.
        rows, held_out: ids of the texts to learn from and of others.
        masking: which ids are what.
        optimizer: takes the rate.
        options: `batch_size`, `sequence_length`, `learning_rate`, `epochs`, `budget` and `seed` of the training;
            None for epochs, with a budget, for as many as it allows.
        progress: where to show it.
        stopwatch: began with the fit.
    """
    make = functools.partial(Batches, batch_size=options.batch_size, sequence_length=options.sequence_length)
    # With labels the last batch is not filled up with texts that are there already.
    unused = [np.zeros(len(found), np.int32) for found in (rows, held_out)]
    batches = MaskedBatches(make(rows, unused[0], seed=options.seed), masking, seed=options.seed)
    others = MaskedBatches(make(held_out, unused[1]), masking, seed=options.seed, fixed=True)
    rate, budget = options.learning_rate, None
    if options.budget is not None:
        budget = Budget(seconds=options.budget, learning_rate=rate, warm_up=WARM_UP)
    elif options.epochs is not None:
        steps = options.epochs * len(batches)
        rate = warmed_up(rate, steps=steps, rising=math.ceil(WARM_UP * steps))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    network.compile(
        optimizer=optimizer(rate), loss=dict.fromkeys(network.output, loss), weighted_metrics=[], jit_compile=COMPILE
    )
    history = fit(
        network,
        batches,
        others,
        monitor="val_loss",
        epochs=options.epochs,
        patience=sys.maxsize,  # the loss on other texts falls to the end of so few passes
        progress=progress,
        computation=options.computation,
        budget=budget,
        stopwatch=stopwatch,
    )
    read = int(np.minimum(rows.lengths, options.sequence_length).sum())
    return Learned(history, measure_masked(network, others), read, history[-1]["epoch"])


def measure_masked(network: keras.Model, held_out: MaskedBatches) -> dict[str, float]:
    """Return how well masked words of held-out texts are told.

    Returns:
        `loss`, nats a masked word; `accuracy`, the share that is told right; with pairs `next_accuracy`, too.
    """
    totals = {WORDS: np.zeros(3), NEXT: np.zeros(3)}  # weight, nats, right ones
    for index in range(len(held_out)):
        inputs, targets, weights = held_out[index]
        for name, logits in network.predict_on_batch(inputs).items():
            logits = np.asarray(logits, np.float32)
            logits -= logits.max(axis=-1, keepdims=True)
            chosen = np.take_along_axis(logits, targets[name][..., None], axis=-1)[..., 0]
            nats = np.log(np.exp(logits).sum(axis=-1)) - chosen
            told = [weights[name], nats * weights[name], (logits.argmax(axis=-1) == targets[name]) * weights[name]]
            totals[name] += [part.sum(dtype=np.float64) for part in told]
    figures = {"loss": totals[WORDS][1] / totals[WORDS][0], "accuracy": totals[WORDS][2] / totals[WORDS][0]}
    if totals[NEXT][0]:
        figures["next_accuracy"] = totals[NEXT][2] / totals[NEXT][0]
    return {name: float(value) for name, value in figures.items()}


@dataclasses.dataclass(kw_only=True, eq=False)
class MaskedEncoder:
    """An untrained `Encoder` that is to know the words' ways before it sees a label.

    While it learns, the mask and the separator have ids behind those of the vocabulary; they are left out of what
    is saved.

    Attributes:
        encoder: has the sizes, the cleaning and the options of the training.
        pairs: whether it also learns if two segments belong to one text (BERT's next-sentence prediction), with an
            embedding for each segment, of which the first is added to the positions in the end.
    """

    encoder: Encoder
    pairs: bool = False

    network: keras.Model = dataclasses.field(init=False, repr=False)

    def build(self) -> keras.Model:
        """Return the untrained network; see `masked_network`."""
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        layer = self.encoder.embedding(len(self.encoder.vocabulary) + (2 if self.pairs else 1))
        embedded = layer(token_ids)
        if self.pairs:
            inputs["segment_ids"] = keras.Input((None,), dtype="int32", name="segment_ids")
            segments = keras.layers.Embedding(2, self.encoder.embedding_dim, name="segments")
            embedded = keras.layers.Add(name="with_segments")([embedded, segments(inputs["segment_ids"])])
        hidden = self.encoder.hidden(embedded, padding_mask)
        return masked_network(inputs, hidden, layer.token_embedding, pairs=self.pairs)

    def fit(self, texts: Sequence[str], held_out: Sequence[str], *, progress: Progress) -> Learned:
        """Learn from texts, and see how much on others."""
        encoder = self.encoder
        keras.utils.clear_session()
        keras.utils.set_random_seed(encoder.seed)
        tokens, other_tokens = encoder.cleaning(texts), encoder.cleaning(held_out)
        stopwatch = Stopwatch()
        encoder.vocabulary = Vocabulary.build(tokens, size=encoder.vocabulary_size)
        with building_in(encoder.chosen_precision):
            self.network = self.build()
        rows, others = (encoder.vocabulary.encode(found) for found in (tokens, other_tokens))
        encoder.start_embedding(self.network, rows)
        return fit_masked(
            self.network,
            rows,
            others,
            self.masking,
            optimizer=from_scratch,
            options=encoder,
            progress=progress,
            stopwatch=stopwatch,
        )

    @property
    def masking(self) -> Masking:
        """The ids of the mask and the separator: behind the vocabulary's."""
        vocabulary = len(self.encoder.vocabulary)
        first_word = vocabulary - len(self.encoder.vocabulary.words)
        return Masking(
            mask_id=vocabulary,
            words=(first_word, vocabulary),
            separator_id=vocabulary + 1 if self.pairs else None,
            segments=self.pairs,
        )

    def save(self, folder: Path) -> dict:
        """Write what an encoder starts from; return the sizes that it must have."""
        folder.mkdir(parents=True, exist_ok=True)
        encoder = self.encoder
        encoder.vocabulary.save(folder / VOCABULARY_FILE)
        embeddings, positions = self.network.get_layer("embedding").get_weights()
        if self.pairs:
            positions = positions + self.network.get_layer("segments").get_weights()[0][0]
        weights = {"embedding": [embeddings[: len(encoder.vocabulary)], positions]}
        for layer in self.network.layers:
            if layer.name.startswith("block_"):
                weights[layer.name] = layer.get_weights()
        write_weights(folder, weights)
        return {name: getattr(encoder, name) for name in SIZES["encoder"]}
