"""Batches, windows and the fitting loop, with values one can compute by hand."""

import collections
import io
import itertools
import math

import keras
import numpy as np
import pytest
from helpers import tiny
from rich.console import Console

from textapp.errors import UserError
from textapp.models import Decoder, decoder
from textapp.models.keras_file import COMPILE
from textapp.training import precision, shapes
from textapp.training.batches import POOL, Batches, shorten
from textapp.training.fit import fit
from textapp.training.progress import Progress
from textapp.training.windows import Windows, pack, score_windows

LENGTHS = [40, 3, 33, 1, 7, 32, 100, 5, 2, 31, 64]  # 11 texts


def rows_of(lengths):
    """Texts that can be told from one another: row i is made of the id i + 2."""
    return [np.full(length, position + 2, np.int32) for position, length in enumerate(lengths)]


def batches_of(lengths, **options):
    labels = np.arange(len(lengths), dtype=np.int32)
    return Batches(rows_of(lengths), labels, **{"batch_size": 3, "sequence_length": 70, **options})


@pytest.mark.parametrize(
    ("length", "kept"), [(4, [0, 1, 2, 3]), (5, [0, 1, 2, 3, 4]), (6, [0, 1, 3, 4, 5]), (9, [0, 1, 6, 7, 8])]
)
def test_shorten_keeps_both_ends(length, kept):
    assert shorten(np.arange(length), 5).tolist() == kept


def test_shorten_to_one_and_to_an_even_number():
    assert shorten(np.arange(9), 1).tolist() == [8]
    assert shorten(np.arange(9), 4).tolist() == [0, 1, 7, 8]


def test_inputs_by_hand():
    batches = Batches([np.array([5, 6], np.int32), np.array([7], np.int32)], batch_size=2, sequence_length=4)
    (inputs,) = batches[0]
    assert inputs["token_ids"].tolist() == [[7, 0, 0, 0], [5, 6, 0, 0]]
    assert inputs["padding_mask"].tolist() == [[True, False, False, False], [True, True, False, False]]
    assert inputs["token_ids"].dtype == np.int32
    assert inputs["padding_mask"].dtype == bool


@pytest.mark.parametrize("length", [1, 2, 7, 8, 70])
def test_inputs_are_the_shortened_rows(length):
    random = np.random.default_rng(0)
    rows = [random.integers(2, 99, size, dtype=np.int32) for size in [*LENGTHS, 1, 200]]
    batches = Batches(rows, np.zeros(len(rows), np.int32), batch_size=4, sequence_length=length, seed=3)
    for index, chosen in enumerate(batches._plan):
        inputs = batches[index][0]
        found = [ids[mask].tolist() for ids, mask in zip(inputs["token_ids"], inputs["padding_mask"], strict=True)]
        assert found == [shorten(rows[position], length).tolist() for position in chosen]
        assert (inputs["token_ids"][~inputs["padding_mask"]] == 0).all()


def test_bucketing_by_hand():
    """Sorted: 1 2 3, 5 7 31, 32 33 40, 64 70 (cut). The third batch is the first wider one and moves up."""
    batches = batches_of(LENGTHS)
    assert batches.order.tolist() == [3, 8, 1, 5, 2, 0, 7, 4, 9, 10, 6]
    shapes = [batches[index][0]["token_ids"].shape for index in range(len(batches))]
    assert shapes == [(3, 32), (3, 64), (3, 32), (2, 70)]
    assert batches[3][1].tolist() == [10, 6]
    assert batches[3][2].tolist() == [1, 1]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 11])
def test_answers_are_put_back(count):
    """Batches are filled up to 1, 2 or all 3 rows; the filling is left out again."""
    batches = Batches(rows_of(LENGTHS[:count]), batch_size=3, sequence_length=70)
    answers = [batches[index][0]["token_ids"][:, :2] for index in range(len(batches))]
    assert {len(rows) for rows in answers} <= {1, 2, 3}
    assert batches.put_back(answers)[:, 0].tolist() == [position + 2 for position in range(count)]


def test_rows_are_filled_up_to_a_power_of_two():
    rows = [len(Batches(rows_of([5] * n), batch_size=24, sequence_length=9)[0][0]["token_ids"]) for n in range(1, 25)]
    assert rows == [1, 2, 4, 4, *[8] * 4, *[16] * 8, *[24] * 8]


def test_few_shapes_in_all_epochs():
    """Every width with B rows, and one shape more for what is left over."""
    lengths = np.random.default_rng(1).integers(1, 100, 500)
    batches, shapes = batches_of(lengths.tolist(), seed=5), set()
    for _ in range(10):
        shapes |= {batches[index][0]["token_ids"].shape for index in range(len(batches))}
        batches.on_epoch_end()
    assert shapes == {(3, 32), (3, 64), (3, 70), (2, 70)}


@pytest.mark.parametrize("seed", [0, 1])
def test_batches_are_pools_sorted_by_length_and_shuffled(seed):
    """The plan in a few plain lines."""
    lengths = np.random.default_rng(2).integers(1, 32, 3 * POOL * 2 + 5)
    random = np.random.default_rng(seed)
    shuffled, plan = random.permutation(len(lengths)).tolist(), []
    for start in range(0, len(shuffled), 3 * POOL):
        pool = sorted(shuffled[start : start + 3 * POOL], key=lambda position: lengths[position])
        plan += [pool[first : first + 3] for first in range(0, len(pool), 3)]
    plan = [plan[position] for position in random.permutation(len(plan))]
    assert batches_of(lengths.tolist(), seed=seed).order.tolist() == list(itertools.chain(*plan))


@pytest.mark.compiled
def test_nothing_is_traced_after_the_first_epoch():
    """A layer's Python code runs when TensorFlow traces or JAX compiles, and at no other step."""
    calls = []

    class Counted(keras.layers.Layer):
        def call(self, inputs):
            calls.append(inputs.shape)
            return inputs

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
    embedded = Counted()(keras.layers.Embedding(200, 2)(token_ids))
    logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(embedded))
    network = keras.Model({"token_ids": token_ids, "padding_mask": padding_mask}, logits)
    jax = keras.backend.backend() == "jax"
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("adam", loss, weighted_metrics=["accuracy"], jit_compile=jax)

    def train_and_predict(epochs):
        labels = np.arange(len(lengths), dtype=np.int32) % 2
        options = {"batch_size": 3, "sequence_length": 70}
        train = Batches(rows_of(lengths), labels, seed=5, **options)
        network.fit(train, validation_data=Batches(rows_of(LENGTHS), labels[:11], **options), epochs=epochs, verbose=0)
        batches = Batches(rows_of(lengths), **options)
        return batches.put_back([network.predict_on_batch(batches[i][0]) for i in range(len(batches))])

    lengths = LENGTHS * 10
    train_and_predict(epochs=1)
    warm = len(calls)
    assert train_and_predict(epochs=3).shape == (110, 2)
    assert len(calls) == warm


def test_every_text_once_an_epoch_and_epochs_differ():
    batches, epochs = batches_of(LENGTHS * 20, seed=5), []
    for _ in range(3):
        epochs.append([batches[index][1].tolist() for index in range(len(batches))])
        batches.on_epoch_end()
    for epoch in epochs:
        assert sorted(itertools.chain(*epoch)) == list(range(len(LENGTHS) * 20))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_same_seed_same_batches():
    plans = [batches_of(LENGTHS * 20, seed=seed).order.tolist() for seed in (5, 5, 6)]
    assert plans[0] == plans[1] != plans[2]


def test_labels_and_weights_stay_with_their_texts():
    weights = np.arange(len(LENGTHS), dtype=np.float32) / 10
    batches = batches_of(LENGTHS, weights=weights, seed=0)
    for index in range(len(batches)):
        inputs, labels, found = batches[index]
        assert (inputs["token_ids"][:, 0] == labels + 2).all()
        assert (found == weights[labels]).all()
        assert inputs["token_ids"].shape[1] in (*shapes.ON_CPU.widths, 70)
        assert inputs["padding_mask"].sum(axis=1).tolist() == [min(LENGTHS[label], 70) for label in labels]


def test_few_shapes_on_a_gpu(monkeypatch):
    """Whole batches of few widths: what fills them up has no weight, and no answer is put back for it."""
    monkeypatch.setattr(shapes, "has_gpu", lambda: True)
    labels = np.arange(len(LENGTHS) * 5, dtype=np.int32)
    options = {"batch_size": 8, "sequence_length": 300}
    batches = Batches(rows_of(LENGTHS * 5), labels, np.full(len(labels), 0.5, np.float32), seed=0, **options)
    seen = []
    for index in range(len(batches)):
        inputs, found, weights = batches[index]
        assert inputs["token_ids"].shape == batches.shape(index) == (8, 128)
        assert (inputs["token_ids"][:, 0] == found + 2).all()
        seen += found[weights == 0.5].tolist()
        assert set(weights.tolist()) <= {0.5, 0.0}
    assert sorted(seen) == labels.tolist()
    long = Batches(rows_of([*LENGTHS, 250, 900]), **options)  # to predict
    assert [long[index][0]["token_ids"].shape for index in range(len(long))] == [(128, 300)]
    assert long.put_back([long[0][0]["token_ids"][:, 0]]).tolist() == list(range(2, 15))
    assert Batches(rows_of([5]), **options)[0][0]["token_ids"].shape == (1, 128)


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3, 4])
def test_the_first_two_batches_differ_in_width_when_they_can(seed):
    """Keras on TensorFlow learns from them which dimensions vary."""
    batches = batches_of(LENGTHS * 20, seed=seed)
    for _ in range(3):
        assert batches[0][0]["token_ids"].shape[1] != batches[1][0]["token_ids"].shape[1]
        batches.on_epoch_end()
    same = batches_of([5] * 11, seed=seed)
    assert {same[index][0]["token_ids"].shape[1] for index in range(len(same))} == {32}


def test_pack_by_hand():
    """One document cannot be shuffled: 0 4 5 6 7 8 9 0, cut into windows of 3 and the token after."""
    windows = pack([[4, 5, 6, 7, 8, 9]], context=3, end_id=0, seed=1)
    assert windows.tolist() == [[0, 4, 5, 6], [6, 7, 8, 9]]
    assert windows.dtype == np.int32


def test_pack_keeps_documents_whole_and_in_a_shuffled_order():
    documents = [[10 * number + 1, 10 * number + 2] for number in range(1, 8)]
    windows = pack(documents, context=3, end_id=0, seed=1)
    stream = [*windows[:, :-1].ravel().tolist(), int(windows[-1, -1])]
    assert stream == [token for start in stream[1::3] for token in (0, start, start + 1)] + [0]
    assert sorted(stream[1::3]) == [11, 21, 31, 41, 51, 61, 71] != stream[1::3]
    assert (pack(documents, context=3, end_id=0, seed=1) == windows).all()


def test_pack_of_too_little_is_filled_up():
    assert pack([[4]], context=5, end_id=0, seed=0).tolist() == [[0, 4, 0, 0, 0, 0]]


def test_windows_are_passed_over_evenly():
    windows = np.arange(7)[:, None] * 100 + np.arange(4)  # (windows 7, T + 1 = 4)
    batches = Windows(windows, batch_size=2, training_tokens=10_000, epochs=2, checks=2, seed=3)
    seen, shapes = [], set()
    for _ in range(2):  # the parts
        for index in range(len(batches)):
            inputs, targets, weights = batches[index]
            assert (targets == inputs["token_ids"] + 1).all()
            assert inputs["padding_mask"].all()
            assert (weights == 1).all()
            seen += (inputs["token_ids"][:, 0] // 100).tolist()
            shapes.add(targets.shape)
        batches.on_epoch_end()
    assert shapes == {(2, 3)}
    assert sorted(seen[:7]) == list(range(7))
    assert len(seen) == 12
    assert max(collections.Counter(seen).values()) == 2


def test_keras_trains_on_every_window_as_often():
    """A weight for each window grows by 1 with each step on it."""
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
    outputs = keras.layers.Embedding(6, 1, embeddings_initializer="zeros")(token_ids)
    network = keras.Model({"token_ids": token_ids, "padding_mask": padding_mask}, outputs)
    network.compile(keras.optimizers.SGD(2.0), loss=lambda _, grown: -grown, jit_compile=False)
    windows = np.repeat(np.arange(6)[:, None], 2, axis=1)  # T = 1
    batches = Windows(windows, batch_size=2, training_tokens=999, epochs=4, checks=3, seed=0)
    network.fit(batches, epochs=3, verbose=0)
    assert network.get_weights()[0].ravel().tolist() == [4] * 6


def test_fewer_windows_than_a_batch():
    batches = Windows(np.zeros((1, 4), np.int32), batch_size=8, training_tokens=99, epochs=1, checks=5, seed=0)
    for _ in range(6):
        assert [batches[index][1].shape for index in range(len(batches))] == [(1, 3)]
        batches.on_epoch_end()


def test_windows_stop_at_the_tokens_asked_for():
    windows = np.zeros((50, 4), np.int32)
    batches = Windows(windows, batch_size=2, training_tokens=60, epochs=9, checks=5, seed=0)
    assert len(batches) * 5 * 2 * 3 == 60


def test_score_windows_by_hand():
    """Every token is a target once, after what stands before it in its own text; an empty text has no row."""
    batches = score_windows([[4, 5, 6, 7], [], [8]], context=3, end_id=0)
    inputs, targets, weights = batches[0]
    assert inputs["token_ids"][:3].tolist() == [[0, 4, 5], [6, 0, 0], [0, 0, 0]]
    assert targets[:3].tolist() == [[4, 5, 6], [7, 0, 0], [8, 0, 0]]
    assert weights[:3].tolist() == [[1, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert batches.document_of[0][:3].tolist() == [0, 0, 2]
    assert (weights[3:] == 0).all()
    assert len(score_windows([], context=3, end_id=0)) == 0


@pytest.mark.parametrize("count", [1, 31, 32, 33])
def test_score_windows_have_one_shape(count):
    batches = score_windows([[4, 5]] * count, context=3, end_id=0)
    shapes, counted = set(), np.zeros(count)
    for index in range(len(batches)):
        inputs, _, weights = batches[index]
        shapes.add((inputs["token_ids"].shape, weights.shape, batches.document_of[index].shape))
        np.add.at(counted, batches.document_of[index], weights.sum(axis=1))
    assert shapes == {((32, 3), (32, 3), (32,))}
    assert counted.tolist() == [2] * count


@pytest.fixture
def network():
    """One weight w, squared error against 3: the loss is (w - 3)²."""
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs)
    return keras.Model(inputs, outputs)


class Rows(keras.utils.PyDataset):
    def __init__(self, target):
        super().__init__()
        self.target = target

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return np.ones((2, 1), np.float32), np.full((2, 1), self.target, np.float32), np.ones(2, np.float32)


@pytest.mark.parametrize(("epochs", "run"), [(8, 4), (3, 3)])
def test_fit_restores_the_best_epoch_and_stops_after_patience(network, epochs, run):
    """Each step moves the weight by 1 towards 9; validation is best at 2, so after epoch 2."""
    network.compile(optimizer=keras.optimizers.SGD(1.0), loss="mae", jit_compile=False)
    output = io.StringIO()
    progress = Progress(Console(file=output, width=100))
    history = fit(network, Rows(9), Rows(2), epochs=epochs, patience=2, monitor="val_loss", progress=progress)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4][:run]
    assert [row["val_loss"] for row in history] == [1, 0, 1, 2][:run]
    assert [row["loss"] for row in history] == [9, 8, 7, 6][:run]
    assert network.get_weights()[0] == 2
    assert list(history[0]) == ["epoch", "seconds", "loss", "val_loss"]
    assert f"epoch {run}/{epochs}" in output.getvalue()


def test_fit_takes_the_highest_accuracy(network):
    """The same, with a metric that is best at 2 and to be high."""
    metric = keras.metrics.MeanMetricWrapper(lambda _, answer: -abs(answer - 2), name="accuracy")
    network.compile(keras.optimizers.SGD(1.0), loss="mae", weighted_metrics=[metric], jit_compile=False)
    options = {"epochs": 4, "patience": 4, "monitor": "val_accuracy", "progress": Progress()}
    assert len(fit(network, Rows(9), Rows(0), **options)) == 4
    assert network.get_weights()[0] == 2


def test_a_loss_that_is_no_number_is_said(network):
    network.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse", jit_compile=False)
    with pytest.raises(UserError, match="no finite number after epoch 1; try a smaller learning rate"):
        fit(network, Rows(math.inf), Rows(1), epochs=2, patience=2, monitor="val_loss", progress=Progress())


@pytest.mark.parametrize(
    ("wanted", "width", "compiled", "device", "chosen"),
    [
        ("auto", precision.WIDE, False, "bfloat16", "bfloat16"),
        ("auto", precision.WIDE - 1, False, "bfloat16", "float32"),
        ("auto", precision.WIDE, True, "bfloat16", "float32"),
        ("auto", precision.WIDE, True, "gpu", "bfloat16"),
        ("auto", precision.WIDE, False, "neither", "float32"),
        ("float32", precision.WIDE, False, "gpu", "float32"),
        ("bfloat16", 1, True, "neither", "bfloat16"),
    ],
)
def test_precision_is_chosen_by_width_and_device(monkeypatch, wanted, width, compiled, device, chosen):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: device != "neither")
    monkeypatch.setattr(precision, "has_gpu", lambda: device == "gpu")
    assert precision.choose_precision(wanted, width=width, compiled=compiled) == chosen


@pytest.mark.skipif(COMPILE, reason="JAX compiles every step")
@pytest.mark.parametrize(
    ("options", "device", "computation"),
    [
        ({"hidden_dim": precision.WIDE}, "bfloat16", "bfloat16"),
        ({"hidden_dim": precision.WIDE}, "gpu", "bfloat16, XLA"),
        ({"hidden_dim": precision.WIDE}, "neither", "float32, XLA"),
        ({"hidden_dim": precision.WIDE - 1}, "bfloat16", "float32, XLA"),
        ({"hidden_dim": precision.WIDE, "precision": "float32"}, "bfloat16", "float32, XLA"),
        ({"hidden_dim": precision.WIDE, "jit_compile": True}, "bfloat16", "float32, XLA"),
        ({"hidden_dim": precision.WIDE, "jit_compile": False}, "bfloat16", "bfloat16"),
        ({"hidden_dim": 1, "jit_compile": False}, "bfloat16", "float32"),
    ],
)
def test_a_decoder_is_compiled_where_it_pays(monkeypatch, options, device, computation):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: device != "neither")
    for module in (precision, decoder):
        monkeypatch.setattr(module, "has_gpu", lambda: device == "gpu")
    assert Decoder(**options).computation == computation


def test_an_unknown_precision_is_refused():
    with pytest.raises(UserError, match="unknown precision 'float64'; choose from"):
        precision.choose_precision("float64", width=1, compiled=False)


@pytest.mark.parametrize("name", [pytest.param("lstm", marks=pytest.mark.slow), "encoder", "decoder"])
def test_a_network_trained_in_bfloat16_answers_in_float32(name):
    model = tiny.make(name, precision="bfloat16")
    history = model.fit(tiny.split(), tiny.split())
    assert all(np.isfinite(row["loss"]) for row in history)
    assert model.computation.startswith("bfloat16")
    assert {layer.compute_dtype for layer in model.network._flatten_layers()} & {"bfloat16"} == set()
    assert {str(weight.dtype) for weight in model.network.weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    other = tiny.make(name, precision="float32")
    other.fit(tiny.split(), tiny.split())
    same = zip(model.network.get_weights(), other.network.get_weights(), strict=True)
    assert not all(np.array_equal(ours, theirs) for ours, theirs in same)  # it was trained in something else


@pytest.mark.parametrize(("steps", "epochs"), [(1, 12), (100, 9), (312, 3), (5_000, 3)])
def test_few_texts_are_read_more_often(steps, epochs):
    assert tiny.make("encoder", epochs=None)._usual_epochs(steps) == epochs
    assert tiny.make("encoder", epochs=5)._usual_epochs(steps) == 5


def test_the_learning_rate_ends_with_the_usual_epochs():
    optimizer = tiny.make("lstm", epochs=None)._optimizer(312)
    assert optimizer._learning_rate.decay_steps == 3 * 312
