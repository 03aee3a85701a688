"""Settings that pretraining and every fine-tuning share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from schemas.config.base import EXECUTION, Config
from schemas.errors import ConfigError

Precision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]
Device = Literal["auto", "cpu", "cuda"]

_WITHOUT_BF16 = {"v100", "t4", "p100", "p40", "p4"}
"""Accelerators whose matrix units know float16 only, by the words of their names."""


def resolve_device(value: Device, host_class: str) -> Literal["cpu", "cuda"]:
    """Turns `auto` into the accelerator of the given class of host, if it has one."""
    if value != "auto":
        return value
    return "cuda" if "cuda" in host_class.split("-") else "cpu"


def resolve_precision(
    value: Precision, host_class: str, device: Literal["cpu", "cuda"] = "cpu"
) -> Literal["fp32", "tf32", "bf16", "fp16"]:
    """Turns `auto` into the format that the given class of host trains fastest in; others stay as they are.

    Only processors that multiply bfloat16 faster than float32 gain: those with AMX, and AMD's with AVX-512 bf16 (4,500
    tokens/s against 2,100 to 3,400). Intel's AVX-512 bf16 without AMX lost a third (a step of 2,048 tokens on a thread
    took 1,020 ms against 670), so AVX-512 bf16 alone, without the word `amd` in the class, means float32.

    Args:
        value: As configured.
        host_class: Words joined by `-`: the architecture, the instruction sets, `amd` where that is the vendor, and
            `cuda` with the accelerator's name where there is one.
        device: What it trains on.
    """
    if value != "auto":
        return value
    words = host_class.split("-")
    if device == "cuda":
        return "fp16" if _WITHOUT_BF16 & set(words) else "bf16"
    fast = "amx_bf16" in words or ("avx512_bf16" in words and "amd" in words)
    return "bf16" if fast else "fp32"


class OptimizerConfig(Config):
    """How weights are updated.

    Weights fall into three groups: *matrices* (of the transformer's blocks), *embeddings* (with output heads), and
    *vectors* (norms and biases).
    """

    kind: Literal["muon", "adamw", "sgd", "adafactor"] = "muon"
    """`muon`: Muon for matrices and AdamW for the rest; `adamw`, `sgd` (with momentum) and `adafactor` (factored
    second moments: least memory): one for all."""
    embedding_factor: float = Field(default=1.0, gt=0.0)
    """Factor on the learning rate of embeddings and output heads."""
    weight_decay: float = Field(default=0.1, ge=0.0)
    """Decoupled decay of matrices: each step takes away this share of a weight, times the learning rate."""
    embedding_weight_decay: float = Field(default=0.0, ge=0.0)
    """The same for embeddings and output heads."""
    vector_weight_decay: float = Field(default=0.0, ge=0.0)
    """The same for norms and biases."""
    l1: float = Field(default=0.0, ge=0.0)
    """Penalty on the loss: this times the sum of the matrices' absolute values. Unlike decay it passes through the
    optimiser, as a part of the gradient."""
    l2: float = Field(default=0.0, ge=0.0)
    """Penalty on the loss: half of this times the sum of the matrices' squares; see `l1`."""
    momentum: float = Field(default=0.95, ge=0.0, lt=1.0)
    """Muon's and SGD's momentum."""
    nesterov: bool = True
    """Whether SGD looks ahead along its momentum (Muon always does)."""
    beta1: float = Field(default=0.9, ge=0.0, lt=1.0)
    """AdamW's decay of the mean gradient."""
    beta2: float = Field(default=0.95, ge=0.0, lt=1.0)
    """AdamW's decay of the mean squared gradient."""
    epsilon: float = Field(default=1e-8, gt=0.0)
    """AdamW's guard against division by zero."""
    gradient_clip: float = Field(default=1.0, ge=0.0)
    """Largest norm of a step's gradient; 0 for no limit."""

    @model_validator(mode="after")
    def _fits(self) -> OptimizerConfig:
        if self.kind == "sgd" and self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0: set nesterov to false")
        return self


class ScheduleConfig(Config):
    """How the learning rate moves over the steps."""

    shape: Literal["cosine", "linear", "wsd", "constant"] = "wsd"
    """`wsd`: warm up, stay, fall linearly; `cosine`: warm up, fall along a cosine; `linear`: warm up, fall linearly;
    `constant`: warm up, stay."""
    warmup_steps: int = Field(default=10, ge=0)
    """Steps of linear rise from 0."""
    decay_fraction: float = Field(default=0.5, gt=0.0, le=1.0)
    """Share of the steps over which `wsd` falls."""
    final_factor: float = Field(default=0.0, ge=0.0, le=1.0)
    """The last learning rate, as a share of the highest."""


class BadStepConfig(Config):
    """What happens when a step's loss or gradient is no number, or its loss is far above those before it.

    Each such event is in the manifest. `skip` and `rollback` never read the step's samples again.
    """

    action: Literal["stop", "skip", "rollback"] = "stop"
    """`stop`: the stage fails; `skip`: the step is not made; `rollback`: training goes back to the last multiple of
    `rollback_every` steps."""
    spike_deviations: float | None = Field(default=None, gt=0.0)
    """A loss so many standard deviations above its running mean is a spike; None looks for none."""
    spike_window: int = Field(default=50, ge=2)
    """Steps that the running mean reaches back; the first so many are not judged."""
    rollback_every: int = Field(default=100, ge=1)
    """Steps between the checkpoints that `rollback` goes back to."""
    limit: int = Field(default=20, ge=1)
    """More such events than this fail the stage."""


class TrainingConfig(Config):
    """What pretraining and every fine-tuning have in common. The budget is steps or tokens, never seconds."""

    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps; this or `tokens` is the budget."""
    tokens: int | None = Field(default=None, ge=1)
    """The budget as tokens read, rounded up to whole steps, in place of `steps`."""
    batch_size: int = Field(default=8, ge=1)
    """Samples a step."""
    micro_batch_size: int = Field(default=8, ge=1)
    """Samples a forward pass: fewer take less memory; a step's gradient is the same but for rounding."""
    learning_rate: float = Field(default=0.005, gt=0.0)
    """Highest learning rate."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights are updated."""
    schedule: ScheduleConfig = ScheduleConfig()
    """How the learning rate moves."""
    z_loss: float = Field(default=0.0, ge=0.0)
    """Weight of log²Z in the training loss, which keeps logits from drifting; 1e-4 is usual."""
    ema_decay: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Decay a step of a running mean of the weights, which is then validated and published; 0 keeps none."""
    precision: Precision = "auto"
    """`fp32`; `tf32` (CUDA); `bf16` or `fp16`: matrix products in that format, `fp16` with a loss scale; `auto`: what
    this class of host does fastest."""
    device: Device = "auto"
    """`cpu`, `cuda`, or `auto`: CUDA where this class of host has it."""
    compile: bool = False
    """Compile the model's blocks first: over a minute, which short trainings do not earn back."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Of new weights, of the order of samples and of dropout."""
    bad_steps: BadStepConfig = BadStepConfig()
    """What is done about a loss that is no number or a spike."""
    patience: int = Field(default=0, ge=0)
    """Stop when so many validations in a row found no lower loss; 0 never does."""
    export: Literal["last", "best"] = "last"
    """Publish the weights of the last step, or those of the lowest validation loss."""
    evaluate_every: Annotated[int, EXECUTION] = Field(default=0, ge=0)
    """Steps between validations; 0 validates only at the end. Part of the identity only with `patience` or `best`."""
    activation_checkpointing: Annotated[bool, EXECUTION] = False
    """Compute activations again in the backward pass: a third more work, a fraction of the memory, equal results."""
    checkpoint_every: Annotated[int, EXECUTION] = Field(default=30, ge=0)
    """Steps between checkpoints: what a kill costs at most; 0 for none but by `checkpoint_minutes`."""
    checkpoint_minutes: Annotated[float | None, EXECUTION] = Field(default=None, gt=0.0)
    """Minutes between checkpoints, besides."""
    keep_checkpoints: Annotated[int, EXECUTION] = Field(default=2, ge=1)
    """Newest checkpoints that are kept, besides those that `best` and `rollback` need: one could be damaged."""

    @model_validator(mode="before")
    @classmethod
    def _one_budget(cls, data: Any) -> Any:
        """A budget of tokens takes the place of the default number of steps."""
        if isinstance(data, dict) and data.get("tokens") is not None and "steps" not in data:
            return {**data, "steps": None}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.steps is None) == (self.tokens is None):
            raise ValueError("give the budget as steps or as tokens, exactly one of them")
        if (self.patience or self.export == "best") and not self.evaluate_every:
            raise ValueError("patience and export: best need evaluate_every above 0")
        return self

    @property
    @abstractmethod
    def tokens_per_sample(self) -> int:
        """Tokens that a sample takes at most, padding included."""

    @property
    def planned_steps(self) -> int:
        """The budget in steps."""
        if self.steps is not None:
            return self.steps
        assert self.tokens is not None
        return -(-self.tokens // (self.batch_size * self.tokens_per_sample))

    def identity(self) -> dict[str, Any]:
        """Returns what decides the weights; when to validate does only where a validation decides something."""
        found = super().identity()
        if self.patience or self.export == "best":
            found["evaluate_every"] = self.evaluate_every
        return found

    def resolved(self, host_class: str) -> Self:
        """Returns this configuration with every `auto` replaced, for the class of host that it will run on.

        Raises:
            ConfigError: The precision is none of the device.
        """
        device = resolve_device(self.device, host_class)
        precision = resolve_precision(self.precision, host_class, device)
        if precision == "tf32" and device == "cpu":
            raise ConfigError(
                "precision tf32 exists on CUDA devices only",
                where="precision",
                hint="use fp32, bf16 or auto on a processor",
            )
        return self.model_copy(update={"precision": precision, "device": device})
