"""SavedModels of the tiny models, exported in this process; `test_pipeline` asks some in a fresh one."""

import base64
import copy
import io
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import tiny

from textapp.errors import UserError
from textapp.export import parity, process
from textapp.export.__main__ import main
from textapp.export.process import export_models
from textapp.models import CLASSIFIERS, GENERATORS
from textapp.models.decoding import uniform_numbers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="SavedModels are made on the TensorFlow backend"
)
EXPORTED = [
    pytest.param(name, marks=pytest.mark.slow) if name == "minilm" else name
    for name, known in CLASSIFIERS.items()
    if known.exports
]
EXPORTED_GENERATORS = [name for name, known in GENERATORS.items() if known.exports]
LONG = "not a good film at all " * 1_667  # 10,000 words and 2
TEXTS = [*tiny.TEXTS, "", "zzyzzx", " \n", "the of it", "<br />Good\x00", "caf\u00e9 👍🏽 ½", LONG]
SETTINGS = {"max_new_tokens": 9, "top_k": 0, "top_p": 0.95}


@pytest.fixture(scope="session")
def saved_model(folder_of, tmp_path_factory):
    """Return a trained tiny model's SavedModel, loaded; each is exported once."""
    import tensorflow as tf

    from textapp.export.saved_model import export

    loaded = {}

    def get(name):
        if name not in loaded:
            target = tmp_path_factory.mktemp(name) / "1"
            export(folder_of(name), target)
            moved = target.rename(target.with_name("moved"))
            loaded[name] = tf.saved_model.load(str(moved)).signatures
        return loaded[name]

    return get


def strings(tensor) -> list[str]:
    return [value.decode() for value in tensor.numpy()]


def constant(texts):
    import tensorflow as tf

    return tf.constant([text.encode() for text in texts], tf.string, shape=[len(texts)])


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("batch_size", [1, 4, 15])
def test_a_classifier_answers_the_same(trained, saved_model, name, batch_size):
    """Three classes; one text, some and all at once."""
    ask = saved_model(name)["serving_default"]
    expected = trained(name).predict_proba(TEXTS)
    for start in range(0, 15, batch_size):
        answer = ask(text=constant(TEXTS[start : start + batch_size]))
        assert set(answer) == {"label", "score", "probabilities"}
        wanted = expected[start : start + batch_size]
        np.testing.assert_allclose(answer["probabilities"].numpy(), wanted, atol=1e-5)
        np.testing.assert_allclose(answer["score"].numpy(), wanted.max(axis=1), atol=1e-5)
        assert strings(answer["label"]) == [tiny.LABEL_NAMES[i] for i in answer["probabilities"].numpy().argmax(1)]


@pytest.mark.parametrize("name", EXPORTED)
def test_no_texts_and_bytes_that_are_no_utf8(trained, saved_model, name):
    import tensorflow as tf

    ask = saved_model(name)["serving_default"]
    assert ask(text=constant([]))["probabilities"].shape == (0, 3)
    found = ask(text=tf.constant([b"good \xff film"]))["probabilities"].numpy()
    np.testing.assert_allclose(found, trained(name).predict_proba(["good \ufffd film"]), atol=1e-5)


@pytest.mark.parametrize("name", EXPORTED_GENERATORS)
@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_a_generator_writes_the_same(trained, saved_model, name, temperature):
    import tensorflow as tf

    prompts = ["", "good", "a strange", LONG, "caf\u00e9 👍🏽"]
    expected = trained(name).generate(prompts, temperature=temperature, seed=7, **SETTINGS)
    arguments = {
        **{"max_new_tokens": tf.constant(9), "top_k": tf.constant(0), "top_p": tf.constant(0.95)},
        **{"temperature": tf.constant(temperature), "seed": tf.constant(7)},
    }
    generate = saved_model(name)["generate"]
    assert strings(generate(prompt=constant(prompts), **arguments)["text"]) == expected
    assert strings(generate(prompt=constant(prompts[:2]), **arguments)["text"]) == expected[:2]
    assert strings(generate(prompt=constant([]), **arguments)["text"]) == []


@pytest.mark.parametrize("name", EXPORTED_GENERATORS)
def test_a_generators_default_signature(trained, saved_model, name):
    expected = trained(name).generate(["good", ""], max_new_tokens=60, temperature=0.8, top_p=0.95, seed=0)
    assert strings(saved_model(name)["serving_default"](prompt=constant(["good", ""]))["text"]) == expected


@pytest.mark.parametrize("name", EXPORTED_GENERATORS)
def test_a_generator_scores_the_same(trained, saved_model, name):
    texts = [*tiny.TEXTS, "", "long " * 100, "caf\u00e9"]
    sizes = [len(text.encode()) for text in texts]
    nats = trained(name).negative_log_likelihoods(texts)
    score = saved_model(name)["score"]
    answer = score(text=constant(texts))
    assert answer["bytes"].numpy().tolist() == sizes
    expected = nats / np.log(2) / np.maximum(sizes, 1)
    np.testing.assert_allclose(answer["bits_per_byte"].numpy(), expected, rtol=1e-4)
    alone = [score(text=constant([text]))["bits_per_byte"].numpy()[0] for text in texts]
    np.testing.assert_allclose(alone, expected, rtol=1e-4)


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1])
def test_the_graph_draws_the_same_numbers(seed):
    import tensorflow as tf

    from textapp.export.generator import _uniform_numbers

    assert _uniform_numbers(tf.constant(seed), 3, 70).numpy().tolist() == uniform_numbers(seed, 3, 70).tolist()


def exported(*pairs) -> list[str | None]:
    """Return what a process that exports answers."""
    answers = io.StringIO()
    main(["savedmodel", *(str(path) for pair in pairs for path in pair)], answers)
    return [json.loads(line)["error"] for line in answers.getvalue().splitlines()]


def test_a_target_that_is_there_stays(folder_of, tmp_path):
    (tmp_path / "1").mkdir()
    (error,) = exported((folder_of("tfidf"), tmp_path / "1"))
    assert "1 exists; choose another version" in error
    assert list((tmp_path / "1").iterdir()) == []


def test_what_cannot_be_exported_leaves_nothing_and_stops_no_other(folder_of, tmp_path, monkeypatch, capsys):
    from textapp.export import saved_model

    def fail(folder):
        if folder.name == "nbsvm":
            raise KeyError("a bug")
        return load(folder)

    load = saved_model.load
    monkeypatch.setattr(saved_model, "load", fail)
    names = ("majority", "nbsvm", "tfidf")
    first, second, third = exported(*((folder_of(name), tmp_path / name) for name in names))
    assert "cannot be exported: there is no SavedModel of a Majority" in first
    assert second == "the export failed: KeyError: 'a bug'"
    assert "Traceback" in capsys.readouterr().err
    assert third is None
    assert [path.name for path in tmp_path.iterdir()] == ["tfidf"]


def test_a_process_that_is_killed_loses_one_model(monkeypatch, tmp_path):
    """The one that it was at; those after it are tried by another process."""
    started = []

    def run(command):
        names = [Path(folder).name for folder in command[5::2]]
        started.append(names)
        done = list(itertools.takewhile(lambda name: name != "b", names))
        return '{"error": null}\n' * len(done), None if done == names else "killed"

    monkeypatch.setattr(process, "halves", lambda pairs: [pairs])
    monkeypatch.setattr(process, "run_quietly", run)
    pairs = [(tmp_path / name, tmp_path / "x") for name in ("a", "b", "c", "d")]
    assert export_models(pairs) == {tmp_path / "b": "the export failed: killed"}
    assert started == [["a", "b", "c", "d"], ["c", "d"]]


CHILD = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from textapp.export.ask import end_with_parent
end_with_parent()
pathlib.Path(sys.argv[2]).touch()
time.sleep(3)
pathlib.Path(sys.argv[3]).touch()
"""


def test_a_process_ends_with_its_parent(tmp_path):
    """Which is killed while the process works."""
    code = (
        f"import sys; from textapp.export.process import run_quietly; run_quietly([{sys.executable!r}, *sys.argv[1:]])"
    )
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    arguments = ["-c", CHILD, str(process.ROOT), str(begun), str(ended)]
    parent = subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=process.ROOT)
    while not begun.exists():
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    time.sleep(4)
    assert not ended.exists()


def test_temporary_files_of_a_process_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, time_of in (("old", 0), ("new", time.time())):
        (tmp_path / f"{process.SCRATCH}{name}").mkdir()
        os.utime(tmp_path / f"{process.SCRATCH}{name}", (time_of, time_of))
    code = "import tempfile, os; os.mkdir(os.path.join(tempfile.gettempdir(), 'left')); print(tempfile.gettempdir())"
    told, reason = process.run_quietly([sys.executable, "-c", code])
    assert reason is None
    assert told.startswith(str(tmp_path / process.SCRATCH))
    assert [path.name for path in tmp_path.iterdir()] == [f"{process.SCRATCH}new"]


def test_a_process_that_fails_says_why():
    told, reason = process.run_quietly([sys.executable, "-c", "print('so far'); raise SystemExit('no memory')"])
    assert (told, reason) == ("so far\n", "no memory")
    assert "it ended with 3" in process.run_quietly([sys.executable, "-c", "raise SystemExit(3)"])[1]


def test_an_export_that_breaks_off_leaves_nothing(folder_of, tmp_path, monkeypatch):
    import tensorflow as tf

    from textapp.export.saved_model import export

    def save(module, path, **_):
        (tmp_path / "seen").write_text(path)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(UserError, match=r"cannot write .*1: No space left on device"):
        export(folder_of("tfidf"), tmp_path / "1")
    assert [path.name for path in tmp_path.iterdir()] == ["seen"]


@pytest.mark.slow
def test_the_export_imports_nothing_of_the_current_folder(tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "textapp").mkdir(parents=True)
    for name in ("random.py", "sitecustomize.py", "textapp/__init__.py"):
        (here / name).write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\n")
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", "")
    assert "no model folder" in export_models([(tmp_path / "none", tmp_path / "1")])[tmp_path / "none"]
    assert not (tmp_path / "imported").exists()


FACTS = {"ops": ["Softmax"], "tensorflow": "2", "import_seconds": 1, "load_seconds": 1, "first_answer_seconds": 1}


@pytest.fixture
def proof(trained, tmp_path):
    """Return the proof of tfidf's SavedModel and answers that are right, to be changed."""
    unusual = [text.decode("utf-8", errors="replace") for text in parity.UNUSUAL_TEXTS.values()]
    model = trained("tfidf")
    probabilities = model.predict_proba([*tiny.TEXTS, *unusual])
    labels = [tiny.LABEL_NAMES[index] for index in probabilities.argmax(axis=1)]
    (tmp_path / "saved_model.pb").touch()
    answers = {"outputs": [{"probabilities": probabilities.tolist(), "label": labels}], **FACTS}
    return parity.classifier_proof(model, tmp_path, tiny.TEXTS, model.predict_proba(tiny.TEXTS)), answers


def test_parity_of_the_same_answers(proof):
    certificate = proof[0].certificate(proof[1])
    assert certificate["labels_that_differ"] == certificate["largest_difference"] == 0
    assert certificate["texts"] == 8


def test_parity_finds_another_label(proof):
    proof[1]["outputs"][0]["label"][3] = "odd"
    with pytest.raises(UserError, match=r"does not answer as the model .*: 1 of 22 labels differ"):
        proof[0].certificate(proof[1])


def test_parity_finds_another_probability(proof):
    proof[1]["outputs"][0]["probabilities"][3][0] += 2e-4
    with pytest.raises(UserError, match=r"a probability by 0\.0002"):
        proof[0].certificate(proof[1])


def test_a_label_that_nothing_decides_may_be_another(tmp_path):
    """The two most probable classes of the first text are nearer than twice the bound, those of the second are not."""
    near = np.array([[0.50004, 0.49996], [0.5002, 0.4998]], np.float32)
    names, found = ("bad", "good"), near[:, ::-1]
    with pytest.raises(UserError, match="1 of 2 labels differ"):
        parity.certify(tmp_path, names, near, near, ["good", "good"])
    certificate = parity.certify(tmp_path, names, near, near, ["good", "bad"])
    assert (certificate["labels_that_differ"], certificate["labels_undecided"]) == (0, 1)
    with pytest.raises(UserError, match=r"a probability by 0\.0004"):
        parity.certify(tmp_path, names, near, found, ["bad", "bad"])


def test_parity_finds_a_foreign_op(proof):
    proof[1]["ops"] = ["Softmax", "PyFunc"]
    with pytest.raises(UserError, match=r"ops that are not on the list: \['PyFunc'\]"):
        proof[0].certificate(proof[1])


@pytest.fixture(scope="module")
def right_answers(trained, tmp_path_factory):
    """Return the proof of a decoder's SavedModel and answers that are right."""
    model, texts, tmp_path = trained("decoder"), ["a good film", ""], tmp_path_factory.mktemp("written")
    (tmp_path / "saved_model.pb").touch()
    with tiny.compiling(False), pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(parity, "GENERATED_TOKENS", 6)
        proof, outputs = parity.generator_proof(model, tmp_path, texts), []
        for question in proof.questions:
            given = [base64.b64decode(text).decode("utf-8", errors="replace") for text in question["texts"]]
            if question["signature"] == "generate":
                outputs.append({"text": model.generate(given, **question["arguments"])})
                continue
            documents = model.encode(given)
            counts = [len(ids) for ids in documents]
            nats = np.split(-model.token_log_probabilities(documents), np.cumsum(counts)[:-1])
            sizes = [max(1, len(text.encode())) for text in given]
            bits = [found.sum() / math.log(2) / size for found, size in zip(nats, sizes, strict=True)]
            outputs.append({"bits_per_byte": bits, "nats": [[*found, 0.0] for found in nats], "tokens": counts})
    return proof, {"outputs": outputs, **FACTS}


@pytest.fixture
def written(right_answers):
    """Return them to be changed."""
    with tiny.compiling(False):
        yield right_answers[0], copy.deepcopy(right_answers[1])


def test_parity_of_a_generator(written):
    proof, answers = written
    certificate = proof.certificate(answers)
    assert certificate["texts_that_differ"] == certificate["largest_difference"] == 0
    assert certificate["prompts"] == 2 * len(answers["outputs"][0]["text"])
    assert 0 < certificate["compared_tokens"] <= certificate["written_tokens"]
    assert certificate["bits_per_byte"] == pytest.approx(certificate["bits_per_byte_in_python"])
    assert certificate["scored_tokens"] == sum(answers["outputs"][2]["tokens"])


@pytest.mark.parametrize("change", [4e-5, float("nan")])
def test_parity_finds_another_log_probability(written, change):
    written[1]["outputs"][2]["nats"][0][1] += change
    with pytest.raises(UserError, match="gives a token another log-probability than its model: they differ by"):
        written[0].certificate(written[1])


def test_parity_finds_other_tokens(written):
    written[1]["outputs"][2]["tokens"][0] += 1
    with pytest.raises(UserError, match="cuts texts into other tokens than its model"):
        written[0].certificate(written[1])


@pytest.mark.parametrize("place", [0, 1])
def test_parity_finds_another_text(written, monkeypatch, place):
    """Greedy or sampled, where every token is decided."""
    monkeypatch.setattr(parity, "is_decided", lambda scores, *_, **__: np.ones(len(scores), bool))
    written[1]["outputs"][place]["text"][0] += "X"
    with pytest.raises(UserError, match="wrote 1 of 16 texts otherwise than its model"):
        written[0].certificate(written[1])


def test_a_text_may_go_on_otherwise_after_a_token_that_nothing_decides(trained, written, monkeypatch):
    monkeypatch.setattr(parity, "is_decided", lambda scores, *_, **__: np.arange(len(scores)) != 2)
    proof, answers = written
    (steps, *_) = trained("decoder").generate_steps(["a good film"], **proof.questions[1]["arguments"])
    known = "a good film" + trained("decoder").decode(steps.token_ids[:2])
    answers["outputs"][1]["text"][0] = f"{known} and something else"
    assert proof.certificate(answers)["texts_that_differ"] == 0
    answers["outputs"][1]["text"][0] = "a good film and something else"
    with pytest.raises(UserError, match="wrote 1 of 16 texts otherwise"):
        proof.certificate(answers)
