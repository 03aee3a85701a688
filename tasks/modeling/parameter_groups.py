"""Which weights of a model are what: told by modules, so that it holds for every class of transformers used here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tasks.modeling.models import unique_parameters


@dataclass(frozen=True, slots=True)
class ParameterGroups:
    """The trained parameters of a model, tied ones once, in the model's order.

    Attributes:
        matrices: Hidden matrices, those of the transformer's blocks above all.
        embeddings: Embeddings, output heads and heads of a task.
        vectors: Norms and biases.
        layers: All of them by the layer they belong to: `embeddings`, `layer.0` (or `encoder.0`, `decoder.0`) …,
            `other`.
    """

    matrices: dict[str, nn.Parameter]
    embeddings: dict[str, nn.Parameter]
    vectors: dict[str, nn.Parameter]
    layers: dict[str, list[nn.Parameter]]


def transformer_blocks(model: nn.Module) -> dict[str, nn.Module]:
    """Returns the blocks that a model repeats, by path: what lies in its outermost `ModuleList`s."""
    lists = {name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    outermost = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    return {f"{name}.{number}": block for name in outermost for number, block in enumerate(lists[name])}


def parameter_groups(model: Any) -> ParameterGroups:
    """Sorts the parameters of a model of transformers that are trained.

    A matrix counts as an embedding if it belongs to an `nn.Embedding`, or to a linear layer outside the blocks whose
    outputs are the vocabulary or the labels of a task.
    """
    blocks = transformer_blocks(model)
    in_blocks = {id(parameter): path for path, block in blocks.items() for parameter in block.parameters()}
    outputs = {model.config.vocab_size, getattr(model.config, "num_labels", None)}
    ends: set[int] = set()
    for module in model.modules():
        if isinstance(module, nn.Embedding) or (
            isinstance(module, nn.Linear) and module.out_features in outputs and id(module.weight) not in in_blocks
        ):
            ends.add(id(module.weight))
    head = model.get_output_embeddings()
    if head is not None:
        ends.add(id(head.weight))
    found = ParameterGroups({}, {}, {}, {})
    for name, parameter in unique_parameters(model).items():
        if not parameter.requires_grad:
            continue
        if parameter.ndim < 2:
            found.vectors[name] = parameter
        elif id(parameter) in ends:
            found.embeddings[name] = parameter
        else:
            found.matrices[name] = parameter
        path = in_blocks.get(id(parameter))
        layer = _layer(path) if path else "embeddings" if id(parameter) in ends else "other"
        found.layers.setdefault(layer, []).append(parameter)
    return found


def _layer(path: str) -> str:
    words = path.split(".")
    side = next((word for word in words if word in ("encoder", "decoder")), "layer")
    return f"{side}.{words[-1]}"


def local(tensor: torch.Tensor) -> torch.Tensor:
    """Returns what this process holds of a tensor that may be sharded; it shares its memory."""
    sharded: Any = tensor.detach()
    return sharded.to_local() if hasattr(sharded, "to_local") else tensor.detach()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a tensor that may be sharded in full; every process of the group must ask."""
    sharded: Any = tensor.detach()
    return sharded.full_tensor() if hasattr(sharded, "full_tensor") else tensor.detach()


def gathered(tensors: Mapping[str, torch.Tensor], *, keep: bool) -> dict[str, torch.Tensor]:
    """Returns copies in main memory that training does not change, whole, one gathered at a time.

    Every process of the group must ask, if any tensor is sharded.

    Args:
        tensors: By name; in every process the same names in the same order.
        keep: Whether this process wants them; if not, it returns none.
    """
    found = {}
    for name, tensor in tensors.items():
        full = whole(tensor)
        if keep:
            found[name] = full.to("cpu", copy=True).contiguous()
    return found


def sharded_like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """Returns this process's share of a whole tensor, laid out as a parameter of the same shape is."""
    placed: Any = parameter
    if not hasattr(placed, "device_mesh") or value.shape != parameter.shape:
        return value
    from torch.distributed.tensor import DTensor, Replicate

    mesh = placed.device_mesh
    copies = DTensor.from_local(value, mesh, [Replicate()] * mesh.ndim, run_check=False)
    return copies.redistribute(placements=placed.placements)
