"""Adam that takes each weight's step in one pass over memory, and the same step on every backend."""

from __future__ import annotations

import keras

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


class Adam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015).

    On TensorFlow, Keras's goes over weights and moments once for each of its operations; here one does all of them.
    And there the gradient of an embedding comes as a row for each token of the batch, of which Keras's squares each and
    adds the squares, where Adam, and Keras's on JAX, squares the sum of a word's rows.
    """

    def apply(self, grads, trainable_variables=None):
        if ON_TENSORFLOW:
            from textapp.training.tensorflow_adam import dense

            grads = [dense(gradient) for gradient in grads]
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        if not ON_TENSORFLOW or self.amsgrad:  # which the op does not know
            super().update_step(gradient, variable, learning_rate)
            return
        from textapp.training.tensorflow_adam import in_one_op

        index = self._get_variable_index(variable)
        in_one_op(
            variable,
            self._momentums[index].value,
            self._velocities[index].value,
            gradient,
            learning_rate,
            step=keras.ops.convert_to_tensor(self.iterations) + 1,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )
