"""Train, compare and ship text classifiers and text generators."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textapp.models import load

__version__ = "0.1.0"
__all__ = ["load"]


def __getattr__(name: str):
    # Loading takes Keras and seconds; reading a report or cleaning a text takes neither.
    if name == "load":
        from textapp.models import load

        return load
    raise AttributeError(f"module 'textapp' has no attribute {name!r}")
