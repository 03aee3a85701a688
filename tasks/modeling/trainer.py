"""The one trainer, of pretraining and of every fine-tuning.

A step reads `batch_size` samples from a position that follows from the step, in micro-batches whose gradients add up,
and updates the weights once. All that decides the next step is in the checkpoint or follows from the settings, so a
training that was killed anywhere, in mid-accumulation too, ends with the bytes of one that was not. Budgets are steps,
never seconds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch

from schemas.errors import Interrupted, StageFailed
from tasks.engine.host import host_class
from tasks.modeling.bad_steps import BadStep
from tasks.modeling.checkpoints import Checkpoints, Snapshot
from tasks.modeling.objectives import Objective
from tasks.modeling.optimizers import GradientNorms, Optimizers
from tasks.modeling.parallel import ParallelModel, World, joined, local_device
from tasks.modeling.parameter_groups import gathered
from tasks.modeling.precision import LossScale, autocast, optimizer_products
from tasks.modeling.schedules import learning_rate_factor
from tasks.modeling.step_log import StepLog, StepRecord
from tasks.modeling.training_interface import Batches, Callbacks, StepTimings, TrainResult, TrainSettings
from tasks.modeling.training_state import TrainingState, seed_generators
from tasks.modeling.validation import moved
from tasks.modeling.weight_average import WeightAverage


def train(
    model: Any,
    objective: Objective,
    batches: Batches,
    settings: TrainSettings,
    checkpoints: Checkpoints,
    callbacks: Callbacks,
) -> TrainResult:
    """Trains a model in place, from its last checkpoint if there is one; in all processes that the environment names.

    Raises:
        Interrupted: `callbacks.stopping` became true; the last whole step is saved.
        StageFailed: A bad step was met that the settings do not bear, or the batch or the optimiser cannot be shared
            out.
    """
    with joined(settings.device) as world:
        if settings.batch_size % world.size:
            raise StageFailed(
                f"a batch of {settings.batch_size} samples cannot be shared out to {world.size} processes",
                where="batch_size",
                hint="make it a multiple of the number of devices",
            )
        if world.sharded and settings.optimizer.kind == "adafactor":
            raise StageFailed(
                "adafactor's factored moments cannot be split between processes",
                where="optimizer.kind",
                hint="train without execution.sharded, or with another optimiser",
            )
        training = _Training(model, objective, batches, settings, checkpoints, callbacks, world)
        try:
            return training.run()
        finally:
            training.close()


@dataclass(frozen=True, slots=True)
class _Sums:
    """What all processes found in a step: sum of losses, predictions, right ones (None: not told), wish to stop."""

    total: float
    count: int
    correct: int | None
    stop: bool

    @property
    def loss(self) -> float:
        return self.total / self.count


class _Training:
    """One process of one training."""

    def __init__(
        self,
        model: Any,
        objective: Objective,
        batches: Batches,
        settings: TrainSettings,
        checkpoints: Checkpoints,
        callbacks: Callbacks,
        world: World,
    ) -> None:
        self._batches, self._settings, self._callbacks = batches, settings, callbacks
        self._checkpoints, self._world = checkpoints, world
        model.train()
        self._model = ParallelModel(
            model,
            objective,
            world,
            local_device(settings.device),
            compiled=settings.compiled,
            checkpointing=settings.activation_checkpointing,
        )
        self._optimizers = Optimizers(self._model.module, settings.optimizer, optimizer_products(settings.precision))
        self._average = WeightAverage(self._model.module, settings.ema_decay)
        self._place = _place(settings, world)
        self._saved = -1
        self._saved_at = time.monotonic()
        self._first_tokens, self._seconds = 0, 0.0
        self._timings = StepTimings()
        self._frozen = False
        state = self._resume()
        self._log = StepLog(checkpoints.folder, state.step, writes=world.leads)
        self._state = state

    def run(self) -> TrainResult:
        """Makes all steps that are left."""
        self._first_tokens = self._state.tokens
        if self._settings.bad_steps.action == "rollback" and self._state.step == 0:
            self._save()  # what the first bad step goes back to
        while not self._is_done():
            self._timings = StepTimings()
            began = time.perf_counter()
            sums = self._accumulate()
            if sums is None:
                self._optimizers.clear()
                self._stop()
            record = self._update(sums)
            self._seconds += time.perf_counter() - began
            if record is not None:
                self._finish_step(record)
            if sums.stop and not self._is_done():
                self._stop()
        return self._result()

    def close(self) -> None:
        """Ends the log and what is still being written."""
        self._log.close()
        if self._frozen:
            gc.unfreeze()
        self._checkpoints.wait()

    # -- one step ---------------------------------------------------------------------------------------------------

    def _accumulate(self) -> _Sums | None:
        """Adds up the gradients of one step; None when this process, being the only one, is to stop."""
        settings, share = self._settings, self._world.share(self._settings.batch_size)
        total, count, correct = 0.0, 0, 0
        told = True
        for start in range(share.start, share.stop, settings.micro_batch_size):
            if self._world.size == 1 and self._callbacks.stopping():
                return None
            size = min(settings.micro_batch_size, share.stop - start)
            position = self._state.samples + start
            with self._timings.timed("data"):
                batch = moved(self._batches(position, size), self._model.device)
            seed_generators(settings.seed, position)
            with self._model.adding_up(last=start + size == share.stop):
                with self._timings.timed("forward"), autocast(settings.precision, self._model.device.type):
                    loss = self._model.loss(batch)
                with self._timings.timed("backward"):
                    (loss.total * self._state.scale.scale).backward()  # type: ignore[no-untyped-call]
                    total += loss.total.item()
            count += loss.count
            told = told and loss.correct is not None
            correct += int(loss.correct) if loss.correct is not None else 0
        stop = self._world.size > 1 and self._callbacks.stopping()
        sums = self._world.sum([total, count, correct, stop])
        if sums[1] == 0:
            raise StageFailed(
                f"step {self._state.step + 1} has nothing to predict: every label is masked",
                hint="give the stage longer documents or examples",
            )
        return _Sums(sums[0], round(sums[1]), round(sums[2]) if told else None, sums[3] > 0)

    def _update(self, sums: _Sums) -> StepRecord | None:
        """Updates the weights; None if the step was not made."""
        state, settings = self._state, self._settings
        with self._timings.timed("optimizer"):
            # DDP and FSDP2 leave the mean over the processes of each one's sum.
            norms = self._optimizers.average(sums.count * state.scale.scale / self._world.size)
            fault = state.trend.fault(sums.loss, norms.total, settings.bad_steps)
            if fault:
                self._optimizers.clear()
                self._meet(fault, sums, norms)
                return None
            factor = learning_rate_factor(state.step, settings.steps, settings.schedule)
            self._optimizers.step(factor, norms.total)
            self._average.update(state.step + 1)
        self._state = replace(
            state,
            step=state.step + 1,
            samples=state.samples + settings.batch_size,
            tokens=state.tokens + sums.count,
            scale=state.scale.passed(settings.precision),
            trend=state.trend.after(sums.loss, settings.bad_steps.spike_window),
        )
        return StepRecord(
            step=self._state.step,
            tokens=self._state.tokens,
            loss=sums.loss,
            learning_rate=settings.optimizer.learning_rate * factor,
            gradient_norm=norms.total,
            accuracy=None if sums.correct is None else sums.correct / sums.count,
            layer_norms=norms.layers,
        )

    def _finish_step(self, record: StepRecord) -> None:
        settings, callbacks = self._settings, self._callbacks
        if not self._frozen:
            # What lives now lives to the end: the collector need not walk it again and again.
            gc.collect()
            gc.freeze()
            self._frozen = True
        if callbacks.evaluate is not None and self._is_due(settings.evaluate_every):
            with self._timings.timed("validation"):
                loss = self._evaluate(callbacks.evaluate)
            record = replace(record, valid_loss=loss)
            self._state = replace(self._state, best=self._state.best.after(loss, self._state.step))
        self._log.append(record)
        if self._must_save():
            with self._timings.timed("checkpoint"):
                self._save()
        self._timings.tokens_per_second = self._rate()
        callbacks.on_step(record, self._timings)

    def _evaluate(self, evaluate: Callable[[Any], float]) -> float:
        with self._average.in_place(), self._model.evaluated() as model:
            loss = evaluate(model)
        return float(self._world.from_first(loss))

    def _is_due(self, every: int) -> bool:
        step = self._state.step
        return step == self._settings.steps or (every > 0 and step % every == 0)

    def _is_done(self) -> bool:
        settings = self._settings
        tired = settings.patience > 0 and self._state.best.since >= settings.patience
        return self._state.step >= settings.steps or tired

    # -- bad steps --------------------------------------------------------------------------------------------------

    def _meet(self, fault: str, sums: _Sums, norms: GradientNorms) -> None:
        """Decides what a bad step comes to."""
        state, settings = self._state, self._settings.bad_steps
        overflown = sums.total - sums.total == 0 and norms.total - norms.total != 0  # the loss is finite, that is not
        if self._settings.precision == "fp16" and overflown and state.scale.scale > LossScale.SMALLEST:
            self._state = replace(state, scale=state.scale.lowered())
            return
        if settings.action == "stop":
            raise StageFailed(
                f"step {state.step + 1}: {fault}",
                hint="lower the learning rate, lengthen the warmup, train with precision fp32, or let bad_steps.action "
                "skip or roll back",
            )
        if len(state.events) >= settings.limit:
            raise StageFailed(
                f"step {state.step + 1}: {fault}; it is bad step number {len(state.events) + 1}",
                hint="lower the learning rate, or raise bad_steps.limit",
                details=[str(event) for event in state.events],
            )
        back_to = state.step
        samples = state.samples + self._settings.batch_size
        if settings.action == "rollback":
            back_to -= back_to % settings.rollback_every
        event = BadStep(state.step + 1, state.samples, fault, settings.action, back_to)
        self._callbacks.on_event(str(event))
        events = (*state.events, event)
        if settings.action == "rollback":
            state = self._take_over(back_to)
            if self._world.leads:
                self._checkpoints.discard_after(back_to)
            self._log.cut(back_to)
        self._state = replace(state, samples=samples, events=events)

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def _resume(self) -> TrainingState:
        """Takes over the newest checkpoint that is whole, or begins."""
        settings = self._settings
        step = self._world.from_first(self._checkpoints.find() if self._world.leads else None)
        if step is None:
            return TrainingState(scale=LossScale.of(settings.precision), places=(self._place,))
        state = self._take_over(step)
        self._callbacks.on_resume(step)
        for event in state.events:
            self._callbacks.on_event(str(event))
        if state.places[-1] != self._place:
            state = replace(state, places=(*state.places, self._place))
        if len(set(state.places)) > 1:
            self._callbacks.on_event(f"not bit-exact: it ran in turn on {'; '.join(state.places)}")
        return state

    def _take_over(self, step: int) -> TrainingState:
        """Takes over a checkpoint; returns the state in it."""
        self._checkpoints.wait()
        self._world.sum([0])  # only then has the first process written it
        snapshot = self._checkpoints.read(step)
        shapes = {name: weight.shape for name, weight in self._model.weights().items()}
        if {name: weight.shape for name, weight in snapshot.weights.items()} != shapes:
            raise self._checkpoints.refuse(step)
        self._model.load(snapshot.weights)
        self._optimizers.load(snapshot.optimizer)
        self._average.load(snapshot.average)
        self._saved, self._saved_at = step, time.monotonic()
        return snapshot.state

    def _must_save(self) -> bool:
        settings, step = self._settings, self._state.step
        minutes = settings.checkpoint_minutes
        late = minutes is not None and time.monotonic() - self._saved_at > 60 * minutes
        return (
            self._is_due(settings.checkpoint_every)
            or self._is_done()
            or (settings.bad_steps.action == "rollback" and step % settings.bad_steps.rollback_every == 0)
            or (settings.export == "best" and self._state.best.step == step)
            or bool(minutes is not None and self._world.from_first(late))
        )

    def _save(self) -> None:
        state, settings = self._state, self._settings
        if state.step == self._saved:
            return
        self._saved, self._saved_at = state.step, time.monotonic()
        leads, sharded = self._world.leads, self._world.sharded
        if not (leads or sharded):
            return
        weights = gathered(self._model.weights(), keep=leads)
        optimizer = gathered(self._optimizers.state(), keep=leads)
        average = gathered(self._average.state(), keep=leads)
        if not leads:
            return
        needed = set()
        if settings.export == "best" and state.best.step:
            needed.add(state.best.step)
        if settings.bad_steps.action == "rollback":
            needed.add(state.step - state.step % settings.bad_steps.rollback_every)
        self._log.sync()
        self._checkpoints.save(Snapshot(state, weights, optimizer, average), needed)

    def _stop(self) -> NoReturn:
        if self._state.step:
            self._save()
        raise Interrupted(
            f"training stopped after step {self._state.step} of {self._settings.steps}",
            hint="the next run goes on from this step",
        )

    # -- the end ----------------------------------------------------------------------------------------------------

    def _rate(self) -> float:
        return (self._state.tokens - self._first_tokens) / self._seconds if self._seconds else 0.0

    def _result(self) -> TrainResult:
        state, rate = self._state, self._rate()
        exported = state.step
        if self._settings.export == "best" and state.best.step not in (0, state.step):
            exported = state.best.step
            self._take_over(exported)
        self._average.exchange()
        self._model.collect()
        return TrainResult(self._log.records, rate, state, exported, self._world)


def _place(settings: TrainSettings, world: World) -> str:
    """Names the kind of process that equal bytes can be expected of."""
    processes = f"{world.size} processes" + (" (sharded)" if world.sharded else "") if world.size > 1 else "1 process"
    return (
        f"{host_class()}, {settings.device}, {torch.get_num_threads()} threads, {processes}, torch {torch.__version__}"
    )
