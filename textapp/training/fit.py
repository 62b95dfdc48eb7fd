"""Keras `fit`, with the figures of every check kept, the best weights restored and the user told."""

from __future__ import annotations

import dataclasses
import math
import sys

import keras
import numpy as np

from textapp.errors import UserError
from textapp.memory import device_is_full
from textapp.training.budget import RATES, Budget, Clock
from textapp.training.checkpoint import Checkpoint, synchronize
from textapp.training.dispatch import dispatched
from textapp.training.progress import Progress, Stopwatch


def fit(
    network: keras.Model,
    train: keras.utils.PyDataset,
    validation: keras.utils.PyDataset,
    *,
    monitor: str,
    epochs: int | None,
    patience: int,
    progress: Progress,
    computation: str | None = None,
    budget: Budget | None = None,
    stopwatch: Stopwatch | None = None,
    passes: float = 1.0,
) -> list[dict[str, float]]:
    """Train a compiled network until validation stops getting better, or the time is over.

    Args:
        network: compiled, with a budget with a learning rate that is a number and no schedule; afterwards it has
            the weights of its best check.
        train, validation: batches of (inputs, labels, weights).
        monitor: what makes a check the best: the lowest "val_loss" or the highest "val_accuracy".
        epochs: the most passes over `train`; None, with a budget, for as many as it allows.
        patience: stop after this many epochs without a best check; twice as many in each further round of a budget.
        progress: where to show the bar and a line a check, and where TensorBoard's logs and the checkpoint go. Where
            that is there already, the training goes on from it as if it had not been broken off; the network and
            the batches must be what they were.
        computation: what the network is trained in, and by which path, for the user to read; None to say nothing.
        budget: how long to train; None for no limit.
        stopwatch: began with the fit of the model, whose time is counted from there; None to count from here.
        passes: how many passes over the training texts `train` is.

    Returns:
        A row for every check: epoch, seconds, loss, val_loss and the metrics. There is a check after every epoch
        and, with a budget, inside of long ones, too: the epoch is a fraction then.

    Raises:
        ValueError: there are neither epochs nor a budget.
        UserError: the loss became infinite or no number, memory was short, or the checkpoint is damaged.
    """
    if epochs is None and budget is None:
        raise ValueError("epochs is None, which takes a budget; choose one of them")
    if computation is not None:
        progress.line(f"trains in {computation}")
    settings = {"monitor": monitor, "epochs": epochs, "patience": patience, "budget": budget, "passes": passes}
    try:
        checks = _fit(network, train, validation, progress=progress, stopwatch=stopwatch or Stopwatch(), **settings)
    except Exception as error:
        if not device_is_full(error):
            raise
        raise UserError(
            "the device's memory is too small for a training step; use --accumulate 4 with minilm or causal-lm, or end "
            "what else runs there, and give the same command again, which goes on with what is finished; or leave out "
            "models with --models"
        ) from error
    network.set_weights(checks.weights)
    return checks.history


def _fit(
    network: keras.Model,
    train: keras.utils.PyDataset,
    validation: keras.utils.PyDataset,
    *,
    monitor: str,
    epochs: int | None,
    patience: int,
    progress: Progress,
    budget: Budget | None,
    passes: float,
    stopwatch: Stopwatch,
) -> _Checks:
    """Train, with the arguments of `fit`, and return the checks, which have the best weights."""
    if keras.backend.backend() == "jax":
        # Else Keras builds on a batch of `train`, and those that its threads fetched meanwhile come in the first
        # epoch, too, as many as there happened to be.
        network.test_on_batch(*validation[0])
    steps = len(train)
    train = dispatched(network, train)  # from here on a step is a dispatch
    if budget is not None and budget.first_round is not None:
        budget = dataclasses.replace(budget, first_round=math.ceil(budget.first_round * len(train) / steps))
    checks = _Checks(
        progress,
        stopwatch,
        monitor=monitor,
        epochs=epochs,
        steps=len(train),
        patience=patience,
        seconds=None if budget is None else budget.seconds,
        passes=passes,
    )
    callbacks = [] if progress.logs is None else [keras.callbacks.TensorBoard(progress.logs, write_graph=False)]
    callbacks.append(checks)
    if budget is not None:
        callbacks.append(_Timekeeper(checks, budget, validation))
    left = [(train, 0, epochs or sys.maxsize)]
    if progress.checkpoint is not None:
        parts = {"checks": checks} if budget is None else {"checks": checks, "timekeeper": callbacks[-1]}
        checkpoint = Checkpoint(progress.checkpoint, network, train, parts)
        left = checkpoint.left(validation, epochs=epochs or sys.maxsize)
        callbacks.append(checkpoint)
    for batches, first, end in left:
        if first < end and not network.stop_training:
            network.fit(
                batches,
                validation_data=validation,
                initial_epoch=first,
                epochs=end,
                shuffle=False,  # the batches do it themselves, so that their order hangs on seed and epoch alone
                verbose=0,
                callbacks=callbacks,
            )
    return checks


class _Checks(keras.callbacks.Callback):
    """Shows each step, keeps each check and the best weights, and stops where it gets no better.

    Attributes:
        history: a row for every check.
        stopwatch: since the fit began.
        planned: how many steps are wanted, None where only the time limits them.
        done: how many are finished.
        patience: how many epochs to go on without a best check.
        weights: of the best check, None before the first.
    """

    def __init__(
        self,
        progress: Progress,
        stopwatch: Stopwatch,
        *,
        monitor: str,
        epochs: int | None,
        steps: int,
        patience: int,
        seconds: float | None,
        passes: float = 1.0,
    ):
        super().__init__()
        self.history: list[dict[str, float]] = []
        self.stopwatch, self.done = stopwatch, 0
        self.planned = None if epochs is None else epochs * steps
        self._progress, self._epochs, self._steps = progress, epochs, steps
        self._monitor, self.patience, self._waited = monitor, patience, 0
        self._best, self.weights = -math.inf, None
        self._seconds, self._passes = seconds, passes
        self._broken_off: float | None = None  # the seconds that were over when the checkpoint was written

    def on_train_begin(self, logs=None):
        self._progress.start("training", total=self.planned if self._seconds is None else self._seconds)

    def on_train_batch_end(self, batch, logs=None):
        if self._broken_off is not None:
            self._go_on_at(self._broken_off)  # the first step compiled, once more
            self._broken_off = None
        self.done += 1
        # Asking a device for its loss waits for the step, so not at every one.
        if batch % 10 == 9:
            self._progress.advance(self.done if self._seconds is None else self.stopwatch.seconds, logs or {})

    def on_epoch_end(self, epoch, logs=None):
        self._waited += 1
        self.keep(logs or {})
        if self._waited >= self.patience:
            self.model.stop_training = True

    def state(self) -> tuple[dict, list[np.ndarray]]:
        """Return what a checkpoint has of it."""
        names = ("history", "done", "patience", "_waited")
        facts = {name: getattr(self, name) for name in names} | {"seconds": self.stopwatch.seconds}
        return facts, self.weights or []

    def take(self, facts: dict, arrays: list[np.ndarray]) -> None:
        """Go on from the state that a checkpoint has."""
        for name in ("history", "done", "patience", "_waited"):
            setattr(self, name, facts[name])
        self._best = max((self._value(row) for row in self.history), default=-math.inf)
        self.weights = arrays or None
        seconds: float = facts["seconds"]
        self._broken_off = seconds
        self._go_on_at(seconds)
        epoch = self._passes * self.done / self._steps
        self._progress.line(f"goes on after epoch {epoch:.4g}", {"seconds": seconds})

    def _go_on_at(self, seconds: float) -> None:
        """Turn the stopwatch to where it stood: neither the time between nor what had to be done again counts."""
        self._progress.earlier += seconds - self.stopwatch.seconds
        self.stopwatch.turn_to(seconds)

    def _value(self, row: dict[str, float]) -> float:
        """Return what is the highest of the best check."""
        return -row[self._monitor] if self._monitor == "val_loss" else row[self._monitor]

    def keep(self, logs: dict[str, float]) -> None:
        """Take in the figures of a check, and the weights if they are the best so far."""
        epoch = round(self._passes * self.done / self._steps, 4)
        row = {"epoch": int(epoch) if epoch.is_integer() else epoch, "seconds": self.stopwatch.seconds}
        row |= {name: float(value) for name, value in logs.items()}
        self.history.append(row)
        if not all(math.isfinite(value) for value in row.values()):
            raise UserError(
                f"the loss is no finite number after epoch {row['epoch']:.4g}; try a smaller learning rate or another "
                "seed"
            )
        value = self._value(row)
        if value > self._best:
            self._best, self.weights, self._waited = value, self.model.get_weights(), 0
        of = "" if self._epochs is None else f"/{self._passes * self._epochs:.4g}"
        self._progress.line(
            f"epoch {row['epoch']:.4g}{of}", {key: value for key, value in row.items() if key != "epoch"}
        )


class _Timekeeper(keras.callbacks.Callback):
    """Brings the learning rate to zero by the clock, looks at the validation texts in between and stops in time."""

    _clock: Clock  # there from the first step on

    def __init__(self, checks: _Checks, budget: Budget, validation: keras.utils.PyDataset):
        super().__init__()
        self._checks, self._budget, self._validation = checks, budget, validation
        self._set = 0.0

    def on_train_begin(self, logs=None):
        if not hasattr(self, "_clock"):
            self._clock = self._new_clock()
            self._set_rate(0.0)

    def _new_clock(self) -> Clock:
        return Clock(
            self._budget,
            now=self._checks.stopwatch.seconds,
            steps=self._checks.planned,
            validation_steps=len(self._validation),
        )

    def state(self) -> tuple[dict, list[np.ndarray]]:
        """Return what a checkpoint has of it."""
        return {"clock": self._clock.state(), "set": self._set}, []

    def take(self, facts: dict, arrays: list[np.ndarray]) -> None:
        """Go on from the state that a checkpoint has; the optimizer's rate is one of its variables."""
        self._clock, self._set = self._new_clock(), facts["set"]
        self._clock.take(facts["clock"])

    def on_train_batch_end(self, batch, logs=None):
        now, done = self._checks.stopwatch.seconds, self._checks.done
        self._clock.stepped(now, done)
        if self._clock.is_over(now):
            self.model.stop_training = True
            return
        if self._clock.wants_check(now) and batch + 1 < self.params["steps"]:
            self._check(logs or {})
            now = self._checks.stopwatch.seconds
        if self._clock.goes_round(now, done):
            self._checks.patience *= 2
            self._set_rate(0.0)
        elif (spent := self._clock.spent(now, done)) - self._set >= 1 / RATES:
            self._set_rate(spent)

    def on_test_begin(self, logs=None):
        self._began = self._checks.stopwatch.seconds

    def on_test_end(self, logs=None):
        self._clock.checked(self._began, self._checks.stopwatch.seconds)

    def on_epoch_end(self, epoch, logs=None):
        if self._clock.is_over(self._checks.stopwatch.seconds):
            self.model.stop_training = True

    def _check(self, logs: dict[str, float]) -> None:
        """Look at the validation texts inside an epoch."""
        synchronize(self.model)
        logs = {name: float(value) for name, value in logs.items()}
        # Keras counts the metrics of training and of validation in the same variables.
        counted = [keras.ops.convert_to_numpy(variable) for variable in self.model.metrics_variables]
        self.on_test_begin()
        found = self.model.evaluate(self._validation, verbose=0, return_dict=True)
        self.on_test_end()
        for variable, value in zip(self.model.metrics_variables, counted, strict=True):
            variable.assign(value)
        self._checks.keep(logs | {f"val_{name}": value for name, value in found.items()})

    def _set_rate(self, spent: float) -> None:
        self._set = spent
        synchronize(self.model)
        self.model.optimizer.learning_rate = self._clock.learning_rate(spent)
