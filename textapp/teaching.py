"""Distillation: a trained classifier's answers as something to learn (Hinton, Vinyals and Dean 2015)."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import filelock
import keras
import numpy as np

from textapp.config import TrainConfig
from textapp.datasets import Dataset, Split
from textapp.datasets.texts import TextsWriter
from textapp.datasets.unlabelled import read_unlabelled
from textapp.errors import UserError
from textapp.evaluation.calibration import apply_temperature
from textapp.models import CLASSIFIERS, Classifier
from textapp.other_runs import borrowed
from textapp.text.cache import cache_folder, fingerprint, remove_old
from textapp.training.progress import Progress

BLOCK = 500  # texts that the teacher answers at once; what it answered is kept from block to block


@dataclasses.dataclass(frozen=True)
class Teaching:
    """What a teacher has to say.

    Attributes:
        name: RUN/MODEL, of the teacher.
        folder: its folder.
        split: the N training texts and M without labels; its labels are probabilities, float32 (N + M, C), what a
            student is to answer.
        probabilities: the teacher's answers to the test texts, float32 (texts, C).
        unlabelled: counts of the texts without labels, as `read_unlabelled` gives them; None without any.
    """

    name: str
    folder: Path
    split: Split
    probabilities: np.ndarray
    unlabelled: dict | None


def chosen_students(config: TrainConfig, names: Sequence[str]) -> list[str]:
    """Return the models that learn from the teacher, besides being trained without.

    Raises:
        UserError: there is a teacher and no student, or texts or numbers for a teacher and none.
    """
    if config.teacher is None:
        if config.unlabelled is not None:
            raise UserError("--unlabelled FILE goes with --teacher RUN/MODEL, which alone knows what to make of it")
        for option in ("teacher_weight", "teacher_temperature"):
            if getattr(config, option) != getattr(TrainConfig, option):
                flag = f"--{option.replace('_', '-')}"
                raise UserError(f"{flag} {getattr(config, option)} goes with --teacher RUN/MODEL, which is not given")
        return []
    for option in ("teacher_weight", "teacher_temperature"):
        low, high = {"teacher_weight": (0, 1), "teacher_temperature": (0.1, 20)}[option]
        if not low <= getattr(config, option) <= high:
            flag = f"--{option.replace('_', '-')}"
            raise UserError(f"{flag} is {getattr(config, option)}; it must be from {low} to {high}")
    able = [name for name, known in CLASSIFIERS.items() if known.takes_teacher]
    students = [name for name in names if name in able]
    if not students:
        raise UserError(f"none of {list(names)} learns from a teacher; add one of {able} to --models")
    return students


def teach(config: TrainConfig, teacher: Classifier, dataset: Dataset, progress: Progress) -> Teaching:
    """Ask the teacher for all texts that students learn from, and for the test texts.

    Args:
        config: names the teacher, and the texts without labels if there are any.
        teacher: as `the_teacher` gives it.
        dataset: of this run.
        progress: where to show how far it is.
    """
    folder, train = config.teacher, dataset.train
    assert folder is not None  # of the teacher
    texts, counts = train.texts, None
    if config.unlabelled is not None:
        held_out = (dataset.validation.texts, dataset.test.texts)
        more, counts = read_unlabelled(config.unlabelled, text_column=config.text_column, held_out=held_out)
        writer = TextsWriter()
        writer.extend(train.texts)
        writer.extend(more)
        texts = writer.texts()
        progress.line(f"{counts['texts']:,} texts without labels", {})
    said = answers(teacher.quick(), folder, texts, progress)
    targets = soft_targets(
        said,
        train.labels,
        teacher_weight=config.teacher_weight,
        temperature=config.teacher_temperature,
    )
    path = folder.resolve()
    return Teaching(
        name=f"{path.parent.name}/{path.name}",
        folder=folder,
        split=Split(texts=texts, labels=targets, rows=np.arange(len(texts))),
        probabilities=answers(teacher, folder, dataset.test.texts, progress),
        unlabelled=counts,
    )


def the_teacher(config: TrainConfig, dataset: Dataset) -> Classifier | None:
    """Return the teacher that was named, None if none was.

    Raises:
        UserError: see `borrowed`.
    """
    return None if config.teacher is None else borrowed(config.teacher, dataset, option="--teacher")


def soft_targets(
    probabilities: np.ndarray, labels: np.ndarray, *, teacher_weight: float, temperature: float
) -> np.ndarray:
    """Return what a student is to answer.

    A cross-entropy is linear in its targets, so that the weighted sum of the one with the labels and the one with
    the teacher's tempered answers is the one with the weighted sum of both.

    Args:
        probabilities: the teacher's, float array of shape (N + M, C).
        labels: of the first N texts, int array of shape (N,). On the others only the teacher speaks.
        teacher_weight: its share of the target of a text with a label, 0 to 1.
        temperature: of the teacher; above 1 it says more of what is nearly right.

    Returns:
        float32 array of shape (N + M, C), rows that sum to 1.
    """
    targets = apply_temperature(probabilities, temperature)
    labelled = np.eye(probabilities.shape[1])[labels]
    targets[: len(labels)] = teacher_weight * targets[: len(labels)] + (1 - teacher_weight) * labelled
    return targets.astype(np.float32)


def answers(teacher: Classifier, folder: Path, texts: Sequence[str], progress: Progress) -> np.ndarray:
    """Return a teacher's probabilities of N texts, float32 (N, C); what it has answered once is read from the disk.

    They lie beside the cached tokens and grow block by block, so that an interrupted run loses no more than one. Where
    another process asks the same, this one waits for it.

    Args:
        teacher: answers.
        folder: its folder, whose files tell it from others.
        texts: N strings.
        progress: where to show how far it is.

    Raises:
        UserError: the disk is full.
    """
    shape = (len(texts), len(teacher.label_names))
    path = cache_folder().with_name("answers") / f"{_key(folder, teacher, texts)}.npy"
    unfinished = path.with_suffix(".npy.part")
    found = _read(path, shape)
    if found is not None:
        with contextlib.suppress(OSError):
            os.utime(path)  # the answers unused longest are removed first
        return np.array(found)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(path.with_suffix(".lock"), progress):
            kept = _read(path, shape)  # what another process has finished
            if kept is None:
                kept = _ask(teacher, texts, unfinished, shape, progress)
                unfinished.replace(path)
        remove_old(path.parent, keep=path)
    except OSError as error:
        raise UserError(
            f"cannot write the teacher's answers to {path.parent}: {error.strerror or error}; make room, or name "
            "another folder with TEXTAPP_CACHE"
        ) from error
    return np.array(kept)


@contextlib.contextmanager
def _only_one(path: Path, progress: Progress) -> Iterator[None]:
    """Let no other process do the same meanwhile; where one does, wait for it and say so."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        progress.line("waits for another process that asks the teacher the same")
        lock.acquire()
    except NotImplementedError:  # the disk has no locks: two may do the same, and the last one keeps it
        pass
    try:
        yield
    finally:
        lock.release()


def _ask(
    teacher: Classifier, texts: Sequence[str], unfinished: Path, shape: tuple[int, int], progress: Progress
) -> np.memmap:
    """Return a teacher's answers, mapped to a file that keeps them from block to block and may have some already."""
    kept = _read(unfinished, shape, mode="r+")
    if kept is None:
        kept = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=shape)
        kept[:] = np.nan
    progress.start("asking the teacher", total=len(texts))
    for start in range(0, len(texts), BLOCK):
        block = slice(start, start + BLOCK)
        if np.isnan(kept[block]).any():
            kept[block] = teacher.predict_proba(list(texts[block]))
            kept.flush()
        progress.advance(min(start + BLOCK, len(texts)), {})
    return kept


def _read(path: Path, shape: tuple[int, int], *, mode: Literal["r", "r+"] = "r") -> np.memmap | None:
    """Return the array of a file; None where it is not there or another."""
    try:
        found = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if isinstance(found, np.memmap) and found.shape == shape and found.dtype == np.float32 else None


def _key(folder: Path, teacher: Classifier, texts: Sequence[str]) -> str:
    """Return what tells a teacher and texts from all others: SHA-256 of its files, of them and of what computes."""
    digest = hashlib.sha256(fingerprint(teacher.cleaning, texts).encode())
    precision = getattr(getattr(teacher, "network", None), "compute_dtype", None)  # `quick` takes a faster one
    digest.update(f"{keras.backend.backend()} {precision}\0".encode())
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not inside.parts[0].isdigit() and inside.parts[0] != "logs":  # versions and figures
            digest.update(f"{inside}\0".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
