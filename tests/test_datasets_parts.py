"""The steps between a source and its splits, each with values one can compute by hand."""

import collections

import numpy as np
import pytest

from textapp.datasets import Examples, Source
from textapp.datasets.cleaning import clean
from textapp.datasets.dataset import Split, fingerprint
from textapp.datasets.labels import order_labels
from textapp.datasets.splitting import stratified_split, stratified_subset
from textapp.datasets.user_file import folder_name


def test_clean_drops_and_counts():
    source = Source(
        name="toy",
        train=Examples(
            texts=["Good  one", "good ONE", "good one", " \n", "no label", "NA", "n\0l"],
            labels=["pos", "pos", "neg", "pos", " ", "null ", "neg"],
        ),
    )
    counts = collections.Counter()
    kept = clean(source, counts)["train"]
    assert kept.texts == ["Good  one", "NA", "n l"]
    assert kept.labels == ["pos", "null", "neg"]
    assert kept.rows.tolist() == [0, 5, 6]
    assert counts == {
        **{"rows_read": 7, "duplicates": 2, "conflicting": 1},
        **{"empty_text": 1, "missing_label": 1, "mended_texts": 1},
    }


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["1.5", "1", "0.25"], ("0.25", "1", "1.5")),
        (["True", "False"], ("False", "True")),
        (["10", "9", "b"], ("10", "9", "b")),
        (["nan", "1"], ("1", "nan")),
    ],
)
def test_label_order(labels, expected):
    assert order_labels(labels) == expected


def test_stratified_split_by_hand():
    labels = np.array([0] * 30 + [1] * 3 + [2] * 14)
    test, validation, train = stratified_split(labels, shares=(0.1, 0.2), seed=0)
    assert sorted(np.concatenate([test, validation, train])) == list(range(47))
    assert np.bincount(labels[test]).tolist() == [3, 1, 1]
    assert np.bincount(labels[validation]).tolist() == [6, 1, 3]


@pytest.mark.parametrize("size", [3, 4, 11, 46, 47])
def test_stratified_subset_by_hand(size):
    labels = np.array([0] * 30 + [1] * 3 + [2] * 14)
    chosen = stratified_subset(labels, size=size, seed=0)
    counts = np.bincount(labels[chosen])
    assert len(set(chosen.tolist())) == size
    assert counts.min() >= 1
    assert np.abs(counts - 1 - (size - 3) * np.array([29, 2, 13]) / 44).max() < 1


def test_fingerprint_tells_splits_apart():
    def split(*texts, labels=(0, 1)):
        return Split(texts=list(texts), labels=np.array(labels, np.int32), rows=np.arange(2))

    names = ("a", "b")
    prints = {
        fingerprint([split("ab", "c")], names),
        fingerprint([split("a", "bc")], names),
        fingerprint([split("c", "ab")], names),
        fingerprint([split("ab", "c", labels=(1, 0))], names),
        fingerprint([split("ab", "c")], ("a", "z")),
    }
    assert len(prints) == 5


@pytest.mark.parametrize(
    ("name", "expected"),
    [("tweets.csv.gz", "tweets"), ("my data!.JSONL", "my_data"), ("v1.2.tsv", "v1.2"), ("???.csv", "data")],
)
def test_folder_name(tmp_path, name, expected):
    assert folder_name(tmp_path / name) == expected
