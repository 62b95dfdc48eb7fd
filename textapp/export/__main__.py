"""`python -m textapp.export FORMAT MODEL_FOLDER TARGET [MODEL_FOLDER TARGET ...]`: export, one after the other.

A process of its own, on TensorFlow and on the CPU, whatever the models were trained on.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main(arguments: list[str]) -> int:
    from pathlib import Path

    from textapp.errors import UserError
    from textapp.export.onnx import export_onnx
    from textapp.export.saved_model import export
    from textapp.memory import give_memory_back

    write = {"savedmodel": export, "onnx": export_onnx}[arguments[0]]
    paths = [Path(argument) for argument in arguments[1:]]
    failures = []
    for folder, target in zip(paths[::2], paths[1::2], strict=True):
        try:
            write(folder, target)
        except UserError as error:
            failures.append(str(error))
        give_memory_back()  # the next model is as large
    print("; ".join(failures), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
