"""Locks on files, which the system lifts when their process ends, however it ends."""

from __future__ import annotations

import fcntl
from typing import IO


def lock(file: IO, *, wait: bool = False) -> bool | None:
    """Lock a file until it is closed.

    Args:
        file: open for writing, which disks of a network want; whoever opens it anew is another one.
        wait: until no other one has locked it.

    Returns:
        Whether it could be locked; None where the disk, such as one of a network, has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
