"""Files read piece by piece: the same rows as at once, with memory that does not grow."""

import gzip
import hashlib
import json

import pandas as pd
import pyarrow.parquet
import pytest

from textapp.config import DataConfig
from textapp.datasets import content, load_dataset, tables
from textapp.datasets.csv_lines import csv_lines
from textapp.datasets.tables import Table
from textapp.datasets.user_file import read_texts
from textapp.errors import UserError

# 23 rows; lines, quotes and characters of several bytes for a block to end in.
RECORDS = [{"id": n, "text": f'No. {n}: "déjà vu",\n{"😀" * n} NA', "label": "ab"[n % 2]} for n in range(23)]
ENDINGS = ["csv", "csv.gz", "tsv", "tsv.gz", "jsonl", "jsonl.gz", "parquet", "parquet.gz"]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(tables, "ROWS", 7)
    monkeypatch.setattr(content, "BLOCK", 64)


def write(path, records=RECORDS):
    frame, plain = pd.DataFrame(records), path.name.removesuffix(".gz")
    if plain.endswith("jsonl"):
        content = "".join(json.dumps(record) + "\n" for record in records).encode()
    elif plain.endswith("parquet"):
        content = frame.to_parquet(row_group_size=5)
    else:
        content = frame.to_csv(index=False, sep="\t" if plain.endswith("tsv") else ",").encode()
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_pieces_are_the_rows_in_order(tmp_path, ending):
    path = write(tmp_path / f"a.{ending}")
    table = Table(path)
    assert table.columns == ["id", "text", "label"]
    assert table.sha256 is None
    pieces = list(table.pieces())
    assert max(map(len, pieces)) <= 7
    assert sum(map(len, pieces)) == 23
    texts = [text for piece in pieces for text in piece["text"]]
    assert texts == [record["text"] for record in RECORDS] == list(read_texts(path))
    assert [int(value) for piece in pieces for value in piece["id"]] == list(range(23))
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_dataset_does_not_depend_on_the_pieces(tmp_path, monkeypatch, ending):
    path = write(tmp_path / f"a.{ending}", [*RECORDS, RECORDS[3], {**RECORDS[4], "label": "b"}])
    in_pieces = load_dataset(DataConfig(data=path))
    monkeypatch.undo()
    whole = load_dataset(DataConfig(data=path))
    assert in_pieces.facts == whole.facts
    assert in_pieces.facts["dropped"]["duplicates"] == 2
    for mine, other in zip((in_pieces.train, in_pieces.test), (whole.train, whole.test), strict=True):
        assert mine.texts == other.texts
        assert mine.rows.tolist() == other.rows.tolist()


def test_pieces_hold_few_rows_where_rows_are_long(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS", 64)
    monkeypatch.setattr(tables, "FIRST_ROWS", 4)
    monkeypatch.setattr(tables, "PIECE_BYTES", 1200)
    for ending in ("csv", "jsonl"):
        path = write(tmp_path / f"a.{ending}", [{"text": f"{n:090}", "label": "x"} for n in range(50)])
        sizes = [len(piece) for piece in Table(path).pieces()]
        assert sizes == [4, *[8] * 5, 6]


def test_a_key_that_comes_late_is_a_column_from_the_beginning(tmp_path):
    path = write(tmp_path / "a.jsonl", [*RECORDS, {"text": "late", "stars": 5}])
    table = Table(path)
    assert table.columns == ["id", "text", "label", "stars"]
    assert [value for piece in table.pieces() for value in piece["stars"]][-1] == 5


def test_a_loose_quote_far_down_makes_all_quotes_of_a_tsv_plain(tmp_path):
    rows = [f"plain {n}\t{n % 2}" for n in range(20)] + ['"loose\t0', 'and "this"\t1', 'loose"\t0']
    path = tmp_path / "a.tsv"
    path.write_text("text\tlabel\n" + "\n".join(rows))
    assert list(read_texts(path)) == [row.split("\t")[0] for row in rows]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b'text\n"a\nb"\n' + b"fine\n" * 40 + b"\xc3\xa9 then \xc3", r"in row 42 \(line 44\)"),
        ("a.csv", b"text\n" + b"fine\n" * 40 + b"one,two\n", "Expected 1 fields in line 42, saw 2"),
        ("a.jsonl", b'{"text": "a"}\n' * 40 + b"[]\n", "row 41 of .* is a JSON list"),
        ("a.jsonl", b'{"text": "a"}\n' * 40 + b'{"text": {}}\n', "row 41 of column 'text' in .* holds a dict"),
        (
            "a.csv.gz",
            gzip.compress(b"text\n" + b"".join(b"%d\n" % n for n in range(99)), mtime=0)[:-9],
            "cannot unpack",
        ),
    ],
)
def test_what_is_wrong_far_down_is_found_there(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_texts(tmp_path / name)


def test_a_label_far_down_that_is_called_like_its_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("I liked this one a lot,good\n" + "".join(f"It was film number {n},bad\n" for n in range(30)))
    assert Table(path).columns == ["I liked this one a lot", "good"]
    path.write_text(path.read_text() + "and the last one was,good\n")
    with pytest.raises(UserError, match="seems to have no heading; its first row reads"):
        load_dataset(DataConfig(data=path))


def test_two_columns_of_the_same_name(tmp_path):
    table = pyarrow.table({"text": ["a"], "other": ["b"]}).rename_columns(["text", "text"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"has two columns of the same name; its columns are \['text', 'text'\]"):
        Table(tmp_path / "a.parquet")


def test_csv_lines_are_read_as_they_were(tmp_path):
    texts = ['a "b"', "c,d", "e\nf", "g\rh", " i ", "", "NA", "😀"]
    cells = [1, b"caf\xc3\xa9 \xff", None, True, float("nan"), {"a": [True, b"x"]}, [1, "é"], 10**20]
    path = tmp_path / "a.csv"
    path.write_text(csv_lines([["text"], ["cell"]]) + csv_lines([texts, cells]), newline="")
    found = pd.read_csv(path, dtype=str, na_filter=False)
    assert found["text"].tolist() == texts
    assert found["cell"].tolist() == ["1", "café �", "", "True", "", '{"a": [true, "x"]}', '[1, "é"]', str(10**20)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["bad", "bad{end}", "bad{end}{end}"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz"])
def test_a_column_alone_keeps_its_empty_texts(tmp_path, end, last, ending):
    lines = ["\ufeff", " ", "text", "", "good", *["fine"] * 9, "", "  ", '"two', "", 'lines"', last.format(end=end)]
    content = end.join(lines).encode()
    path = tmp_path / f"a.{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    table = Table(path)
    found = [text for piece in table.pieces() for text in piece["text"]]
    two = f"two{end}{end}lines"
    assert found == ["", "good", *["fine"] * 9, "", "  ", two, "bad", *[""] * (last.count("{end}") - 1)]
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_blank_lines_are_no_rows_where_there_are_columns(tmp_path):
    (tmp_path / "a.csv").write_text("\ntext,other\na,1\n\nb,2\n\n")
    assert list(read_texts(tmp_path / "a.csv")) == ["a", "b"]


def test_texts_are_mended_as_those_to_learn_from_are(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "good \\ud83d film"}\n{"text": "with\\u0000nul"}\n')
    assert list(read_texts(tmp_path / "a.jsonl")) == ["good � film", "with nul"]
