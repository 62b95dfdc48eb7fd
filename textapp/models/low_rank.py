"""Matrices of low rank that learn beside those of a pretrained network (LoRA, Hu et al. 2021)."""

from __future__ import annotations

import keras
import numpy as np

ADAPTED = ("query", "value")  # the parts of attention that low-rank matrices are learned beside


def add_matrices(network: keras.Model, rank: int) -> None:
    """Let only matrices of a rank beside a network's queries and values learn, and no other weight of it."""
    for layer in network._flatten_layers():
        if any(True for _ in layer._flatten_layers(include_self=False)):
            continue  # frozen as a whole it would hide what learns in it
        layer.trainable = layer.name in ADAPTED
        if layer.trainable:
            layer.enable_lora(rank)
            if layer.bias is not None:
                layer.bias.trainable = False


def merged_weights(network: keras.Model) -> list[np.ndarray]:
    """Add to each matrix what was learned beside it, and return the weights in the order of a network without."""
    for layer in network._flatten_layers():
        if getattr(layer, "lora_enabled", False):
            scale = layer.lora_alpha / layer.lora_rank
            added = keras.ops.matmul(layer.lora_kernel_a, layer.lora_kernel_b) * scale
            layer._kernel.assign(keras.ops.convert_to_tensor(layer._kernel) + added)
    return [keras.ops.convert_to_numpy(weight) for weight in network.weights if "lora_kernel" not in weight.name]
