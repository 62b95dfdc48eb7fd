"""The tokens of `textapp.text.generator_tokens` again, as core TensorFlow ops for a SavedModel.

KerasHub's BytePairTokenizer needs tensorflow-text, keeps the words it has seen in a table that grows, and splits
some rare characters otherwise than the library that learned the merges; this needs TensorFlow alone and does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from textapp.text.generator_tokens import Tokens
from textapp.text.preset_tokens import PresetTokens
from textapp.text.spelled import FIRST_BYTE, FIRST_PIECE, Spelled
from textapp.text.subwords import SPLIT_PATTERN, Subwords

# Set before every word; no byte of UTF-8 is this.
_MARK = b"\xff"


class TokenOps(tf.Module):
    """Gives the same ids as the tokens that it is made of, and from ids the same text.

    Args:
        tokens: of a generator.
        pattern: matches every word, and everything between words.
    """

    def __init__(self, tokens: Tokens, *, pattern: str):
        super().__init__(name="tokens")
        self._pattern = pattern
        self._pieces = tf.constant([tokens.token_bytes(token_id) for token_id in range(len(tokens))])

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of each text.

        Args:
            texts: string tensor of shape (N,); bytes that are no UTF-8 count as U+FFFD.

        Returns:
            Ragged int32 tensor of shape (N, None).
        """
        marked = tf.strings.regex_replace(valid(texts), self._pattern, _MARK + rb"\0")
        words = tf.strings.split(marked, _MARK)[:, 1:]
        different, positions = tf.unique(words.flat_values)
        encoded = tf.gather(self._encode_words(different), positions)
        return words.with_flat_values(encoded).merge_dims(1, 2)

    def decode(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        """Return the texts of ids, string (N,): U+FFFD for bytes that are no UTF-8, nothing for ends of text."""
        return valid(tf.strings.reduce_join(tf.gather(self._pieces, token_ids), axis=1))

    def _encode_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Return ids for strings of shape (W,), int32 (W, None)."""
        raise NotImplementedError


class SpelledOps(TokenOps):
    """`textapp.text.spelled`: frequent pieces out of a table, the bytes of others."""

    def __init__(self, tokens: Spelled):
        super().__init__(tokens, pattern=f"(?s:{tokens.PATTERN})")
        ids = tf.range(FIRST_PIECE, FIRST_PIECE + len(tokens.pieces), dtype=tf.int64)
        # An attribute, since a SavedModel only keeps the tables that hang on it; there may be no piece at all.
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(["", *tokens.pieces]), tf.concat([tf.constant([-1], tf.int64), ids], axis=0)
            ),
            default_value=-1,
        )

    def _encode_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        spelled = tf.strings.bytes_split(words)
        word = spelled.value_rowids()
        own = tf.gather(self._ids.lookup(words), word)
        raw = tf.reshape(tf.io.decode_raw(spelled.flat_values, tf.uint8), [-1])
        ids = tf.where(own < 0, FIRST_BYTE + tf.cast(raw, tf.int64), own)
        # Where a word is a token, it takes the place of the first byte.
        first = tf.concat([word[:1] >= 0, word[1:] != word[:-1]], axis=0)
        kept = (own < 0) | first
        ids, word = tf.boolean_mask(ids, kept), tf.boolean_mask(word, kept)
        return tf.RaggedTensor.from_value_rowids(  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
            tf.cast(ids, tf.int32), word, nrows=spelled.nrows()
        )


class SubwordOps(TokenOps):
    """`textapp.text.subwords`: the merges, one after the other."""

    def __init__(self, subwords: Subwords):
        super().__init__(subwords, pattern=SPLIT_PATTERN)
        size = len(subwords)
        ids = subwords.vocabulary
        keys = [ids[left] * size + ids[right] for left, right in subwords.merges]
        self._size, self._merges = size, len(keys)
        self._byte_ids = tf.constant([subwords.byte_ids[byte] for byte in range(256)], tf.int64)
        self._merged = tf.constant([ids[left + right] for left, right in subwords.merges] or [0], tf.int64)
        # An attribute, since a SavedModel only keeps the tables that hang on it.
        self._ranks = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(keys or [-1], tf.int64), tf.range(max(len(keys), 1), dtype=tf.int64)
            ),
            default_value=self._merges,
        )

    def _encode_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Return ids for strings of shape (W,), int32 (W, None).

        In every word the pair that was learned first is merged wherever it stands, from the left, until no pair of
        any word was learned.
        """
        spelled = tf.strings.bytes_split(words)
        ids = tf.gather(
            self._byte_ids, tf.cast(tf.reshape(tf.io.decode_raw(spelled.flat_values, tf.uint8), [-1]), tf.int32)
        )
        word = spelled.value_rowids()
        count = tf.size(words, out_type=tf.int64)

        def unfinished(ids, word, ranks):
            return tf.reduce_any(ranks < self._merges)

        def merge(ids, word, ranks):
            first = tf.math.unsorted_segment_min(ranks, word[:-1], count)
            chosen = (ranks < self._merges) & (ranks == tf.gather(first, word[:-1]))
            chosen &= _every_second(chosen)
            merged = tf.gather(self._merged, tf.where(chosen, ranks, 0))
            ids = tf.concat([tf.where(chosen, merged, ids[:-1]), ids[-1:]], axis=0)
            kept = tf.concat([[True], ~chosen], axis=0)
            ids, word = tf.boolean_mask(ids, kept), tf.boolean_mask(word, kept)
            return ids, word, self._pair_ranks(ids, word)

        unknown = tf.TensorShape([None])
        ids, word, _ = tf.while_loop(
            unfinished, merge, (ids, word, self._pair_ranks(ids, word)), shape_invariants=(unknown,) * 3
        )
        return tf.RaggedTensor.from_value_rowids(  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
            tf.cast(ids, tf.int32), word, nrows=count
        )

    def _pair_ranks(self, ids: tf.Tensor, word: tf.Tensor) -> tf.Tensor:
        """Return when the pairs of neighbours within words were learned; later than all where they were not."""
        ranks = self._ranks.lookup(ids[:-1] * self._size + ids[1:])
        return tf.where(word[:-1] == word[1:], ranks, tf.cast(self._merges, tf.int64))


def token_ops(tokens: Tokens) -> TokenOps:
    """Return the twin of a generator's tokens."""
    assert not isinstance(tokens, PresetTokens)  # of what is not exported
    return SubwordOps(tokens) if isinstance(tokens, Subwords) else SpelledOps(tokens)


def joined(parts: Sequence[tf.Tensor | tf.RaggedTensor]) -> tf.RaggedTensor:
    """Return rows of all parts, in each row one after the other; one of the parts is ragged."""
    return tf.concat(parts, axis=1)  # pyright: ignore[reportCallIssue, reportArgumentType] - takes both kinds


def valid(texts: tf.Tensor) -> tf.Tensor:
    """Return the strings with U+FFFD for every byte that is no UTF-8."""
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def _every_second(chosen: tf.Tensor) -> tf.Tensor:
    """Return of each run of True the first, the third, ...: "aaa" holds the pair "aa" once, not twice."""
    starts = chosen & tf.logical_not(tf.concat([[False], chosen[:-1]], axis=0))
    positions = tf.range(tf.size(chosen))
    run = tf.maximum(tf.cumsum(tf.cast(starts, tf.int32)) - 1, 0)
    return (positions - tf.gather(tf.boolean_mask(positions, starts), run)) % 2 == 0
