"""Keras's LSTM layer, computed by the fastest op that the device has."""

from __future__ import annotations

import keras

from textapp.machine import has_gpu

BLOCK = "BlockLSTMV2"
CUDNN = "cuDNN"
LOOP = "a loop over the tokens"


def lstm_path() -> str:
    """Return what computes the LSTMs of this process: `BLOCK`, `CUDNN` or `LOOP`.

    On a CPU TensorFlow's block op trains a batch of 64 about twice as fast as Keras's loop over the tokens, with the
    same numbers; `python -m benchmarks.peers` shows by how much. The loop is compiled on JAX.
    """
    if has_gpu():
        return CUDNN
    return BLOCK if keras.backend.backend() == "tensorflow" else LOOP


@keras.saving.register_keras_serializable(package="textapp")
class LSTMLayer(keras.layers.LSTM):
    """`keras.layers.LSTM` without masks and dropout of its own: the same weights, the same outputs."""

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if lstm_path() == BLOCK:
            given = [keras.ops.cast(part, "float32") for part in (sequences, *initial_state)]  # what the op takes
            last, outputs, state = in_one_op(self, given[0], given[1:])
            last, outputs, *state = (keras.ops.cast(part, self.compute_dtype) for part in (last, outputs, *state))
            return last, outputs, state
        return super().inner_loop(sequences, initial_state, mask, training)


def in_one_op(layer: keras.layers.LSTM, sequences, initial_state):
    """Do what `layer.inner_loop` does in one TensorFlow op, which orders the gates as Keras does.

    Args:
        layer: its units, weights and biases.
        sequences: float32 (B, T, D).
        initial_state: two of (B, units).

    Returns:
        The last output (B, units), all outputs (B, T, units) and the state, two of (B, units).
    """
    import tensorflow as tf  # only where it is the backend

    cell = layer.cell
    unused = tf.zeros([layer.units])

    @tf.custom_gradient
    def block(x, cs_prev, h_prev, w, b):
        given = {"seq_len_max": tf.shape(x, out_type=tf.int64)[0], "x": x, "cs_prev": cs_prev, "h_prev": h_prev}
        given |= {"w": w, "b": b, "wci": unused, "wcf": unused, "wco": unused, "use_peephole": False}
        outputs = tf.raw_ops.BlockLSTMV2(**given, cell_clip=0)._asdict()

        def gradients(h_grad, cs_grad):
            # TensorFlow registers the gradient of the op's first version, which orders the gates otherwise.
            found = tf.raw_ops.BlockLSTMGradV2(**given, **outputs, h_grad=h_grad, cs_grad=cs_grad)
            return found.x_grad, found.cs_prev_grad, found.h_prev_grad, found.w_grad, found.b_grad

        return (outputs["h"], outputs["cs"]), gradients

    hidden, states = block(
        tf.transpose(sequences, [1, 0, 2]),
        initial_state[1],
        initial_state[0],
        tf.cast(tf.concat([cell.kernel, cell.recurrent_kernel], axis=0), tf.float32),
        tf.cast(cell.bias, tf.float32),
    )
    hidden = tf.transpose(hidden, [1, 0, 2])  # (B, T, units)
    hidden.set_shape([None, None, layer.units])
    return hidden[:, -1], hidden, [hidden[:, -1], states[-1]]
