"""Settings that pretraining and every fine-tuning share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config.base import Config

Precision = Literal["auto", "fp32", "bf16"]


def resolve_precision(value: Precision, host_class: str) -> Literal["fp32", "bf16"]:
    """Turns `auto` into the format that the given class of host trains fastest in; others stay as they are.

    Only processors that multiply bfloat16 faster than float32 gain: those with AMX, and AMD's with AVX-512 bf16 (4,500
    tokens/s against 2,100 to 3,400). Intel's AVX-512 bf16 without AMX lost a third (a step of 2,048 tokens on a thread
    took 1,020 ms against 670), so AVX-512 bf16 alone, without the word `amd` in the class, means float32.

    Args:
        value: As configured.
        host_class: Words joined by `-`: the architecture, the instruction sets, and `amd` where that is the vendor.
    """
    if value != "auto":
        return value
    words = host_class.split("-")
    fast = "amx_bf16" in words or ("avx512_bf16" in words and "amd" in words)
    return "bf16" if fast else "fp32"


class OptimizerConfig(Config):
    """How weights are updated."""

    kind: Literal["muon", "adamw"] = "muon"
    """`muon`: Muon for hidden matrices and AdamW for the rest; `adamw`: AdamW for all."""
    embedding_factor: float = Field(default=1.0, gt=0.0)
    """Factor on the learning rate of embeddings and output heads."""
    weight_decay: float = Field(default=0.1, ge=0.0)
    """Decay of hidden matrices, times the learning rate; embeddings, norms and heads have none."""
    momentum: float = Field(default=0.95, ge=0.0, lt=1.0)
    """Muon's momentum."""
    beta1: float = Field(default=0.9, ge=0.0, lt=1.0)
    """AdamW's decay of the mean gradient."""
    beta2: float = Field(default=0.95, ge=0.0, lt=1.0)
    """AdamW's decay of the mean squared gradient."""
    epsilon: float = Field(default=1e-8, gt=0.0)
    """AdamW's guard against division by zero."""
    gradient_clip: float = Field(default=1.0, ge=0.0)
    """Largest norm of a step's gradient; 0 for no limit."""


class ScheduleConfig(Config):
    """How the learning rate moves over the steps."""

    shape: Literal["cosine", "wsd", "constant"] = "wsd"
    """`wsd`: warm up, stay, fall linearly; `cosine`: warm up, fall along a cosine; `constant`: warm up, stay."""
    warmup_steps: int = Field(default=10, ge=0)
    """Steps of linear rise from 0."""
    decay_fraction: float = Field(default=0.5, gt=0.0, le=1.0)
    """Share of the steps over which `wsd` falls."""
    final_factor: float = Field(default=0.0, ge=0.0, le=1.0)
    """The last learning rate, as a share of the highest."""
