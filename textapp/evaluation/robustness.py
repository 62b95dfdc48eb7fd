"""Whether answers survive changes that leave the meaning of a text alone, as CheckList's invariance tests.

Ribeiro et al. 2020, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList". The first line of a
perturbation's docstring is its description in the report.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from textapp.evaluation.bootstrap import wilson_interval

Predict = Callable[[list[str]], np.ndarray]

EXAMPLE_CHARACTERS = 300
NEUTRAL_SENTENCE = "This was written on a Tuesday."
WORDS_PER_TYPO = 20

# A tag is matched so that no letters inside it are taken for a word; it is no word itself.
_TAG_OR_WORD = re.compile(r"<[^<>]*>|[^\W\d_]{2,}")
_OUTER_APOSTROPHE = re.compile(r"(?<!\w)['’]|['’](?!\w)")


def upper_case(text: str, generator: np.random.Generator) -> str:
    """All letters in upper case."""
    return text.upper()


def lower_case(text: str, generator: np.random.Generator) -> str:
    """All letters in lower case."""
    return text.lower()


def typos(text: str, generator: np.random.Generator) -> str:
    """Two neighbouring letters swapped in 1 word of 20, at least in one."""
    words = [match for match in _TAG_OR_WORD.finditer(text) if len(set(match[0])) > 1 and match[0][0] != "<"]
    if not words:
        return text
    count = max(1, round(len(words) / WORDS_PER_TYPO))
    characters = list(text)
    for index in generator.choice(len(words), size=count, replace=False):
        word = words[index][0]
        differing = [i for i in range(len(word) - 1) if word[i] != word[i + 1]]
        at = words[index].start() + int(generator.choice(differing))
        characters[at], characters[at + 1] = characters[at + 1], characters[at]
    return "".join(characters)


def no_punctuation(text: str, generator: np.random.Generator) -> str:
    """Blanks in place of all punctuation but the apostrophes inside words."""
    return _OUTER_APOSTROPHE.sub(" ", text).translate(_WITHOUT_PUNCTUATION)


def added_neutral_sentence(text: str, generator: np.random.Generator) -> str:
    """The sentence "This was written on a Tuesday." added at the end.

    It is English whatever the text: to a model of texts in another language it is a few unknown words.
    """
    return f"{text} {NEUTRAL_SENTENCE}"


PERTURBATIONS: dict[str, Callable[[str, np.random.Generator], str]] = {
    "upper case": upper_case,
    "lower case": lower_case,
    "typos": typos,
    "no punctuation": no_punctuation,
    "added neutral sentence": added_neutral_sentence,
}


def robustness(
    texts: Sequence[str],
    labels: np.ndarray,
    predict: Predict,
    *,
    seed: int = 0,
    names: Iterable[str] | None = None,
    before: np.ndarray | None = None,
) -> list[dict]:
    """Count how many answers change when the texts are perturbed.

    Args:
        texts: N texts, N > 0.
        labels: true classes, int array of shape (N,).
        predict: texts to probabilities of shape (N, C).
        seed: the same seed perturbs the same texts in the same way, whatever other perturbations are chosen.
        names: which perturbations; None for all.
        before: what `predict` said about the texts as they are; None to ask it.

    Returns:
        For each perturbation `perturbation`, `description`, `n` texts, `flipped` answers, `flipped_share`, its
        `interval` (Wilson, 95 %), `accuracy_before`, `accuracy_after` and `example`, {before, after} of the first
        text with another answer, or None. A text that the perturbation leaves as it is counts as not flipped.

    Raises:
        ValueError: if a perturbation is unknown, there are no texts, or the lengths do not fit each other.
    """
    texts, labels = list(texts), np.asarray(labels)
    names = list(PERTURBATIONS if names is None else names)
    if unknown := [name for name in names if name not in PERTURBATIONS]:
        raise ValueError(f"unknown perturbation {unknown[0]!r}; choose from {list(PERTURBATIONS)}")
    if not texts or labels.shape != (len(texts),):
        raise ValueError(f"there are {len(texts)} texts for labels of shape {labels.shape}; it takes (N,), N > 0")
    answers = np.asarray(predict(texts) if before is None else before).argmax(axis=1)
    if len(answers) != len(texts):
        raise ValueError(f"there are {len(answers)} answers for {len(texts)} texts")
    return [_one(name, texts, labels, predict, answers, seed) for name in names]


def _one(name: str, texts: list[str], labels: np.ndarray, predict: Predict, answers: np.ndarray, seed: int) -> dict:
    """Return the row of one perturbation; `answers` are the predicted classes before it, (N,)."""
    perturb = PERTURBATIONS[name]
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    perturbed = [perturb(text, generator) for text in texts]
    changed = [i for i, (old, new) in enumerate(zip(texts, perturbed, strict=True)) if old != new]
    after = answers.copy()
    if changed:
        after[changed] = np.asarray(predict([perturbed[i] for i in changed])).argmax(axis=1)
    flipped = np.flatnonzero(after != answers)
    first = flipped[0] if len(flipped) else None
    return {
        "perturbation": name,
        "description": (perturb.__doc__ or name).partition("\n")[0],
        "n": len(texts),
        "flipped": len(flipped),
        "flipped_share": len(flipped) / len(texts),
        "interval": wilson_interval(len(flipped), len(texts)),
        "accuracy_before": float((answers == labels).mean()),
        "accuracy_after": float((after == labels).mean()),
        "example": None if first is None else _around_change(texts[first], perturbed[first]),
    }


def _around_change(before: str, after: str) -> dict[str, str]:
    """Return both texts, cut at the same place to at most 300 characters around their first difference."""
    change = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
    longest = max(len(before), len(after))
    start = max(0, min(change - EXAMPLE_CHARACTERS // 2, longest - EXAMPLE_CHARACTERS))
    return {"before": _cut(before, start), "after": _cut(after, start)}


def _cut(text: str, start: int) -> str:
    piece = text[start : start + EXAMPLE_CHARACTERS]
    if start:
        piece = "…" + piece[1:]
    return piece[:-1] + "…" if start + EXAMPLE_CHARACTERS < len(text) else piece


class _WithoutPunctuation(dict):
    """For `str.translate`: looks each character up in Unicode's table once."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        drop = unicodedata.category(character).startswith("P") and character not in "'’"
        self[code] = ord(" ") if drop else code
        return self[code]


_WITHOUT_PUNCTUATION = _WithoutPunctuation()
