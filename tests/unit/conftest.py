"""What is tested here does without Keras."""

import sys

import pytest

FOREIGN = ("keras", "keras_hub", "tensorflow")


@pytest.fixture(autouse=True)
def no_keras(monkeypatch):
    """Importing Keras or TensorFlow fails, even where another test of this process has done so."""
    for name in FOREIGN:
        monkeypatch.setitem(sys.modules, name, None)
