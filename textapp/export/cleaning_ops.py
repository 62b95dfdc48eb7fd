"""The cleaning of `textapp.text.cleaning` again, as core TensorFlow string ops for a SavedModel."""

from __future__ import annotations

import tensorflow as tf

from textapp.text.cleaning import Cleaning

# Set on both sides of every token, so that splitting at it gives gap, token, gap, token, ..., gap.
_MARK = "\x01"


class CleaningOps(tf.Module):
    """Gives the same tokens as the `Cleaning` whose settings it takes, token for token.

    `tf.strings.regex_replace` is RE2, which like Python's `re` takes the leftmost match and of its
    alternatives the first, so marking every match finds what `re.findall` finds.
    """

    def __init__(self, settings: Cleaning):
        super().__init__(name="cleaning")
        self._rules = settings.rules
        self._lowercase = settings.lowercase
        self._pattern = settings.pattern
        words = tf.constant(settings.stopwords or ("",))  # a table may not be empty, and no token is ""
        # An attribute, since a SavedModel only keeps the tables that hang on it.
        self._stopwords = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(words, tf.ones_like(words, tf.int64)), default_value=0
        )

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the tokens of each text.

        Args:
            texts: string tensor of shape (N,); bytes that are no UTF-8 count as U+FFFD.

        Returns:
            Ragged string tensor of shape (N, None).
        """
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        for pattern, replacement in self._rules:
            texts = tf.strings.regex_replace(texts, pattern, replacement)
        if self._lowercase:
            # ASCII on its own first: the other asks the machine's language, and Turkish makes "I" a "ı".
            texts = tf.strings.lower(tf.strings.lower(texts), encoding="utf-8")
        texts = tf.strings.regex_replace(texts, _MARK, " ")
        marked = tf.strings.regex_replace(texts, self._pattern, rf"{_MARK}\0{_MARK}")
        tokens = tf.strings.split(marked, _MARK)[:, 1::2]
        kept = tf.equal(self._stopwords.lookup(tokens.flat_values), 0)
        return tf.ragged.boolean_mask(tokens, tokens.with_flat_values(kept))
