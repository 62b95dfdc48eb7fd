"""LSTMs by cuDNN on JAX, one direction or both in one call; imported only where that is the backend."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.experimental import rnn

Weights = tuple[jax.Array, jax.Array, jax.Array]  # kernel (D, 4 U), recurrent kernel (U, 4 U), bias (4 U)


def hidden_states(inputs: jax.Array, lengths: jax.Array, directions: Sequence[Weights]) -> jax.Array:
    """Return the hidden states, float32 (B, T, U) or, of two directions, (B, T, 2 U).

    The second direction reads each text from its end. Hidden states of padding are 0. Computed in float32, which is
    all that JAX knows of cuDNN's.

    Args:
        inputs: (B, T, D), padded on the right.
        lengths: int32 (B,), how many tokens each text has, 1 at least.
        directions: Keras's weights of each.
    """
    texts, width, units = inputs.shape[0], inputs.shape[2], directions[0][1].shape[0]
    # cuDNN orders the gates as Keras does and keeps a second bias, which adds nothing.
    matrices = [jnp.ravel(jnp.transpose(part)) for kernel, recurrent, _ in directions for part in (kernel, recurrent)]
    biases = [part for _, _, bias in directions for part in (bias, jnp.zeros_like(bias))]
    state = jnp.zeros((len(directions), texts, units), "float32")
    hiddens, _, _ = rnn.lstm(  # pyright: ignore[reportGeneralTypeIssues] - what makes its gradient hides its types
        inputs.astype("float32"),
        state,
        state,
        jnp.concatenate([*matrices, *biases]).astype("float32"),
        lengths,
        input_size=width,
        hidden_size=units,
        num_layers=1,
        dropout=0.0,
        bidirectional=len(directions) == 2,
    )
    return hiddens
