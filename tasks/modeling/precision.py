"""Number formats of training, and the threads and determinism of a process that trains.

`bf16` and `fp16` mean autocast: weights, gradients and optimiser state stay float32, matrix products run in 16 bits.
Weights in bfloat16 with float32 masters were no faster (1,917 tokens/s against 1,999 on one thread, 4.2 M parameters).
Imports torch; which format a host should use is decided without it, in `schemas.config.training`.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from schemas.errors import StageFailed

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Device = Literal["cpu", "cuda"]

_FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: Precision, device: str = "cpu") -> AbstractContextManager[Any]:
    """Returns the context in which a forward pass of that precision runs on a type of device."""
    return torch.autocast(device, _FORMATS.get(precision, torch.bfloat16), enabled=precision in _FORMATS)


def optimizer_products(precision: Precision) -> torch.dtype:
    """Returns the format of an optimiser's own matrix products: float16's range is too small for them."""
    return torch.bfloat16 if precision == "bf16" else torch.float32


@dataclass(frozen=True, slots=True)
class LossScale:
    """Dynamic loss scale of float16 (Micikevicius et al., 2018, section 3.2), as a value that a checkpoint can hold.

    The gradient of a *sum* of losses is scaled, so less is needed than for a mean. A step whose gradient overflows is
    made again at half the scale: no sample is lost.

    Attributes:
        scale: Factor on the loss; 1 for all other formats.
        good_steps: Steps since it last changed.
    """

    scale: float = 1.0
    good_steps: int = 0

    INITIAL = 16.0
    SMALLEST = 2.0**-14
    GROWS_AFTER = 1000

    @classmethod
    def of(cls, precision: Precision) -> LossScale:
        """Returns the scale that a training begins with."""
        return cls(cls.INITIAL if precision == "fp16" else 1.0)

    def lowered(self) -> LossScale:
        """Returns the scale after a gradient overflowed."""
        return LossScale(self.scale / 2)

    def passed(self, precision: Precision) -> LossScale:
        """Returns the scale after a step that did not overflow."""
        if precision != "fp16":
            return self
        if self.good_steps + 1 >= self.GROWS_AFTER:
            return LossScale(self.scale * 2)
        return LossScale(self.scale, self.good_steps + 1)


def prepare_process(threads: int, device: Device = "cpu", precision: Precision = "fp32") -> None:
    """Makes this process compute with so many threads, and deterministically.

    Results are equal bytes for equal thread counts on one class of processor, not across them.

    Raises:
        StageFailed: The device is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise StageFailed(
            "this torch finds no CUDA device",
            where="device",
            hint="install torch with CUDA, or train with device: cpu",
        )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what determinism of matrix products on CUDA takes
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    settings: Any = torch.utils.deterministic
    settings.fill_uninitialized_memory = False  # costs a pass over each new tensor; nothing here reads one unwritten
