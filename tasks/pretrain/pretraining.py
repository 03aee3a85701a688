"""One pretraining, from token files to a published folder."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.architectures import FAMILIES, TITLES
from schemas.config.pretrain import PretrainConfig
from schemas.config.start import ContinueStart
from schemas.errors import StageFailed
from tasks.engine.stage import Context
from tasks.modeling.architectures.spec import spec_of
from tasks.modeling.artifacts import model_card, save_model
from tasks.modeling.estimate import flops_per_token
from tasks.modeling.models import count_parameters
from tasks.modeling.precision import prepare_process
from tasks.modeling.stage_training import train_in_stage
from tasks.modeling.training_interface import TrainResult
from tasks.modeling.validation import mean_loss
from tasks.pretrain.blocks import (
    MixedBlocks,
    Weights,
    blocks_in_order,
    check_split,
    mixed_blocks,
    replayed_blocks,
)
from tasks.pretrain.pieces import read_pieces
from tasks.pretrain.samples import learning
from tasks.pretrain.seen import NAME, document_hashes, read_seen, write_seen
from tasks.pretrain.starting import starting_model
from tasks.tokens.token_set import TokenSet, open_split

LAST_STEPS = 10
"""The final training loss is the mean of so many last steps: one step's is noise."""

FEWEST_DOCUMENTS = 2
"""Documents of a split that can be trained on or measured with."""

MOST_EPOCHS = 4
"""Up to so many readings of a text are nearly as good as new text (Muennighoff et al., 2023)."""

_USES = {
    "causal": "It continues text; it was not taught to answer.",
    "masked": "It fills in `<mask>`; texts stand between `<s>` and `</s>`.",
    "span_corruption": (
        "It reads a text without `<s>` in which `<sentinel_0>`, `<sentinel_1>`, … stand for missing spans, and writes "
        "each span after its sentinel."
    ),
    "infilling": "It reads a text without `<s>` in which `<mask>` stands for missing spans, and writes it whole.",
}


def pretrain(context: Context) -> None:
    """Trains a model as `context.config` says and publishes it as the output `model`.

    Raises:
        StageFailed: The data do not fill a batch or a context, or the loss is no number.
        ConfigError: The model to start from does not suit.
        Interrupted: The run is to stop; a checkpoint is kept.
    """
    config: PretrainConfig = context.config
    precision = config.precision
    assert precision != "auto" and config.device != "auto", "the planner resolves them before the key"
    prepare_process(context.threads, config.device, precision)
    tokenizer = context.inputs["tokenizer"].folder()
    pieces = read_pieces(tokenizer / "tokenizer.json")
    train, valid_blocks = _splits(context, config)
    documents = document_hashes(train)
    seen = np.empty(0, np.uint64)
    if context.predecessor is not None:
        config = config.of_a_later_night()
        seen = read_seen(context.predecessor["seen"])
    train_blocks = _train_blocks(context, config, train, ~np.isin(documents, seen))
    model = starting_model(context, config, pieces)
    learnt = learning(config.objective.of(config.model.architecture), model, pieces, config.seed)
    objective = learnt.objective
    micro_batch_size = min(config.micro_batch_size, config.batch_size)
    n_valid = min(config.valid_blocks, valid_blocks.count)

    def validate(trained: Any) -> float:
        return mean_loss(trained, objective, learnt.samples(valid_blocks.batch), n_valid, micro_batch_size, precision)

    trained = partial(objective, z_loss=config.z_loss)
    samples = learnt.samples(train_blocks.batch)
    result = train_in_stage(context, config, model, trained, samples, validate, precision)

    folder = context.folder / "model"
    save_model(model, folder, tokenizer, _card(model, config, train_blocks, result))
    context.add_folder("model", folder)
    seen_documents = write_seen(context.folder / NAME, seen, documents)
    context.add("seen", NAME, context.folder / NAME, rows=seen_documents)
    context.report(
        rows_in=train_blocks.count,
        parameters=count_parameters(model),
        tokens=result.tokens,
        epochs=round(result.state.samples / train_blocks.count, 4),
        train_loss=result.mean_loss(LAST_STEPS),
        valid_loss=result.valid_loss,
        valid_blocks=n_valid,
        seen_documents=seen_documents,
        tokens_per_second=round(result.tokens_per_second, 1),
        precision=precision,
        threads=context.threads,
        flops_per_token=flops_per_token(spec_of(config.model, len(pieces), config.context_length)),
    )


def _splits(context: Context, config: PretrainConfig) -> tuple[TokenSet, MixedBlocks]:
    """Opens both splits and checks that there is enough to train on."""
    length = config.context_length
    files = {split: context.inputs[split].files for split in ("train", "valid")}
    sets = {split: open_split(split, {file.stored.name: file.path for file in found}) for split, found in files.items()}
    for split, tokens in sets.items():
        check_split(split, tokens, length)
        if tokens.n_documents < FEWEST_DOCUMENTS:
            raise StageFailed(
                "a split of 1 document: what is learnt or measured would be that text and not a language",
                where=split,
                hint="give more documents, or a larger share of them to this split (`shard`)",
            )
    return sets["train"], blocks_in_order("valid", sets["valid"], length)


def _train_blocks(
    context: Context, config: PretrainConfig, tokens: TokenSet, is_new: npt.NDArray[np.bool_]
) -> MixedBlocks:
    """Mixes the text as `pretrain.mixture` and, with a parent, `pretrain.start.replay` say, and reports of it."""
    weights = Weights(config.mixture.languages, config.mixture.sources)
    length = config.context_length
    replay = config.start.replay if isinstance(config.start, ContinueStart) and context.predecessor else None
    blocks = mixed_blocks("train", tokens, length, config.seed, weights)
    if blocks.count < config.batch_size:
        raise StageFailed(
            f"{blocks.count} blocks of {length} tokens do not fill one batch of {config.batch_size}",
            where="train",
            hint="give more text, or lower `batch_size` or `context_length`",
        )
    if replay is not None:
        blocks = replayed_blocks("train", tokens, is_new, length, replay, config.seed, weights)
    if context.predecessor is not None:
        new, old = (tokens.select(documents).n_blocks(length) for documents in (is_new, ~is_new))
        context.report(new_documents=int(is_new.sum()), old_documents=int((~is_new).sum()), replay=replay)
        context.report(new_blocks=new, old_blocks=old)
        read = (1 - replay) * config.planned_steps * config.batch_size if replay is not None else 0.0
        if new and read > MOST_EPOCHS * new:
            context.warn(
                f"new text is read {read / new:.1f} times tonight: fewer steps, or a larger share of replay "
                "(pretrain.start), would learn it less by heart"
            )
    return blocks


def _card(model: Any, config: PretrainConfig, train_blocks: MixedBlocks, result: TrainResult) -> str:
    training = {
        "steps": f"{result.steps:,} of {config.batch_size} blocks of {config.context_length} tokens",
        "tokens": f"{result.tokens:,}",
        "precision": config.precision,
        "objective": str(config.objective.of(config.model.architecture).kind),
        "optimiser": f"{config.optimizer.kind}, learning rate {config.learning_rate:g}",
        "training loss": f"{result.mean_loss(LAST_STEPS):.3f} nats a token",
        "validation loss": f"{result.valid_loss:.3f} nats a token",
    }
    data = (
        f"{train_blocks.n_documents:,} documents of {train_blocks.n_tokens:,} tokens, English and Chinese, cleaned and "
        "deduplicated; their origins and licences are in the artifact of the stage `collect`."
    )
    objective = config.objective.of(config.model.architecture)
    kind = {"decoder": "CausalLM", "encoder": "MaskedLM", "encoder-decoder": "Seq2SeqLM"}
    use = (
        f"`AutoModelFor{kind[FAMILIES[config.model.architecture]]}.from_pretrained` and "
        "`AutoTokenizer.from_pretrained` load this folder. " + _USES[str(objective.kind)]
    )
    return model_card(f"Pretrained {TITLES[config.model.architecture]}", model, training, data, use)
