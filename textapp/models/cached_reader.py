"""A network that reads token by token for a loop in Python, keeping keys and values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np

from textapp.models.writing import Ids, Reader
from textapp.text.subwords import END_ID


class CachedReader(Reader):
    """Gives the same logits as a `Reader`, reading each token once; rows have the same number of tokens.

    Args:
        read: a compiled `textapp.models.decoding.read_ids`.
        context: T, the most tokens of a row.
    """

    has_hidden = True

    def __init__(self, read: Callable, context: int):
        self._read, self._context = read, context

    def start(self, ids: Sequence[int], rows: int) -> np.ndarray:
        token_ids = np.full((1, self._context), END_ID, np.int32)
        token_ids[0, : len(ids)] = ids
        parents = np.zeros(rows, np.int32)
        logits = self._keep({"token_ids": token_ids, "last": np.array([len(ids) - 1], np.int32), "parents": parents})
        self.hidden, self._length = self.hidden[:, : len(ids)], len(ids)
        return np.repeat(logits, rows, axis=0)

    def step(self, tokens: Ids, parents: Ids | None = None) -> np.ndarray:
        parents = np.arange(len(tokens)) if parents is None else parents
        inputs = {
            "token_ids": np.asarray(tokens, np.int32)[:, None],
            "start": np.int32(self._length),
            "caches": self._caches,
            "parents": np.asarray(parents, np.int32),
        }
        logits = self._keep(inputs)
        self.hidden, self._length = self.hidden[:, 0], self._length + 1
        return logits

    def _keep(self, inputs: dict) -> np.ndarray:
        logits, hidden, self._caches = self._read(inputs, stop_token_ids=None)
        self.hidden = keras.ops.convert_to_numpy(hidden)
        return keras.ops.convert_to_numpy(logits)
