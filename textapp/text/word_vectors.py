"""Vectors for words from the company that they keep: what an embedding starts from."""

from __future__ import annotations

import functools

import numpy as np
import scipy.sparse
from sklearn.utils.extmath import randomized_svd

from textapp.text.ragged import Ragged
from textapp.text.vocabulary import UNKNOWN_ID

NEIGHBOURS = 5  # tokens on each side that count as a word's company
MOST_TOKENS = 20_000_000  # that are read; of more, every second text, or every third, ...
SMOOTHING = 0.75  # of how often a neighbour stands there, so that rare ones do not count too much


def word_vectors(rows: Ragged, *, size: int, width: int, first: int = UNKNOWN_ID + 1) -> np.ndarray:
    """Return a vector a word, near for words that stand beside the same ones.

    The largest singular values of positive pointwise mutual information (Levy and Goldberg, "Neural Word Embedding as
    Implicit Matrix Factorization", 2014; window, weights and smoothing as in their "Improving Distributional
    Similarity with Lessons Learned from Word Embeddings", 2015).

    Args:
        rows: the ids of the texts.
        size: V.
        width: D; columns that V has no singular values for are zero.
        first: the first id that is a word's; smaller ones have no vector.

    Returns:
        float32 of shape (V, D) with a standard deviation of 1; zero for a word that stands beside no other.
    """
    information = _information(*_joined(rows), size=size, first=first)
    vectors = np.zeros((size, width), np.float32)
    if information.nnz:
        left, values, _ = randomized_svd(information, min(width, size), random_state=0)
        vectors[:, : len(values)] = left * np.sqrt(values)
        vectors[np.diff(information.indptr) == 0] = 0  # exactly
        vectors /= vectors.std()
    return vectors


def _joined(rows: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of all texts one after the other, and which text each belongs to, as far as they are read."""
    every = max(1, -(-int(rows.lengths.sum()) // MOST_TOKENS))
    starts, lengths = rows.starts[::every], rows.lengths[::every]
    texts = np.repeat(np.arange(len(lengths)), lengths)
    before = np.cumsum(lengths) - lengths
    return rows.take((starts - before)[texts] + np.arange(len(texts))), texts


def _information(ids: np.ndarray, texts: np.ndarray, *, size: int, first: int) -> scipy.sparse.csr_matrix:
    """Return positive pointwise mutual information of words and their neighbours, (V, V)."""

    def beside(distance: int) -> scipy.sparse.csr_matrix:
        left, right = ids[:-distance], ids[distance:]
        found = (texts[:-distance] == texts[distance:]) & (left >= first) & (right >= first)
        weights = np.full(np.count_nonzero(found), 1 / distance, np.float32)
        return scipy.sparse.coo_matrix((weights, (left[found], right[found])), shape=(size, size)).tocsr()

    counts = functools.reduce(lambda one, other: one + other, map(beside, range(1, NEIGHBOURS + 1)))
    counts = (counts + counts.T).tocoo()
    totals = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    shares = totals**SMOOTHING / max((totals**SMOOTHING).sum(), 1)
    information = np.log(counts.data / (totals[counts.row] * shares[counts.col]))
    positive = np.maximum(information, 0).astype(np.float32)
    matrix = scipy.sparse.csr_matrix((positive, (counts.row, counts.col)), shape=(size, size))
    matrix.eliminate_zeros()
    return matrix
