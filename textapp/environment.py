"""What the program looks at first: whether this is its Python, with its packages.

It imports nothing of textapp and keeps to a syntax that old versions of Python read, too.
"""

import sys
from importlib.util import find_spec

PYTHON = (3, 11)


def require_environment() -> None:
    """End the program with a sentence where it cannot run."""
    if sys.version_info < PYTHON:
        reason = f"this is Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})"
    elif find_spec("typer") is None:
        reason = f"they are not installed for {sys.executable}"
    else:
        return
    sys.exit(
        f"Error: textapp needs Python 3.11 or 3.12 and its packages, and {reason}; run `python3.11 -m venv .venv`, "
        "`. .venv/bin/activate` and `python -m pip install -r requirements.txt`"
    )
