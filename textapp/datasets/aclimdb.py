"""The official aclImdb folder, with its own train and test halves."""

from __future__ import annotations

import hashlib
from pathlib import Path

from textapp.config import DataConfig
from textapp.datasets.source import Examples, Source
from textapp.errors import UserError

LABEL_FOLDERS = {"neg": "negative", "pos": "positive"}


def aclimdb(config: DataConfig) -> Source:
    """Read `train/` and `test/` of the folder that aclImdb_v1.tar.gz unpacks to; `unsup` is left out."""
    if config.data_dir is None:
        raise UserError("--dataset aclimdb needs --data-dir, the folder that aclImdb_v1.tar.gz unpacks to")
    folder = Path(config.data_dir).expanduser()
    paths = {half: _list_texts(folder, half) for half in ("train", "test")}
    examples, sha256 = {}, {}
    for half, found in paths.items():
        examples[half], sha256[half] = _read_texts(found)
    return Source(
        name="aclimdb",
        train=examples["train"],
        test=examples["test"],
        facts={
            "source": f"Maas et al., ACL 2011 (Large Movie Review Dataset), from {folder}",
            "licence": "free for research, cite the paper",
            "sha256": sha256,  # over the names and contents of a half's files, in order
        },
    )


def _list_texts(folder: Path, half: str) -> list[Path]:
    """Return the files of one half, negative first, in an order that no file system decides."""
    paths = []
    for label in LABEL_FOLDERS:
        found = sorted((folder / half / label).glob("[0-9]*.txt"), key=lambda path: path.name)
        if not found:
            raise UserError(
                f"{folder} is not the aclImdb folder: it has no texts in {half}/{label}; "
                "give the folder that holds train/neg, train/pos, test/neg and test/pos"
            )
        paths += found
    return paths


def _read_texts(paths: list[Path]) -> tuple[Examples, str]:
    """Return the examples in the files and the SHA-256 of names and contents."""
    texts, labels, digest = [], [], hashlib.sha256()
    for path in paths:
        try:
            content = path.read_bytes()
            texts.append(content.decode("utf-8"))
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not valid UTF-8 at byte {error.start}") from error
        labels.append(LABEL_FOLDERS[path.parent.name])
        digest.update(b"%s/%s %d\n" % (path.parent.name.encode(), path.name.encode(), len(content)))
        digest.update(content)
    return Examples(texts=texts, labels=labels), digest.hexdigest()
