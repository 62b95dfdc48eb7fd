"""A transformer encoder of KerasHub's layers, trained from scratch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import keras
import keras_hub

from textapp.models.folder import require_file
from textapp.models.layers import EncoderBlock, MaskedPooling
from textapp.models.network import VOCABULARY_FILE, NetworkClassifier
from textapp.models.starting import check_sizes, take_weights
from textapp.text.ragged import Ragged
from textapp.text.vocabulary import Vocabulary


@dataclasses.dataclass(kw_only=True, eq=False)
class Encoder(NetworkClassifier):
    """Token and position embeddings, transformer blocks, pooling.

    Attributes:
        layers: how many blocks.
        heads: attention heads in each.
        intermediate_dim: width of the feed-forward part.
        block_dropout: inside the blocks.
        attention_dropout: of the attention's scores.
        init_from: the folder of a pretrained encoder, see `textapp.models.starting`, of which the vocabulary and all
            weights but those of the last layer are taken over; None to start from random ones.
    """

    name: ClassVar[str] = "encoder"
    quantizes: ClassVar[bool] = True
    # Options of one that starts from pretraining: what it has learned is worth more care.
    started: ClassVar[dict] = {"learning_rate": 5e-4, "token_dropout": 0.2}

    layers: int = 1
    heads: int = 2
    intermediate_dim: int = 128
    block_dropout: float = 0.2
    attention_dropout: float = 0.0
    init_from: str | None = None

    def _make_vocabulary(self, tokens: Sequence[Sequence[str]]) -> Vocabulary:
        if self.init_from is None:
            return super()._make_vocabulary(tokens)
        folder = Path(self.init_from)
        check_sizes(self, folder)
        return Vocabulary.load(require_file(folder, VOCABULARY_FILE))

    def _start(self, rows: Ragged) -> None:
        if self.init_from is None:
            super()._start(rows)
        else:
            take_weights(self.network, Path(self.init_from))

    def features(self, token_ids: keras.KerasTensor, padding_mask: keras.KerasTensor) -> keras.KerasTensor:
        hidden = self.hidden(self.embedding(len(self.vocabulary))(token_ids), padding_mask)
        return MaskedPooling(name="pooling")(hidden, padding_mask)

    def embedding(self, size: int) -> keras.layers.Layer:
        """Return the layer that takes ids below `size`, (B, T), to vectors, (B, T, D)."""
        return keras_hub.layers.TokenAndPositionEmbedding(
            size, self.sequence_length, self.embedding_dim, name="embedding"
        )

    def hidden(self, embedded: keras.KerasTensor, padding_mask: keras.KerasTensor) -> keras.KerasTensor:
        """Return what the last block says of each token, (B, T, D), for embedded tokens of the same shape."""
        hidden = keras.layers.SpatialDropout1D(self.token_dropout, name="token_dropout")(embedded)
        for number in range(self.layers):
            hidden = EncoderBlock(
                intermediate_dim=self.intermediate_dim,
                num_heads=self.heads,
                dropout=self.block_dropout,
                attention_dropout=self.attention_dropout,
                name=f"block_{number}",
            )(hidden, padding_mask=padding_mask)
        return hidden
