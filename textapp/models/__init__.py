"""The models by name, and loading one from its folder."""

from __future__ import annotations

from pathlib import Path

from textapp.errors import UserError
from textapp.models.causal import CausalLM
from textapp.models.classifier import Classifier
from textapp.models.decoder import Decoder
from textapp.models.encoder import Encoder
from textapp.models.ensemble import Ensemble
from textapp.models.folder import check_options, read_description
from textapp.models.generator import Generator
from textapp.models.lstm import LSTM
from textapp.models.lstm_language import LSTMLanguage
from textapp.models.majority import Majority
from textapp.models.mix import Mix
from textapp.models.nbsvm import NBSVM
from textapp.models.ngram import Bigram, KneserNey
from textapp.models.pretrained import MiniLM
from textapp.models.tfidf import Tfidf

CLASSIFIERS: dict[str, type[Classifier]] = {
    "majority": Majority,
    "tfidf": Tfidf,
    "nbsvm": NBSVM,
    "lstm": LSTM,
    "encoder": Encoder,
    "minilm": MiniLM,
}
GENERATORS: dict[str, type[Generator]] = {
    "bigram": Bigram,
    "kneser-ney": KneserNey,
    "decoder": Decoder,
    "lstm-lm": LSTMLanguage,
    "causal-lm": CausalLM,
}

# Made of trained models, not of texts; `textapp.fitting` makes them.
COMBINATIONS: dict[str, type[Classifier | Generator]] = {
    "ensemble": Ensemble,
    "mix": Mix,
}


def load(folder: str | Path) -> Classifier | Generator:
    """Load a trained model.

    Args:
        folder: a model's folder in a run, such as "saved_models/imdb/encoder".

    Returns:
        A classifier, with `predict` and `predict_proba`, or a generator, with `generate`.

    Raises:
        UserError: the folder is missing, incomplete, damaged or of another version.
    """
    folder = Path(folder)
    name, options = read_description(folder)
    known = {**CLASSIFIERS, **GENERATORS, **COMBINATIONS}
    if name not in known:
        raise UserError(f"{folder} holds a model {name!r}; this version of textapp knows {sorted(known)}")
    check_options(known[name], options, folder)
    return known[name].load(folder, options)
