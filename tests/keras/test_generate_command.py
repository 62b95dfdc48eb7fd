"""`generate` on the command line: files, streams, words and the best of several."""

import pandas
import pytest
from helpers import tiny

from textapp.reports.visible import visible


@pytest.fixture
def generate(textapp, folder_of):
    return lambda *arguments: textapp("generate", "--model", folder_of("decoder"), "--max-new-tokens", 9, *arguments)


def test_stream(generate, trained):
    text = trained("decoder").generate(["good film"], max_new_tokens=9, seed=4)[0]
    result = generate("--prompt", "good film", "--seed", 4, "--stream")
    assert (result.exit_code, result.stdout) == (0, visible(text) + "\n")


def test_a_file_of_prompts(generate, trained, tmp_path):
    (tmp_path / "prompts.txt").write_text('good\n\nweird, "odd"\n')
    result = generate("--prompts", tmp_path / "prompts.txt", "--samples", 2, "--output", tmp_path / "texts.csv")
    assert result.stdout == f"Wrote 6 texts to {tmp_path / 'texts.csv'}.\n"
    written = pandas.read_csv(tmp_path / "texts.csv", keep_default_na=False, lineterminator="\n")
    prompts = ["good", "", 'weird, "odd"']
    assert written["prompt"].tolist() == [prompt for prompt in prompts for _ in range(2)]
    assert written["sample"].tolist() == [1, 2] * 3
    assert written["text"].tolist() == trained("decoder").generate(prompts, max_new_tokens=9, samples=2)
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
    shown = generate("--prompts", tmp_path / "prompts.txt").stdout
    assert shown.count("\n--- 1 of 1 of prompt") == 2


def test_an_output_that_cannot_be_written_is_found_before_the_work(generate, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("textapp.prediction.write_texts", lambda *_, **__: pytest.fail("it was written already"))
    for output, message in (
        (tmp_path / "no" / "texts.csv", "the system says: No such file"),
        (tmp_path, "is no file; choose the path of a CSV"),
    ):
        assert message in generate("--output", output).stderr
    assert list(tmp_path.iterdir()) == []


def test_all_settings_reach_the_generator(generate, trained, tmp_path):
    (tmp_path / "words.txt").write_text("qq\nzz\n")
    options = ["--min-new-tokens", 4, "--min-p", 0.01, "--repetition-penalty", 1.3, "--no-repeat-ngram", 2]
    options += ["--ban", "a", "--ban-file", tmp_path / "words.txt", "--stop", "#", "--force", "x", "--temperature", 1.1]
    settings = {"min_new_tokens": 4, "min_p": 0.01, "repetition_penalty": 1.3, "no_repeat_ngram": 2, "temperature": 1.1}
    settings |= {"banned": ["a", "qq", "zz"], "stop": ["#"], "forced": ["x"], "max_new_tokens": 9}
    assert (
        generate("--prompt", "good", *options).stdout
        == visible(trained("decoder").generate(["good"], **settings)[0]) + "\n"
    )
    for options, settings in (
        (["--beams", 3], {"beams": 3}),
        (["--contrastive", 0.5, "--top-k", 3], {"contrastive": 0.5, "top_k": 3}),
    ):
        expected = trained("decoder").generate(["good"], max_new_tokens=9, **settings)
        assert generate("--prompt", "good", *options).stdout == visible(expected[0]) + "\n"


def test_the_best_of_several(generate, folder_of, trained):
    options = ["--best-of", 6, "--classifier", folder_of("tfidf"), "--label", "good", "--temperature", 2]
    texts = trained("decoder").generate(["good"], max_new_tokens=9, temperature=2, samples=6)
    sure = trained("tfidf").predict_proba(texts)[:, tiny.LABEL_NAMES.index("good")]
    best = sorted(zip(-sure, range(6), texts, strict=True))
    assert generate("--prompt", "good", *options).stdout == visible(best[0][2]) + "\n"
    two = generate("--prompt", "good", *options, "--samples", 2).stdout
    assert two == f"--- 1 of 2\n{visible(best[0][2])}\n--- 2 of 2\n{visible(best[1][2])}\n"


def test_a_label(textapp, tmp_path):
    model = tiny.make("decoder", label_names=tiny.LABEL_NAMES)
    model.fit(tiny.split(), tiny.split())
    model.save(tmp_path / "decoder")
    options = ["--model", tmp_path / "decoder", "--label", "odd", "--max-new-tokens", 9]
    expected = model.generate([""], label="odd", max_new_tokens=9)[0]
    assert textapp("generate", *options).stdout == visible(expected) + "\n"
    expected = model.generate([""], label="odd", max_new_tokens=9, guidance=4)[0]
    assert textapp("generate", *options, "--guidance", 4).stdout == visible(expected) + "\n"
    (tmp_path / "decoder" / "labels.npy").unlink()
    assert "labels.npy is missing" in textapp("generate", *options).stderr


def test_refusals(generate, folder_of, tmp_path):
    best = ["--best-of", 2, "--classifier", folder_of("tfidf")]
    for options, message in (
        (["--prompt", "a", "--prompts", "b"], "either --prompt or --prompts FILE"),
        (["--prompts", tmp_path / "none.txt"], "there is no file"),
        (["--best-of", 3], "--best-of N goes with --classifier FOLDER and --label NAME"),
        (best, "goes with --classifier FOLDER and --label NAME"),
        ([*best, "--label", "ugly"], "the classifier knows no label 'ugly'"),
        ([*best, "--label", "good", "--samples", 3], "--samples is 3, but --best-of 2 writes fewer"),
        (["--stream", "--samples", 2], "--stream shows one text"),
        (["--label", "good"], "was not trained with labels"),
        (["--output", tmp_path], "is no file; choose the path of a CSV"),
        (["--min-p", 2], "min-p is 2.0"),
    ):
        result = generate(*options)
        assert result.exit_code == 1
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
