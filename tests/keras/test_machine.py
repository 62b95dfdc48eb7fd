"""What the program says that it runs on."""

import subprocess

import pytest

from textapp import machine
from textapp.models import lstm_layer as layers
from textapp.models.decoder import Decoder
from textapp.models.lstm import LSTM
from textapp.training import precision


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(machine, "_gpus", lambda: ["gpu:0", "gpu:1"])


@pytest.mark.parametrize(
    ("said", "name"),
    [("NVIDIA H100 80GB HBM3\nNVIDIA H100 80GB HBM3\n", "NVIDIA H100 80GB HBM3"), ("", "GPU"), (None, "GPU")],
)
def test_gpus_are_named_by_their_driver(monkeypatch, two_gpus, said, name):
    def run(command, **_):
        if said is None:
            raise FileNotFoundError(command[0])
        return subprocess.CompletedProcess(command, 0, stdout=said)

    monkeypatch.setattr(machine.subprocess, "run", run)
    assert machine.device().startswith(f"2 x {name}, ")
    assert machine.has_gpu()
    assert machine.has_bfloat16()


def test_the_path_of_each_network_on_a_gpu(monkeypatch):
    for module in (precision, layers):
        monkeypatch.setattr(module, "has_gpu", lambda: True)
    assert precision.attention_path("bfloat16") is None  # on TensorFlow; by JAX:
    monkeypatch.setattr(precision.keras.backend, "backend", lambda: "jax")
    assert precision.attention_path("bfloat16") == "cuDNN attention"
    assert precision.attention_path("float32") is None
    assert Decoder(hidden_dim=precision.WIDE, jit_compile=True).computation == "bfloat16, XLA, cuDNN attention"
    assert LSTM(label_names=("a", "b"), cleaning=None).computation.startswith("float32")
    assert LSTM(label_names=("a", "b"), cleaning=None).computation.endswith("cuDNN")
