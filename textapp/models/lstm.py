"""The LSTM baseline: embedding, one LSTM in each direction, pooling."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras

from textapp.models.layers import MaskedPooling, ReverseTokens
from textapp.models.lstm_layer import LSTMLayer, PooledLSTM, lstm_path
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
        embedded = dropout(embedding(token_ids))
        if not self.bidirectional:
            outputs = LSTMLayer(self.units, return_sequences=True, name="forward")(embedded)  # (B, T, units)
            return MaskedPooling(name="pooling")(outputs, padding_mask)
        reversed_ids = ReverseTokens(name="reverse")(token_ids, padding_mask)
        return PooledLSTM(self.units, name="lstm")(embedded, dropout(embedding(reversed_ids)), padding_mask)

    @property
    def _kernel(self) -> str:
        return lstm_path()
