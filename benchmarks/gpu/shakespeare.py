"""Tinyshakespeare by characters with at most the 10.7 M parameters of nanoGPT's recipe for a GPU, which has 1.4697."""

from __future__ import annotations

from benchmarks.generation.shakespeare import nats_per_character, train
from benchmarks.gpu.options import Figure, Options, Table

MOST_NATS, MOST_PARAMETERS = 1.48, 10_700_000
AFTER = 15  # seconds for what comes after the training
# nanoGPT's sizes and dropout (https://github.com/karpathy/nanoGPT, config/train_shakespeare_char.py).
RECIPE = {
    "layers": 6,
    "heads": 6,
    "hidden_dim": 384,
    "context": 256,
    "corpus_embeddings": 0.0,
    "dropout": 0.2,
    "batch_size": 64,
    "learning_rate": 3e-3,
}
TINY = RECIPE | {"layers": 1, "heads": 2, "hidden_dim": 8, "context": 32, "batch_size": 4}
TINY_TEXT = "First Citizen: before we proceed any further, hear me speak. All: speak, speak. " * 50


def run(options: Options) -> Table:
    """Train on the first nine tenths for as long as there is, and score the last tenth."""
    if options.shakespeare is None and not options.tiny:
        return Table(title="Tinyshakespeare", header=("skipped",), rows=[["give --shakespeare input.txt"]])
    text = TINY_TEXT if options.tiny else options.shakespeare.read_text(encoding="utf-8")
    recipe, end = TINY if options.tiny else RECIPE, len(text) * 9 // 10
    model, seconds = train(text[:end], recipe, seconds=3 if options.tiny else options.seconds - AFTER, seed=0)
    nats = nats_per_character(model, text[end:])
    read = model.history[-1]["epoch"] * end
    row = [f"{model.parameters:,}", model.computation, f"{read / 1e6:.1f} M", f"{seconds:.0f}", f"{nats:.4f}"]
    return Table(
        title=f"Tinyshakespeare, characters, {', '.join(f'{name} {value}' for name, value in recipe.items())}",
        header=("parameters", "path", "characters read", "seconds of training", "nats per character"),
        rows=[row],
        figures=[
            Figure("Nats per character", nats, MOST_NATS, at_most=True),
            Figure("Parameters", model.parameters, MOST_PARAMETERS, at_most=True),
        ],
    )
