"""What 8-bit weights change: `python -m benchmarks.quantization --run saved_models/imdb`.

Size of the SavedModel, speed and accuracy of encoder and decoder in a finished run, as they are and quantized;
every version is exported and proven on the way.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import textapp
from benchmarks.results_file import command_line, write_table
from textapp.evaluation.speed import prediction_speed
from textapp.finished import FinishedRun
from textapp.fitting import scored_texts
from textapp.shipping import export_version

ROUNDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("saved_models/imdb"), help="a finished run")
    chosen = parser.parse_args()
    dataset = FinishedRun(chosen.run).dataset()
    test = dataset.test
    encoder, decoder = (textapp.load(chosen.run / name) for name in ("encoder", "decoder"))
    rows = []
    for quantization in (None, "int8"):
        model = encoder.quantized(quantization) if quantization else encoder
        accuracy = (model.predict_proba(test.texts).argmax(axis=1) == test.labels).mean()
        speed = prediction_speed(model.predict_proba, test.texts)
        rows.append(
            [
                f"encoder {quantization or 'float32'}",
                exported_megabytes(chosen.run / "encoder", quantization),
                f"accuracy {accuracy:.4f}",
                f"{speed['texts_per_second_batch_64']:,.0f} texts per s, batch 64",
            ]
        )
    for quantization in (None, "int8"):
        model = decoder.quantized(quantization) if quantization else decoder
        bits = model.bits_per_byte(scored_texts(dataset))
        rows.append(
            [
                f"decoder {quantization or 'float32'}",
                exported_megabytes(chosen.run / "decoder", quantization),
                f"{bits:.4f} bits per byte",
                f"{tokens_per_second(model):,.0f} tokens per s, batch 1",
            ]
        )
    write_table(
        "quantization",
        f"8-bit weights on {len(test):,} IMDB reviews",
        command_line("benchmarks.quantization"),
        ["model", "SavedModel, MB", "how good", "how fast, in Python"],
        rows,
    )
    return 0


def exported_megabytes(folder: Path, quantization: str | None) -> str:
    """Return the size of a version."""
    with tempfile.TemporaryDirectory() as scratch:
        certificate = export_version(folder, Path(scratch) / "served" / "1", quantization=quantization)
    return f"{certificate['bytes'] / 1e6:.2f}"


def tokens_per_second(model) -> float:
    """Return the median rate of greedy texts of 60 tokens, after one that does not count."""
    rates = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        (text,) = model.generate(["The movie"], max_new_tokens=60, temperature=0.0)
        tokens = len(model.subwords.encode([text])[0])
        rates.append(tokens / (time.perf_counter() - start))
    return sorted(rates[1:])[ROUNDS // 2]


if __name__ == "__main__":
    sys.exit(main())
