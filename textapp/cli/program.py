"""What all commands share: their errors in sentences, their console, and Keras made ready."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import typer
from rich.console import Console

from textapp.errors import UserError
from textapp.memory import device_is_full, keep_memory
from textapp.run import WRITING

INTERRUPTED = 130  # as shells report a process that Ctrl-C ended


def in_sentences(command: Callable) -> Callable:
    """Turn the errors that a user can mend into one sentence on stderr and an exit code."""

    @functools.wraps(command)
    def run(*args, **kwargs):
        errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        try:
            return command(*args, **kwargs)
        except UserError as error:
            errors.print(f"Error: {' '.join(str(error).split())}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            left = "Nothing was changed."
            if command.__name__ in ("train", "pretrain"):
                begun = "What there is of the run is in a folder that ends in .unfinished; go on with --resume."
                left = begun if WRITING else "No run is left unfinished."
            errors.print(f"Interrupted. {left}")
            raise typer.Exit(INTERRUPTED) from None
        except MemoryError:
            errors.print("Error: out of memory; use fewer texts with --limit, or fewer models with --models.")
            raise typer.Exit(1) from None
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            errors.print(f"Error: the system says: {error.strerror or error}{where}.")
            raise typer.Exit(1) from None
        except Exception as error:
            if not device_is_full(error):
                raise
            errors.print(
                "Error: the device's memory is too small; take fewer or smaller models, or end what else runs there."
            )
            raise typer.Exit(1) from None

    return run


def console() -> Console:
    """Return where to show progress and reports."""
    usual = Console(highlight=False)
    # Rich takes 80 columns where there is no terminal; a log file has room for the lines.
    return usual if usual.is_terminal else Console(highlight=False, width=120)


BACKENDS = ("tensorflow", "jax")
DEVICES = ("auto", "cpu", "gpu")


def prepare_keras(device: str = "auto") -> None:
    """Load Keras without the log lines that its backend prints while loading, and let it keep its memory.

    Args:
        device: "cpu", "gpu", or "auto" for a GPU where the backend finds one.

    Raises:
        UserError: there is no such device here, or the backend is not installed or cannot be used.
    """
    if device not in DEVICES:
        raise UserError(f"--device is {device!r}; choose from {list(DEVICES)}")
    if (backend := os.environ.get("KERAS_BACKEND")) and backend not in BACKENDS:
        raise UserError(f"KERAS_BACKEND is {backend!r}; textapp works with {' and '.join(BACKENDS)}")
    keep_memory()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of tracing for each bucket's width
    if device == "cpu":
        os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    # A GPU would round the inputs of float32 multiplications to 10 bits, and a model would answer otherwise than on a
    # CPU and than its SavedModel. What is to be fast there computes in bfloat16, see `textapp.training.precision`.
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "float32")
    _import_keras()
    from textapp.machine import has_gpu

    if device == "gpu" and not has_gpu():
        raise UserError(
            f"--device is 'gpu', and {os.environ.get('KERAS_BACKEND') or BACKENDS[0]} finds none here; README's \"On a "
            'GPU" says what to install, and without --device gpu the CPU is used'
        )


def _import_keras() -> None:
    """Import Keras, silently."""
    sys.stderr.flush()
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        import_module("keras_hub")
    except ImportError as error:
        raise UserError(_missing(error.name)) from error
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)


def _missing(package: str | None) -> str:
    """Return what to do about a package that cannot be imported."""
    if package == "tensorflow" and find_spec("jax"):
        return "TensorFlow, Keras's default backend, is not installed, but jax is; set KERAS_BACKEND=jax"
    if package == "jax":
        return "KERAS_BACKEND is 'jax', which is not installed; run `python -m pip install -r requirements-jax.txt`"
    return f"cannot import {package}; run `python -m pip install -r requirements.txt`"
