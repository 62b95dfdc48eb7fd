"""Keras's LSTM layer, alone and in both directions, computed by the fastest way that the device has."""

from __future__ import annotations

import keras
from keras import ops

from textapp.machine import has_gpu
from textapp.models.layers import MaskedPooling

COMPILED = "XLA loops and BlockLSTMV2"
CUDNN = "cuDNN"
LOOP = "Keras's loop"


def lstm_path() -> str:
    """Return what computes the LSTMs of this process: `COMPILED`, `CUDNN` or `LOOP`.

    On a CPU TensorFlow takes loops that XLA compiles to train with, and one op to answer with; both give the numbers
    of Keras's loop over the tokens. `python -m benchmarks.peers` shows what that is worth. JAX compiles Keras's loop.
    """
    if has_gpu():
        return CUDNN
    return COMPILED if _on_tensorflow() else LOOP


def _on_tensorflow() -> bool:
    return keras.backend.backend() == "tensorflow"


@keras.saving.register_keras_serializable(package="textapp")
class LSTMLayer(keras.layers.LSTM):
    """`keras.layers.LSTM` without masks, state and dropout of its own: the same weights, the same outputs."""

    def inner_loop(self, sequences, initial_state, mask, training=False):
        path = lstm_path()
        if path == COMPILED:
            return tensorflow_loop(self, sequences, initial_state, training=training)
        if path == CUDNN and not _on_tensorflow():
            lengths = ops.full(ops.shape(sequences)[:1], ops.shape(sequences)[1], dtype="int32")
            hidden = ops.cast(by_cudnn(sequences, lengths, self), self.compute_dtype)
            return hidden[:, -1], hidden, []
        return super().inner_loop(sequences, initial_state, mask, training)


def by_cudnn(sequences, lengths, *layers: keras.layers.LSTM):
    """Return the hidden states of one layer or, side by side, of two directions, on JAX.

    Args:
        sequences: (B, T, D).
        lengths: int32 (B,), how many tokens each text has.
        layers: their weights; the second one reads each text from its end.
    """
    from textapp.models.jax_lstm import hidden_states  # takes JAX

    weights = [(layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias) for layer in layers]
    return hidden_states(sequences, lengths, [tuple(map(ops.convert_to_tensor, parts)) for parts in weights])


@keras.saving.register_keras_serializable(package="textapp")
class PooledLSTM(keras.layers.Layer):
    """The mean and the maximum of what LSTMs in both directions say of a text's tokens: (B, T, D) to (B, 4 U).

    The backward one reads a text's tokens in the opposite order, see `ReverseTokens`; cuDNN turns them around itself.

    Args:
        units: U, numbers that each direction keeps.
    """

    def __init__(self, units: int, **options):
        super().__init__(**options)
        self.units = units
        self.forward = LSTMLayer(units, return_sequences=True, name="forward")
        self.backward = LSTMLayer(units, return_sequences=True, name="backward")
        self.pooling = MaskedPooling(name="pooling")

    def build(self, inputs_shape, reversed_inputs_shape, padding_mask_shape):
        self.forward.build(inputs_shape)
        self.backward.build(reversed_inputs_shape)

    def call(self, inputs, reversed_inputs, padding_mask, training=False):
        if lstm_path() == CUDNN and not _on_tensorflow():
            lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=1)
            forward, backward = ops.split(by_cudnn(inputs, lengths, self.forward, self.backward), 2, axis=-1)
        else:
            forward = self.forward(inputs, training=training)
            backward = self.backward(reversed_inputs, training=training)
        # In whatever order the tokens are, their mean and maximum are the same.
        return ops.concatenate([self.pooling(hidden, padding_mask) for hidden in (forward, backward)], axis=-1)

    def compute_output_shape(self, inputs_shape, reversed_inputs_shape=None, padding_mask_shape=None):
        return (inputs_shape[0], 4 * self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def tensorflow_loop(layer: keras.layers.LSTM, sequences, initial_state, *, training: bool):
    """Do what `layer.inner_loop` does, on TensorFlow.

    Args:
        layer: its weights.
        sequences: (B, T, D).
        initial_state: two of (B, units).
        training: whether gradients are wanted, and a few shapes worth compiling.

    Returns:
        The last output (B, units), all outputs (B, T, units) and no state: only outputs have a gradient.
    """
    from textapp.models.tensorflow_lstm import in_compiled_loops, in_one_op  # takes TensorFlow

    weights = (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias)
    sequences, *state, kernel, recurrent, bias = (
        keras.ops.cast(part, "float32") for part in (sequences, *initial_state, *weights)
    )  # what the op takes
    loop = in_compiled_loops if training else in_one_op
    hidden = loop(keras.ops.transpose(sequences, (1, 0, 2)), tuple(state), (kernel, recurrent, bias))
    hidden = keras.ops.cast(keras.ops.transpose(hidden, (1, 0, 2)), layer.compute_dtype)
    hidden.set_shape([None, None, layer.units])
    return hidden[:, -1], hidden, []
