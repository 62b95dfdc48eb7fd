"""Memory that is kept, and given back where somebody else needs it."""

import subprocess
import sys

import pytest

from textapp.memory import device_is_full

SCRIPT = """
from pathlib import Path
from textapp.memory import give_memory_back, keep_memory

def held():
    return int(Path("/proc/self/statm").read_text().split()[1])

keep_memory()
before = held()
blocks = [bytearray(100_000) for _ in range(1_000)]  # 100 MB
last = bytearray(100_000)  # above them, so that they are no free end of the heap
full = held()
del blocks
kept = held()
give_memory_back()
print(before, full, kept, held())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own way")
def test_freed_memory_is_kept_until_it_is_given_back():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, full, kept, after = map(int, done.stdout.split())
    taken = full - before
    assert kept - before > 0.8 * taken
    assert after - before < 0.2 * taken


def test_a_full_device_is_told_by_class_or_message():
    class ResourceExhaustedError(Exception):
        pass

    assert device_is_full(ResourceExhaustedError())
    assert device_is_full(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes"))
    assert not device_is_full(RuntimeError("out of patience"))
