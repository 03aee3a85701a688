"""One training in several processes: data parallel (DDP), or with weights and optimiser state sharded (FSDP2).

The processes are started by torchrun, or by the engine, which sets the same variables; a process alone needs none. Each
reads its share of every step's positions, so the sequence of batches is the same at any number of processes, and
gradients are those of the sum of losses, divided once by what all of them counted: losses agree to rounding.

What stays for later has its place here: tensor and pipeline parallelism are further meshes beside the one of `_shard`.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from tasks.engine import ranks
from tasks.modeling.models import unique_parameters
from tasks.modeling.objectives import Batch, Loss, Objective
from tasks.modeling.parameter_groups import sharded_like, transformer_blocks, whole
from tasks.modeling.precision import Device


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a training, as one of them sees them.

    Attributes:
        rank: This one's number; the first, 0, alone writes and speaks.
        size: How many there are.
        sharded: Whether weights and optimiser state are split between them.
    """

    rank: int = 0
    size: int = 1
    sharded: bool = False

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Adds up numbers of all processes, each in its place; all must ask."""
        if self.size == 1:
            return list(values)
        found = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(found)
        summed: list[float] = found.tolist()
        return summed

    def from_first(self, value: Any) -> Any:
        """Returns what the first process passed, a small picklable value; all must ask."""
        if self.size == 1:
            return value
        told = [value]
        dist.broadcast_object_list(told, src=0)
        return told[0]

    def share(self, samples: int) -> range:
        """Returns which of a step's samples are this process's; `samples` is a multiple of `size`."""
        each = samples // self.size
        return range(self.rank * each, (self.rank + 1) * each)


def world() -> World:
    """Returns the processes that this one has joined."""
    if not dist.is_initialized():
        return World()
    return World(dist.get_rank(), dist.get_world_size(), bool(os.environ.get(ranks.SHARDED)))


_groups: list[Any] = []
"""Every group that was joined, kept to the end of the process. Were the last reference DDP's, its destructor would wait
for a thread of gloo's while it holds the interpreter's lock, which that thread may need: one process in three hung."""


@contextmanager
def joined(device: Device) -> Iterator[World]:
    """Joins the other processes of this training, if the environment names any, and leaves them at the end."""
    if ranks.size() == 1 or dist.is_initialized():
        yield world()
        return
    file = os.environ.get(ranks.RENDEZVOUS)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
        init_method=f"file://{file}" if file else "env://",
        rank=ranks.rank(),
        world_size=ranks.size(),
    )
    _groups.append(dist.group.WORLD)
    try:
        yield world()
    finally:
        dist.destroy_process_group()


def local_device(device: Device) -> torch.device:
    """Returns the device of this process among those of its machine."""
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else "cpu")


class _LossModule(nn.Module):
    """Model and objective as one module: its forward pass is what DDP and FSDP2 hang their work on."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, batch: Batch) -> tuple[torch.Tensor, int, torch.Tensor | None]:
        loss = self.objective(self.model, batch)
        return loss.total, loss.count, loss.correct  # FSDP2 looks for tensors in tuples, not in classes


class ParallelModel:
    """A model as the processes of a training hold it.

    Args:
        model: Whole, on the CPU. DDP and a process alone train it in place. FSDP2 trains a sharded copy beside it, and
            `collect` brings the result back.
        objective: Loss of a batch.
        world: The processes.
        device: Where this process computes.
        compiled: Whether blocks are compiled first.
        checkpointing: Whether activations are computed again in the backward pass.
    """

    def __init__(
        self,
        model: Any,
        objective: Objective,
        world: World,
        device: torch.device,
        *,
        compiled: bool = False,
        checkpointing: bool = False,
    ) -> None:
        self._whole = model
        self._world = world
        self.device = device
        self.module: Any = (copy.deepcopy(model) if world.sharded else model).to(device)
        self._checkpointing = checkpointing
        if checkpointing:
            self.module.activation_checkpointing_enable({"use_reentrant": False})
        if compiled:
            for block in transformer_blocks(self.module).values():
                block.compile()  # block by block: one graph serves them all, and sharding goes between them
        loss: nn.Module = _LossModule(self.module, objective)
        if world.sharded:
            _shard(loss, self.module, world, device)
        elif world.size > 1:
            loss = DistributedDataParallel(
                loss,
                device_ids=[device.index] if device.type == "cuda" else None,
                forward_sync_buffers=False,
                gradient_as_bucket_view=True,
            )
        self._loss = loss

    def loss(self, batch: Batch) -> Loss:
        """Returns the loss of a batch, with its gradient."""
        return Loss(*self._loss(batch))

    def adding_up(self, last: bool) -> AbstractContextManager[Any]:
        """The context of a forward and backward pass; gradients meet those of other processes in a step's last.

        Sharded ones meet in each, since they would be whole until then.
        """
        if last or not isinstance(self._loss, DistributedDataParallel):
            return nullcontext()
        return self._loss.no_sync()

    @contextmanager
    def evaluated(self) -> Iterator[Any]:
        """Gives the model in evaluation mode, usable with any objective; all processes must do the same with it."""
        self.module.eval()
        root = self._loss
        if isinstance(root, FSDPModule):
            root.unshard()  # what lies outside the blocks; each block gathers its own
        try:
            yield self.module
        finally:
            if isinstance(root, FSDPModule):
                root.reshard()
            self.module.train()

    def weights(self) -> dict[str, torch.Tensor]:
        """Returns the weights by name, tied ones once, sharded ones as they are."""
        return dict(unique_parameters(self.module))

    @torch.no_grad()
    def load(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Takes over whole weights; each process keeps its share."""
        for name, parameter in unique_parameters(self.module).items():
            parameter.copy_(sharded_like(weights[name].to(parameter.device), parameter))

    @torch.no_grad()
    def collect(self) -> None:
        """Leaves the trained weights in the model that was given, whole and on the CPU."""
        if self._checkpointing:
            self.module.activation_checkpointing_disable()
        if self._world.sharded:
            trained = unique_parameters(self.module)
            for name, parameter in unique_parameters(self._whole).items():
                parameter.copy_(whole(trained[name]))
        self._whole.to("cpu")
        self._whole.eval()


def _shard(loss: nn.Module, model: nn.Module, world: World, device: torch.device) -> None:
    mesh = dist.device_mesh.init_device_mesh(device.type, (world.size,))
    for block in transformer_blocks(model).values():
        fully_shard(block, mesh=mesh)
    fully_shard(loss, mesh=mesh)
