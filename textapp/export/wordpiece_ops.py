"""The word pieces of `textapp.text.pretrained_tokens` again, as core TensorFlow ops for a SavedModel.

KerasHub's WordPieceTokenizer needs tensorflow-text; this needs TensorFlow alone, and gives what the tokenizers library
gives.
"""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf
import tokenizers

from textapp.text.pretrained_tokens import LONGEST_WORD, WordPieces

PAGE = 256  # characters that share a row of the table of what becomes of each
_APART = "\N{SNOWMAN}"  # BERT leaves it as it is and makes no other character it
_SURROGATES = range(0xD800, 0xE000)
_CHUNK = 4_096


class WordPieceOps(tf.Module):
    """Gives the same ids as the `WordPieces` that it is made of."""

    def __init__(self, pieces: WordPieces):
        super().__init__(name="word_pieces")
        ids = {word: position for position, word in enumerate(pieces.words)}
        self._unknown = tf.constant(pieces.unknown_id, tf.int64)
        self._longest = max(len(word.removeprefix("##")) for word in ids)
        # An attribute, since a SavedModel only keeps the tables that hang on it.
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(list(ids)), tf.constant(list(ids.values()), tf.int64)),
            default_value=-1,
        )
        different, rows = _what_becomes_of_characters(pieces.tokenizer)
        pages, page_of = np.unique(rows.reshape(-1, PAGE), axis=0, return_inverse=True)
        self._page_of = tf.constant(page_of.reshape(-1), tf.int32)  # (pages of Unicode,)
        self._pages = tf.constant(pages.reshape(-1), tf.int32)  # (different pages * PAGE,), a row of the next two
        lengths = np.array([len(text) for text in different], np.int32)
        self._lengths = tf.constant(lengths)
        self._starts = tf.constant(np.cumsum(lengths) - lengths, tf.int32)
        self._characters = tf.constant([ord(character) for text in different for character in text], tf.int32)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of each text, nothing around them.

        Args:
            texts: string tensor of shape (N,), valid UTF-8.

        Returns:
            Ragged int32 tensor of shape (N, None).
        """
        words = tf.strings.split(self._normalize(texts))
        different, positions = tf.unique(words.flat_values)
        encoded = tf.gather(self._encode_words(different), positions)
        return words.with_flat_values(encoded).merge_dims(1, 2)

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        """Return the texts with every character replaced: small, without accents, marks and Han set apart."""
        codes = tf.strings.unicode_decode(texts, "UTF-8")
        values = codes.flat_values
        rows = tf.gather(self._pages, tf.gather(self._page_of, values // PAGE) * PAGE + values % PAGE)
        lengths = tf.gather(self._lengths, rows)
        places = tf.ragged.range(lengths).flat_values + tf.repeat(tf.gather(self._starts, rows), lengths)
        kept = tf.repeat(tf.equal(rows, 0), lengths)  # row 0 stands for the character itself
        values = tf.where(kept, tf.repeat(values, lengths), tf.gather(self._characters, places))
        text_of = tf.repeat(codes.value_rowids(), lengths)
        return tf.strings.unicode_encode(
            tf.RaggedTensor.from_value_rowids(  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
                values, text_of, nrows=codes.nrows()
            ),
            "UTF-8",
        )

    def _encode_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Return ids for different strings of shape (W,), int32 (W, None).

        Of what is left of every word the longest piece that is known is cut off, until nothing is left. A word with a
        rest that begins with no piece, or one that is too long, is unknown as a whole.
        """
        count = tf.size(words, out_type=tf.int64)
        lengths = tf.strings.length(words, unit="UTF8_CHAR")
        sizes = tf.range(1, self._longest + 1)
        whole = self._ids.lookup(words)
        too_long = lengths > LONGEST_WORD
        open_words = tf.reshape(tf.where((whole < 0) & ~too_long), [-1])

        def unfinished(word, start, ids, owners, turn, hopeless):
            return tf.size(word) > 0

        def cut(word, start, ids, owners, turn, hopeless):
            text, left = tf.gather(words, word), tf.gather(lengths, word) - start
            shape = [tf.size(word), self._longest]
            size = tf.minimum(sizes, left[:, tf.newaxis])  # (words, lengths)
            candidates = tf.strings.substr(
                tf.broadcast_to(text[:, tf.newaxis], shape),
                tf.broadcast_to(start[:, tf.newaxis], shape),
                size,
                unit="UTF8_CHAR",
            )
            prefix = tf.where(start > 0, "##", "")[:, tf.newaxis]
            found = self._ids.lookup(prefix + candidates)
            best = tf.reduce_max(tf.where(found >= 0, size, 0), axis=1)
            none = tf.equal(best, 0)
            some = tf.logical_not(none)
            hopeless = tf.concat([hopeless, tf.boolean_mask(word, none)], axis=0)
            chosen = tf.gather(found, tf.maximum(best, 1) - 1, axis=1, batch_dims=1)
            ids = tf.concat([ids, tf.boolean_mask(chosen, some)], axis=0)
            owners = tf.concat([owners, tf.boolean_mask(word, some) * (LONGEST_WORD + 1) + turn], axis=0)
            goes_on = some & (best < left)
            return (
                tf.boolean_mask(word, goes_on),
                tf.boolean_mask(start + best, goes_on),
                ids,
                owners,
                turn + 1,
                hopeless,
            )

        nothing, many = tf.zeros([0], tf.int64), tf.TensorShape([None])
        _, _, ids, owners, _, hopeless = tf.while_loop(
            unfinished,
            cut,
            (open_words, tf.zeros_like(open_words, tf.int32), nothing, nothing, tf.zeros([], tf.int64), nothing),
            shape_invariants=(many, many, many, many, tf.TensorShape([]), many),
        )
        # A word with its number of the turn tells the order of all pieces.
        unknown = tf.concat([tf.reshape(tf.where(too_long), [-1]), hopeless], axis=0)
        is_unknown = tf.scatter_nd(unknown[:, tf.newaxis], tf.ones_like(unknown), count[tf.newaxis]) > 0
        kept = ~tf.gather(is_unknown, owners // (LONGEST_WORD + 1))
        known = tf.reshape(tf.where((whole >= 0) & ~too_long), [-1])
        ids = tf.concat(
            [tf.boolean_mask(ids, kept), tf.gather(whole, known), tf.fill([tf.size(unknown)], self._unknown)], axis=0
        )
        owners = tf.concat(
            [tf.boolean_mask(owners, kept), known * (LONGEST_WORD + 1), unknown * (LONGEST_WORD + 1)], axis=0
        )
        order = tf.argsort(owners)
        return tf.RaggedTensor.from_value_rowids(  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
            tf.cast(tf.gather(ids, order), tf.int32), tf.gather(owners, order) // (LONGEST_WORD + 1), nrows=count
        )


def _what_becomes_of_characters(tokenizer: tokenizers.Tokenizer) -> tuple[list[str], np.ndarray]:
    """Return what BERT's normalizer, and its cutting into words, make of every character.

    Both look at each character alone.

    Returns:
        The different texts that characters become, a blank where a word ends, the first standing for those that stay
        as they are; and for each code point the position in them, int32 of shape (0x110000,).
    """
    different: dict[str, int] = {}
    rows = np.zeros(sys.maxunicode + 1, np.int32)
    alone = _Alone(tokenizer)
    points = [point for point in range(len(rows)) if point not in _SURROGATES and chr(point) != _APART]
    for start in range(0, len(points), _CHUNK):
        chunk = points[start : start + _CHUNK]
        parts = tokenizer.normalizer.normalize_str(_APART.join(map(chr, chunk))).split(_APART)
        for point, part in zip(chunk, parts, strict=True):
            text = "".join(alone[character] for character in part)
            if text != chr(point):
                rows[point] = different.setdefault(text, 1 + len(different))
    return ["?", *different], rows


class _Alone(dict):
    """A character to itself, with blanks around it where it is a word of its own, and to a blank where it ends one."""

    def __init__(self, tokenizer: tokenizers.Tokenizer):
        super().__init__()
        self._cut = tokenizer.pre_tokenizer.pre_tokenize_str

    def __missing__(self, character: str) -> str:
        pieces = [piece for piece, _ in self._cut(f"a{character}a")]
        self[character] = {1: character, 2: " ", 3: f" {character} "}[len(pieces)]
        return self[character]
