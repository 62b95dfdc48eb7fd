"""Which numbers a network is trained in: float32, or bfloat16 where the device is faster with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

from textapp.errors import UserError
from textapp.machine import has_bfloat16, has_gpu

# By "auto" networks of this width or more take bfloat16. Of narrower ones the conversions cost more than the
# multiplications save: on two cores with the instructions a step of a block of width 64 took 1.1 to 1.5 times as
# long with it, one of six blocks of width 384 0.75 to 0.9 times.
WIDE = 256
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # Keras's names: weights stay float32
PRECISIONS = ("auto", *POLICIES)


def check_precision(wanted: str) -> None:
    """Raise UserError for a precision that there is not."""
    if wanted not in PRECISIONS:
        raise UserError(f"unknown precision {wanted!r}; choose from {list(PRECISIONS)}")


def choose_precision(wanted: str, *, width: int, compiled: bool) -> str:
    """Return "float32" or "bfloat16".

    Args:
        wanted: one of `PRECISIONS`.
        width: of the network's hidden layers, D.
        compiled: whether XLA compiles the step; on a CPU it multiplies bfloat16 no faster than float32.

    Raises:
        UserError: there is no such precision.
    """
    check_precision(wanted)
    if wanted != "auto":
        return wanted
    faster = has_gpu() or (has_bfloat16() and not compiled)
    return "bfloat16" if width >= WIDE and faster else "float32"


def attention_path(precision: str) -> str | None:
    """Return what computes attention where it is no plain operations: on a GPU JAX has a kernel for bfloat16."""
    fused = has_gpu() and keras.backend.backend() == "jax" and precision == "bfloat16"
    return "cuDNN attention" if fused else None


@contextlib.contextmanager
def building_in(precision: str) -> Iterator[None]:
    """Let the layers that are built meanwhile compute in "float32" or "bfloat16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
