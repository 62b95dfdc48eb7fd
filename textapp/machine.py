"""What the program runs on: versions, device, memory."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras

from textapp.memory import give_memory_back
from textapp.text.tokenizing import cores

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


def code_digest() -> str:
    """Return the SHA-256 of this program's source code: two states of one version are not the same program."""
    folder, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def device() -> str:
    """Return what trains, and the backend: "1 x NVIDIA H100 80GB HBM3, jax" or "2 cores of AMD EPYC 7B13, jax"."""
    if gpus := _gpus():
        return f"{len(gpus)} x {_gpu_name()}, {keras.backend.backend()}"
    return f"{cores()} cores of {_processor()}, {keras.backend.backend()}"


def has_tensorflow() -> bool:
    """Return whether TensorFlow, without which there are no SavedModels, is installed."""
    return find_spec("tensorflow") is not None


def has_gpu() -> bool:
    """Return whether the backend computes on a GPU."""
    return bool(_gpus())


@functools.cache
def _gpus() -> list[str]:
    try:
        return keras.distribution.list_devices("gpu")
    except RuntimeError:  # JAX's way to say that there is none
        return []


def _gpu_name() -> str:
    """Return what NVIDIA's driver calls the first GPU; "GPU" where it does not say."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return "GPU"
    return next((line.strip() for line in lines if line.strip()), "GPU")


def has_bfloat16() -> bool:
    """Return whether the device multiplies bfloat16 faster than float32: a GPU, or a CPU with the instructions."""
    return has_gpu() or bool({"avx512_bf16", "amx_bf16"} & set(_cpu_facts().get("flags", "").split()))


def _processor() -> str:
    return _cpu_facts().get("model name") or platform.processor() or platform.machine()


@functools.cache
def _cpu_facts() -> dict[str, str]:
    """Return what Linux says of the last core; nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def memory_bytes() -> int | None:
    """Return how much memory the machine has, in bytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # no Unix
        return None


def peak_memory_bytes() -> int | None:
    """Return the most memory that this process, without its children, held since `forget_peak_memory`, in bytes.

    None where the system does not tell.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # no Linux: since the process began
        if find_spec("resource") is None:  # no Unix
            return None
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)


def forget_peak_memory() -> None:
    """Let the peak begin anew, where the system can (Linux), without what was freed before."""
    give_memory_back()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # see proc(5)
