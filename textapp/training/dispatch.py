"""Several training steps in one dispatch, on JAX: for a small network on a GPU Python takes longer than the step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import keras
import numpy as np

from textapp.training.batches import WORKERS
from textapp.training.shapes import shapes


class Shaped(Protocol):
    """Batches of (inputs, labels, weights) that tell their shapes without being made."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]: ...

    def shape(self, index: int) -> tuple[int, ...]:
        """Return what two batches have in common that can be stacked."""
        ...

    def on_epoch_end(self) -> None: ...


class Stacks(keras.utils.PyDataset):
    """Batches of one shape stacked: ((inputs, count), labels, weights), arrays of shape (steps, B, ...).

    Of the last stack of each shape only the first `count` batches count. Batches of a shape keep their order, and those
    of different shapes take turns as they fill their stacks.

    Args:
        batches: of an epoch.
        steps: how many there are in a stack.
    """

    def __init__(self, batches: Shaped, steps: int):
        super().__init__(workers=WORKERS)
        self._batches, self._steps = batches, steps
        self._plan = self._make_plan()

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int):
        chosen = self._plan[index]
        parts = [self._batches[position] for position in chosen]
        parts += parts[-1:] * (self._steps - len(parts))
        inputs, labels, weights = keras.tree.map_structure(lambda *arrays: np.stack(arrays), *parts)
        return (inputs, np.int32(len(chosen))), labels, weights

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()
        self._plan = self._make_plan()

    def _make_plan(self) -> list[list[int]]:
        waiting, plan = defaultdict(list), []
        for index in range(len(self._batches)):
            alike = waiting[self._batches.shape(index)]
            alike.append(index)
            if len(alike) == self._steps:
                plan.append(alike.copy())
                alike.clear()
        return plan + [alike for alike in waiting.values() if alike]


def dispatched(network: keras.Model, batches: Shaped) -> keras.utils.PyDataset:
    """Return batches for a network's `fit`, several of them as one where that makes it faster on this device.

    Args:
        network: compiled; on JAX its metrics are built, as `test_on_batch` does.
        batches: of an epoch.
    """
    steps = shapes().steps
    if keras.backend.backend() != "jax" or steps == 1:
        return batches
    network.train_function = _through_stacks(network)
    return Stacks(batches, steps)


def _through_stacks(network: keras.Model) -> Callable[[Any, Iterator], tuple[Any, Any]]:
    """Return what Keras's `fit` calls as a network's `train_function`, for batches that are `Stacks`."""
    import jax

    logs = {name: np.float32(0) for name in network.get_metrics_result()}

    def steps(state, stack):
        (inputs, count), labels, weights = stack

        def step(index, carried):
            batch = jax.tree.map(lambda part: part[index], (inputs, labels, weights))
            logs, state = network.train_step(carried[1], batch)
            return logs, state

        return jax.lax.fori_loop(0, count, step, (logs, state))

    compiled = jax.jit(steps, donate_argnums=0)
    return lambda state, iterator: compiled(state, next(iterator))
