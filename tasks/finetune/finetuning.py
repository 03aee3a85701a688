"""One fine-tuning of either kind, from the pretrained folder to a published one."""

from __future__ import annotations

from functools import partial
from typing import Any

from schemas.config.finetune import FinetuneConfig
from schemas.errors import StageFailed
from tasks.engine.stage import Context
from tasks.finetune.classification import classification_task
from tasks.finetune.generation import generation_task
from tasks.finetune.task import Example, Task, read_examples
from tasks.modeling.artifacts import model_card, save_model
from tasks.modeling.models import count_parameters
from tasks.modeling.precision import prepare_process
from tasks.modeling.stage_training import train_in_stage
from tasks.modeling.training_interface import TrainResult
from tasks.modeling.validation import mean_loss
from tasks.tokens.encoding import load_processor

LAST_STEPS = 10
"""The final training loss is the mean of so many last steps: one step's is noise."""


def finetune(context: Context) -> None:
    """Fine-tunes the input `model` as `context.config` says and publishes it as the output `model`.

    Raises:
        StageFailed: There are too few examples or the wrong labels, or the loss is no number.
        ConfigError: The examples' longest fields do not fit into the model's context.
        Interrupted: The run is to stop; a checkpoint is kept.
    """
    config: FinetuneConfig = context.config
    precision = config.precision
    assert precision != "auto" and config.device != "auto", "the planner resolves them before the key"
    prepare_process(context.threads, config.device, precision)
    folder = context.inputs["model"].folder()
    processor = load_processor(folder)
    splits = {split: read_examples(context.inputs[split], processor, context.threads) for split in ("train", "valid")}
    _check_sizes(splits, config)
    if config.kind == "generation":
        task = generation_task(config, folder, processor, splits, context.threads)
    else:
        task = classification_task(config, folder, splits, context.warn)
    micro_batch_size = min(config.micro_batch_size, config.batch_size)

    def validate(trained: Any) -> float:
        return mean_loss(trained, task.objective, task.valid, task.n_valid, micro_batch_size, precision)

    objective = partial(task.objective, z_loss=config.z_loss, label_smoothing=config.label_smoothing)
    result = train_in_stage(context, config, task.model, objective, task.train, validate, precision)

    published = context.folder / "model"
    save_model(task.model, published, folder, _card(config, task, result, len(splits["train"])))
    context.add_folder("model", published)
    context.report(
        rows_in=len(splits["train"]),
        parameters=count_parameters(task.model),
        epochs=round(result.state.samples / len(splits["train"]), 4),
        train_loss=result.mean_loss(LAST_STEPS),
        valid_loss=result.valid_loss,
        valid_examples=task.n_valid,
        precision=precision,
        **task.measure(task.model),
    )


def _check_sizes(splits: dict[str, list[Example]], config: FinetuneConfig) -> None:
    if len(splits["train"]) < config.batch_size:
        raise StageFailed(
            f"{len(splits['train'])} training examples do not fill one batch of {config.batch_size}",
            where="train",
            hint="give more examples or lower `batch_size`",
        )
    if not splits["valid"]:
        raise StageFailed("there are no validation examples", where="valid", hint="give more examples")


def _card(config: FinetuneConfig, task: Task, result: TrainResult, examples: int) -> str:
    training = {
        "kind": config.kind,
        "steps": f"{result.steps:,} of {config.batch_size} examples",
        "precision": config.precision,
        "optimiser": f"{config.optimizer.kind}, learning rate {config.learning_rate:g}",
        "training loss": f"{result.mean_loss(LAST_STEPS):.3f} nats",
        "validation loss": f"{result.valid_loss:.3f} nats",
    }
    data = f"{examples:,} labelled examples, on top of what the pretrained model saw."
    return model_card(f"Fine-tuned for {config.kind}", task.model, training, data, task.use)
