"""Cleaned tokens kept on disk, so that the same texts are cleaned once: by all models, and by the next run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import platformdirs

from textapp.errors import UserError
from textapp.text.cleaning import Cleaning
from textapp.text.tokenizing import chunks, tokenize, tokenize_to_disk
from textapp.text.tokens import Tokens

LOGGER = logging.getLogger(__name__)
FORMAT = 1  # of an entry, and of what the cleaning makes of the same settings
SMALL = 1_000  # texts at most that are cleaned anew, which takes less than half a second
MOST_BYTES = 4_000_000_000  # of all entries of a folder together
UNFINISHED = ".part"
SECONDS_A_DAY = 24 * 60 * 60


class CachedCleaning:
    """A `Cleaning` that looks for the tokens of texts on the disk before it cleans them.

    Args:
        cleaning: does the work.
    """

    def __init__(self, cleaning: Cleaning):
        self._cleaning = cleaning
        self._known: dict[int, tuple[Sequence[str], Tokens]] = {}

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of each text.

        The tokens of more than `SMALL` texts are kept with the object that they came in, which must not change.

        Raises:
            UserError: the disk is full, or a process failed.
        """
        if isinstance(texts, str):
            raise TypeError(f"texts is the string {texts[:40]!r}; pass a list of strings")
        if len(texts) <= SMALL:
            return tokenize(self._cleaning, texts)
        if id(texts) not in self._known:
            self._known[id(texts)] = texts, _read_or_make(self._cleaning, texts)
        return self._known[id(texts)][1]

    def to_json(self) -> dict:
        """Return the settings, for cleaning.json."""
        return self._cleaning.to_json()

    def forget(self) -> None:
        """Free the memory; what is on the disk stays there."""
        self._known.clear()


def cache_folder() -> Path:
    """Return where the tokens are kept: below $TEXTAPP_CACHE, or where the system has the user's caches."""
    return Path(os.environ.get("TEXTAPP_CACHE") or platformdirs.user_cache_path("textapp")) / "tokens"


def fingerprint(cleaning: Cleaning | CachedCleaning, texts: Iterable[str]) -> str:
    """Return the SHA-256 of the settings and the texts."""
    settings = {"cache": FORMAT, "cleaning": cleaning.to_json()}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for chunk in chunks(texts):
        # The lengths keep "ab", "c" apart from "a", "bc".
        digest.update(np.array([len(chunk), *map(len, chunk)], "<i8").tobytes())
        digest.update("".join(chunk).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _read_or_make(cleaning: Cleaning, texts: Sequence[str]) -> Tokens:
    folder = cache_folder()
    entry = folder / fingerprint(cleaning, texts)
    with contextlib.suppress(OSError, EOFError, ValueError, RecursionError):  # not there, or damaged
        tokens = Tokens.load(entry)
        if len(tokens) == len(texts):
            with contextlib.suppress(OSError):
                os.utime(entry)  # the entries unused longest are removed first
            LOGGER.info("reads the tokens of %d texts from %s", len(texts), entry)
            return tokens
    LOGGER.info("cleans %d texts; their tokens go to %s", len(texts), entry)
    with _scratch(folder) as scratch:
        made = Path(scratch) / "entry"
        try:
            made.mkdir()
            tokenize_to_disk(cleaning, texts, made)
        except OSError as error:
            raise UserError(
                f"cannot write tokens to {made}: {error.strerror or error}; make room, or name another folder with "
                "TEXTAPP_CACHE"
            ) from error
        tokens = Tokens.load(made)  # what is mapped stays readable under any name, and without one
        if made.parent.parent.resolve() == folder.resolve():
            _put(made, entry)
            remove_old(folder, keep=entry)
    return tokens


def _scratch(folder: Path) -> tempfile.TemporaryDirectory:
    """Return a new folder inside another, or, where that cannot be written, with the system's temporary files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=UNFINISHED)
    except OSError:
        return tempfile.TemporaryDirectory(prefix="textapp-")


def _put(made: Path, entry: Path) -> None:
    """Give a finished folder its name, in place of a damaged one or one that another process has just made."""
    with contextlib.suppress(OSError):  # of several processes the last or the first wins; all have the same
        if entry.exists():
            entry.rename(made.with_name("replaced"))
        made.rename(entry)


def remove_old(folder: Path, *, keep: Path) -> None:
    """Remove the entries, folders or files, that were unused longest, until all together are small enough."""
    entries, total = [], 0
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # another process removes, too
            used = path.stat().st_mtime
            if path.name.endswith(UNFINISHED):
                if used < time.time() - SECONDS_A_DAY:  # of a process that was killed
                    _remove(path)
                continue
            size = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))
            total += size
            entries.append((used, size, path))
    for _, size, path in sorted(entries):
        if total > MOST_BYTES and path != keep:
            _remove(path)
            total -= size


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
