"""Groups of texts and the accuracy in them, by hand."""

import json
import math

import numpy as np
import pytest

from textapp.evaluation.slices import slice_table, text_groups

LABEL_NAMES = ("bad", "good")


def wilson(hits, n, z=1.959964):
    """The interval by the formula of Wilson 1927."""
    share = hits / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [(centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)]


def answers(*parts):
    """Returns labels, predictions and group names for parts of (group, right, wrong)."""
    names = [group for group, right, wrong in parts for _ in range(right + wrong)]
    predictions = [value for _, right, wrong in parts for value in [0] * right + [1] * wrong]
    return np.zeros(len(names), int), np.array(predictions), names


def groups(texts, **options):
    options = {"known": None, "labels": [0] * len(texts), "label_names": LABEL_NAMES, **options}
    return text_groups(texts, options.pop("token_lists", [text.split() for text in texts]), **options)


def test_table_by_hand():
    labels, predictions, names = answers(("long", 20, 20), ("short", 54, 6))
    table, worst = slice_table(labels, predictions, {"length": names})
    assert table == [
        {
            **{"slice": "length", "group": "long", "n": 40, "accuracy": 0.5},
            **{"interval": pytest.approx(wilson(20, 40), abs=1e-6), "difference": pytest.approx(0.5 - 0.9)},
        },
        {
            **{"slice": "length", "group": "short", "n": 60, "accuracy": 0.9},
            **{"interval": pytest.approx(wilson(54, 60), abs=1e-6), "difference": pytest.approx(0.9 - 0.5)},
        },
    ]
    assert worst == table[0]
    assert json.loads(json.dumps(table)) == table


def test_the_worst_is_the_largest_gap_that_is_more_than_chance():
    labels, predictions, names = answers(("a", 30, 10), ("b", 20, 20), ("c", 5, 24), ("d", 190, 10))
    table, worst = slice_table(labels, predictions, {"one": names, "two": ["x"] * 154 + ["y"] * (len(names) - 154)})
    assert [row["group"] for row in table] == ["a", "b", "c", "d", "x", "y"]
    assert min(table, key=lambda row: row["difference"])["group"] == "c"
    assert table[2]["n"] == 29  # too few to be called the worst
    assert (worst["slice"], worst["group"]) == ("one", "b")


@pytest.mark.parametrize(
    "parts",
    [
        [("a", 33, 7), ("b", 36, 4)],  # 0.825 and 0.9: its interval reaches 0.91
        [("a", 40, 0), ("b", 40, 0)],
        [("only", 3, 60)],
    ],
)
def test_there_may_be_no_worst(parts):
    labels, predictions, names = answers(*parts)
    table, worst = slice_table(labels, predictions, {"slice": names})
    assert worst is None
    assert len(table) == len(parts)
    if len(parts) == 1:
        assert table[0]["difference"] is None


def test_a_class_may_be_the_worst():
    labels, predictions = np.repeat([0, 1], 50), np.array([0] * 50 + [0] * 30 + [1] * 20)
    found = text_groups(["x"] * 100, [["x"]] * 100, None, labels, LABEL_NAMES)
    table, worst = slice_table(labels, predictions, found)
    assert (worst["slice"], worst["group"], worst["accuracy"]) == ("class", "good", 0.4)
    assert [row["slice"] for row in table] == ["length", "negation", "class", "class"]


def test_groups_stand_in_the_order_of_their_numbers():
    names = ["1,000 words and more", "91 to 999 words", "up to 90 words", "9" * 5000, "none", "a 007"]
    table, _ = slice_table(np.zeros(6, int), np.zeros(6, int), {"s": names})
    assert [row["group"] for row in table] == ["none", "a 007", "up to 90 words", *names[1::-1], "9" * 5000]


def test_lengths_are_cut_into_quarters():
    lengths = [1, 2, 3, 4, 5, 6, 7, 2000]
    texts = ["word \n" * length for length in lengths]
    expected = ["up to 2 words"] * 2 + ["3 to 4 words"] * 2 + ["5 to 6 words"] * 2 + ["7 words and more"] * 2
    found = groups(texts)["length"]
    assert found == expected
    table, _ = slice_table(np.zeros(8, int), np.zeros(8, int), {"length": found})
    assert [row["group"] for row in table] == expected[::2]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([5, 5, 5], ["all lengths"] * 3),
        ([0], ["all lengths"]),
        ([1, 1, 1, 9], ["up to 1 words"] * 3 + ["2 words and more"]),
        ([1, 2, 3, 4], ["up to 1 words", "2 words", "3 words", "4 words and more"]),
        ([], []),
    ],
)
def test_quarters_that_coincide_are_one(lengths, expected):
    assert groups(["w " * length for length in lengths])["length"] == expected


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("It is not good", True),
        ("NEVER again", True),
        ("it isn't", True),
        ("it isn’t", True),
        ("i dont care", True),
        ("no.", True),
        ("knot, nothingness, notable, noun", False),
        ("want to front the rent", False),
        ("", False),
        ("\0 \ud800", False),
    ],
)
def test_negation(text, negated):
    assert groups([text])["negation"] == ["with negation" if negated else "without negation"]


def test_unknown_words_are_a_share_of_the_tokens():
    token_lists = [["a"] * 20, ["a"] * 19 + ["z"], ["a"] * 18 + ["z"], []]
    expected = ["none", "at most 5 %", "more than 5 %", "none"]
    for known in ({"a"}, ["a"], "a".__eq__):
        assert groups([""] * 4, token_lists=token_lists, known=known)["unknown words"] == expected
    assert "unknown words" not in groups([""])
    table, _ = slice_table(np.zeros(4, int), np.zeros(4, int), {"unknown words": expected})
    assert [row["group"] for row in table] == expected[:3]


def test_classes_and_sources():
    found = groups(["x"] * 3, labels=np.array([1, 0, 1]), sources=["web", None, "mail"])
    assert found["class"] == ["good", "bad", "good"]
    assert found["source"] == ["web", "no source", "mail"]
    assert list(found) == ["length", "negation", "class", "source"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"labels has shape \(3,\) and predictions \(2,\)"):
        slice_table(np.zeros(3, int), np.zeros(2, int), {})
    with pytest.raises(ValueError, match="slice 'length' has 2 group names for 3 texts"):
        slice_table(np.zeros(3, int), np.zeros(3, int), {"length": ["a", "b"]})
