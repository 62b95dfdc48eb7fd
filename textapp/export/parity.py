"""The proof that a SavedModel answers as the trained model does."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from textapp.errors import UserError
from textapp.export.process import at_once, halves, run_quietly
from textapp.models import Classifier, Decoder
from textapp.models.folder import write_json
from textapp.models.sampling import is_decided
from textapp.run import bytes_on_disk

LARGEST_DIFFERENCE = 1e-4  # of a probability
# Of a token's log-probability. `python -m benchmarks.parity` finds a tenth of it. More would decide more of the tokens
# that are drawn, so that less of what is written could be compared.
LARGEST_LOG_DIFFERENCE = 2e-5
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proof:
    """What shows that a SavedModel answers as its model does.

    Attributes:
        saved_model: the version's folder.
        questions: for it, see `question`.
        certificate: takes its answers and returns the content of parity.json; raises UserError where they are others
            than the model's, or there is an op that is not on the list.
    """

    saved_model: Path
    questions: Sequence[dict]
    certificate: Callable[[dict], dict]


def classifier_proof(model: Classifier, saved_model: Path, texts: Sequence[str], probabilities: np.ndarray) -> Proof:
    """Return the proof of a classifier's SavedModel.

    Probabilities are to be the same but for `LARGEST_DIFFERENCE`, and labels where that cannot decide them.

    Args:
        model: the trained model, in Python.
        saved_model: the version's folder.
        texts: N texts, the test split.
        probabilities: the model's own answers to them, float32 of shape (N, C).
    """
    unusual = [text.decode("utf-8", errors="replace") for text in UNUSUAL_TEXTS.values()]
    expected = np.concatenate([probabilities, model.predict_proba(unusual)])
    raw = [text.encode("utf-8", errors="replace") for text in texts] + list(UNUSUAL_TEXTS.values())

    def certificate(answers: dict) -> dict:
        (outputs,) = answers["outputs"]
        found = np.array(outputs["probabilities"], np.float32)
        return {
            "texts": len(texts),
            "unusual_texts": list(UNUSUAL_TEXTS),
            **certify(saved_model, model.label_names, expected, found, outputs["label"]),
            **_facts(saved_model, answers),
        }

    return Proof(saved_model=saved_model, questions=[question(raw)], certificate=certificate)


def certify(
    exported: Path, label_names: Sequence[str], expected: np.ndarray, found: np.ndarray, labels: Sequence[str]
) -> dict:
    """Compare probabilities of shape (N, C), and N labels, with what the model in Python says.

    Where the two most probable classes of a text are as near as twice the bound, either may be answered.

    Raises:
        UserError: they differ by more than the bounds.
    """
    wanted = [label_names[index] for index in expected.argmax(axis=1)]
    ordered = np.sort(expected, axis=1)
    decided = ordered[:, -1] - ordered[:, -2] > 2 * LARGEST_DIFFERENCE
    differing = sum(a != b and sure for a, b, sure in zip(labels, wanted, decided, strict=True))
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
        "labels_undecided": int((~decided).sum()),
        "bounds": {"largest_difference": LARGEST_DIFFERENCE, "labels_that_differ": 0},
    }


def generator_proof(model: Decoder, saved_model: Path, texts: Sequence[str]) -> Proof:
    """Return the proof of a decoder's SavedModel.

    The log-probability of every token of given texts is to be the same but for `LARGEST_LOG_DIFFERENCE`, and so are
    greedy and sampled texts up to the first token that so little can decide.

    Args:
        model: the trained model, in Python.
        saved_model: the version's folder.
        texts: some texts of the test split; their beginnings become prompts.
    """
    prompts = [text[:PROMPT_CHARACTERS].encode() for text in texts] + list(UNUSUAL_TEXTS.values())
    scored = [text.encode() for text in texts] + list(UNUSUAL_TEXTS.values())
    limit = min(GENERATED_TOKENS, model.most_new_tokens)
    settings = [
        {"max_new_tokens": limit, "top_k": 0, "top_p": 0.95, "seed": 7, "temperature": temperature}
        for temperature in (0.0, 0.8)
    ]
    asked = [question(prompts, signature="generate", arguments=arguments) for arguments in settings]

    def certificate(answers: dict) -> dict:
        *written, scores = answers["outputs"]
        given, documents = ([text.decode("utf-8", errors="replace") for text in some] for some in (prompts, scored))
        found = [
            compare_texts(model, given, one["text"], saved_model, **arguments)
            for one, arguments in zip(written, settings, strict=True)
        ]
        return {
            "texts": len(texts),
            "unusual_texts": list(UNUSUAL_TEXTS),
            **compare_scores(model, documents, scores, saved_model),
            **{name: sum(one[name] for one in found) for name in found[0]},
            "bounds": {"largest_difference": LARGEST_LOG_DIFFERENCE, "texts_that_differ": 0},
            **_facts(saved_model, answers),
        }

    return Proof(
        saved_model=saved_model, questions=[*asked, question(scored, signature="score")], certificate=certificate
    )


def compare_scores(model: Decoder, texts: Sequence[str], scores: dict, saved_model: Path) -> dict:
    """Compare the log-probabilities of every token of texts, and their bits per byte.

    Args:
        model: the trained model, in Python.
        texts: N texts.
        scores: the outputs of the SavedModel's `score` of them, JSON.
        saved_model: for the error.

    Raises:
        UserError: a text has another number of tokens, or one differs by more than `LARGEST_LOG_DIFFERENCE`.
    """
    documents = model.encode(texts)
    if [len(ids) for ids in documents] != scores["tokens"]:
        raise UserError(f"the SavedModel {saved_model} cuts texts into other tokens than its model")
    expected = -model.token_log_probabilities(documents)
    found = np.concatenate([nats[:count] for nats, count in zip(scores["nats"], scores["tokens"], strict=True)])
    difference = float(np.abs(found - expected).max(initial=0))
    # Written so that NaN fails, too.
    if not difference <= LARGEST_LOG_DIFFERENCE:
        raise UserError(
            f"the SavedModel {saved_model} gives a token another log-probability than its model: they differ by "
            f"{difference:.2g}"
        )
    sizes = np.array([max(1, len(text.encode("utf-8", errors="replace"))) for text in texts])
    return {
        "largest_difference": difference,
        "scored_tokens": len(expected),
        "bits_per_byte": float(np.dot(scores["bits_per_byte"], sizes) / sizes.sum()),
        "bits_per_byte_in_python": float(expected.sum() / math.log(2) / sizes.sum()),
    }


def compare_texts(
    model: Decoder, prompts: Sequence[str], texts: Sequence[str], saved_model: Path, **settings
) -> dict[str, int]:
    """Compare what a SavedModel wrote with what its model writes, up to the first token of each that is not decided.

    Args:
        model: the trained model, in Python.
        prompts: N texts.
        texts: what the SavedModel made of them.
        saved_model: for the error.
        settings: of `Decoder.generate`.

    Raises:
        UserError: a text differs before that.
    """
    drawn = {name: settings[name] for name in ("temperature", "top_k", "top_p")}
    counts = {"prompts": len(prompts), "written_tokens": 0, "compared_tokens": 0, "texts_that_differ": 0}
    steps = model.generate_steps(prompts, **settings)
    for prompt, expected, found in zip(prompts, steps, texts, strict=True):
        decided = is_decided(expected.logits, expected.uniform, difference=LARGEST_LOG_DIFFERENCE, **drawn)
        count = len(decided) if decided.all() else int(np.argmin(decided))
        counts["written_tokens"] += len(decided)
        counts["compared_tokens"] += count
        if count == len(decided):
            counts["texts_that_differ"] += found != expected.text
        else:  # the first bytes of a character may be followed by others
            known = (prompt + model.decode(expected.token_ids[:count])).rstrip("\N{REPLACEMENT CHARACTER}")
            counts["texts_that_differ"] += not found.startswith(known)
    if counts["texts_that_differ"]:
        raise UserError(
            f"the SavedModel {saved_model} wrote {counts['texts_that_differ']} of {len(prompts)} texts otherwise than "
            "its model"
        )
    return counts


def question(texts: Sequence[bytes], *, signature: str = "serving_default", arguments: dict | None = None) -> dict:
    """Return a question for `ask`: texts, and the arguments of a signature beside them."""
    return {
        "signature": signature,
        "texts": [base64.b64encode(text).decode() for text in texts],
        "arguments": arguments or {},
    }


def prove(proofs: Sequence[Proof]) -> list[dict | UserError]:
    """Ask copies of SavedModels, in fresh processes with TensorFlow alone and no GPU.

    Returns:
        For each the content of parity.json, or why it is refused.
    """

    def answered(some: Sequence[Proof]) -> list[dict | UserError]:
        return [_certificate(proof, found) for proof, found in zip(some, _ask(some), strict=True)]

    # Two processes, as for the export; a decoder comes last in a run and takes longest, so that it is begun first.
    order = list(range(len(proofs)))[::-1]
    found: dict[int, dict | UserError] = {}
    parts = halves(order)
    for part, answers in zip(parts, at_once(lambda part: answered([proofs[i] for i in part]), parts), strict=True):
        found |= dict(zip(part, answers, strict=True))
    return [found[position] for position in range(len(proofs))]


def ask(saved_model: Path, questions: Sequence[dict]) -> dict:
    """Return the answers of a copy of a SavedModel.

    Raises:
        UserError: it cannot be loaded or does not answer.
    """
    (answers,) = _ask([Proof(saved_model=saved_model, questions=questions, certificate=dict)])
    if "error" in answers:
        raise UserError(f"asking the SavedModel {saved_model} failed: {answers['error']}")
    return answers


def _ask(proofs: Sequence[Proof]) -> list[dict]:
    """Return the answers of copies of SavedModels, by one fresh process."""
    with tempfile.TemporaryDirectory() as scratch:
        asked, answered = Path(scratch) / "questions.json", Path(scratch) / "answers.json"
        content = []
        for number, proof in enumerate(proofs):
            moved = Path(scratch) / f"moved-{number}"
            shutil.copytree(proof.saved_model, moved)
            content.append({"saved_model": str(moved), "questions": list(proof.questions)})
        write_json(asked, content)
        script = str(Path(__file__).with_name("ask.py"))
        _, reason = run_quietly([sys.executable, "-I", script, str(asked), str(answered)])
        return [{"error": reason}] * len(proofs) if reason else json.loads(answered.read_text(encoding="utf-8"))


def _certificate(proof: Proof, answers: dict) -> dict | UserError:
    if "error" in answers:
        return UserError(f"asking the SavedModel {proof.saved_model} failed: {answers['error']}")
    try:
        return proof.certificate(answers)
    except UserError as error:
        return error


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
