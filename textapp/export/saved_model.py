"""A trained model's folder to a SavedModel."""

from __future__ import annotations

import functools
from pathlib import Path

import keras
import tensorflow as tf

from textapp.errors import UserError
from textapp.export.classifier import ClassifierModule, EnsembleModule, MiniLMModule, NetworkModule, NgramModule
from textapp.export.generator import GeneratorModule
from textapp.export.whole import whole
from textapp.models import load
from textapp.models.decoder import Decoder
from textapp.models.ensemble import MEMBERS, Ensemble
from textapp.models.linear import NgramClassifier
from textapp.models.network import NetworkClassifier
from textapp.models.pretrained import MiniLM


@functools.singledispatch
def make_module(model: object, folder: Path) -> ClassifierModule | GeneratorModule:
    """Return the module that does in a graph what `model`, loaded from `folder`, does in Python.

    Raises:
        UserError: this kind of model cannot be exported.
    """
    raise UserError(f"{folder} cannot be exported: there is no SavedModel of a {type(model).__name__}")


make_module.register(NgramClassifier, NgramModule)
make_module.register(NetworkClassifier, NetworkModule)
make_module.register(MiniLM, MiniLMModule)
make_module.register(Decoder, GeneratorModule)


@make_module.register
def _(model: Ensemble, folder: Path) -> EnsembleModule:
    modules = [make_module(member, folder / MEMBERS / name) for name, member in model.members.items()]
    return EnsembleModule(model, [module for module in modules if isinstance(module, ClassifierModule)])  # all of them


def export(folder: Path, target: Path) -> None:
    """Write a SavedModel in TensorFlow Serving's layout, whole or not at all.

    Args:
        folder: a trained model's.
        target: the version's folder, such as saved_models/imdb/lstm/1; must not be there.

    Raises:
        UserError: the model cannot be loaded or exported, or the target is there or cannot be written.
    """
    with whole(target) as unfinished:
        module = make_module(load(folder), folder)
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # it answers, it does not learn
        tf.saved_model.save(module, str(unfinished), signatures=module.signatures(), options=options)
    del module
    keras.utils.clear_session()  # or the next model is exported beside this one's memory
