"""Whether the words that an explanation names matter: take them out and ask again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

SHARES = (0, 0.1, 0.2, 0.3, 0.5)


def deletion_curve(
    token_lists: Sequence[Sequence[str]],
    weights: Sequence[Sequence[float]],
    predict_tokens: Callable[[list[list[str]]], np.ndarray],
    classes: Sequence[int] | np.ndarray,
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Follow the probability of a class while words are taken out of the texts.

    An explanation that is true to the model makes it fall faster without the words of most weight than without as
    many random ones (DeYoung et al. 2020, "ERASER", there called comprehensiveness).

    Args:
        token_lists: the tokens of N texts, N > 0.
        weights: for each token how much it speaks for the text's class.
        predict_tokens: token lists to probabilities of shape (N, C).
        classes: N classes, the one to follow for each text.
        shares: of a text's tokens to take out, rounded up.
        seed: for the random words; they are the same ones as the share grows, and more.

    Returns:
        `shares`; `most` and `random`, for each share the mean probability over the texts.

    Raises:
        ValueError: if there are no texts, the lengths do not fit each other, or a share is not from 0 to 1.
    """
    lengths = [len(tokens) for tokens in token_lists]
    if not lengths or lengths != [len(values) for values in weights] or len(classes) != len(lengths):
        raise ValueError(
            f"{len(lengths)} token lists, {len(weights)} lists of weights and {len(classes)} classes do not fit "
            "each other; it takes a weight for every token, a class for every text, and at least one text"
        )
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"shares is {list(shares)}; each must be from 0 to 1")
    generator = np.random.default_rng(seed)
    # For each text its positions in the order in which they go.
    orders = {
        "most": [np.argsort(-np.asarray(values, np.float64), kind="stable") for values in weights],
        "random": [generator.permutation(length) for length in lengths],
    }
    shortened = [
        [tokens[int(i)] for i in sorted(order[_count(share, len(tokens)) :])]
        for positions in orders.values()
        for share in shares
        for tokens, order in zip(token_lists, positions, strict=True)
    ]
    probabilities = np.asarray(predict_tokens(shortened), np.float64)
    followed = probabilities.reshape(len(orders), len(shares), len(lengths), -1)
    means = followed[:, :, np.arange(len(lengths)), np.asarray(classes)].mean(axis=2)  # (2, shares)
    return {"shares": [float(share) for share in shares], **dict(zip(orders, means.tolist(), strict=True))}


def _count(share: float, length: int) -> int:
    """Return how many tokens a share is, rounded up, though not because of 0.1 * 30 = 3.0000000000000004."""
    return math.ceil(share * length - 1e-9)
