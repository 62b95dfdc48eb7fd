"""Several steps a dispatch, and the few shapes of a GPU: the same training as step by step."""

import dataclasses

import keras
import numpy as np
import pytest
from helpers import tiny

from textapp.training import checkpoint, shapes
from textapp.training.dispatch import Stacks
from textapp.training.progress import Progress

LAST = 4  # dispatch before the process ends


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """The shapes of a GPU, with three steps a dispatch, which is no whole number of dispatches an epoch."""
    monkeypatch.setattr(shapes, "ON_CPU", dataclasses.replace(shapes.ON_GPU, steps=3))


class Numbered:
    """Batches of one text whose label is the batch's number, of the given widths."""

    def __init__(self, widths):
        self.widths = widths

    def __len__(self):
        return len(self.widths)

    def __getitem__(self, index):
        inputs = {"token_ids": np.full((1, self.widths[index]), index, np.int32)}
        return inputs, np.array([index], np.int32), np.ones(1, np.float32)

    def shape(self, index):
        return (1, self.widths[index])

    def on_epoch_end(self):
        self.widths = self.widths[::-1]


def test_stacks_hold_every_batch_once_beside_others_of_its_shape():
    stacks = Stacks(Numbered([4, 7, 4, 4, 7, 4, 4]), 2)
    held = []
    for index in range(len(stacks)):
        (inputs, count), labels, weights = stacks[index]
        assert inputs["token_ids"].shape[:2] == labels.shape == weights.shape == (2, 1)
        assert (inputs["token_ids"] == labels[:, :, None]).all()
        held.append((inputs["token_ids"].shape[2], labels[:count, 0].tolist()))
        assert (labels[count:] == labels[count - 1]).all()
    assert held == [(4, [0, 2]), (7, [1, 4]), (4, [3, 5]), (4, [6])]
    stacks.on_epoch_end()
    assert stacks[0][0][0]["token_ids"].shape == (2, 1, 4)


def trained(name, path=None, **options):
    """Train a tiny model; return its network's weights and how often it was checked."""
    model, progress = tiny.make(name, **options), Progress()
    progress.checkpoint = path
    history = model.fit(tiny.split(), tiny.split(), progress=progress)
    assert all(np.isfinite(value) for row in history for value in row.values())
    return model.network.get_weights(), len(history)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lstm", {"dropout": 0.0, "token_dropout": 0.0}),
        ("encoder", {"dropout": 0.0, "token_dropout": 0.0, "block_dropout": 0.0}),
        ("minilm", {"dropout": 0.0, "encoder_dropout": 0.0, "accumulate": 2}),
        ("decoder", {}),
        ("causal-lm", {}),
    ],
)
def test_the_weights_are_those_of_single_steps(name, options, request):
    step_by_step, checks = trained(name, **options)
    request.getfixturevalue("as_on_a_gpu")
    stacked, others = trained(name, **options)
    assert checks == others
    for one, other in zip(step_by_step, stacked, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_training_with_a_budget_ends_in_time(as_on_a_gpu):
    model = tiny.make("encoder", budget=4.0, epochs=None)
    history = model.fit(tiny.split(), tiny.split())
    assert history[-1]["seconds"] < 30
    assert len(history) > 1


def test_a_training_goes_on_between_two_dispatches(as_on_a_gpu, monkeypatch, tmp_path):
    whole, _ = trained("decoder", epochs=9)
    steps = checkpoint.Checkpoint.on_train_batch_end

    def stop(self, batch, logs=None):
        steps(self, batch, logs)
        if self._done == LAST:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.Checkpoint, "on_train_batch_end", stop)
        patched.setattr(checkpoint.Checkpoint, "_is_due", lambda self, pause: self._done == LAST - 1)
        with pytest.raises(KeyboardInterrupt):
            trained("decoder", tmp_path / "checkpoint", epochs=9)
    assert (tmp_path / "checkpoint").exists()
    again, _ = trained("decoder", tmp_path / "checkpoint", epochs=9)
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_answers_and_texts_do_not_change_with_the_shapes(request):
    model, writer = tiny.make("encoder"), tiny.make("decoder")
    for each in (model, writer):
        each.fit(tiny.split(), tiny.split())
    texts, prompts = [*tiny.TEXTS, "", "good " * 40], ["good", "weird film", ""]
    before = model.predict_proba(texts), writer.generate(prompts, max_new_tokens=9)
    request.getfixturevalue("as_on_a_gpu")
    np.testing.assert_allclose(model.predict_proba(texts), before[0], atol=1e-6)
    assert writer.generate(prompts, max_new_tokens=9) == before[1]
    assert keras.backend.backend() == "jax"
