"""The registered models made small, different in every dimension, so that a swapped axis shows."""

from __future__ import annotations

import dataclasses

import numpy as np

from textapp.datasets import Split
from textapp.models import CLASSIFIERS, GENERATORS
from textapp.text.cleaning import make_cleaning

_NETWORK = {"vocabulary_size": 12, "sequence_length": 7, "embedding_dim": 4, "batch_size": 3, "epochs": 2}
# A model that is not named here is tested as it is.
OPTIONS = {
    "tfidf": {"min_documents": 1},
    "nbsvm": {"min_documents": 1},
    "lstm": {**_NETWORK, "units": 5},
    "encoder": {**_NETWORK, "heads": 2, "intermediate_dim": 6},
    "decoder": {
        **{"vocabulary_size": 275, "context": 70, "layers": 1, "heads": 2, "hidden_dim": 4},
        **{"batch_size": 3, "training_tokens": 1_500, "epochs": 2, "checks": 2, "jit_compile": False},
    },
}
CLEANING = make_cleaning()
LABEL_NAMES = ("bad", "good", "odd")
TEXTS = [
    "a good and great film",
    "great great fun, good fun!",
    "not bad but boring",
    "bad, boring and far too long",
    "strange weird puzzle",
    "weird film, a strange long dream about nothing at all",
    "good",
    "boring boring",
]
LABELS = [1, 1, 0, 0, 2, 2, 1, 0]


def split(texts=TEXTS, labels=LABELS) -> Split:
    """Return a split of texts with labels."""
    return Split(texts=list(texts), labels=np.array(labels, np.int32), rows=np.arange(len(texts)))


def make(name: str, **options):
    """Return an untrained tiny model, classifier or generator, of the three classes above."""
    if name in CLASSIFIERS:
        options = {"label_names": LABEL_NAMES, "cleaning": CLEANING, **options}
    return {**CLASSIFIERS, **GENERATORS}[name](**{**OPTIONS.get(name, {}), **options})


def shrink(monkeypatch, **attributes) -> None:
    """Make the pipeline train tiny models: same names, smaller defaults.

    Their folders hold these options, so that a process without this patch loads and exports them.

    Args:
        monkeypatch: undoes it.
        attributes: of the classes, such as exports=False.
    """
    for models in (CLASSIFIERS, GENERATORS):
        for name, known in models.items():
            types = {field.name: field.type for field in dataclasses.fields(known)}
            options = OPTIONS.get(name, {}).items()
            fields = [(key, types[key], dataclasses.field(default=value)) for key, value in options]
            small = dataclasses.make_dataclass(
                known.__name__, fields, bases=(known,), namespace=attributes, kw_only=True, eq=False
            )
            monkeypatch.setitem(models, name, small)
