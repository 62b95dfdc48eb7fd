"""Muon of an attention's kernels is that of the matrices that they are."""

import keras
import keras_hub
import numpy as np
import pytest
from helpers.tiny import stepped

from textapp.training.muon import KernelMuon

OPTIONS = {"learning_rate": 0.1, "weight_decay": 0.01, "adam_weight_decay": 0.01}


def numbers(shape):
    random = np.random.default_rng(0)
    start, *gradients = random.normal(size=(4, *shape)).astype(np.float32)
    return start, gradients


@pytest.mark.parametrize(
    ("shape", "joined"), [((6, 2, 3), (6, 6)), ((2, 3, 6), (6, 6)), ((6, 1, 6), (6, 6)), ((6, 4), (6, 4))]
)
def test_a_kernel_learns_as_its_matrix_does(shape, joined):
    start, gradients = numbers(shape)
    found = stepped(KernelMuon(**OPTIONS), start, gradients, name="kernel")
    flat = [gradient.reshape(joined) for gradient in gradients]
    wanted = stepped(keras.optimizers.Muon(**OPTIONS), start.reshape(joined), flat, name="kernel")
    np.testing.assert_allclose(found.reshape(joined), wanted, rtol=1e-5, atol=1e-6)
    assert np.abs(found - start).max() > 0.05


@pytest.mark.parametrize(("name", "shape"), [("embeddings", (6, 4)), ("bias", (2, 3)), ("gamma", (6,)), ("bias", (6,))])
def test_all_others_learn_by_adamw(name, shape):
    start, gradients = numbers(shape)
    found = stepped(KernelMuon(**OPTIONS), start, gradients, name=name)
    wanted = stepped(keras.optimizers.AdamW(0.1, weight_decay=0.01), start, gradients, name=name)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_in_bfloat16_a_step_is_orthogonal_but_for_its_rounding():
    start, gradients = numbers((8, 2, 4))
    found, wanted = (
        stepped(KernelMuon(0.1, weight_decay=0.0, precision=precision), start, gradients, name="kernel") - start
        for precision in ("bfloat16", "float32")
    )
    size = np.linalg.norm(wanted)
    assert 1e-4 * size < np.linalg.norm(found - wanted) < 0.1 * size


def test_what_learns_how_in_a_decoder():
    network = keras_hub.models.GPT2Backbone(
        vocabulary_size=9, num_layers=2, num_heads=2, hidden_dim=4, intermediate_dim=8, max_sequence_length=5
    )
    optimizer = KernelMuon()
    optimizer.build(network.trainable_variables)
    pairs = zip(network.trainable_variables, optimizer.adam_velocities, strict=True)
    by_matrix = [variable.path for variable, velocity in pairs if velocity is None]
    assert len(by_matrix) == 2 * (4 + 2)  # query, key, value and the way back, and the two of the feed-forward part
    assert all(path.endswith("kernel") for path in by_matrix)
