"""`python -m textapp.export MODEL_FOLDER TARGET [MODEL_FOLDER TARGET ...]`: export, one after the other.

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
    from textapp.export.saved_model import export

    paths = [Path(argument) for argument in arguments]
    failures = []
    for folder, target in zip(paths[::2], paths[1::2], strict=True):
        try:
            export(folder, target)
        except UserError as error:
            failures.append(str(error))
    print("; ".join(failures), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
