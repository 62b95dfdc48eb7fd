"""Labels, lengths and near duplicates of a dataset, against counts by hand and against plain sets."""

import json
import re

import numpy as np
import pytest
from helpers import tiny

from textapp.datasets.description import label_balance, length_histogram
from textapp.datasets.near_duplicates import near_duplicates

WORDS = [f"w{number}" for number in range(60)]
TEXT = " ".join(WORDS)


def jaccard(a, b):
    """The Jaccard index of the runs of five words, by plain sets."""
    one, other = (
        {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}
        for words in (re.findall(r"\w+", text.casefold()) for text in (a, b))
    )
    return len(one & other) / len(one | other)


def edited(generator, *, changes):
    words = list(WORDS)
    for position in generator.choice(60, size=changes, replace=False):
        words[position] = f"x{generator.integers(1000)}"
    return " ".join(words)


def test_label_balance():
    splits = {"train": tiny.split(), "validation": tiny.split(["x"], [2]), "test": tiny.split([], [])}
    assert label_balance(splits, tiny.LABEL_NAMES) == {
        "train": {"bad": 3, "good": 3, "odd": 2},
        "validation": {"bad": 0, "good": 0, "odd": 1},
        "test": {"bad": 0, "good": 0, "odd": 0},
    }


def test_lengths_by_hand():
    found = length_histogram(["", "a", "b\tc", "d e\nf", "\0 \ud800"])  # 0, 1, 2, 3, 2 words
    assert found == {
        **{"edges": [0, 1, 2, 3, 4], "counts": [1, 1, 2, 1], "unit": "words"},
        **{"median": 2, "p95": pytest.approx(2.8)},
    }
    assert json.loads(json.dumps(found)) == found


def test_one_long_text_does_not_widen_the_bins():
    found = length_histogram([*("w " * (1 + n % 100) for n in range(1000)), "w " * 12_345])
    assert found["edges"] == [*range(0, 106, 5), 12_346]
    assert found["counts"] == [40, *[50] * 19, 10, 1]


@pytest.mark.parametrize(("longest", "width"), [(24, 1), (25, 2), (49, 2), (50, 5), (124, 5), (125, 10), (9_999, 500)])
def test_width_of_the_bins(longest, width):
    edges = length_histogram(["w " * longest])["edges"]
    assert set(np.diff(edges)) == {width}
    assert edges[-2] <= longest < edges[-1]
    assert len(edges) <= 26


def test_lengths_of_nothing():
    assert length_histogram([]) == {"edges": [], "counts": [], "median": None, "p95": None, "unit": "words"}
    assert length_histogram([""])["counts"] == [1]


def test_near_duplicates_by_hand():
    """Without its last word a text of 60 words keeps 55 of 56 runs; with one more in front it has 56 of 57."""
    train = ["something else altogether, of no interest here", "Zero " + TEXT, TEXT.upper().replace(" ", " - ")]
    test = ["nothing like it at all, as far as one can see", TEXT, " ".join(WORDS[:-1])]
    found = near_duplicates(train, test, train_rows=[7, 8, 9], test_rows=np.array([4, 5, 6]))
    example = {"test_row": 5, "train_row": 9, "test_text": test[1], "train_text": train[2], "similarity": 1.0}
    assert found == {
        **{"threshold": 0.8, "pairs": 4, "test_texts": 2, "share": pytest.approx(2 / 3)},
        "examples": [example, {**example, "test_row": 6, "test_text": test[2], "similarity": 55 / 56}],
    }
    assert json.loads(json.dumps(found)) == found
    assert near_duplicates(train, test, examples=1)["examples"][0]["train_row"] == 2


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95, 1])
def test_near_duplicates_are_those_of_plain_sets(threshold):
    generator = np.random.default_rng(0)
    texts = [edited(generator, changes=n % 7) for n in range(60)]
    train, test = texts[:40], texts[40:]
    alike = np.array([[jaccard(a, b) for b in train] for a in test])
    found = near_duplicates(train, test, threshold=threshold, examples=100)
    assert found["pairs"] == (alike >= threshold).sum() > 0
    assert found["test_texts"] == len(found["examples"]) == (alike.max(axis=1) >= threshold).sum()
    for example in found["examples"]:
        assert (
            example["similarity"]
            == alike[example["test_row"]].max()
            == pytest.approx(jaccard(example["test_text"], example["train_text"]))
        )
    similarities = [example["similarity"] for example in found["examples"]]
    assert similarities == sorted(similarities, reverse=True)


def test_short_texts_are_near_duplicates_only_as_a_whole():
    found = near_duplicates(["Thank you!", "thank", "you thank"], ["thank you", "thank you so", "THANK"], examples=9)
    assert [(e["test_row"], e["train_row"], e["similarity"]) for e in found["examples"]] == [(0, 0, 1.0), (2, 1, 1.0)]


def test_texts_without_words_are_like_no_other():
    strange = ["", " ", "\0", "\ud800", "👍🏽", "!!"]
    assert near_duplicates(strange, strange)["pairs"] == 0
    assert near_duplicates([*strange, "a\ud800b \0 c"], ["a\ud800b \0 c"])["pairs"] == 1


def test_near_duplicates_of_nothing():
    nothing = {"threshold": 0.8, "pairs": 0, "test_texts": 0, "share": 0.0, "examples": []}
    assert near_duplicates([], []) == nothing
    assert near_duplicates(["a text"], []) == nothing
    assert near_duplicates([], ["a text"]) == nothing


@pytest.mark.parametrize("threshold", [0, -1, 1.1, float("nan")])
def test_near_duplicates_refuse_a_threshold_out_of_range(threshold):
    with pytest.raises(ValueError, match="it must be above 0 and at most 1"):
        near_duplicates(["a"], ["a"], threshold=threshold)
