"""What generated texts are like: how varied, how repetitive, how much of them was copied from training texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

COPIED_CHARACTERS = 50  # a longer span that stands in the training texts counts as copied
REPEATED = 4  # words: such a run that the text has already is a repetition
SEEN_SIZES = (2, 3, 4)  # words of the runs that are looked up in the training texts
ANCHOR = 16  # characters that are looked up at once
CHUNK = 4_000_000  # characters of the training texts at a time
_WORD = re.compile(r"\w+|[^\w\s]")
_OUTSIDE = 0x110000  # no character of Unicode: stands after each training text; one more after each sample
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd: of the windows' polynomial hashes, modulo 2**64
_TABLE_BITS = 20


def words(text: str) -> list[str]:
    """Return words and marks of punctuation, one by one, as they are written."""
    return _WORD.findall(text)


def diversity(texts: Sequence[str]) -> dict[str, float | None]:
    """Return how varied texts are.

    Args:
        texts: N generated texts, without their prompts.

    Returns:
        "distinct_1", "distinct_2", "distinct_3": different runs of so many words over all of them, in all texts
        together (Li et al. 2016, arXiv:1510.03055); it sinks with the number of words, so compare equal amounts.
        "repetition": the share of runs of 4 words that their own text has before. "self_bleu": the mean BLEU-4 of a
        text against all others (Zhu et al. 2018, arXiv:1802.01886), 1 where all are the same; None for one text.
        "mean_words": of a text. What there is no run for is None.
    """
    tokens = [words(text) for text in texts]
    found = {}
    for size in (1, 2, 3):
        runs = Counter(run for text in tokens for run in _runs(text, size))
        found[f"distinct_{size}"] = len(runs) / runs.total() if runs else None
    runs = [list(_runs(text, REPEATED)) for text in tokens]
    total = sum(map(len, runs))
    found["repetition"] = 1 - sum(len(set(text)) for text in runs) / total if total else None
    found["self_bleu"] = self_bleu(tokens)
    found["mean_words"] = sum(map(len, tokens)) / len(tokens) if tokens else None
    return found


def self_bleu(tokens: Sequence[Sequence[str]]) -> float | None:
    """Return the mean BLEU-4 of each text against all others, smoothed as NLTK's method 1; None for less than two."""
    given = [list(text) for text in tokens if text]
    if len(given) < 2:
        return None
    smoothing = SmoothingFunction().method1
    scores = [
        sentence_bleu(given[:row] + given[row + 1 :], text, smoothing_function=smoothing)
        for row, text in enumerate(given)
    ]
    return float(np.mean(scores))


def _runs(tokens: Sequence[str], size: int) -> Iterable[tuple[str, ...]]:
    return zip(*(tokens[start:] for start in range(size)), strict=False)


def novelty(samples: Mapping[str, Sequence[str]], training_texts: Iterable[str]) -> dict[str, dict]:
    """Return how much of generated texts stands in the training texts, which are gone through twice.

    Args:
        samples: texts by any name, such as that of a sampler, without their prompts.
        training_texts: what the generator was trained on; any number.

    Returns:
        For each name "seen_2", "seen_3", "seen_4": the share of different runs of so many words that stand in a
        training text (None where there is no run); "longest_copy": characters of the longest span that does;
        "copied": the share of texts with such a span of more than 50 characters.
    """
    training_texts = list(training_texts)
    tokens = {name: [words(text) for text in texts] for name, texts in samples.items()}
    seen = _seen_runs([text for texts in tokens.values() for text in texts], training_texts)
    every = [text for texts in samples.values() for text in texts]
    lengths = iter(longest_copies(every, training_texts).tolist())
    found = {}
    for name, texts in samples.items():
        row = {}
        for size in SEEN_SIZES:
            runs = {run for text in tokens[name] for run in _runs(text, size)}
            row[f"seen_{size}"] = sum(run in seen for run in runs) / len(runs) if runs else None
        copies = [next(lengths) for _ in texts]
        row["longest_copy"] = max(copies, default=None)
        row["copied"] = sum(copy > COPIED_CHARACTERS for copy in copies) / len(copies) if copies else None
        found[name] = row
    return found


def _seen_runs(samples: Sequence[Sequence[str]], training_texts: Sequence[str]) -> set[tuple[str, ...]]:
    """Return the runs of words of the samples that stand in a training text."""
    number = {word: row for row, word in enumerate({word for text in samples for word in text})}
    names = list(number)
    base = len(number) + 1  # 0 is any other word
    wanted = {
        size: np.unique(
            [_code([number[word] + 1 for word in run], base) for text in samples for run in _runs(text, size)]
        )
        for size in SEEN_SIZES
    }
    # A run of four numbers must not pass 2**63; samples have thousands of words, not more.
    if base ** max(SEEN_SIZES) >= 2**63:
        raise ValueError(f"the samples have {base} different words; give fewer texts at a time")
    found = {size: [] for size in SEEN_SIZES}
    get = number.get
    for start in range(0, len(training_texts), 2_000):
        ids = []
        for text in training_texts[start : start + 2_000]:
            ids += [get(word, -1) + 1 for word in _WORD.findall(text)]
            ids += [0] * (max(SEEN_SIZES) - 1)
        ids = np.array(ids, np.int64)
        codes, known = ids, ids > 0
        for size in range(2, max(SEEN_SIZES) + 1):
            codes = codes[:-1] * base + ids[size - 1 :]
            known = known[:-1] & (ids[size - 1 :] > 0)
            if size in wanted:
                found[size].append(np.intersect1d(codes[known], wanted[size]))
    runs = set()
    for size, parts in found.items():
        for code in np.unique(np.concatenate([*parts, np.zeros(0, np.int64)])).tolist():
            run = []
            for _ in range(size):
                code, word = divmod(code, base)
                run.append(names[word - 1])
            runs.add(tuple(reversed(run)))
    return runs


def _code(numbers: Sequence[int], base: int) -> int:
    code = 0
    for value in numbers:
        code = code * base + value
    return code


def longest_copies(samples: Sequence[str], training_texts: Iterable[str]) -> np.ndarray:
    """Return the length of the longest span of each sample that stands in one training text, exactly.

    Windows of 16 characters of the samples are looked up, by their hashes, at every place of the training texts, and
    those that are there made longer as far as both agree; where none is, shorter windows.

    Args:
        samples: N texts.
        training_texts: any number.

    Returns:
        int64 array of shape (N,), in characters.
    """
    training_texts = list(training_texts)
    lengths = np.zeros(len(samples), np.int64)
    size = ANCHOR
    while size:
        open_ones = np.flatnonzero(lengths == 0)
        if len(open_ones):
            lengths[open_ones] = _copies_from(size, [samples[int(row)] for row in open_ones], training_texts)
        size //= 2
    return lengths


def _copies_from(size: int, samples: Sequence[str], training_texts: Sequence[str]) -> np.ndarray:
    """Return the longest copies of at least `size` characters, a power of two; 0 where there is none."""
    given = _characters(samples, end=_OUTSIDE + 1)
    owner = np.repeat(np.arange(len(samples)), [len(text) + 1 for text in samples])
    hashes, owner_of = _window_hashes(given, size), owner[: max(len(given) - size + 1, 0)]
    inside = owner_of == owner[size - 1 :]  # the window ends in the text that it begins in
    inside &= given[size - 1 :] != _OUTSIDE + 1
    places = np.flatnonzero(inside)
    order = np.argsort(hashes[places], kind="stable")
    places, keys = places[order], hashes[places][order]
    table = np.zeros(1 << _TABLE_BITS, bool)
    table[_bucket(keys)] = True
    longest = np.zeros(len(samples), np.int64)
    for chunk in _chunks(training_texts):
        trained = _window_hashes(chunk, size)
        likely = np.flatnonzero(table[_bucket(trained)])
        first = np.searchsorted(keys, trained[likely], side="left")
        count = np.searchsorted(keys, trained[likely], side="right") - first
        at = np.repeat(likely, count)
        # For each place in the training text all windows of samples with its hash.
        nth = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
        mine = places[np.repeat(first, count) + nth]
        _extend(longest, owner, given, mine, chunk, at)
    longest[longest < size] = 0  # another window with the same hash
    return longest


def _extend(
    longest: np.ndarray, owner: np.ndarray, given: np.ndarray, mine: np.ndarray, chunk: np.ndarray, at: np.ndarray
) -> None:
    """Raise `longest` to how far the samples at `mine` and the training text at `at` agree."""
    length = 0
    while len(mine):
        same = (at + length < len(chunk)) & (mine + length < len(given))
        same[same] = given[mine[same] + length] == chunk[at[same] + length]
        np.maximum.at(longest, owner[mine[~same]], length)
        mine, at, length = mine[same], at[same], length + 1


def _chunks(texts: Sequence[str]) -> Iterable[np.ndarray]:
    """Yield the characters of whole texts, some millions at a time."""
    part, size = [], 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size >= CHUNK:
            yield _characters(part, end=_OUTSIDE)
            part, size = [], 0
    if part:
        yield _characters(part, end=_OUTSIDE)


def _characters(texts: Sequence[str], *, end: int) -> np.ndarray:
    """Return the characters of texts as numbers, `end` after each text, uint32."""
    lengths = np.array([len(text) for text in texts], np.int64)
    joined = "\0".join([*texts, ""]).encode("utf-32-le", errors="surrogatepass")
    numbers = np.frombuffer(joined, np.uint32).copy()
    numbers[np.cumsum(lengths + 1) - 1] = end
    return numbers


def _window_hashes(numbers: np.ndarray, size: int) -> np.ndarray:
    """Return a hash of every window of `size` numbers, a power of two: two halves make a whole."""
    hashes, factor, width = numbers.astype(np.uint64), _FACTOR, 1
    with np.errstate(over="ignore"):
        while width < size:
            hashes = hashes[:-width] * factor + hashes[width:] if len(hashes) > width else hashes[:0]
            factor, width = factor * factor, 2 * width
    return hashes


def _bucket(hashes: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return ((hashes * _FACTOR) >> np.uint64(64 - _TABLE_BITS)).astype(np.int64)


def control(predicted: Sequence[str], asked: Sequence[str]) -> float | None:
    """Return the share of texts that a classifier gives the label they were asked for; None for no text."""
    pairs = list(zip(predicted, asked, strict=True))
    return sum(found == wanted for found, wanted in pairs) / len(pairs) if pairs else None
