"""Keras's LSTM layer, computed by the fastest way that the device has."""

from __future__ import annotations

import keras

from textapp.machine import has_gpu

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
    return COMPILED if keras.backend.backend() == "tensorflow" else LOOP


@keras.saving.register_keras_serializable(package="textapp")
class LSTMLayer(keras.layers.LSTM):
    """`keras.layers.LSTM` without masks, state and dropout of its own: the same weights, the same outputs."""

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if lstm_path() == COMPILED:
            return tensorflow_loop(self, sequences, initial_state, training=training)
        return super().inner_loop(sequences, initial_state, mask, training)


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
