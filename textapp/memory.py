"""How this process takes memory, and how too little of it shows; imports nothing that takes much of it."""

from __future__ import annotations

import contextlib
import ctypes
import gc

# Of mallopt(3), from glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def device_is_full(error: Exception) -> bool:
    """Return whether an error says that a device has too little memory; each backend, and XLA, has its own class."""
    return "ResourceExhausted" in type(error).__name__ or "RESOURCE_EXHAUSTED" in str(error)


def keep_memory() -> None:
    """Let this process keep the memory that it frees, where the C library is glibc.

    Left alone, glibc gives every array of some size back to the system when it is freed and takes the next one anew,
    page by page: a quarter of an LSTM's training step. To be called before there is much memory; see mallopt(3).
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 64 * 2**20)):
            mallopt(parameter, value)


def give_memory_back() -> None:
    """Give what this process keeps without using it to the system, where the C library is glibc; see malloc_trim(3)."""
    gc.collect()  # a Keras network holds itself
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
