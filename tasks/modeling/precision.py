"""Number formats of training, and the threads and determinism of a process that trains.

`bf16` means autocast: weights, gradients and optimiser state stay float32, matrix products run in bfloat16. Weights in
bfloat16 with float32 masters were no faster (1,917 tokens/s against 1,999 on one thread, 4.2 M parameters).
Imports torch; which format a host should use is decided without it, in `schemas.config.training`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal

import torch

Precision = Literal["fp32", "bf16"]


def autocast(precision: Precision) -> AbstractContextManager[Any]:
    """Returns the context in which a forward pass of that precision runs."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def prepare_process(threads: int) -> None:
    """Makes this process compute with so many threads, and deterministically.

    Results are equal bytes for equal thread counts on one class of processor, not across them.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    settings: Any = torch.utils.deterministic
    settings.fill_uninitialized_memory = False  # costs a pass over each new tensor; nothing here reads one unwritten
