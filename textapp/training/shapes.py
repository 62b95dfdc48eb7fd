"""The shapes that batches have; each is traced, and by XLA compiled, once."""

from __future__ import annotations

import dataclasses

from textapp.machine import has_gpu


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shapes:
    """Few shapes or many.

    Attributes:
        widths: tokens of a text that batches are padded to, where a model's `sequence_length` is not less.
        answer_rows: texts that are predicted together, which batches are filled up to; None for 1, 2, 4, ... up to the
            batch size of the training.
        prompt_rows: prompts that are continued together, which are filled up to the next of these.
        whole: whether a training batch of fewer texts is filled up, too, with texts of weight 0.
        steps: training steps that are one dispatch on JAX.
    """

    widths: tuple[int, ...]
    answer_rows: tuple[int, ...] | None
    prompt_rows: tuple[int, ...]
    whole: bool
    steps: int


# A CPU takes time for padding and compiles a small network in a second or two. A GPU hardly minds padding and takes
# several seconds for every shape; a step of a small network is done before Python has dispatched the next one.
ON_CPU = Shapes(
    widths=(32, 64, 96, 128, 192, 256, 384, 512, 768, 1024),
    answer_rows=None,
    prompt_rows=(1, 2, 4, 8, 16),
    whole=False,
    steps=1,
)
ON_GPU = Shapes(widths=(128, 512), answer_rows=(1, 128), prompt_rows=(1, 64), whole=True, steps=8)


def shapes() -> Shapes:
    """Return what suits the device of this process."""
    return ON_GPU if has_gpu() else ON_CPU
