"""Ask SavedModels as somebody would who has nothing of ours: `python -I ask.py QUESTIONS ANSWERS`.

This file is run on its own, imports TensorFlow alone and must not import anything of textapp. It ends when its standard
input does.

QUESTIONS is JSON: [{"saved_model": path, "questions": [{"signature": name, "texts": [base64 of bytes], "arguments":
{name: number}}]}]; ANSWERS becomes a list of JSON objects with the outputs of each question, the ops of the graph, and
how long importing, loading and the first answer took, or with "error" alone.
"""

import base64
import json
import os
import sys
import threading
import time
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH = 64


def end_with_parent():
    """End this process when its standard input ends: a parent that is killed says nothing else."""

    def wait():
        while os.read(0, 4096):  # not by `sys.stdin`, whose lock would be held when Python ends
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(questions_file, answers_file):
    """Answer the questions of a file in another."""
    end_with_parent()
    start = time.perf_counter()
    import tensorflow as tf

    imported = time.perf_counter() - start
    asked = json.loads(Path(questions_file).read_text(encoding="utf-8"))
    answers = []
    for each in asked:
        try:
            answers.append(answers_of(each["saved_model"], each["questions"]))
            answers[-1] |= {"import_seconds": imported, "tensorflow": tf.__version__}
        except Exception as error:  # whatever TensorFlow raises at damaged content; its messages have many lines
            told = [line.strip() for line in str(error).splitlines() if line.strip() and not line.endswith(":")]
            answers.append({"error": told[0] if told else repr(error)})
    Path(answers_file).write_text(json.dumps(answers), encoding="utf-8")


def answers_of(saved_model, questions):
    """Return the answers to the questions to one SavedModel."""
    import tensorflow as tf

    start = time.perf_counter()
    signatures = tf.saved_model.load(saved_model).signatures
    loaded = time.perf_counter()
    answer_to(questions[0], signatures, most=1)
    first = time.perf_counter()
    return {
        "outputs": [answer_to(question, signatures) for question in questions],
        "ops": operations(saved_model),
        "load_seconds": loaded - start,
        "first_answer_seconds": first - loaded,
    }


def answer_to(question, signatures, most=None):
    """Return {output: values} for the texts of a question, in batches."""
    import tensorflow as tf

    function = signatures[question["signature"]]
    inputs = function.structured_input_signature[1]
    (text_name,) = [name for name, spec in inputs.items() if spec.dtype == tf.string]
    arguments = {
        name: tf.constant(question["arguments"][name], spec.dtype) for name, spec in inputs.items() if name != text_name
    }
    texts = [base64.b64decode(text) for text in question["texts"][:most]]
    outputs = {}
    for begin in range(0, len(texts), BATCH):
        answer = function(**{text_name: tf.constant(texts[begin : begin + BATCH])}, **arguments)
        for name, value in answer.items():
            values = value.numpy().tolist()
            if value.dtype == tf.string:
                values = [item.decode("utf-8", errors="replace") for item in values]
            outputs.setdefault(name, []).extend(values)
    return outputs


def operations(saved_model):
    """Return the names of all ops in the graph and its functions, sorted."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((Path(saved_model) / "saved_model.pb").read_bytes())
    names, functions = set(), set()
    for meta_graph in content.meta_graphs:
        names.update(node.op for node in meta_graph.graph_def.node)
        for function in meta_graph.graph_def.library.function:
            names.update(node.op for node in function.node_def)
            functions.add(function.signature.name)
    return sorted(names - functions)


if __name__ == "__main__":
    main(*sys.argv[1:])
