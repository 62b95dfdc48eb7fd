"""Finished runs written by hand, without a model: two classes, twelve test texts, answers as asked."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from textapp.config import DataConfig
from textapp.datasets import load_dataset
from textapp.evaluation.metrics import classification_metrics
from textapp.reports.schema import build_report

N = 12
SIZE = 10  # bytes of each text that a generator is scored on, for simplicity's sake
HOSTILE = "[bold]<img src=x onerror=alert(1)>[/bold] \x1b[31m | `x` *y* \u202eevil"
KINDS = {"majority": "dummy", "tfidf": "linear", "nbsvm": "linear"}


def write_data(folder: Path, *, label_names: tuple[str, str] = ("bad", "good"), extra: str = "") -> DataConfig:
    """Write the texts, the first test text a hostile one, and return how to read them."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, count in (("train", 8), ("test", N)):
        with (folder / f"{role}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for number in range(count):
                text = HOSTILE if (role, number) == ("test", 0) else f"{role} text {number}{extra}"
                writer.writerow([text, label_names[number % 2]])
    return DataConfig(data=folder / "train.csv", test=folder / "test.csv")


def write_run(
    folder: Path, data: DataConfig, wrong: dict[str, int], *, nats: Sequence[float] | None = None, **facts
) -> Path:
    """Write a finished run.

    Args:
        folder: of the run.
        data: see `write_data`.
        wrong: for each model how many of the first test texts it gets wrong; None always answers the second class.
        nats: what a decoder says of each test text; None where there is no decoder.
        facts: more of run.json.
    """
    dataset = load_dataset(data)
    labels, names = dataset.test.labels, dataset.label_names
    rows = []
    for model, count in wrong.items():
        answers = np.ones(N, int) if count is None else np.where(np.arange(N) < count, 1 - labels, labels)
        probabilities = np.where(np.eye(2)[answers] == 1, 0.9, 0.1)
        (folder / model).mkdir(parents=True)
        with (folder / model / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "label", "predicted", *(f"probability_{name}" for name in names)])
            for row, label, answer, values in zip(dataset.test.rows, labels, answers, probabilities, strict=True):
                writer.writerow([row, names[label], names[answer], *values])
        cost = {"training_seconds": 1.0, "parameters": 7, "bytes_on_disk": 1000}
        cost |= {"milliseconds_per_text_batch_1": 0.5, "texts_per_second_batch_64": 2000}
        metrics = classification_metrics(labels, probabilities, label_names=names)
        rows.append({"name": model, "kind": KINDS.get(model, "network"), "metrics": metrics, "cost": cost})
    run = {"command": f"python train.py --run '{folder.name}'", "seed": 3, "versions": {"python": "3.11.2"}}
    run |= {"device": "2 cores of a test, tensorflow"} | facts
    texts = {"name": dataset.name, "notes": list(dataset.notes), **dataset.facts}
    generators = []
    if nats is not None:
        generators.append(_decoder(nats))
        write_scores(folder / "decoder", nats)
    report = build_report({**run, "dataset": texts}, rows, None, generators)
    (folder / "report").mkdir(parents=True)
    write(folder / "report" / "report.json", report)
    config = {"data": {name: str(value) if isinstance(value, Path) else value for name, value in vars(data).items()}}
    run |= {"config": config, "created": "2026-11-22T02:10:04+00:00"}
    write(folder / "run.json", run | {"dataset": {"label_names": names, **texts}})
    return folder


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def read(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def write_scores(folder: Path, nats: Sequence[float], *, size: int = SIZE) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{row},{size},{value}\n" for row, value in enumerate(nats))
    (folder / "scores.csv").write_text(f"row,bytes,nats\n{lines}", encoding="utf-8")


def _decoder(nats: Sequence[float]) -> dict:
    cost = {"training_seconds": 9.0, "parameters": 70, "bytes_on_disk": 9000}
    sample = {"prompt": "The", "text": "The end", "seed": 0}
    bits = sum(nats) / math.log(2) / (SIZE * len(nats))
    return {"name": "decoder", "bits_per_byte": bits, "test_documents": len(nats), "samples": [sample], "cost": cost}
