"""An LSTM's loop over the tokens in TensorFlow: one op to answer with, two compiled loops to train with.

B texts, T tokens, D numbers a token, U units; the gates stand in Keras's order: input, forget, candidate, output.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

Weights = tuple[tf.Tensor, tf.Tensor, tf.Tensor]  # kernel (D, 4 U), recurrent kernel (U, 4 U), bias (4 U)
State = tuple[tf.Tensor, tf.Tensor]  # hidden and cell, (B, U) each


def in_one_op(inputs: tf.Tensor, state: State, weights: Weights) -> tf.Tensor:
    """Return the hidden states, (T, B, U), of inputs (T, B, D); nothing is compiled for a new shape.

    Its gradient is refused: TensorFlow registers for BlockLSTMV2 that of the op's first version, which orders the
    gates otherwise.
    """
    kernel, recurrent, bias = weights
    unused = tf.zeros([recurrent.shape[0]])

    def refuse(_):
        raise NotImplementedError("BlockLSTMV2's gradient is wrong in TensorFlow; call the layer with training=True")

    @tf.custom_gradient
    def block(inputs, hidden, cell, kernel, bias):
        outputs = tf.raw_ops.BlockLSTMV2(
            seq_len_max=tf.shape(inputs, out_type=tf.int64)[0],
            x=inputs,
            cs_prev=cell,
            h_prev=hidden,
            w=kernel,
            wci=unused,
            wcf=unused,
            wco=unused,
            b=bias,
            cell_clip=0,
            use_peephole=False,
        )
        return outputs.h, refuse

    # Without the gradient, which `custom_gradient` keeps for itself.
    return block(inputs, *state, tf.concat([kernel, recurrent], axis=0), bias)  # pyright: ignore[reportReturnType]


def in_compiled_loops(inputs: tf.Tensor, state: State, weights: Weights) -> tf.Tensor:
    """Return the hidden states, (T, B, U), of inputs (T, B, D), with a gradient; compiled once for each shape.

    XLA works on one core here, so that two directions run beside each other, and whatever needs no loop, the inputs'
    part of the gates and the gradients of all weights, is one large multiplication.
    """
    forward, backward = _compiled(inputs.shape[-1], weights[1].shape[0])

    @tf.custom_gradient
    def loops(inputs, hidden, cell, kernel, recurrent, bias):
        hiddens, cells, gates = forward(inputs, hidden, cell, kernel, recurrent, bias)

        def gradients(of_hiddens):
            return backward(of_hiddens, inputs, hidden, cell, hiddens, cells, gates, kernel, recurrent)

        return hiddens, gradients

    return loops(inputs, *state, *weights)  # pyright: ignore[reportReturnType] - as above


@functools.cache
def _compiled(width: int, units: int) -> tuple[Callable, Callable]:
    """Return `_forward` and `_backward` for layers of these sizes, each traced once for all texts and tokens."""

    def sized(*shapes: tuple[int | None, ...]) -> list[tf.TensorSpec]:
        return [tf.TensorSpec(shape) for shape in shapes]

    state, kernels = [(None, units)] * 2, [(width, 4 * units), (units, 4 * units)]
    inputs, hiddens, gates = (None, None, width), (None, None, units), (None, None, 4 * units)
    forward = sized(inputs, *state, *kernels, (4 * units,))
    backward = sized(hiddens, inputs, *state, hiddens, hiddens, gates, *kernels)
    return (
        tf.function(_forward, input_signature=forward, jit_compile=True, autograph=False),
        tf.function(_backward, input_signature=backward, jit_compile=True, autograph=False),
    )


def _forward(inputs, hidden, cell, kernel, recurrent, bias):
    """Return hidden states and cells, (T, B, U), and the gates, (T, B, 4 U)."""
    tokens, texts, units = tf.shape(inputs)[0], tf.shape(inputs)[1], recurrent.shape[0]
    projected = tf.reshape(inputs, [-1, kernel.shape[0]]) @ kernel + bias

    def step(state, given):
        hidden, cell = state
        i, f, z, o = tf.split(given[0] + hidden @ recurrent, 4, axis=1)
        i, f, z, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(z), tf.sigmoid(o)
        cell = f * cell + i * z
        hidden = o * tf.tanh(cell)
        return (hidden, cell), (hidden, cell, tf.concat([i, f, z, o], axis=1))

    _, outputs = _loop(
        step, (hidden, cell), [tf.reshape(projected, [tokens, texts, 4 * units])], widths=(units, units, 4 * units)
    )
    return outputs


def _backward(of_hiddens, inputs, hidden, cell, hiddens, cells, gates, kernel, recurrent):
    """Return the gradients of inputs, state and weights for that of the hidden states, (T, B, U)."""
    units, back = recurrent.shape[0], tf.transpose(recurrent)
    hiddens_before = tf.concat([hidden[tf.newaxis], hiddens[:-1]], axis=0)
    cells_before = tf.concat([cell[tf.newaxis], cells[:-1]], axis=0)

    def step(state, given):
        of_hidden, of_cell = state
        of_output, cell, before, gates = given
        i, f, z, o = tf.split(gates, 4, axis=1)
        of_hidden, squashed = of_hidden + of_output, tf.tanh(cell)
        of_cell = of_cell + of_hidden * o * (1 - squashed * squashed)
        of_gates = tf.concat(
            [
                of_cell * z * i * (1 - i),
                of_cell * before * f * (1 - f),
                of_cell * i * (1 - z * z),
                of_hidden * squashed * o * (1 - o),
            ],
            axis=1,
        )
        return (of_gates @ back, of_cell * f), (of_gates,)

    nothing = tf.zeros_like(hidden)
    (of_hidden, of_cell), (of_gates,) = _loop(
        step,
        (nothing, nothing),
        [of_hiddens, cells, cells_before, gates],
        widths=(4 * units,),
        backwards=True,
    )
    of_gates = tf.reshape(of_gates, [-1, 4 * units])  # (T B, 4 U)
    return (
        tf.reshape(tf.matmul(of_gates, kernel, transpose_b=True), tf.shape(inputs)),
        of_hidden,
        of_cell,
        tf.matmul(tf.reshape(inputs, [-1, kernel.shape[0]]), of_gates, transpose_a=True),
        tf.matmul(tf.reshape(hiddens_before, [-1, units]), of_gates, transpose_a=True),
        tf.reduce_sum(of_gates, axis=0),
    )


def _loop(
    step: Callable, state: State, given: Sequence[tf.Tensor], *, widths: Sequence[int], backwards: bool = False
) -> tuple[State, tuple[tf.Tensor, ...]]:
    """Return the last state, and what the steps return beside it, stacked to (T, B, width) each."""
    tokens = tf.shape(given[0])[0]
    arrays = tuple(tf.TensorArray(tf.float32, size=tokens, element_shape=[None, width]) for width in widths)

    def body(count, state, arrays):
        token = tokens - 1 - count if backwards else count
        state, outputs = step(state, [array[token] for array in given])
        written = tuple(array.write(token, output) for array, output in zip(arrays, outputs, strict=True))
        return count + 1, state, written

    _, state, arrays = tf.while_loop(lambda count, *_: count < tokens, body, (0, state, arrays))
    return state, tuple(array.stack() for array in arrays)
