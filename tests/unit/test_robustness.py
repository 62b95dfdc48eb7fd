"""What the perturbations do to texts, and how changed answers are counted."""

import json

import numpy as np
import pytest

from textapp.evaluation.robustness import EXAMPLE_CHARACTERS, NEUTRAL_SENTENCE, PERTURBATIONS, robustness

TEXTS = ["a good film", "Good!", "bad", "so good, so very good"]
LABELS = np.array([1, 0, 0, 1])
HOSTILE = ["", " ", "\0", "a\ud800b", "👍🏽", "12 _ 3", "<br />", "word " * 10_000, "映画はとても良い", "aa bb"]


def predict(texts):
    """Returns probabilities (N, 2): certain of class 1 where "good" stands in the text in lower case."""
    return np.array([[0.1, 0.9] if "good" in text else [0.8, 0.2] for text in texts])


def perturb(name, text, seed=0):
    return PERTURBATIONS[name](text, np.random.default_rng(seed))


def differing(text, other):
    return [i for i, (a, b) in enumerate(zip(text, other, strict=True)) if a != b]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("upper case", "It isn't Great", "IT ISN'T GREAT"),
        ("lower case", "It isn't GREAT", "it isn't great"),
        ("no punctuation", "Well, it isn't 'great' (7/10)!", "Well  it isn't  great   7 10  "),
        ("no punctuation", "don’t @me #now <3", "don’t  me  now <3"),
        ("added neutral sentence", "Great.", f"Great. {NEUTRAL_SENTENCE}"),
        ("typos", "ab", "ba"),
        ("typos", "<br /> 7 x oo <em>if</em>", "<br /> 7 x oo <em>fi</em>"),
    ],
)
def test_perturbations_by_hand(name, text, expected):
    assert perturb(name, text) == expected


@pytest.mark.parametrize(("words", "typos"), [(1, 1), (19, 1), (29, 1), (31, 2), (400, 20)])
def test_typos_swap_two_neighbours_in_one_word_of_twenty(words, typos):
    text = " ".join(["film"] * words)
    changed = perturb("typos", text)
    assert sum(word != "film" for word in changed.split(" ")) == typos
    for word in changed.split(" "):
        assert word in ("film", "iflm", "flim", "fiml")
    assert len(differing(text, changed)) == 2 * typos


@pytest.mark.parametrize("name", PERTURBATIONS)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_perturbations_take_every_text(name, text):
    changed = perturb(name, text)
    assert isinstance(changed, str)
    assert perturb(name, text) == changed


def test_counts_by_hand():
    """In capitals no text has "good": the two with it flip, from right to wrong."""
    upper, lower = robustness(TEXTS, LABELS, predict, names=["upper case", "lower case"])
    assert upper == {
        "perturbation": "upper case",
        "description": "All letters in upper case.",
        "n": 4,
        "flipped": 2,
        "flipped_share": 0.5,
        "interval": pytest.approx([0.15, 0.85], abs=1e-3),  # Wilson, 2 of 4
        "accuracy_before": 1.0,
        "accuracy_after": 0.5,
        "example": {"before": "a good film", "after": "A GOOD FILM"},
    }
    assert (lower["flipped"], lower["accuracy_after"]) == (1, 0.75)
    assert lower["example"] == {"before": "Good!", "after": "good!"}
    assert json.loads(json.dumps([upper, lower])) == [upper, lower]


def test_no_flip_has_no_example():
    rows = robustness(TEXTS, LABELS, predict, names=["no punctuation", "added neutral sentence"])
    assert [(row["flipped"], row["example"]) for row in rows] == [(0, None)] * 2


def test_seeded_and_the_same_whatever_else_is_chosen():
    texts = [f"good film number {n} of a series" for n in range(40)]
    labels = np.ones(40, int)
    everything = robustness(texts, labels, predict, seed=1)
    assert [row["perturbation"] for row in everything] == list(PERTURBATIONS)
    assert everything[4]["description"] == 'The sentence "This was written on a Tuesday." added at the end.'
    assert robustness(texts, labels, predict, seed=1, names=["typos"]) == [everything[2]]
    assert 0 < everything[2]["flipped"] < 40
    asked = []
    robustness(texts, labels, lambda new: asked.append(new) or predict(new), seed=2, names=["typos"])
    robustness(texts, labels, lambda new: asked.append(new) or predict(new), seed=3, names=["typos"])
    assert asked[1] != asked[3]


def test_known_answers_are_not_asked_for_nor_texts_that_stay_the_same():
    asked = []

    def listening(texts):
        asked.extend(texts)
        return predict(texts)

    rows = robustness(TEXTS, LABELS, listening, names=["lower case", "upper case"], before=predict(TEXTS))
    assert asked == ["good!", *(text.upper() for text in TEXTS)]
    assert rows == robustness(TEXTS, LABELS, predict, names=["lower case", "upper case"])


@pytest.mark.parametrize("position", [0, 140, 500, 990])
def test_examples_are_cut_around_the_change(position):
    text = "x" * position + " Good " + "y" * (1000 - position)
    (row,) = robustness([text], np.array([0]), predict, names=["lower case"])
    before, after = row["example"]["before"], row["example"]["after"]
    assert len(before) == len(after) == EXAMPLE_CHARACTERS
    assert " Good " in before
    assert " good " in after
    assert before.startswith("…") == (position > 150)
    assert before.endswith("…") == (position < 900)


def test_the_end_is_shown_where_the_end_was_changed():
    def by_length(texts):
        return np.array([[1.0, 0.0] if len(text) == 1000 else [0.0, 1.0] for text in texts])

    (row,) = robustness(["z" * 1000], np.array([0]), by_length, names=["added neutral sentence"])
    assert row["example"]["after"].endswith("z " + NEUTRAL_SENTENCE)
    assert len(row["example"]["after"]) == EXAMPLE_CHARACTERS
    assert row["example"]["before"].endswith("zz")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"unknown perturbation 'rot13'; choose from \['upper case'"):
        robustness(TEXTS, LABELS, predict, names=["rot13"])
    with pytest.raises(ValueError, match=r"4 texts for labels of shape \(3,\)"):
        robustness(TEXTS, LABELS[:3], predict)
    with pytest.raises(ValueError, match="0 texts"):
        robustness([], LABELS[:0], predict)
    with pytest.raises(ValueError, match="3 answers for 4 texts"):
        robustness(TEXTS, LABELS, predict, before=predict(TEXTS[:3]))
