"""Which words moved a classifier to its answer, and how that was found out.

A model of a new kind is explained by leaving words out; `explain.register` and `method.register` teach a better way.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse

from textapp.models.classifier import Classifier
from textapp.models.ensemble import Ensemble
from textapp.models.linear import NgramClassifier
from textapp.models.network import NetworkClassifier
from textapp.models.pretrained import MiniLM
from textapp.text.pretrained_tokens import mend
from textapp.training.batches import shorten

Words = list[tuple[str, float]]

MOST_WINDOWS = 100
FEW_WINDOWS = 25
_SMALLEST_PROBABILITY = 1e-7  # float32 goes no nearer to 1 than this, so neither to 0
_LEFT_OUT = (
    "Each word is left out in turn; it weighs as much as the {score} of the class, less the mean of the others, falls. "
    "In a text of more than {windows} words neighbours are left out together and share the weight."
)


@functools.singledispatch
def explain(model: Classifier, texts: Sequence[str], classes: Sequence[int]) -> list[Words]:
    """Return how much each word of each text speaks for a class.

    Args:
        model: a trained classifier.
        texts: N strings.
        classes: N classes, the one to explain for each text.

    Returns:
        For each text its cleaned tokens in their order, each with its weight: positive where it speaks for the
        class. Weights are in logits, differences of the class to the mean of the others, so those of one text and
        model can be set beside each other.
    """
    token_lists = model.cleaning(texts)
    return _leave_out(token_lists, classes, functools.partial(_log_probabilities, model))


@functools.singledispatch
def method(model: Classifier) -> str:
    """Return the sentences that say how `explain` weighs words for a model."""
    return _LEFT_OUT.format(score="log-probability", windows=MOST_WINDOWS)


@explain.register
def _(model: NgramClassifier, texts: Sequence[str], classes: Sequence[int]) -> list[Words]:
    index = {ngram: position for position, ngram in enumerate(model.ngrams)}
    weights, _ = model.class_weights_and_bias  # (F, C)
    return [
        _share_out(model, tokens, label, index, weights)
        for tokens, label in zip(model.cleaning(texts), classes, strict=True)
    ]


@method.register
def _(model: NgramClassifier) -> str:
    against = "against all others" if model.one_vs_rest else "less the mean of the others"
    return (
        f"Exact: the logit of the class {against} is a sum over the text's n-grams and a constant; the words of an "
        "n-gram share its part equally."
    )


@explain.register
def _(model: NetworkClassifier, texts: Sequence[str], classes: Sequence[int]) -> list[Words]:
    token_lists = model.cleaning(texts)
    read = [shorten(np.arange(len(tokens)), model.sequence_length) for tokens in token_lists]
    kept = [[tokens[i] for i in positions] for tokens, positions in zip(token_lists, read, strict=True)]
    explained = []
    for tokens, positions, words in zip(token_lists, read, _leave_out(kept, classes, model.token_logits), strict=True):
        weights = np.zeros(len(tokens))
        weights[positions] = [weight for _, weight in words]
        explained.append(list(zip(tokens, weights.tolist(), strict=True)))
    return explained


@explain.register
def _(model: MiniLM, texts: Sequence[str], classes: Sequence[int]) -> list[Words]:
    def scores_of(token_lists: list) -> np.ndarray:
        return model.predict_logits([" ".join(words) for words in token_lists])

    # Words of the text itself, fewer windows: each one costs as much as an answer of this larger network.
    return _leave_out([mend(text).split() for text in texts], classes, scores_of, most_windows=FEW_WINDOWS)


@method.register
def _(model: MiniLM) -> str:
    return _LEFT_OUT.format(score="logit", windows=FEW_WINDOWS)


@explain.register
def _(model: Ensemble, texts: Sequence[str], classes: Sequence[int]) -> list[Words]:
    scores_of = functools.partial(_log_probabilities, model)
    if model.cleans:
        return _leave_out(model.cleaning(texts), classes, scores_of)
    # A member reads the text as it is.
    return _leave_out([mend(text).split() for text in texts], classes, scores_of, most_windows=FEW_WINDOWS)


@method.register
def _(model: Ensemble) -> str:
    return _LEFT_OUT.format(score="log-probability", windows=MOST_WINDOWS if model.cleans else FEW_WINDOWS)


@method.register
def _(model: NetworkClassifier) -> str:
    unread = f"Words beyond the {model.sequence_length} that the network reads weigh 0."
    return f"{_LEFT_OUT.format(score='logit', windows=MOST_WINDOWS)} {unread}"


def _share_out(
    model: NgramClassifier, tokens: Sequence[str], label: int, index: dict[str, int], weights: np.ndarray
) -> Words:
    """Return the words of one text; their weights and the constant add up to the logit of the class."""
    words = np.zeros(len(tokens))
    found = [
        (start, size, index[ngram])
        for size in range(1, model.longest_ngram + 1)
        for start in range(len(tokens) - size + 1)
        if (ngram := " ".join(tokens[start : start + size])) in index
    ]
    if found:
        columns, place, counts = np.unique([column for *_, column in found], return_inverse=True, return_counts=True)
        row = scipy.sparse.csr_matrix((counts, columns, [0, len(columns)]), shape=(1, len(index)))
        chosen = weights[columns]  # (different n-grams, C)
        parts = model.features(row).data * (chosen[:, label] if model.one_vs_rest else _contrast(chosen, label))
        for (start, size, _), part in zip(found, (parts / counts)[place], strict=True):
            words[start : start + size] += part / size
    return list(zip(tokens, words.tolist(), strict=True))


def _leave_out(
    token_lists: Sequence[Sequence[str]],
    classes: Sequence[int],
    scores_of: Callable[[list], np.ndarray],
    *,
    most_windows: int | None = None,
) -> list[Words]:
    """Return the weights by asking again without each word in turn.

    Args:
        token_lists: the tokens of N texts.
        classes: N classes.
        scores_of: token lists to logits or log-probabilities, (texts, C).
        most_windows: more words than this are left out with their neighbours; None for `MOST_WINDOWS`.
    """
    variants, windows = [], []
    for tokens in token_lists:
        width = math.ceil(len(tokens) / (most_windows or MOST_WINDOWS))
        windows.append([(start, min(start + width, len(tokens))) for start in range(0, len(tokens), width or 1)])
        variants.append(tokens)
        variants += [[*tokens[:start], *tokens[end:]] for start, end in windows[-1]]
    if not variants:
        return []
    scores, explained, first = scores_of(variants), [], 0
    for tokens, label, pieces in zip(token_lists, classes, windows, strict=True):
        values = _contrast(scores[first : first + 1 + len(pieces)], label)
        first += 1 + len(pieces)
        words = np.zeros(len(tokens))
        for (start, end), value in zip(pieces, values[1:], strict=True):
            words[start:end] = (values[0] - value) / (end - start)
        explained.append(list(zip(tokens, words.tolist(), strict=True)))
    return explained


def _contrast(values: np.ndarray, label: int) -> np.ndarray:
    """Return a class's column less the mean of the others, (N,), for values of shape (N, C)."""
    values = np.asarray(values, np.float64)
    return values[:, label] - np.delete(values, label, axis=1).mean(axis=1)


def _log_probabilities(model: Classifier, token_lists: list[Sequence[str]]) -> np.ndarray:
    # Cleaning leaves cleaned tokens as they are, so that they may stand for the text.
    probabilities = model.predict_proba([" ".join(tokens) for tokens in token_lists])
    return np.log(np.maximum(probabilities, _SMALLEST_PROBABILITY))
