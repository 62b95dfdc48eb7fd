"""Which share of a GPU's operations training a decoder of GPT-2's 124M parameters makes use of."""

from __future__ import annotations

import keras
import keras_hub
import numpy as np

from benchmarks.gpu.options import Figure, Options, Table
from textapp.machine import device, has_gpu
from textapp.models.layers import drop_no_attention
from textapp.training.dispatch import dispatched
from textapp.training.progress import Stopwatch
from textapp.training.windows import Windows

SIZES = {"vocabulary_size": 50_257, "num_layers": 12, "num_heads": 12, "hidden_dim": 768, "max_sequence_length": 1024}
TINY = {"vocabulary_size": 50, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "max_sequence_length": 16}
BATCH, STEPS = 16, 48
LEAST = 0.40
PEAK_TFLOPS = {"H100": 989, "H200": 989, "A100": 312, "L40S": 362, "4090": 165}  # bfloat16, dense, by NVIDIA


def run(options: Options) -> Table:
    """Train on random ids for some steps, compiled before."""
    sizes = TINY if options.tiny else SIZES
    with_precision = {"dtype": "mixed_bfloat16"} if has_gpu() else {}
    width, context = sizes["hidden_dim"], sizes["max_sequence_length"]
    backbone = keras_hub.models.GPT2Backbone(**sizes, intermediate_dim=4 * width, dropout=0.0, **with_precision)
    drop_no_attention(backbone)
    causal = keras_hub.models.GPT2CausalLM(backbone)
    network = keras.Model(causal.input, keras.ops.cast(causal.output, "float32"))
    network.compile(
        optimizer=keras.optimizers.AdamW(3e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=keras.backend.backend() == "jax" or has_gpu(),
    )
    ids = np.random.default_rng(0).integers(0, sizes["vocabulary_size"], (BATCH * STEPS, context + 1)).astype(np.int32)
    settings = {"training_tokens": ids.size, "epochs": 1, "checks": 1, "seed": 0}
    windows = Windows(ids, batch_size=BATCH, **settings)
    network.test_on_batch(*windows[0])
    batches = dispatched(network, windows)
    compiling = Stopwatch()
    network.fit(batches, verbose=0)
    compiling = compiling.seconds
    stopwatch = Stopwatch()
    network.fit(batches, verbose=0)
    seconds = stopwatch.seconds
    tokens = len(windows) * BATCH * context
    parameters = network.count_params() - context * width  # the position embeddings are only looked up
    # 6 operations a parameter and token, and those of attention: Chowdhery et al. 2022, PaLM, appendix B.
    operations = tokens / seconds * (6 * parameters + 12 * sizes["num_layers"] * width * context)
    peak = options.peak_tflops or next((found for name, found in PEAK_TFLOPS.items() if name in device()), None)
    share = None if peak is None else operations / peak / 1e12
    cells = [f"{network.count_params():,}", f"{tokens / seconds:,.0f}", f"{operations / 1e12:.1f}"]
    cells.append("the GPU's peak is not known; give --peak-tflops" if share is None else f"{share:.1%} of {peak:g}")
    return Table(
        title=f"A decoder of {sizes['num_layers']} x {width}, AdamW, {BATCH} windows of {context} tokens a step",
        header=("parameters", "tokens per second", "TFLOPS", "model FLOP utilisation", "seconds of the first pass"),
        rows=[[*cells, f"{compiling:.1f}"]],
        figures=[] if share is None else [Figure("Model FLOP utilisation", share, LEAST)],
        notes=[f"{len(windows)} steps, the second pass over them; the first compiles."],
    )
