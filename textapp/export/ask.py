"""Ask a SavedModel as somebody would who has nothing of ours: `python -I ask.py SAVED_MODEL QUESTIONS ANSWERS`.

This file is run on its own, imports TensorFlow alone and must not import anything of textapp.

QUESTIONS is JSON: [{"signature": name, "texts": [base64 of bytes], "arguments": {name: number}}]; ANSWERS becomes
JSON with the outputs of each question, the ops of the graph, and how long importing, loading and the first answer
took.
"""

import base64
import json
import os
import sys
import time

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH = 64


def main(saved_model, questions_file, answers_file):
    start = time.perf_counter()
    import tensorflow as tf

    with open(questions_file, encoding="utf-8") as file:
        questions = json.load(file)
    imported = time.perf_counter()
    signatures = tf.saved_model.load(saved_model).signatures
    loaded = time.perf_counter()
    answer_to(questions[0], signatures, most=1)
    first = time.perf_counter()
    answers = {
        "outputs": [answer_to(question, signatures) for question in questions],
        "ops": operations(saved_model),
        "import_seconds": imported - start,
        "load_seconds": loaded - imported,
        "first_answer_seconds": first - loaded,
        "tensorflow": tf.__version__,
    }
    with open(answers_file, "w", encoding="utf-8") as file:
        json.dump(answers, file)


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

    with open(os.path.join(saved_model, "saved_model.pb"), "rb") as file:
        content = saved_model_pb2.SavedModel.FromString(file.read())
    names = set()
    for meta_graph in content.meta_graphs:
        names.update(node.op for node in meta_graph.graph_def.node)
        for function in meta_graph.graph_def.library.function:
            names.update(node.op for node in function.node_def)
    return sorted(names - {function.signature.name for function in meta_graph.graph_def.library.function})


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:  # whatever TensorFlow raises at damaged content; its messages have many lines
        told = [line.strip() for line in str(error).splitlines() if line.strip() and not line.endswith(":")]
        sys.exit(told[0] if told else repr(error))
