"""One pretraining, from token files to a published folder."""

from __future__ import annotations

import json
from typing import Any

from schemas.config.pretrain import PretrainConfig
from schemas.errors import StageFailed
from tasks.engine.stage import Context
from tasks.modeling.artifacts import model_card, save_model
from tasks.modeling.estimate import Shape, flops_per_token
from tasks.modeling.models import DecoderSpec, build_decoder, count_parameters
from tasks.modeling.objectives import language_modeling_loss
from tasks.modeling.order import Order
from tasks.modeling.precision import prepare_process
from tasks.modeling.stage_training import train_in_stage
from tasks.modeling.trainer import TrainResult, mean_loss
from tasks.pretrain.blocks import Blocks, token_files

LAST_STEPS = 10
"""The final training loss is the mean of so many last steps: one step's is noise."""


def pretrain(context: Context) -> None:
    """Trains a decoder as `context.config` says and publishes it as the output `model`.

    Raises:
        StageFailed: The data do not fill a batch or a context, or the loss is no number.
        Interrupted: The run is to stop; a checkpoint is kept.
    """
    config: PretrainConfig = context.config
    precision = config.precision
    assert precision != "auto", "the planner resolves it before the key"
    prepare_process(context.threads)
    tokenizer = context.inputs["tokenizer"].folder()
    train_blocks, valid_blocks = _blocks(context, config)
    model = build_decoder(_spec(config, _vocabulary(tokenizer / "tokenizer.json")), config.seed)
    micro_batch_size = min(config.micro_batch_size, config.batch_size)
    n_valid = min(config.valid_blocks, valid_blocks.count)

    def validate(trained: Any) -> float:
        batch = valid_blocks.batch
        return mean_loss(trained, language_modeling_loss, batch, n_valid, micro_batch_size, precision)

    result = train_in_stage(context, config, model, language_modeling_loss, train_blocks.batch, validate, precision)

    folder = context.folder / "model"
    save_model(model, folder, tokenizer, _card(model, config, train_blocks, result))
    context.add_folder("model", folder)
    context.report(
        rows_in=train_blocks.count,
        parameters=count_parameters(model),
        steps=config.steps,
        tokens=result.tokens,
        epochs=round(config.steps * config.batch_size / train_blocks.count, 4),
        train_loss=result.mean_loss(LAST_STEPS),
        valid_loss=result.valid_loss,
        valid_blocks=n_valid,
        tokens_per_second=round(result.tokens_per_second, 1),
        precision=precision,
        threads=context.threads,
        flops_per_token=flops_per_token(_shape(config, _vocabulary(tokenizer / "tokenizer.json"))),
    )


def _blocks(context: Context, config: PretrainConfig) -> tuple[Blocks, Blocks]:
    """Opens both splits and checks that there is enough to train on."""
    length = config.context_length
    sets = {split: token_files(split, context.inputs[split]) for split in ("train", "valid")}
    for split, tokens in sets.items():
        if tokens.n_tokens <= length:
            raise StageFailed(
                f"{tokens.n_tokens} tokens do not fill one context of {length}",
                where=split,
                hint="give more text or lower `context_length`",
            )
    blocks = sets["train"].n_blocks(length)
    if blocks < config.batch_size:
        raise StageFailed(
            f"{blocks} blocks of {length} tokens do not fill one batch of {config.batch_size}",
            where="train",
            hint="give more text, or lower `batch_size` or `context_length`",
        )
    return Blocks(sets["train"], length, Order(blocks, config.seed)), Blocks(sets["valid"], length)


def _spec(config: PretrainConfig, vocabulary: int) -> DecoderSpec:
    shape = config.model
    return DecoderSpec(
        vocabulary=vocabulary,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        intermediate_size=shape.intermediate_size,
        context_length=config.context_length,
        tied_embeddings=shape.tied_embeddings,
        dropout=shape.dropout,
    )


def _shape(config: PretrainConfig, vocabulary: int) -> Shape:
    shape = config.model.model_dump(exclude={"dropout"})
    return Shape(vocabulary=vocabulary, context_length=config.context_length, **shape)


def _vocabulary(tokenizer: Any) -> int:
    """Returns the number of pieces in a tokenizer.json."""
    if not tokenizer.is_file():
        raise StageFailed("the folder of the tokenizer has no tokenizer.json", where="tokenizer")
    return len(json.loads(tokenizer.read_bytes())["model"]["vocab"])


def _card(model: Any, config: PretrainConfig, train_blocks: Blocks, result: TrainResult) -> str:
    tokens = train_blocks.tokens
    training = {
        "steps": f"{config.steps:,} of {config.batch_size} blocks of {config.context_length} tokens",
        "tokens": f"{result.tokens:,}",
        "precision": config.precision,
        "optimiser": f"{config.optimizer.kind}, learning rate {config.learning_rate:g}",
        "training loss": f"{result.mean_loss(LAST_STEPS):.3f} nats a token",
        "validation loss": f"{result.valid_loss:.3f} nats a token",
    }
    data = (
        f"{tokens.n_documents:,} documents of {tokens.n_tokens:,} tokens, English and Chinese, cleaned and "
        "deduplicated; their origins and licences are in the artifact of the stage `collect`."
    )
    use = (
        "`AutoModelForCausalLM.from_pretrained` and `AutoTokenizer.from_pretrained` load this folder. It continues "
        "text; it was not taught to answer."
    )
    return model_card("Pretrained decoder", model, training, data, use)
