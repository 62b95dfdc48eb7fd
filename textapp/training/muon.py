"""Muon for the matrices of a transformer, those of its attention, too."""

from __future__ import annotations

import keras
from keras import ops

from textapp.training.schedule import Rate


class KernelMuon(keras.optimizers.Muon):
    """Muon (Jordan et al. 2024) for every kernel, AdamW for embeddings, biases and scales.

    Keras's own leaves kernels of three axes to AdamW, which are all of an attention's, and takes its biases of two axes
    for matrices. Here a kernel from D numbers to H heads, (D, H, D / H), is the matrix (D, D) that it is to the
    network, and so is the one back, (H, D / H, D). It needs D to be no less than the width of a head, as it ever is.

    Args:
        arguments: as for Keras's.
        precision: "float32" or "bfloat16", of the multiplications that make a step orthogonal; the latter is Jordan's.
    """

    def __init__(self, *arguments, precision: str = "float32", **options):
        super().__init__(*arguments, **options)
        self._precision = precision

    def _should_use_adamw(self, variable) -> bool:
        return len(variable.shape) not in (2, 3) or not variable.path.endswith("kernel")

    def zeropower_via_newtonschulz5(self, x, steps: int):
        matrix = super().zeropower_via_newtonschulz5(ops.cast(_as_matrix(x), self._precision), steps)
        return ops.cast(ops.reshape(matrix, x.shape), x.dtype)

    def lr_adjust(self, x):
        return ops.reshape(super().lr_adjust(_as_matrix(x)), x.shape)


def from_scratch(learning_rate: Rate, *, precision: str = "float32") -> KernelMuon:
    """Return what a small transformer that computes in a precision is trained with from random weights."""
    return KernelMuon(
        learning_rate,
        precision=precision,
        weight_decay=0.01,
        adam_weight_decay=0.01,
        adam_beta_2=0.98,
        adam_lr_ratio=0.5,
        global_clipnorm=1.0,
    )


def _as_matrix(x):
    """Return a kernel with its heads joined."""
    if len(x.shape) == 2:
        return x
    first, heads, last = x.shape
    return ops.reshape(x, (first, heads * last) if first >= last else (first * heads, last))
