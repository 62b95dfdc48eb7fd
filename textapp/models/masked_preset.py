"""Pretraining by masked words that goes on from a pretrained encoder, on texts of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import keras

from textapp.models.folder import write_json
from textapp.models.masked_words import Learned, fit_masked, masked_network
from textapp.models.presets import ARCHITECTURE_FILE, load_preset, make_encoder
from textapp.models.pretrained import MiniLM
from textapp.models.starting import write_weights
from textapp.text.pretrained_tokens import FOLDER
from textapp.training.layerwise import LayerwiseAdamW
from textapp.training.masking import Masking
from textapp.training.precision import building_in
from textapp.training.progress import Progress, Stopwatch


@dataclasses.dataclass(kw_only=True, eq=False)
class MaskedPreset:
    """A preset's encoder that learns the words of other texts before it sees a label.

    Attributes:
        model: has the preset and the options of the training.
    """

    model: MiniLM

    encoder: keras.Model = dataclasses.field(init=False, repr=False)

    def fit(self, texts: Sequence[str], held_out: Sequence[str], *, progress: Progress) -> Learned:
        """Learn from texts, and see how much on others."""
        model = self.model
        keras.utils.clear_session()
        keras.utils.set_random_seed(model.seed)
        stopwatch = Stopwatch()
        preset = load_preset(model.preset)
        model.tokenizer, model.architecture = preset.tokenizer, preset.architecture
        model.sequence_length = min(model.sequence_length, model.architecture["config"]["max_sequence_length"])
        with building_in(model.chosen_precision):
            network = self._build()
        self.encoder.set_weights(preset.weights)
        tokens = model.tokenizer
        masking = Masking(
            mask_id=tokens.mask_id,
            words=(0, len(tokens)),
            unselectable=(tokens.start_id, tokens.end_id, tokens.mask_id),
        )
        rows, others = model.encode(texts), model.encode(held_out)
        return fit_masked(
            network,
            rows,
            others,
            masking,
            # AdamW: what was pretrained with it goes on with it.
            optimizer=partial(LayerwiseAdamW, decay=0.01, beta_2=0.98, global_clipnorm=1.0),
            options=model,
            progress=progress,
            stopwatch=stopwatch,
        )

    def _build(self) -> keras.Model:
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        self.encoder = make_encoder(self.model.architecture, dropout=self.model.encoder_dropout)
        inputs = {"token_ids": token_ids, "padding_mask": keras.ops.cast(padding_mask, "int32")}
        if "segment_ids" in self.encoder.input:
            inputs["segment_ids"] = keras.ops.zeros_like(token_ids)
        # RoBERTa and DistilBERT have it inside of a layer that adds the positions.
        embedding = next(
            layer for layer in self.encoder._flatten_layers() if isinstance(layer, keras.layers.ReversibleEmbedding)
        )
        given = {"token_ids": token_ids, "padding_mask": padding_mask}
        return masked_network(given, self.encoder(inputs), embedding, pairs=False)

    def save(self, folder: Path) -> dict:
        """Write what `MiniLM` starts from; return the options that it must have."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.tokenizer.save(folder / FOLDER)
        write_json(folder / ARCHITECTURE_FILE, self.model.architecture)
        write_weights(folder, {"encoder": self.encoder.get_weights()})
        return {"preset": self.model.preset}
