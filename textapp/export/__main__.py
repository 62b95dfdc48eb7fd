"""`python -m textapp.export FORMAT MODEL_FOLDER TARGET [MODEL_FOLDER TARGET ...]`: export, one after the other.

A process of its own, on TensorFlow and on the CPU, whatever the models were trained on. It ends when its standard
input does, and writes a line of JSON for each model: {"error": why it could not be exported, or null}.
"""

import os
import sys
from typing import TextIO

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main(arguments: list[str], answers: TextIO) -> None:
    """Export; write the answers."""
    import json
    import traceback
    from pathlib import Path

    from textapp.errors import UserError
    from textapp.export.onnx import export_onnx
    from textapp.export.saved_model import export
    from textapp.memory import give_memory_back

    write = {"savedmodel": export, "onnx": export_onnx}[arguments[0]]
    paths = [Path(argument) for argument in arguments[1:]]
    for folder, target in zip(paths[::2], paths[1::2], strict=True):
        error = None
        try:
            write(folder, target)
        except UserError as refusal:
            error = str(refusal)
        except Exception as failure:  # a bug of ours: it stops this model alone, and is told with its traceback
            traceback.print_exc()
            error = f"the export failed: {type(failure).__name__}: {failure}"
        answers.write(json.dumps({"error": error}) + "\n")
        answers.flush()
        give_memory_back()  # the next model is as large


if __name__ == "__main__":
    from textapp.export.ask import end_with_parent

    end_with_parent()
    kept = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    main(sys.argv[1:], kept)
