"""The proof that a SavedModel answers as the trained model does."""

from __future__ import annotations

import base64
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from textapp.errors import UserError
from textapp.export.process import run_quietly
from textapp.models import Classifier, Generator
from textapp.models.folder import write_json
from textapp.run import bytes_on_disk

LARGEST_DIFFERENCE = 1e-4  # of a probability
GENERATED_TOKENS = 20
PROMPT_CHARACTERS = 30
# What no test split holds, by name. Bytes, since clients send bytes.
UNUSUAL_TEXTS: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \t\r\n ",
    "only stop words": b"the of it is a",
    "only unknown words": b"zzyzzx qwrtpl",
    "emoji": "I 😍 it 👍🏽 👩‍👩‍👧".encode(),
    "right to left": "הסרט היה נהדר! كان الفيلم رائعا".encode(),
    "combining marks": "cafe\u0301 nai\u0308ve z\u0351\u0343".encode(),
    "fractions": "1½ hours, ¾ of it wasted".encode(),
    "full-width letters": "ＧＲＥＡＴ ｍｏｖｉｅ！".encode(),
    "Han": "这部电影非常好看".encode(),
    "invalid UTF-8": b"good \xff\xfe movie \xc3( \xe2\x82",
    "10,000 words": b"not a good movie at all " * 2000,
    "NUL": b"good\x00bad \x00",
    "HTML": b"<script>alert(1)</script><br /><b>great</b> &amp; &lt;br&gt;",
}
# Ops that a graph may have: TensorFlow's own kernels, on every processor, and nothing else.
CORE_OPS = frozenset((Path(__file__).parent / "core_ops.txt").read_text(encoding="utf-8").split())


def check_classifier(model: Classifier, saved_model: Path, texts: Sequence[str], probabilities: np.ndarray) -> dict:
    """Ask a classifier's SavedModel in a fresh process and compare.

    Args:
        model: the trained model, in Python.
        saved_model: the version's folder.
        texts: N texts, the test split.
        probabilities: the model's own answers to them, float32 of shape (N, C).

    Returns:
        The content of parity.json.

    Raises:
        UserError: a label differs, a probability differs by more than `LARGEST_DIFFERENCE`, or there is an op
            that is not on the list.
    """
    unusual = [text.decode("utf-8", errors="replace") for text in UNUSUAL_TEXTS.values()]
    expected = np.concatenate([probabilities, model.predict_proba(unusual)])
    raw = [text.encode("utf-8", errors="replace") for text in texts] + list(UNUSUAL_TEXTS.values())
    answers = ask(saved_model, [question(raw)])
    (outputs,) = answers["outputs"]
    found = np.array(outputs["probabilities"], np.float32)
    certificate = certify(saved_model, model.label_names, expected, found, outputs["label"])
    return {
        "texts": len(texts),
        "unusual_texts": list(UNUSUAL_TEXTS),
        **certificate,
        **_facts(saved_model, answers),
    }


def certify(
    exported: Path, label_names: Sequence[str], expected: np.ndarray, found: np.ndarray, labels: Sequence[str]
) -> dict:
    """Compare probabilities of shape (N, C), and N labels, with what the model in Python says.

    Raises:
        UserError: they differ by more than the bounds.
    """
    wanted = [label_names[index] for index in expected.argmax(axis=1)]
    differing = sum(a != b for a, b in zip(labels, wanted, strict=True))
    difference = float(np.abs(found - expected).max())
    # Written so that NaN fails, too.
    if differing or not difference <= LARGEST_DIFFERENCE:
        raise UserError(
            f"{exported} does not answer as the model that it was made of: {differing} of {len(wanted)} labels "
            f"differ, a probability by {difference:.2g}"
        )
    return {
        "largest_difference": difference,
        "labels_that_differ": differing,
        "bounds": {"largest_difference": LARGEST_DIFFERENCE, "labels_that_differ": 0},
    }


def check_generator(model: Generator, saved_model: Path, texts: Sequence[str]) -> dict:
    """Ask a generator's SavedModel in a fresh process and compare greedy and sampled texts and bits per byte.

    Args:
        model: the trained model, in Python.
        saved_model: the version's folder.
        texts: some texts of the test split; their beginnings become prompts.

    Returns:
        The content of parity.json.

    Raises:
        UserError: a text differs, bits per byte by more than 0.1 %, or there is an op that is not on the list.
    """
    prompts = [text[:PROMPT_CHARACTERS].encode() for text in texts] + list(UNUSUAL_TEXTS.values())
    limit = min(GENERATED_TOKENS, model.most_new_tokens)
    settings = [
        {"max_new_tokens": limit, "top_k": 0, "top_p": 0.95, "seed": 7, "temperature": temperature}
        for temperature in (0.0, 0.8)
    ]
    asked = [question(prompts, signature="generate", arguments=arguments) for arguments in settings]
    scored = [text.encode() for text in texts] + list(UNUSUAL_TEXTS.values())
    answers = ask(saved_model, [*asked, question(scored, signature="score")])
    *written, scores = answers["outputs"]
    decoded = [prompt.decode("utf-8", errors="replace") for prompt in prompts]
    expected = [model.generate(decoded, **arguments) for arguments in settings]
    differing = sum(
        a != b
        for found, wanted in zip(written, expected, strict=True)
        for a, b in zip(found["text"], wanted, strict=True)
    )
    sizes = scores["bytes"][: len(texts)]
    found = float(np.dot(scores["bits_per_byte"][: len(texts)], sizes) / max(sum(sizes), 1))
    in_python = model.bits_per_byte(texts)
    certificate = {
        "prompts": 2 * len(prompts),
        "texts_that_differ": differing,
        "texts": len(texts),
        "unusual_texts": list(UNUSUAL_TEXTS),
        "bits_per_byte": found,
        "bits_per_byte_in_python": in_python,
        **_facts(saved_model, answers),
    }
    if differing:
        raise UserError(
            f"the SavedModel {saved_model} wrote {differing} of {2 * len(prompts)} texts otherwise than its model"
        )
    # Written so that NaN fails, too; both are 0 where all texts are empty.
    if not abs(found - in_python) <= 1e-3 * in_python:
        raise UserError(f"the SavedModel {saved_model} gives {found:.4f} bits per byte, its model {in_python:.4f}")
    return certificate


def question(texts: Sequence[bytes], *, signature: str = "serving_default", arguments: dict | None = None) -> dict:
    """Return a question for `ask`: texts, and the arguments of a signature beside them."""
    return {
        "signature": signature,
        "texts": [base64.b64encode(text).decode() for text in texts],
        "arguments": arguments or {},
    }


def ask(saved_model: Path, questions: Sequence[dict]) -> dict:
    """Return the answers of a copy of a SavedModel, by a fresh process with TensorFlow alone and no GPU."""
    with tempfile.TemporaryDirectory() as scratch:
        moved = Path(scratch) / "moved"
        shutil.copytree(saved_model, moved)
        asked, answered = Path(scratch) / "questions.json", Path(scratch) / "answers.json"
        write_json(asked, list(questions))
        script = str(Path(__file__).with_name("ask.py"))
        command = [sys.executable, "-I", script, str(moved), str(asked), str(answered)]
        run_quietly(command, what=f"asking the SavedModel {saved_model}")
        return json.loads(answered.read_text(encoding="utf-8"))


def _facts(saved_model: Path, answers: dict) -> dict:
    if foreign := sorted(set(answers["ops"]) - CORE_OPS):
        raise UserError(f"the SavedModel {saved_model} has ops that are not on the list: {foreign}")
    return {
        "needs": ["tensorflow"],
        "tensorflow": answers["tensorflow"],
        "ops": answers["ops"],
        "bytes": bytes_on_disk(saved_model),
        "import_seconds": round(answers["import_seconds"], 3),
        "load_seconds": round(answers["load_seconds"], 3),
        "first_answer_seconds": round(answers["first_answer_seconds"], 3),
    }
