"""The steps between a source and its splits, each with values one can compute by hand."""

import collections
import gc
import pickle
import weakref

import numpy as np
import pytest

from textapp.datasets import Examples, Source
from textapp.datasets.cleaning import clean
from textapp.datasets.dataset import Split, fingerprint
from textapp.datasets.labels import order_labels
from textapp.datasets.splitting import representative, stratified_split, stratified_subset
from textapp.datasets.texts import TextsWriter
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
    kept, labels = clean(source, counts)
    assert kept["train"].texts == ["Good  one", "NA", "n l"]
    assert [labels[index] for index in kept["train"].labels] == ["pos", "null", "neg"]
    assert kept["train"].rows.tolist() == [0, 5, 6]
    assert counts == {
        **{"rows_read": 7, "duplicates": 2, "conflicting": 1},
        **{"empty_text": 1, "missing_label": 1, "mended_texts": 1},
        "across_files": 0,
    }


def test_pieces_of_a_source_are_one_source():
    def pieces(size, texts, **columns):
        rows = range(0, len(texts), size)
        cut = {name: [column[row : row + size] for row in rows] for name, column in columns.items()}
        return (
            Examples(texts=texts[row : row + size], **{name: column[n] for name, column in cut.items()})
            for n, row in enumerate(rows)
        )

    train = {"texts": [*"abcA", "", "x", "d"], "labels": [*"yxyxxyx"], "groups": [*"ggghhgh"]}
    test = {"texts": ["e", "x", "E"], "labels": ["x", "x", "y"], "groups": ["i", "g", "i"]}
    found = []
    for size in (1, 2, 100):
        counts = collections.Counter()
        source = Source(name="toy", train=pieces(size, **train), test=pieces(size, **test))
        kept, labels = clean(source, counts)
        assert list(kept) == ["test", "train"]
        splits = [
            (role, list(split.texts), split.labels.tolist(), split.rows.tolist(), list(split.groups))
            for role, split in kept.items()
        ]
        found.append((splits, labels, counts))
    assert found[0] == found[1] == found[2]
    assert found[0] == (
        [("test", ["e", "x"], [0, 0], [0, 1], ["i", "g"]), ("train", [*"abcd"], [1, 0, 1, 0], [0, 1, 2, 6], [*"gggh"])],
        ["x", "y"],
        {
            **{"rows_read": 10, "duplicates": 2, "across_files": 1, "conflicting": 3},
            **{"empty_text": 1, "mended_texts": 0},
        },
    )


TEXTS = ["", "good", "zwei\nZeilen", "😀 pair", "half \ud83d", "nul \0", "x" * 5000]


def texts_on_disk(texts=TEXTS):
    writer = TextsWriter()
    for start in range(0, len(texts), 2):
        writer.extend(texts[start : start + 2])
    return writer.texts()


def test_texts_on_the_disk_are_a_sequence_of_the_same_strings(monkeypatch):
    monkeypatch.setattr("textapp.datasets.texts.BLOCK", 3)
    texts = texts_on_disk()
    assert list(texts) == TEXTS
    assert [texts[n] for n in range(len(texts))] == TEXTS
    assert (texts[-1], texts[np.int64(2)]) == (TEXTS[-1], TEXTS[2])
    for cut in (slice(2, 5), slice(None, None, -2), slice(-3, 100), slice(3, 3)):
        assert texts[cut] == TEXTS[cut]
    assert texts.take(np.array([5, 1, 1])) == [TEXTS[5], TEXTS[1], TEXTS[1]]
    assert texts[1:].take(np.array([0, 2]))[:1] == ["good"]
    assert "good" in texts
    assert texts.index("😀 pair") == 3
    with pytest.raises(IndexError):
        texts[len(TEXTS)]
    assert texts_on_disk([]) == []


def test_texts_on_the_disk_are_equal_by_what_they_say():
    assert texts_on_disk() == texts_on_disk()
    assert texts_on_disk() != TEXTS[:-1]
    assert texts_on_disk() != [*TEXTS[:-1], "other"]
    assert texts_on_disk(["a", "b"]) != "ab"
    assert repr(texts_on_disk()) == "<7 texts on the disk>"


def test_texts_on_the_disk_pickle_as_a_list():
    assert pickle.loads(pickle.dumps(texts_on_disk()[1:3])) == TEXTS[1:3]


def test_a_view_outlives_the_texts_it_was_taken_from_and_the_file_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    view = texts_on_disk()[1:3]
    gc.collect()
    assert view == TEXTS[1:3]
    assert list(tmp_path.iterdir()) == []
    closed = weakref.ref(view._file)
    del view
    gc.collect()
    assert closed() is None


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


def test_what_is_measured_on_is_of_every_class():
    labels = np.array([0] * 60 + [1] * 40)  # in the order of a file that lists one class first
    chosen = representative(labels, most=10)
    assert np.bincount(labels[chosen]).tolist() == [6, 4]
    assert chosen.tolist() == sorted(set(chosen.tolist())) == representative(labels, most=10).tolist()
    assert max(chosen) - min(chosen) > 10
    assert representative(labels, most=100).tolist() == list(range(100))
    # More classes than texts: any texts, but not the first.
    many = representative(np.arange(50), most=5)
    assert len(set(many.tolist())) == 5
    assert max(many) > 5


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
