"""Ask a SavedModel as somebody would who has nothing of ours: `python -I ask.py SAVED_MODEL QUESTIONS ANSWERS`.

This file is run on its own, imports TensorFlow alone (and tensorflow-text where QUESTIONS says so) and must not
import anything of textapp.

QUESTIONS is JSON: {"signature": name, "texts": [base64 of bytes], "arguments": {name: number}, "import_text":
bool}; ANSWERS becomes JSON with the outputs, the ops of the graph, and how long loading and the first answer
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
    if questions["import_text"]:
        import tensorflow_text  # noqa: F401  (registers the ops)
    imported = time.perf_counter()
    function = tf.saved_model.load(saved_model).signatures[questions["signature"]]
    loaded = time.perf_counter()

    texts = [base64.b64decode(text) for text in questions["texts"]]
    (name,) = [name for name, spec in function.structured_input_signature[1].items() if spec.dtype == tf.string]
    outputs = {}
    first_answer = None
    for begin in range(0, len(texts), BATCH):
        arguments = {
            key: tf.constant(value, spec.dtype)
            for key, spec in function.structured_input_signature[1].items()
            for value in [questions["arguments"].get(key)]
            if key != name
        }
        answer = function(**{name: tf.constant(texts[begin : begin + BATCH])}, **arguments)
        for key, value in answer.items():
            values = value.numpy().tolist()
            if value.dtype == tf.string:
                values = [item.decode("utf-8", errors="replace") for item in values]
            outputs.setdefault(key, []).extend(values)
        first_answer = first_answer or time.perf_counter()

    answers = {
        "outputs": outputs,
        "ops": operations(saved_model),
        "import_seconds": imported - start,
        "load_seconds": loaded - imported,
        "first_answer_seconds": first_answer - loaded,
        "tensorflow": tf.__version__,
    }
    with open(answers_file, "w", encoding="utf-8") as file:
        json.dump(answers, file)


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
    main(*sys.argv[1:])
