"""Adam that takes each weight's step in one pass over memory, and the same step on every backend."""

from __future__ import annotations

import keras

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


class Adam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015).

    On TensorFlow, Keras's goes over weights and moments once for each of its operations; here `ResourceApplyAdam` does
    all of them at once. And there the gradient of an embedding comes as a row for each token of the batch, of which
    Keras's squares each and adds the squares, where Adam, and Keras's on JAX, squares the sum of a word's rows.
    """

    def apply(self, grads, trainable_variables=None):
        super().apply([_dense(gradient) for gradient in grads], trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        if ON_TENSORFLOW:
            index = self._get_variable_index(variable)
            _step(self, gradient, variable, self._momentums[index], self._velocities[index], learning_rate)
        else:
            super().update_step(gradient, variable, learning_rate)


def _dense(gradient):
    """Return a gradient with the rows of the same word added up."""
    if not ON_TENSORFLOW:
        return gradient
    import tensorflow as tf

    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, gradient.dense_shape[0])


def _step(optimizer: Adam, gradient, variable, momentum, velocity, learning_rate) -> None:
    import tensorflow as tf

    kind = variable.dtype
    steps = tf.cast(keras.ops.convert_to_tensor(optimizer.iterations), kind) + 1
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.value.handle,
        v=velocity.value.handle,
        beta1_power=tf.pow(tf.cast(optimizer.beta_1, kind), steps),
        beta2_power=tf.pow(tf.cast(optimizer.beta_2, kind), steps),
        lr=tf.cast(learning_rate, kind),
        beta1=tf.cast(optimizer.beta_1, kind),
        beta2=tf.cast(optimizer.beta_2, kind),
        epsilon=tf.cast(optimizer.epsilon, kind),
        grad=tf.cast(gradient, kind),
    )
