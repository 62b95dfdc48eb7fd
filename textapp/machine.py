"""What the program runs on: versions, device, memory."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import resource
import sys
from pathlib import Path

import keras

PACKAGES = ("tensorflow", "keras", "keras-hub", "jax", "scikit-learn", "nltk", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide the numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def device() -> str:
    """Return the processor or the GPUs that train, with the backend: "2 x AMD EPYC 7B13, tensorflow"."""
    try:
        gpus = keras.distribution.list_devices("gpu")
    except RuntimeError:  # JAX's way to say that there is none
        gpus = []
    if gpus:
        return f"{len(gpus)} x GPU, {keras.backend.backend()}"
    return f"{len(os.sched_getaffinity(0))} cores of {_processor()}, {keras.backend.backend()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def peak_memory_bytes() -> int:
    """Return the most memory that this process, without its children, held since `forget_peak_memory`, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # no Linux: since the process began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)


def forget_peak_memory() -> None:
    """Let the peak begin anew, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # see proc(5)
