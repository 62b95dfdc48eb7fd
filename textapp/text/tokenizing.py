"""Many texts to tokens, in several processes where that takes less time."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np

from textapp.errors import UserError
from textapp.text.cleaning import Cleaning
from textapp.text.numbering import Numbered, Numbering
from textapp.text.tokens import Tokens, merge, write_tokens
from textapp.text.worker import FAILED, receive, send

ROOT = Path(__file__).parents[2]
CHUNK = 1_000  # texts that are in memory at a time, for each process
SEVERAL_FROM = 30_000  # texts; each process cleans most of the pieces anew, so fewer lose where a core is busy
MOST_PROCESSES = 8


def tokenize(cleaning: Cleaning, texts: Sequence[str]) -> Tokens:
    """Return the tokens of not too many texts."""
    return merge(_alone(cleaning, texts))


def tokenize_to_disk(cleaning: Cleaning, texts: Sequence[str], folder: Path, *, processes: int | None = None) -> None:
    """Write the tokens of texts into a folder, for `Tokens.load`.

    Args:
        cleaning: texts to tokens.
        texts: N strings, passed over once, never all in memory.
        folder: is there.
        processes: None for what the machine has and the number of texts is worth; the result is always the same.

    Raises:
        UserError: a process failed.
        OSError: the folder cannot be written.
    """
    if processes is None:
        processes = min(cores(), MOST_PROCESSES) if len(texts) >= SEVERAL_FROM else 1
    parts = _alone(cleaning, texts) if processes == 1 else _together(cleaning, texts, processes)
    with contextlib.closing(parts):
        write_tokens(folder, parts, sources=processes)


def cores() -> int:
    """Return how many cores this process may use; elsewhere than on Linux, how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield the texts in lists of `CHUNK`."""
    texts = iter(texts)
    while chunk := list(itertools.islice(texts, CHUNK)):
        yield chunk


def _alone(cleaning: Cleaning, texts: Iterable[str]) -> Generator[tuple[int, Numbered], None, None]:
    numbering = Numbering(cleaning)
    for chunk in chunks(texts):
        yield 0, numbering(chunk)


def _together(cleaning: Cleaning, texts: Iterable[str], processes: int) -> Generator[tuple[int, Numbered], None, None]:
    """Yield the parts in the order of the texts; the processes take turns, each has one part at a time."""
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_Worker(cleaning)) for _ in range(processes)]
        waiting = deque()
        for number, chunk in enumerate(chunks(texts)):
            done = (waiting[0], workers[waiting.popleft()].answer()) if len(waiting) == processes else None
            workers[number % processes].ask(chunk)
            waiting.append(number % processes)
            if done:
                yield done
        while waiting:
            yield waiting[0], workers[waiting.popleft()].answer()


class _Worker:
    """A process that runs `textapp.text.worker`."""

    def __init__(self, cleaning: Cleaning):
        paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "textapp.text.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        # Both are pipes, as was asked for.
        self._in, self._out = cast("tuple[IO[bytes], IO[bytes]]", (self._process.stdin, self._process.stdout))
        self._send(json.dumps(cleaning.to_json()).encode())

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()  # it has nothing to lose
        self._process.wait()
        for pipe in (self._in, self._out, self._errors):
            with contextlib.suppress(OSError):
                pipe.close()

    def ask(self, texts: list[str]) -> None:
        """Begin with the next texts."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self._send("".join(texts).encode("utf-8", "surrogatepass"), lengths.tobytes())

    def answer(self) -> Numbered:
        """Return what became of the texts."""
        try:
            state, *parts = receive(self._out)
        except EOFError:
            raise UserError(self._failure()) from None
        if state == FAILED:
            raise UserError(f"a process that cleans texts failed: {parts[0].decode()}")
        known, words, ids, lengths = parts
        numbers = np.frombuffer(ids, np.int32), np.frombuffer(lengths, np.int64)
        return Numbered(json.loads(known), json.loads(words), *numbers)

    def _send(self, *parts: bytes) -> None:
        try:
            send(self._in, *parts)
        except OSError:
            raise UserError(self._failure()) from None

    def _failure(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "the machine may have too little memory"
        return f"a process that cleans texts ended with {code}: {reason}"
