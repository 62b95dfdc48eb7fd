"""The texts behind the numbers: confident mistakes, disagreements, and labels that look wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np


def confident_errors(
    texts: Sequence[str],
    rows: Sequence[int] | np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    label_names: Sequence[str],
    *,
    count: int = 10,
) -> list[dict]:
    """Return the wrong answers that a classifier was most certain of, the most certain first.

    Args:
        texts: N texts.
        rows: for each text its position in the source.
        labels: true classes, int array of shape (N,).
        probabilities: float array of shape (N, C).
        label_names: the C names of the classes.
        count: how many to return at most.

    Returns:
        Dicts of `row`, `text`, `label`, `predicted` and `probability`, the one of the predicted class.

    Raises:
        ValueError: if the lengths do not fit each other.
    """
    labels = _checked(texts, rows, labels)
    probabilities = _checked_probabilities(probabilities, labels, label_names)
    predictions = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    return [
        _found(texts, rows, position)
        | {
            "label": label_names[int(labels[position])],
            "predicted": label_names[int(predictions[position])],
            "probability": float(probabilities[position, predictions[position]]),
        }
        for position in _smallest(-probabilities.max(axis=1), wrong)[:count]
    ]


def disagreements(
    texts: Sequence[str],
    rows: Sequence[int] | np.ndarray,
    labels: np.ndarray,
    predictions_by_name: Mapping[str, np.ndarray],
    pairs: Iterable[tuple[str, str]],
    label_names: Sequence[str],
    *,
    count: int = 5,
) -> list[dict]:
    """Return what exactly one of two classifiers gets wrong, the texts in the order of the test split.

    Args:
        texts: N texts.
        rows: for each text its position in the source.
        labels: true classes, int array of shape (N,).
        predictions_by_name: for each classifier its predicted classes, int array of shape (N,).
        pairs: the names to set against each other.
        label_names: the C names of the classes.
        count: how many texts to return at most for each side of each pair.

    Returns:
        For each pair a dict of `a`, `b`, `only_a_wrong` and `only_b_wrong`, lists of {row, text, label,
        answers: {name: answer}}, and `counts`, how many texts each side has in all.

    Raises:
        ValueError: if the lengths do not fit each other.
    """
    labels = _checked(texts, rows, labels)
    right = {name: _checked(texts, rows, array) == labels for name, array in predictions_by_name.items()}

    def describe(positions: np.ndarray, names: tuple[str, str]) -> list[dict]:
        return [
            _found(texts, rows, position)
            | {
                "label": label_names[int(labels[position])],
                "answers": {name: label_names[int(predictions_by_name[name][position])] for name in names},
            }
            for position in positions[:count]
        ]

    tables = []
    for a, b in pairs:
        only_a, only_b = np.flatnonzero(~right[a] & right[b]), np.flatnonzero(right[a] & ~right[b])
        tables.append(
            {
                "a": a,
                "b": b,
                "only_a_wrong": describe(only_a, (a, b)),
                "only_b_wrong": describe(only_b, (a, b)),
                "counts": [len(only_a), len(only_b)],
            }
        )
    return tables


def likely_label_errors(
    texts: Sequence[str],
    rows: Sequence[int] | np.ndarray,
    labels: np.ndarray,
    probabilities_by_name: Mapping[str, np.ndarray],
    label_names: Sequence[str],
    *,
    count: int = 10,
) -> list[dict]:
    """Return the texts whose label the classifiers together believe least; a person has to judge them.

    The idea is confident learning's (Northcutt, Jiang & Chuang 2021): where models of different kinds agree
    against a label, the label is often the mistake. Only texts that the mean of the models answers otherwise.

    Args:
        texts: N texts.
        rows: for each text its position in the source.
        labels: given classes, int array of shape (N,).
        probabilities_by_name: for each classifier a float array of shape (N, C).
        label_names: the C names of the classes.
        count: how many to return at most.

    Returns:
        Dicts of `row`, `text`, `label`, `suggested`, the most probable class by the mean over the classifiers,
        and `probability`, the mean one of the given label; the smallest first.

    Raises:
        ValueError: if the lengths do not fit each other.
    """
    labels = _checked(texts, rows, labels)
    if not probabilities_by_name:
        return []
    checked = [_checked_probabilities(values, labels, label_names) for values in probabilities_by_name.values()]
    means = np.mean(checked, axis=0)  # (N, C)
    suggested, given = means.argmax(axis=1), means[np.arange(len(labels)), labels]
    return [
        _found(texts, rows, position)
        | {
            "label": label_names[int(labels[position])],
            "suggested": label_names[int(suggested[position])],
            "probability": float(given[position]),
        }
        for position in _smallest(given, np.flatnonzero(suggested != labels))[:count]
    ]


def _found(texts: Sequence[str], rows: Sequence[int] | np.ndarray, position: int) -> dict:
    return {"row": int(rows[position]), "text": texts[position]}


def _smallest(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the positions by their values of shape (N,), equal ones in their order."""
    return positions[np.argsort(values[positions], kind="stable")]


def _checked(texts: Sequence[str], rows: Sequence[int] | np.ndarray, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if not (labels.shape == (len(texts),) == (len(rows),)):
        raise ValueError(f"there are {len(texts)} texts, {len(rows)} rows and classes of shape {labels.shape}")
    return labels


def _checked_probabilities(values: np.ndarray, labels: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.shape != (len(labels), len(label_names)):
        raise ValueError(
            f"probabilities has shape {values.shape}; {len(labels)} texts and {len(label_names)} label names "
            f"ask for {(len(labels), len(label_names))}"
        )
    return values
