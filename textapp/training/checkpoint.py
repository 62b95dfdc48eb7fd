"""A training that may be broken off: what it takes to go on as if it had not been, in a file."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from textapp.arrays_file import damaged, read_arrays, write_arrays
from textapp.training.batches import WORKERS

FORMAT = 1
PAUSE = 60.0  # seconds from one file to the next inside of an epoch; after an epoch there is one anyway
# The most of the time that writing takes: a file that took two seconds is followed by none for 200, whatever is over
# by then. So it costs a hundredth of the training at most, on a slow disk and with a large network, too.
SHARE = 0.01
GUESS = 0.1  # seconds that the first file is taken to need, so that trainings of some seconds write none


class Part(Protocol):
    """What counts while a network trains, and can go on counting in another process."""

    def state(self) -> tuple[dict, Sequence[np.ndarray]]:
        """Return what was counted: numbers for JSON, and arrays."""
        ...

    def take(self, facts: dict, arrays: Sequence[np.ndarray]) -> None:
        """Go on from there, before the training begins."""


class Checkpoint(keras.callbacks.Callback):
    """Writes the file of a training now and then; comes after the callbacks whose numbers it writes.

    The file has every variable of the network and its optimizer, the states of random numbers among them, the
    figures of the epoch so far, and what the parts counted. Batches are not in it: their order hangs on seed and
    epoch alone.

    Args:
        path: the file.
        network: compiled.
        train: the batches of an epoch.
        parts: what counts, by name.
    """

    def __init__(self, path: Path, network: keras.Model, train: keras.utils.PyDataset, parts: Mapping[str, Part]):
        super().__init__()
        self._path, self._network, self._train, self._parts = path, network, train, dict(parts)
        self._done, self._epochs = 0, math.inf
        self._figures: list[np.ndarray] = []  # that the next epoch begins with
        self._took, self._written = GUESS, time.perf_counter()

    def left(self, validation: keras.utils.PyDataset, *, epochs: int) -> list[tuple[keras.utils.PyDataset, int, int]]:
        """Take over what the file holds, if there is one, and return what is left to train.

        Args:
            validation: the batches to judge it on.
            epochs: the most there may be.

        Returns:
            For each `fit`: batches, the number of their first epoch and the number before which they end.

        Raises:
            UserError: the file is damaged or of another training.
        """
        self._epochs = epochs
        if not self._path.exists():
            return [(self._train, 0, epochs)]
        facts, arrays = read_arrays(self._path)
        try:
            if (facts["format"], facts["steps"]) != (FORMAT, len(self._train)):
                raise ValueError("it is of another training")
            for name, part in self._parts.items():
                part.take(facts["parts"][name], _group(arrays, name))
            epoch, skipped = divmod(facts["done"], len(self._train))
            over = bool(facts["over"])
            if not over:
                self._take_variables(arrays, validation, figures=skipped > 0)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(self._path, error) from error
        if over:
            return []
        self._done = facts["done"]
        for _ in range(epoch):
            self._train.on_epoch_end()
        if not skipped:
            return [(self._train, epoch, epochs)]
        return [(_Rest(self._train, skipped), epoch, epoch + 1), (self._train, epoch + 1, epochs)]

    def on_epoch_begin(self, epoch, logs=None):
        for variable, value in zip(self.model.metrics_variables, self._figures, strict=False):
            variable.assign(value)  # Keras has just set them to 0
        self._figures = []

    def on_train_batch_end(self, batch, logs=None):
        self._done += 1
        # After the last step of an epoch Keras looks at the validation texts before anything can go on.
        if batch + 1 < self.params["steps"] and not self.model.stop_training and self._is_due(PAUSE):
            self._write(over=False)

    def on_epoch_end(self, epoch, logs=None):
        if self._is_due(0.0):
            self._write(over=self.model.stop_training or epoch + 1 >= self._epochs)

    def _is_due(self, pause: float) -> bool:
        return time.perf_counter() - self._written >= max(pause, self._took / SHARE)

    def _write(self, *, over: bool) -> None:
        began = time.perf_counter()
        synchronize(self.model)
        facts = {"format": FORMAT, "steps": len(self._train), "done": self._done, "over": over}
        groups: dict[str, Sequence[np.ndarray]] = {
            name: [keras.ops.convert_to_numpy(variable) for variable in variables]
            for name, variables in self._variables().items()
        }
        counted = {}
        for name, part in self._parts.items():
            counted[name], groups[name] = part.state()
        facts["parts"] = counted
        arrays = {f"{name}:{number:05}": array for name, found in groups.items() for number, array in enumerate(found)}
        write_arrays(self._path, facts, arrays)
        self._written = time.perf_counter()
        self._took = self._written - began

    def _variables(self) -> dict[str, list[keras.Variable]]:
        network = self._network
        return {
            "network": network.variables,
            "optimizer": network.optimizer.variables,
            "figures": network.metrics_variables,
        }

    def _take_variables(
        self, arrays: Mapping[str, np.ndarray], validation: keras.utils.PyDataset, *, figures: bool
    ) -> None:
        """Give the variables the values of a file; those of the figures only inside of an epoch."""
        self._network.optimizer.build(self._network.trainable_variables)
        if figures:
            self._network.test_on_batch(*validation[0])  # until then there are no variables that count them
        for name, variables in self._variables().items():
            if name == "figures" and not figures:
                continue
            found = _group(arrays, name)
            shapes = [[(tuple(one.shape), str(one.dtype)) for one in some] for some in (found, variables)]
            if shapes[0] != shapes[1]:
                raise ValueError(f"the arrays of its {name} are not those of this training")
            if name == "figures":
                self._figures = found
                continue
            for variable, value in zip(variables, found, strict=True):
                variable.assign(value)


class _Rest(keras.utils.PyDataset):
    """What is left of the epoch that batches are in.

    Args:
        batches: `on_epoch_end` was called as often as there are epochs before this one.
        skipped: how many batches of the epoch are left out, at least 1 and not all.
    """

    def __init__(self, batches: keras.utils.PyDataset, skipped: int):
        super().__init__(workers=WORKERS)
        # Keras says before the first epoch, too, that one has ended. Here only this line listens to it.
        batches.on_epoch_end()
        self._batches, self._skipped = batches, skipped
        self._is_looked_at = True

    def __len__(self) -> int:
        return len(self._batches) - self._skipped

    def __getitem__(self, index: int):
        # Keras on TensorFlow looks at the first two batches to learn which dimensions vary. Of an epoch the first two
        # are made to show it; of its rest two may have the same width by chance. One alone need fit itself only.
        if self._is_looked_at and len(self) > 1:
            return self._batches[index]
        return self._batches[index + self._skipped]

    def on_epoch_end(self) -> None:
        self._is_looked_at = False


def synchronize(network: keras.Model) -> None:
    """Have the variables hold what they should: on JAX they do not while an epoch goes on."""
    if keras.backend.backend() == "jax":
        network.jax_state_sync()


def _group(arrays: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    """Return the arrays of a name in their order."""
    return [arrays[key] for key in sorted(arrays) if key.partition(":")[0] == name]
