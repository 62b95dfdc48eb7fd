"""A process that numbers the tokens of texts for another: `python -m textapp.text.worker`, by pipes.

A message is a number of parts, each the bytes of something simple. Nothing is pickled, and the program that asks is not
imported, so that it may be any script.
"""

from __future__ import annotations

import itertools
import json
import signal
import struct
import sys
from typing import IO

DONE, FAILED = b"done", b"failed"


def send(pipe: IO[bytes], *parts: bytes) -> None:
    """Write a message."""
    pipe.write(struct.pack(f"<{len(parts) + 1}Q", len(parts), *map(len, parts)))
    for part in parts:
        pipe.write(part)
    pipe.flush()


def receive(pipe: IO[bytes]) -> list[bytes]:
    """Read a message.

    Raises:
        EOFError: the other side has ended.
    """
    (count,) = struct.unpack("<Q", _read(pipe, 8))
    sizes = struct.unpack(f"<{count}Q", _read(pipe, 8 * count))
    return [_read(pipe, size) for size in sizes]


def _read(pipe: IO[bytes], size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise EOFError("the other process has ended")
    return content


def main() -> None:
    """Answer until nothing is asked any more: texts in, their numbered tokens out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks ends this
    pipe_in, pipe_out = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr

    import numpy as np

    from textapp.text.cleaning import Cleaning
    from textapp.text.numbering import Numbering

    try:
        (settings,) = receive(pipe_in)
        cleaning, numbering = Cleaning.from_json(json.loads(settings), foreign=False), None
        while True:
            joined, lengths = receive(pipe_in)
            joined, ends = joined.decode("utf-8", "surrogatepass"), np.cumsum(np.frombuffer(lengths, np.int64))
            starts = [0, *ends.tolist()]
            try:
                numbering = numbering or Numbering(cleaning)
                done = numbering(joined[a:b] for a, b in itertools.pairwise(starts))
            except Exception as error:  # told to the one who asks
                send(pipe_out, FAILED, f"{type(error).__name__}: {error}".encode(errors="replace"))
                return
            words = json.dumps(done.words).encode()
            send(pipe_out, DONE, json.dumps(done.known).encode(), words, done.ids.tobytes(), done.lengths.tobytes())
    except (EOFError, BrokenPipeError):
        return


if __name__ == "__main__":
    main()
