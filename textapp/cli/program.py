"""What all commands share: their errors in sentences, their console, and Keras made ready."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from textapp.errors import UserError
from textapp.memory import device_is_full, keep_memory

LOGGER = logging.getLogger(__name__)
INTERRUPTED = 130  # as shells report a process that Ctrl-C ended


def _option(name: str, kind: Any, default: Any, *flags: str, text: str) -> inspect.Parameter:
    annotation = Annotated[kind, typer.Option(*flags, help=text, rich_help_panel="Messages")]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


COMMON_OPTIONS = (
    _option("verbose", bool, False, "-v", "--verbose", text="Say more of what is done."),
    _option("log_file", Path | None, None, "--log-file", text="Write that, and the tracebacks of errors, to a file."),
    _option("traceback", bool, False, "--traceback", text="Show where an error comes from."),
)


def in_sentences(command: Callable) -> Callable:
    """Turn the errors that a user can mend into one sentence on stderr and an exit code.

    The command gets the options that all have: what is logged, and whether errors show their traceback.
    """

    @functools.wraps(command)
    def run(*arguments, verbose: bool = False, log_file: Path | None = None, traceback: bool = False, **options):
        errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        try:
            with logging_to(log_file, verbose=verbose):
                LOGGER.info("%s %s", command.__name__, ascii(options))
                return _run(command, arguments, options)
        except _EndError as end:
            if traceback and end.__cause__ is not None:
                raise end.__cause__ from None
            errors.print(str(end))
            raise typer.Exit(end.exit_code) from None

    signature = inspect.signature(command, eval_str=True)
    known = [*signature.parameters.values(), *COMMON_OPTIONS]
    run.__signature__ = signature.replace(parameters=known)  # pyright: ignore[reportAttributeAccessIssue] - any function has it
    run.__annotations__ = {each.name: each.annotation for each in known}
    del run.__wrapped__
    return run


class _EndError(Exception):
    """How a command ends that could not do its work: a sentence and an exit code."""

    def __init__(self, sentence: str, exit_code: int):
        super().__init__(sentence)
        self.exit_code = exit_code


def _run(command: Callable, arguments: Sequence, options: Mapping) -> Any:
    """Return what a command returns; raise _EndError from the errors that a user can mend."""
    try:
        return command(*arguments, **options)
    except UserError as error:
        raise _end(f"Error: {' '.join(str(error).split())}", error, error.exit_code) from error
    except KeyboardInterrupt as error:
        raise _end("Interrupted", error, INTERRUPTED) from error
    except MemoryError as error:
        raise _end(
            "Error: out of memory; use fewer texts with --limit, or fewer models with --models", error
        ) from error
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise _end(f"Error: the system says: {error.strerror or error}{where}", error) from error
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("textapp", ""):
            raise
        raise _end(f"Error: {_missing(error.name)}", error) from error
    except Exception as error:
        LOGGER.debug("a bug, or a device that is full", exc_info=True)
        if not device_is_full(error):
            raise
        said = "Error: the device's memory is too small; take fewer or smaller models, or end what else runs there"
        raise _end(said, error) from error


def _end(sentence: str, error: BaseException, exit_code: int = 1) -> _EndError:
    """Return how a command ends, with what an error's notes say, such as where an unfinished run is."""
    LOGGER.debug("the command ends", exc_info=error)
    notes = getattr(error, "__notes__", [])
    if isinstance(error, KeyboardInterrupt) and not notes:
        notes = ["Nothing was changed."]
    return _EndError(". ".join([sentence.removesuffix("."), *notes]), exit_code)


@contextlib.contextmanager
def logging_to(path: Path | None, *, verbose: bool) -> Iterator[None]:
    """Write what the program logs to a file, and with `verbose` to stderr; without either warnings to stderr.

    Raises:
        UserError: the file cannot be written.
    """
    root = logging.getLogger("textapp")
    shown = logging.StreamHandler()
    shown.setLevel(logging.INFO if verbose else logging.WARNING)
    shown.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handlers: list[logging.Handler] = [shown]
    if path is not None:
        try:
            handlers.append(logging.FileHandler(path, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise _EndError(f"Error: --log-file {path} cannot be written: {error.strerror}.", 1) from error
        handlers[-1].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = root.level, root.propagate
    root.setLevel(logging.DEBUG if path is not None else shown.level)
    root.propagate = False
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        root.setLevel(before[0])
        root.propagate = before[1]
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def console() -> Console:
    """Return where to show progress and reports."""
    usual = Console(highlight=False)
    # Rich takes 80 columns where there is no terminal; a log file has room for the lines.
    return usual if usual.is_terminal else Console(highlight=False, width=120)


BACKENDS = ("tensorflow", "jax")
DEVICES = ("auto", "cpu", "gpu")


def prepare_keras(device: str = "auto", *, keeps_memory: bool = True) -> None:
    """Load Keras without the log lines that its backend prints while loading.

    Args:
        device: "cpu", "gpu", or "auto" for a GPU where the backend finds one.
        keeps_memory: whether the process keeps what it frees, which trains faster; a service gives it back.

    Raises:
        UserError: there is no such device here, or the backend is not installed or cannot be used.
    """
    if device not in DEVICES:
        raise UserError(f"--device is {device!r}; choose from {list(DEVICES)}")
    if (backend := os.environ.get("KERAS_BACKEND")) and backend not in BACKENDS:
        raise UserError(f"KERAS_BACKEND is {backend!r}; textapp works with {' and '.join(BACKENDS)}")
    if os.environ.get("TF_USE_LEGACY_KERAS", "0").lower() not in ("0", "false", ""):
        raise UserError("TF_USE_LEGACY_KERAS is set, with which TensorFlow takes Keras 2; unset it")
    if keeps_memory:
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
