"""What the trainings of a plan will take, printed before they start, and the refusal of those that cannot fit.

Hours come from a calibration: the latest training on this class of host at the same precision and number of threads, as
its manifest records it. What that training took beside its steps (start, validation, checkpoints) is added as it was.
Without such a training nothing is said of time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.lookup import latest_artifacts
from flows.session import Session
from schemas.errors import ConfigError
from schemas.manifest import Manifest
from tasks.engine.host import host_class
from tasks.modeling.architectures.spec import spec_of
from tasks.modeling.estimate import Estimate, Work, estimate

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Calibration:
    """How fast a class of host trains.

    Attributes:
        flops_per_second: While it makes steps.
        other_seconds: What the whole stage took besides.
        version: The artifact that says so.
    """

    flops_per_second: float
    other_seconds: float
    version: str


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """What one training of a plan will take.

    Attributes:
        node: Its name.
        needs: Parameters, tokens, FLOPs, memory.
        threads: It computes with.
        precision: Of its products.
        calibration: What its seconds are told from; None where nothing comparable was trained here.
        at_most: Whether samples may be shorter than is counted with.
        device: That it trains on.
    """

    node: str
    needs: Estimate
    threads: int
    precision: str
    calibration: Calibration | None
    at_most: bool
    device: str = "cpu"

    @property
    def seconds(self) -> float | None:
        """How long the stage will take; None without a calibration."""
        found = self.calibration
        return None if found is None else found.other_seconds + self.needs.flops / found.flops_per_second

    def to_json(self) -> dict[str, Any]:
        """Returns the figures."""
        return {
            "parameters": self.needs.parameters,
            "tokens": self.needs.tokens,
            "flops": self.needs.flops,
            "memory_bytes": self.needs.memory_bytes,
            "seconds": self.seconds,
            "calibrated_by": self.calibration.version if self.calibration is not None else None,
            "at_most": self.at_most,
        }

    def __str__(self) -> str:
        seconds = self.seconds
        how = f"{self.precision}, {self.threads} {'thread' if self.threads == 1 else 'threads'}"
        time = f"no time is known: nothing was trained here yet in {how}" if seconds is None else _duration(seconds)
        says = [
            f"{_short(self.needs.parameters)} parameters",
            f"{_short(self.needs.tokens)} tokens",
            f"{_short(self.needs.flops)} FLOPs",
            f"{self.needs.memory_bytes / 2**30:.1f} GiB",
            time if seconds is None else f"{time} ({how})",
        ]
        return ("at most " if self.at_most else "") + ", ".join(says)


def training_estimates(session: Session) -> dict[str, TrainingEstimate]:
    """Returns what each selected training that is not cached will take, by node."""
    found: dict[str, TrainingEstimate] = {}
    pretrain = session.planner.settings("pretrain")
    vocabulary = session.planner.settings("tokenizer").vocab_size
    manifests: list[Manifest] | None = None
    for decision in session.work:
        stage = decision.node.split(".")[0]
        if stage not in ("pretrain", "finetune") or decision.status == "held":
            continue
        if manifests is None:
            manifests = [m for nodes in latest_artifacts(session.store).values() for m in nodes.values()]
        settings = session.planner.settings(decision.node)
        if session.planner.expects_parent(decision.node):
            settings = settings.of_a_later_night()
        shape = spec_of(pretrain.model, vocabulary, pretrain.context_length)
        work = Work(
            steps=settings.planned_steps,
            batch_size=settings.batch_size,
            micro_batch_size=min(settings.micro_batch_size, settings.batch_size),
            tokens=settings.tokens_per_sample,
            precision=settings.precision,
            optimizer=settings.optimizer.kind,
            averaged=settings.ema_decay > 0,
            recomputed=settings.activation_checkpointing,
        )
        threads = session.threads(decision.node)
        calibration = calibrate(manifests, settings.precision, threads)
        needs = estimate(shape, work)
        found[decision.node] = TrainingEstimate(
            decision.node, needs, threads, settings.precision, calibration, stage == "finetune", settings.device
        )
    return found


def calibrate(manifests: Iterable[Manifest], precision: str, threads: int) -> Calibration | None:
    """Returns what the latest comparable training says, if there was one that ran through on this class of host."""
    wanted = {"precision": precision, "threads": threads}
    usable = [
        manifest
        for manifest in manifests
        if manifest.host_class == host_class()
        and not manifest.resumed
        and all(manifest.metrics.get(name) == value for name, value in wanted.items())
        and manifest.metrics.get("flops_per_token")
        and manifest.metrics.get("tokens_per_second")
    ]
    if not usable:
        return None
    latest = max(usable, key=lambda manifest: manifest.started)
    rate = float(latest.metrics["tokens_per_second"])
    other = latest.seconds - float(latest.metrics["tokens"]) / rate
    return Calibration(rate * float(latest.metrics["flops_per_token"]), max(0.0, other), latest.version)


def refuse_what_cannot_fit(estimates: Iterable[TrainingEstimate], limit: int | None = None) -> None:
    """Refuses trainings that need more memory than there is.

    Args:
        estimates: Of the trainings that are to run.
        limit: Bytes of memory; None for those of this machine, or of the control group that it runs in.

    Raises:
        ConfigError: One cannot fit.
    """
    there = memory_limit() if limit is None else limit
    for found in estimates:
        if found.device == "cpu" and found.needs.memory_bytes > there:  # what an accelerator has is not known here
            raise ConfigError(
                f"needs about {found.needs.memory_bytes / 2**30:.1f} GiB of memory, and there are {there / 2**30:.1f}",
                where=found.node,
                hint="lower micro_batch_size (the result is the same but for rounding), the context or the model",
            )


def memory_limit() -> int:
    """Returns the bytes of memory that processes here may take together."""
    import psutil

    total = int(psutil.virtual_memory().total)
    try:
        limited = _CGROUP_LIMIT.read_text().strip()
    except OSError:
        return total
    return min(total, int(limited)) if limited.isdigit() else total


def _short(number: float) -> str:
    power = min(6, max(0, int(math.log10(max(number, 1)) // 3)))
    return f"{number / 1000**power:.3g}{['', ' k', ' M', ' G', ' T', ' P', ' E'][power]}"


def _duration(seconds: float) -> str:
    if seconds < 600:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 7200 else f"about {seconds / 3600:.1f} h"
