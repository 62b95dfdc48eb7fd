"""`predict` and `generate`: answers of saved models, to texts and to files, and what they refuse."""

import csv
import io

import pandas as pd
import pyarrow.parquet
import pytest
from helpers import tiny
from rich.console import Console

from textapp import prediction
from textapp.errors import UserError
from textapp.reports.visible import visible


def refused(result, *messages):
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    for message in messages:
        assert message in result.stderr
    assert result.stdout == ""


def test_texts_on_the_command_line(textapp, folder_of, trained):
    result = textapp("predict", "--model", folder_of("nbsvm"), "a good\tfilm", "")
    probabilities = trained("nbsvm").predict_proba(["a good\tfilm", ""])
    labels = trained("nbsvm").predict(["a good\tfilm", ""])
    assert result.stdout == (
        f"{labels[0]}\t{probabilities[0].max():.4f}\t'a good\\tfilm'\n{labels[1]}\t{probabilities[1].max():.4f}\t''\n"
    )
    assert result.stderr == ""


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".csv.gz"])
def test_a_file_keeps_its_columns_and_order(textapp, folder_of, trained, tmp_path, ending):
    texts = [*tiny.TEXTS, "", 'quoted "film", with a comma\nand a line']
    frame = pd.DataFrame({"id": [f"0{n}" for n in range(10)], "review": texts, "stars": ["NA"] * 10})
    data, output = tmp_path / f"texts{ending}", tmp_path / "answers.csv"
    if ending == ".jsonl":
        frame.to_json(data, orient="records", lines=True)
    else:
        frame.to_csv(data, index=False, sep="\t" if ending == ".tsv" else ",")
    result = textapp("predict", "--model", folder_of("tfidf"), "--data", data, "--output", output)
    assert (result.exit_code, result.stdout) == (0, f"Wrote 10 answers to {output}.\n")
    found = pd.read_csv(output, dtype=str, na_filter=False)
    assert list(found.columns) == ["id", "review", "stars", "predicted_label", "predicted_score"]
    assert found[["id", "review", "stars"]].equals(frame)
    assert found["predicted_label"].tolist() == trained("tfidf").predict(texts)
    scores = trained("tfidf").predict_proba(texts).max(axis=1)
    assert found["predicted_score"].astype(float).tolist() == pytest.approx(scores.tolist(), abs=1e-6)


@pytest.mark.parametrize("model", ["tfidf", "lstm"])
def test_a_file_in_pieces_is_answered_as_a_list_is(trained, tmp_path, monkeypatch, model):
    """However long the texts are, and wherever a piece ends, each answer stands in its text's row."""
    monkeypatch.setattr("textapp.datasets.tables.ROWS", 7)
    texts = [f"{text} {'so ' * (41 * n % 17)}\r\n" for n, text in enumerate(tiny.TEXTS * 5)]
    data, output = tmp_path / "texts.jsonl", tmp_path / "answers.csv"
    pd.DataFrame({"text": texts}).to_json(data, orient="records", lines=True)
    assert prediction.predict_file(trained(model), data, output, text_column=None) == len(texts)
    with output.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    probabilities = trained(model).predict_proba(texts)
    assert [row["text"] for row in found] == texts
    assert [row["predicted_label"] for row in found] == trained(model).predict(texts)
    scores = [float(row["predicted_score"]) for row in found]
    assert scores == pytest.approx(probabilities.max(axis=1).tolist(), abs=1e-5)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".jsonl"] == ["answers.csv"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, UserError("bad")])
def test_what_stops_in_the_middle_leaves_nothing(trained, tmp_path, monkeypatch, error):
    monkeypatch.setattr("textapp.datasets.tables.ROWS", 7)
    data, output = tmp_path / "texts.csv", tmp_path / "answers.csv"
    data.write_text("text\n" + "good film\n" * 20)
    classifier, pieces = trained("tfidf"), []

    def stop(texts):
        pieces.append(len(texts))
        if len(pieces) == 2:
            raise error
        return type(classifier).predict_proba(classifier, texts)

    monkeypatch.setattr(classifier, "predict_proba", stop)
    with pytest.raises(error if isinstance(error, type) else UserError):
        prediction.predict_file(classifier, data, output, text_column=None)
    assert pieces == [7, 7]
    assert [path.name for path in tmp_path.iterdir()] == ["texts.csv"]


def test_a_terminal_shows_how_far_it_is(trained, tmp_path):
    data = tmp_path / "texts.csv"
    data.write_text("text\n" + "good film\n" * 20)
    for terminal in (False, True):
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=terminal, width=80)
        prediction.predict_file(trained("tfidf"), data, tmp_path / "a.csv", text_column=None, console=console)
        assert ("20 rows, " in shown.getvalue()) == terminal
        assert bool(shown.getvalue()) == terminal


def test_half_a_surrogate_pair_does_not_stop_a_file(trained, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "good \\ud83d film"}\n')
    assert prediction.predict_file(trained("tfidf"), tmp_path / "a.jsonl", tmp_path / "a.csv", text_column=None) == 1
    assert pd.read_csv(tmp_path / "a.csv")["text"].tolist() == ["good ? film"]


def test_lists_and_bytes_of_a_parquet_file_are_no_python(trained, tmp_path):
    rows = {"text": ["good", ""], "raw": [b"caf\xc3\xa9", None], "more": [{"a": True, "b": [1.5]}, None]}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "a.parquet")
    prediction.predict_file(trained("tfidf"), tmp_path / "a.parquet", tmp_path / "a.csv", text_column=None)
    found = pd.read_csv(tmp_path / "a.csv", dtype=str, na_filter=False)
    assert found["raw"].tolist() == ["café", ""]
    assert found["more"].tolist() == ['{"a": true, "b": [1.5]}', ""]


def test_every_row_of_a_column_alone_gets_an_answer(trained, tmp_path):
    (tmp_path / "a.csv").write_text("text\ngood\n\nbad\n\n")
    assert prediction.predict_file(trained("tfidf"), tmp_path / "a.csv", tmp_path / "b.csv", text_column=None) == 4
    assert pd.read_csv(tmp_path / "b.csv", na_filter=False)["text"].tolist() == ["good", "", "bad", ""]


def test_the_text_column_can_be_chosen(textapp, folder_of, trained, tmp_path):
    data, output = tmp_path / "texts.csv", tmp_path / "answers.csv"
    data.write_text("text,other\nboring,great fun\n")
    predict = ["predict", "--model", folder_of("tfidf"), "--data", data, "--output", output]
    assert textapp(*predict, "--text-column", "other").exit_code == 0
    assert pd.read_csv(output)["predicted_label"].tolist() == trained("tfidf").predict(["great fun"])
    assert textapp(*predict).exit_code == 0
    assert pd.read_csv(output)["predicted_label"].tolist() == trained("tfidf").predict(["boring"])


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("text,predicted_label\na,b\n", [], "has a column 'predicted_label' already; rename it"),
        ("text,predicted_score\na,b\n", [], "has a column 'predicted_score' already; rename it"),
        ("a,b\nx,y\n", [], "cannot tell which column of"),
        ("text\na\n", ["--text-column", "body"], "'body' is not a column of"),
        ("", [], "is empty"),
        (None, [], "there is no file"),
    ],
)
def test_bad_files(textapp, folder_of, tmp_path, content, arguments, message):
    data, output = tmp_path / "texts.csv", tmp_path / "answers.csv"
    if content is not None:
        data.write_text(content)
    predict = ["predict", "--model", folder_of("tfidf"), "--data", data, "--output", output]
    refused(textapp(*predict, *arguments), message)
    assert [path.name for path in tmp_path.iterdir()] == ([] if content is None else ["texts.csv"])


def test_an_output_that_cannot_be_written(textapp, folder_of, tmp_path, monkeypatch):
    data, output = tmp_path / "texts.csv", tmp_path / "answers.csv"
    data.write_text("text\ngood\n")
    output.write_text("old")
    predict = ["predict", "--model", folder_of("tfidf"), "--data", data, "--output"]
    refused(textapp(*predict, tmp_path / "no" / "answers.csv"), "the system says:")
    refused(textapp(*predict, data / "answers.csv"), "the system says:")
    refused(textapp(*predict, tmp_path), "is no file; choose the path of a CSV")

    def full(source, target):
        assert "good" in source.read_text()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    refused(textapp(*predict, output), "the system says: No space left on device")
    assert output.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv", "texts.csv"]


def test_texts_or_a_file(textapp, folder_of, tmp_path):
    predict = ["predict", "--model", folder_of("tfidf")]
    refused(textapp(*predict), "predict takes either texts or --data FILE")
    refused(textapp(*predict, "x", "--data", "y.csv", "--output", "z.csv"), "either texts or --data FILE")
    refused(textapp(*predict, "--data", "y.csv"), "--data FILE goes with --output CSV")
    refused(textapp(*predict, "x", "--output", "z.csv"), "--data FILE goes with --output CSV")


def test_models_that_are_not_there(textapp, tmp_path):
    refused(textapp("predict", "--model", tmp_path / "x", "good"), "no model folder", "saved_models/imdb/lstm")
    refused(textapp("generate", "--model", tmp_path), "is no complete model folder: model.json is missing")


def test_the_wrong_kind_of_model(textapp, folder_of):
    refused(textapp("predict", "--model", folder_of("decoder"), "x"), "holds a generator; predict takes a")
    refused(textapp("generate", "--model", folder_of("tfidf")), "holds a classifier; generate takes a generator")


def test_generate(textapp, folder_of, trained):
    generate = ["generate", "--model", folder_of("decoder"), "--prompt", "good film", "--max-new-tokens", 9]
    expected = trained("decoder").generate(["good film"], max_new_tokens=9, temperature=0.8, top_p=0.95)
    assert textapp(*generate).stdout == visible(expected[0]) + "\n"
    result = textapp(*generate, "--samples", 2, "--seed", 5, "--temperature", 1.2, "--top-k", 9, "--top-p", 1)
    settings = {"max_new_tokens": 9, "seed": 5, "temperature": 1.2, "top_k": 9, "top_p": 1}
    first, second = trained("decoder").generate(["good film"] * 2, **settings)
    assert result.stdout == f"--- 1 of 2\n{visible(first)}\n--- 2 of 2\n{visible(second)}\n"
    assert textapp("generate", "--model", folder_of("decoder")).exit_code == 0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--max-new-tokens", 0, "max-new-tokens is 0; it must be 1 or more"),
        ("--max-new-tokens", 70, "max-new-tokens is 70"),
        ("--temperature", -1, "temperature is -1.0; it must be 0 or more"),
        ("--temperature", "nan", "temperature is nan"),
        ("--top-k", -1, "top-k is -1"),
        ("--top-p", 0, "top-p is 0.0; it must be above 0 and at most 1"),
        ("--top-p", 1.5, "top-p is 1.5"),
        ("--seed", -1, "the seed is -1; it must be from 0"),
    ],
)
def test_generation_settings_out_of_range(textapp, folder_of, option, value, message):
    refused(textapp("generate", "--model", folder_of("decoder"), option, value), message)
