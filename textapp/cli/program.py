"""What all commands share: their errors in sentences, their console, and Keras made ready."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable

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


def prepare_keras() -> None:
    """Load Keras without the log lines that its backend prints while loading, and let it keep its memory."""
    keep_memory()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of tracing for each bucket's width
    sys.stderr.flush()
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        import keras_hub  # noqa: F401
    except ImportError as error:
        raise UserError(f"cannot import {error.name}; run `python -m pip install -r requirements.txt`") from error
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)
