"""Adam in one pass takes Keras's steps, and those of an embedding as if its gradient were a whole matrix."""

import keras
import numpy as np
import pytest
from helpers.tiny import stepped

from textapp.training.adam import ON_TENSORFLOW, Adam

OPTIONS = {"learning_rate": 0.1, "beta_2": 0.98, "epsilon": 1e-5}


@pytest.mark.parametrize("clipnorm", [None, 0.5])
@pytest.mark.parametrize("accumulated", [None, 2])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_it_takes_the_steps_of_keras(clipnorm, accumulated, amsgrad):
    start, *gradients = np.random.default_rng(0).normal(size=(7, 5, 3)).astype(np.float32)
    options = {**OPTIONS, "global_clipnorm": clipnorm, "gradient_accumulation_steps": accumulated, "amsgrad": amsgrad}
    found = stepped(Adam(**options), start, gradients)
    np.testing.assert_allclose(found, stepped(keras.optimizers.Adam(**options), start, gradients), rtol=1e-5, atol=1e-6)
    assert np.abs(found - start).max() > 0.1


def test_a_word_that_comes_twice_has_one_gradient():
    if not ON_TENSORFLOW:
        pytest.skip("gradients come whole on JAX")
    import tensorflow as tf

    rows = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    words, start = np.array([1, 4, 1]), np.ones((5, 2), np.float32)
    sparse = [tf.IndexedSlices(tf.constant(part), tf.constant(words), tf.constant([5, 2])) for part in rows]
    whole = np.zeros((4, 5, 2), np.float32)
    for part, gradient in zip(rows, whole, strict=True):
        np.add.at(gradient, words, part)
    options = {**OPTIONS, "global_clipnorm": 0.5}
    found = stepped(Adam(**options), start, sparse)
    wanted = stepped(keras.optimizers.Adam(**options), start, whole)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert (found[[0, 2, 3]] == 1).all()


def test_a_network_with_an_embedding_learns_and_goes_on_from_its_file(tmp_path):
    keras.utils.set_random_seed(0)
    ids = keras.Input((3,), dtype="int32")
    hidden = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(6, 4)(ids))
    network = keras.Model(ids, keras.layers.Dense(1)(hidden))
    network.compile(optimizer=Adam(0.05, global_clipnorm=1.0), loss="mse", jit_compile=False)
    texts, targets = np.array([[1, 1, 2], [3, 4, 5]]), np.array([[1.0], [-1.0]])
    losses = [float(network.train_on_batch(texts, targets)) for _ in range(40)]
    assert losses[-1] < 0.05 * losses[0]
    network.save_weights(tmp_path / "network.weights.h5")
    after = [float(network.train_on_batch(texts, targets)) for _ in range(3)]
    network.load_weights(tmp_path / "network.weights.h5")
    assert [float(network.train_on_batch(texts, targets)) for _ in range(3)] == pytest.approx(after, rel=1e-4)
