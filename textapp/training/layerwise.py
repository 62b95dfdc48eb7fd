"""AdamW whose learning rate hangs on how deep in the network a weight is."""

from __future__ import annotations

from collections.abc import Callable

import keras

from textapp.training.adam import Adam
from textapp.training.schedule import Rate, warmed_up


class LayerwiseAdamW(Adam):
    """Adam with a learning rate for each weight, and decoupled weight decay (Loshchilov and Hutter 2019).

    The rate itself is scaled: Adam takes the same step however its gradients are scaled.

    Args:
        learning_rate: the highest, or a schedule.
        scale_of: a weight's path to what its rate is multiplied by.
        decay: share of the weight, times its rate, that a step takes away; not of biases and layer norms.
        settings: of `Adam`.
    """

    def __init__(
        self,
        learning_rate: Rate,
        *,
        scale_of: Callable[[str], float] = lambda path: 1.0,
        decay: float = 0.0,
        **settings,
    ):
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


def fine_tuning(
    rate: float,
    *,
    steps: int | None,
    warm_up: float,
    accumulate: int,
    **settings,
) -> LayerwiseAdamW:
    """Return the optimizer of a pretrained network.

    Args:
        rate: the highest.
        steps: batches that go through the network in all; None where a budget sets the rate.
        warm_up: share of the steps in which the rate rises.
        accumulate: batches that make a step of the optimizer together.
        settings: others of `LayerwiseAdamW`.
    """
    if steps is not None:
        taken = steps // accumulate
        rate = warmed_up(rate, steps=taken, rising=round(warm_up * taken))
    return LayerwiseAdamW(
        rate,
        global_clipnorm=1.0,
        gradient_accumulation_steps=None if accumulate == 1 else accumulate,
        **settings,
    )


def decays(path: str) -> bool:
    """Return whether a weight of this path decays: biases and what a layer norm learns do not."""
    return path.rpartition("/")[2] not in ("bias", "gamma", "beta", "scale")
