"""What Adam does on TensorFlow; imported only where that is the backend."""

from __future__ import annotations

import tensorflow as tf


def dense(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    """Return a gradient as a whole, the rows of the same word added up."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    # The gradient of an embedding knows its shape.
    rows = gradient.dense_shape[0]  # pyright: ignore[reportOptionalSubscript]
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, rows)


def in_one_op(
    variable: tf.Variable,
    momentum: tf.Variable,
    velocity: tf.Variable,
    gradient: tf.Tensor,
    learning_rate: tf.Tensor,
    *,
    step: tf.Tensor,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """Take Adam's step number `step`, from 1, of a weight and its two moments, all of one shape."""
    kind = variable.dtype
    number = tf.cast(step, kind)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.handle,
        v=velocity.handle,
        beta1_power=tf.pow(tf.cast(beta_1, kind), number),
        beta2_power=tf.pow(tf.cast(beta_2, kind), number),
        lr=tf.cast(learning_rate, kind),
        beta1=tf.cast(beta_1, kind),
        beta2=tf.cast(beta_2, kind),
        epsilon=tf.cast(epsilon, kind),
        grad=tf.cast(gradient, kind),
    )
