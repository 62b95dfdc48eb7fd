"""How much of the way to its teacher a student goes by being taught."""

from __future__ import annotations

import numpy as np


def gap_closed(labels: np.ndarray, plain: np.ndarray, taught: np.ndarray, teacher: np.ndarray) -> dict:
    """Return the accuracies of a student, of the same student taught and of its teacher, on the same N texts.

    Args:
        labels: true classes, int array of shape (N,).
        plain, taught, teacher: predicted classes, int arrays of shape (N,).

    Returns:
        `plain_accuracy`, `accuracy` (of the one that was taught), `teacher_accuracy` and `gap_closed`: the share of
        the difference between the first and the last that is gone; below 0 where the lesson did harm, None where
        the teacher is no better than the plain student.
    """
    found = {
        "plain_accuracy": float((plain == labels).mean()),
        "accuracy": float((taught == labels).mean()),
        "teacher_accuracy": float((teacher == labels).mean()),
    }
    gap = found["teacher_accuracy"] - found["plain_accuracy"]
    return found | {"gap_closed": (found["accuracy"] - found["plain_accuracy"]) / gap if gap > 0 else None}
