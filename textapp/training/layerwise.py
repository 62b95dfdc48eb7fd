"""AdamW whose learning rate hangs on how deep in the network a weight is."""

from __future__ import annotations

from collections.abc import Callable

import keras


class LayerwiseAdamW(keras.optimizers.Adam):
    """Adam with a learning rate for each weight, and decoupled weight decay (Loshchilov and Hutter 2019).

    The rate itself is scaled: Adam takes the same step however its gradients are scaled.

    Args:
        learning_rate: the highest, or a schedule.
        scale_of: a weight's path to what its rate is multiplied by.
        decay: share of the weight, times its rate, that a step takes away; not of biases and layer norms.
        settings: of `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate, *, scale_of: Callable[[str], float], decay: float = 0.0, **settings):
        super().__init__(learning_rate, **settings)
        self._scale_of, self._decay = scale_of, decay

    def build(self, variables):
        super().build(variables)
        # By position: on TensorFlow `update_step` sees variables that do not know their path.
        self._scales = [self._scale_of(variable.path) for variable in variables]
        self._decays = [self._decay if decays(variable.path) else 0.0 for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        rate = keras.ops.cast(learning_rate, variable.dtype) * self._scales[index]
        if self._decays[index]:
            self.assign_sub(variable, variable * rate * self._decays[index])
        super().update_step(gradient, variable, rate)


def decays(path: str) -> bool:
    """Return whether a weight of this path decays: biases and what a layer norm learns do not."""
    return path.rpartition("/")[2] not in ("bias", "gamma", "beta", "scale")
