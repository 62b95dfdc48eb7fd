"""How the learning rate goes where steps are counted; by the clock see `textapp.training.budget`."""

from __future__ import annotations

import keras

Rate = float | keras.optimizers.schedules.LearningRateSchedule  # what optimizers take


def warmed_up(rate: float, *, steps: int, rising: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a rate that rises from 0 and then falls to 0 as a cosine.

    Args:
        rate: the highest.
        steps: of the training.
        rising: how many of them the rate rises in; one at least.
    """
    rising = max(1, rising)
    return keras.optimizers.schedules.CosineDecay(0.0, max(1, steps - rising), warmup_target=rate, warmup_steps=rising)
