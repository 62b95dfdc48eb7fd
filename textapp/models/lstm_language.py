"""An LSTM that writes: the decoder's tokens, windows and training with recurrent layers in the place of attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import keras
import keras_hub
import numpy as np

from textapp.models.decoder import Decoder
from textapp.models.generator import Generator
from textapp.models.keras_file import COMPILE
from textapp.models.lstm_layer import LSTMLayer, lstm_path
from textapp.models.writing import Reader


@dataclasses.dataclass(kw_only=True, eq=False)
class LSTMLanguage(Decoder):
    """An LSTM language model; the last layer's weights are those of the embedding (Press and Wolf 2017).

    Attributes:
        layers: how many LSTMs, each added to what it reads; the decoder's `heads` are of no use here.
        hidden_dim: numbers a token, and units of each LSTM.
    """

    name: ClassVar[str] = "lstm-lm"
    exports: ClassVar[bool] = False
    quantizes: ClassVar[bool] = False
    by_default: ClassVar[bool] = False

    layers: int = 1
    hidden_dim: int = 256
    jit_compile: bool | None = False  # the layer has loops of its own that are compiled

    def build(self) -> keras.Model:
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")  # what is to the right changes nothing
        embedding = keras_hub.layers.ReversibleEmbedding(
            len(self.subwords) + len(self.label_names),
            self.hidden_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=self.hidden_dim**-0.5),
            name="token_embedding",
        )
        hidden = embedding(token_ids)  # (B, T, D)
        for number in range(self.layers):
            read = keras.layers.LayerNormalization(name=f"norm_{number}")(hidden)
            hidden = hidden + LSTMLayer(self.hidden_dim, return_sequences=True, name=f"lstm_{number}")(read)
        logits = embedding(keras.layers.LayerNormalization(name="norm")(hidden), reverse=True)
        network = keras.Model({"token_ids": token_ids, "padding_mask": padding_mask}, logits)
        network.compile(jit_compile=COMPILE)
        return network

    @property
    def _kernel(self) -> str:
        return lstm_path()

    def next_logits(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the logits of the token after each of B rows, float32 of shape (B, V); of a long one its end is read.

        Args:
            rows: the ids of texts so far, `END_ID` before the first of a text; at least one id a row.
        """
        last = np.array([min(len(row), self.context) - 1 for row in rows])
        token_ids = np.zeros((len(rows), self.context), np.int32)
        for number, row in enumerate(rows):
            token_ids[number, : last[number] + 1] = row[-self.context :]
        inputs = {"token_ids": token_ids, "padding_mask": np.ones(token_ids.shape, bool)}
        logits = self.network.predict_on_batch(inputs)  # (B, T, V and labels)
        return np.asarray(logits[np.arange(len(rows)), last, : len(self.subwords)], np.float32)

    def reader(self) -> Reader:
        return Generator.reader(self)

    def generate(self, prompts: Sequence[str], *, label: str | None = None, **settings) -> list[str]:
        """Continue prompts; as `Generator.generate`."""
        return Generator.generate(self, prompts, label=label, **settings)
