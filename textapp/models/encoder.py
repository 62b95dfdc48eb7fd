"""A transformer encoder of KerasHub's layers, trained from scratch."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import keras_hub

from textapp.models.layers import MaskedPooling
from textapp.models.network import NetworkClassifier


@dataclasses.dataclass(kw_only=True, eq=False)
class Encoder(NetworkClassifier):
    """Token and position embeddings, transformer blocks, pooling.

    Attributes:
        layers: how many blocks.
        heads: attention heads in each.
        intermediate_dim: width of the feed-forward part.
        block_dropout: inside the blocks.
    """

    name: ClassVar[str] = "encoder"
    quantizes: ClassVar[bool] = True

    layers: int = 1
    heads: int = 2
    intermediate_dim: int = 128
    block_dropout: float = 0.2

    def features(self, token_ids: keras.KerasTensor, padding_mask: keras.KerasTensor) -> keras.KerasTensor:
        hidden = keras_hub.layers.TokenAndPositionEmbedding(
            len(self.vocabulary), self.sequence_length, self.embedding_dim, name="embedding"
        )(token_ids)  # (B, T, D)
        hidden = keras.layers.SpatialDropout1D(self.token_dropout, name="token_dropout")(hidden)
        for number in range(self.layers):
            hidden = keras_hub.layers.TransformerEncoder(
                intermediate_dim=self.intermediate_dim,
                num_heads=self.heads,
                dropout=self.block_dropout,
                name=f"block_{number}",
            )(hidden, padding_mask=padding_mask)
        return MaskedPooling(name="pooling")(hidden, padding_mask)
