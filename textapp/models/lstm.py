"""The LSTM baseline: embedding, one LSTM in each direction, pooling."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras

from textapp.models.layers import MaskedPooling, ReverseTokens
from textapp.models.lstm_layer import LSTMLayer, lstm_path
from textapp.models.network import NetworkClassifier


@dataclasses.dataclass(kw_only=True, eq=False)
class LSTM(NetworkClassifier):
    """Long short-term memory.

    No mask reaches the LSTMs: with the padding on the right an output hangs on no later input, and the pooling
    leaves the outputs on padding out. So every device may use its fast kernel.

    Attributes:
        units: numbers that each direction keeps.
        bidirectional: whether a second LSTM reads from the end; benchmarks/choices shows why it does.
    """

    name: ClassVar[str] = "lstm"

    units: int = 64
    bidirectional: bool = True

    def features(self, token_ids: keras.KerasTensor, padding_mask: keras.KerasTensor) -> keras.KerasTensor:
        embedding = keras.layers.Embedding(len(self.vocabulary), self.embedding_dim, name="embedding")
        dropout = keras.layers.SpatialDropout1D(self.token_dropout, name="token_dropout")
        directions = {"forward": token_ids}
        if self.bidirectional:
            directions["backward"] = ReverseTokens(name="reverse")(token_ids, padding_mask)
        pooled = []
        for name, ids in directions.items():
            outputs = LSTMLayer(self.units, return_sequences=True, name=name)(dropout(embedding(ids)))  # (B, T, units)
            pooled.append(MaskedPooling(name=f"{name}_pooling")(outputs, padding_mask))
        return keras.layers.Concatenate(name="directions")(pooled) if self.bidirectional else pooled[0]

    @property
    def computation(self) -> str:
        return f"{super().computation}, {lstm_path()}"
