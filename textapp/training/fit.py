"""Keras `fit`, with the epochs' figures kept, the best weights restored and the user told."""

from __future__ import annotations

import math

import keras

from textapp.errors import UserError
from textapp.training.progress import Progress, Stopwatch


def fit(
    network: keras.Model,
    train: keras.utils.PyDataset,
    validation: keras.utils.PyDataset,
    *,
    monitor: str,
    epochs: int,
    patience: int,
    progress: Progress,
) -> list[dict[str, float]]:
    """Train a compiled network until validation stops getting better.

    Args:
        network: compiled; afterwards it has the weights of its best epoch.
        train, validation: batches of (inputs, labels, weights).
        monitor: what makes an epoch the best: the lowest "val_loss" or the highest "val_accuracy".
        epochs: the most passes over `train`.
        patience: stop after this many epochs that were not the best.
        progress: where to show the bar and a line an epoch, and where TensorBoard's logs go.

    Returns:
        A row for every epoch that was run: epoch, seconds, loss, val_loss and the metrics.

    Raises:
        UserError: the loss became infinite or no number.
    """
    report = _Report(progress, epochs=epochs, steps=len(train))
    logs = [] if progress.logs is None else [keras.callbacks.TensorBoard(progress.logs, write_graph=False)]
    network.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        verbose=0,
        callbacks=[
            *logs,
            report,
            keras.callbacks.EarlyStopping(
                monitor,
                mode="min" if monitor == "val_loss" else "max",
                patience=patience,
                restore_best_weights=True,
            ),
        ],
    )
    return report.history


class _Report(keras.callbacks.Callback):
    """Shows each step, keeps each epoch and stops where the loss is no number any more."""

    def __init__(self, progress: Progress, *, epochs: int, steps: int):
        super().__init__()
        self.history: list[dict[str, float]] = []
        self._progress, self._epochs, self._steps = progress, epochs, steps

    def on_train_begin(self, logs=None):
        self._stopwatch = Stopwatch()
        self._progress.start("training", total=self._epochs * self._steps)

    def on_train_batch_end(self, batch, logs=None):
        # Asking a device for its loss waits for the step, so not at every one.
        if batch % 10 == 9:
            self._progress.advance(len(self.history) * self._steps + batch + 1, logs or {})

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, "seconds": self._stopwatch.seconds}
        row |= {name: float(value) for name, value in (logs or {}).items()}
        self.history.append(row)
        if not all(math.isfinite(value) for value in row.values()):
            raise UserError(
                f"the loss is no finite number after epoch {epoch + 1}; try a smaller learning rate or another seed"
            )
        self._progress.line(
            f"epoch {epoch + 1}/{self._epochs}", {key: value for key, value in row.items() if key != "epoch"}
        )
