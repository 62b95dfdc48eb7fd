"""SavedModels of the tiny models, exported in this process; `test_pipeline` asks some in a fresh one."""

import types

import keras
import numpy as np
import pytest
import tiny

from textapp.errors import UserError
from textapp.export import parity
from textapp.export.__main__ import main
from textapp.export.process import export_models
from textapp.models import CLASSIFIERS, GENERATORS
from textapp.models.decoding import uniform_numbers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="SavedModels are made on the TensorFlow backend"
)
EXPORTED = [name for name, known in CLASSIFIERS.items() if known.exports]
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


def test_a_target_that_is_there_stays(folder_of, tmp_path, capsys):
    (tmp_path / "1").mkdir()
    assert main(["savedmodel", str(folder_of("tfidf")), str(tmp_path / "1")]) == 1
    assert "1 exists; choose another version" in capsys.readouterr().err
    assert list((tmp_path / "1").iterdir()) == []


def test_what_cannot_be_exported_leaves_nothing(folder_of, tmp_path, capsys):
    assert main(["savedmodel", str(folder_of("majority")), str(tmp_path / "1")]) == 1
    assert "cannot be exported: there is no SavedModel of a Majority" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


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


def test_the_export_imports_nothing_of_the_current_folder(tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "textapp").mkdir(parents=True)
    for name in ("random.py", "sitecustomize.py", "textapp/__init__.py"):
        (here / name).write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\n")
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", "")
    assert "no model folder" in export_models([(tmp_path / "none", tmp_path / "1")])
    assert not (tmp_path / "imported").exists()


@pytest.fixture
def answered(trained, monkeypatch):
    """Let `ask` answer for tfidf without a SavedModel; return the answers, to be changed."""
    unusual = [text.decode("utf-8", errors="replace") for text in parity.UNUSUAL_TEXTS.values()]
    probabilities = trained("tfidf").predict_proba([*tiny.TEXTS, *unusual])
    labels = [tiny.LABEL_NAMES[index] for index in probabilities.argmax(axis=1)]
    answers = {
        "outputs": [{"probabilities": probabilities.tolist(), "label": labels}],
        **{"ops": ["Softmax"], "tensorflow": "2", "import_seconds": 1, "load_seconds": 1},
        "first_answer_seconds": 1,
    }
    monkeypatch.setattr(parity, "ask", lambda *_, **__: answers)
    return answers


def check(trained, tmp_path):
    model = trained("tfidf")
    return parity.check_classifier(model, tmp_path, tiny.TEXTS, model.predict_proba(tiny.TEXTS))


def test_parity_of_the_same_answers(trained, answered, tmp_path):
    certificate = check(trained, tmp_path)
    assert certificate["labels_that_differ"] == certificate["largest_difference"] == 0
    assert certificate["texts"] == 8


def test_parity_finds_another_label(trained, answered, tmp_path):
    answered["outputs"][0]["label"][3] = "odd"
    with pytest.raises(UserError, match=r"does not answer as the model .*: 1 of 22 labels differ"):
        check(trained, tmp_path)


def test_parity_finds_another_probability(trained, answered, tmp_path):
    answered["outputs"][0]["probabilities"][3][0] += 2e-4
    with pytest.raises(UserError, match=r"a probability by 0.0002"):
        check(trained, tmp_path)


def test_parity_of_a_generator_that_is_checked_on_empty_texts(answered, tmp_path):
    model = types.SimpleNamespace(
        most_new_tokens=98, generate=lambda prompts, **_: prompts, bits_per_byte=lambda _: 0.0
    )
    texts = [text.decode("utf-8", errors="replace") for text in (b"", b"", *parity.UNUSUAL_TEXTS.values())]
    scores = {"bits_per_byte": [0.0] * len(texts), "bytes": [0] * len(texts)}
    answered["outputs"] = [{"text": texts}, {"text": texts}, scores]
    assert parity.check_generator(model, tmp_path, ["", ""])["bits_per_byte_in_python"] == 0
    scores["bits_per_byte"][0] = float("nan")
    with pytest.raises(UserError, match=r"gives nan bits per byte, its model 0\.0000"):
        parity.check_generator(model, tmp_path, ["", ""])


def test_parity_finds_a_foreign_op(trained, answered, tmp_path):
    answered["ops"] = ["Softmax", "PyFunc"]
    with pytest.raises(UserError, match=r"ops that are not on the list: \['PyFunc'\]"):
        check(trained, tmp_path)
