"""The mean loss over held-out samples, shared out to the processes of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tasks.modeling.objectives import Batch, Objective
from tasks.modeling.parallel import world
from tasks.modeling.precision import Precision, autocast


def mean_loss(
    model: Any,
    objective: Objective,
    batches: Callable[[int, int], Batch],
    samples: int,
    batch_size: int,
    precision: Precision,
) -> float:
    """Returns the mean loss over the first samples, in nats, without touching gradients or random generators.

    Leaves the model in evaluation mode. Processes of one training each take every so many batches; one that has fewer
    computes its first once more, since sharded weights are gathered by all at once.
    """
    model.eval()
    here = world()
    device = next(model.parameters()).device
    starts = range(0, samples, batch_size)
    total, count = 0.0, 0.0
    with torch.no_grad(), autocast(precision, device.type):
        for turn in range(0, len(starts), here.size):
            counts = turn + here.rank < len(starts)
            start = starts[turn + here.rank] if counts else 0
            loss = objective(model, moved(batches(start, min(batch_size, samples - start)), device))
            if counts:
                total += float(loss.total)
                count += loss.count
    total, count = here.sum([total, count])
    return total / max(count, 1)


def moved(batch: Batch, device: torch.device) -> Batch:
    """Returns a batch on a device."""
    if device.type == "cpu":
        return batch
    return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in batch.items()}
