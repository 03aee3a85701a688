"""The weights that a pretraining starts from: new ones, or those of a model that fits its tokenizer and its context."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import torch

from schemas.architectures import HAS_POSITION_TABLE, TITLES
from schemas.config.pretrain import PretrainConfig
from schemas.config.start import ContinueStart, FolderStart, ReferenceStart
from schemas.errors import ConfigError, DamagedArtifact
from schemas.tokens import BOS, EOS, PAD
from tasks.engine.stage import Context, StoredFile
from tasks.modeling.architectures.configs import model_class
from tasks.modeling.architectures.spec import ModelSpec, spec_of
from tasks.modeling.models import architecture_of, build_model, load_model
from tasks.pretrain.pieces import read_pieces


def starting_model(context: Context, config: PretrainConfig, pieces: list[str]) -> Any:
    """Returns the model to train, in training mode.

    Args:
        context: The stage's context; `look` names the files of what to start from.
        config: Its settings.
        pieces: Those of the tokenizer, by id.

    Raises:
        ConfigError: The model to start from does not suit.
        DamagedArtifact: Its files are not those that the plan saw.
    """
    if context.predecessor is not None:
        return _loaded(context.predecessor["model"].folder(), config, pieces)
    if context.look is None:
        return build_model(spec_of(config.model, len(pieces), config.context_length), config.seed)
    return _loaded(_folder(context, config), config, pieces)


def _folder(context: Context, config: PretrainConfig) -> Path:
    """Gathers the files that the plan saw, so that nothing else of a folder is ever read."""
    folder = context.folder / "start"
    folder.mkdir()
    for name, digest, size in context.look:
        if isinstance(config.start, FolderStart):
            shutil.copyfile(config.start.path / name, folder / name)
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != digest:
                raise DamagedArtifact("the file changed since the plan was made", where=str(config.start.path / name))
        else:
            (folder / name).symlink_to(context.path(StoredFile(name, digest, size)))
    return folder


def _loaded(folder: Path, config: PretrainConfig, pieces: list[str]) -> Any:
    start = config.start
    where = f"pretrain.start: {start.reference}" if isinstance(start, ReferenceStart) else "pretrain.start"
    architecture = architecture_of(folder)
    if architecture != config.model.architecture:
        raise ConfigError(
            f"the model to start from is a {TITLES[architecture]}, pretrain.model.architecture says "
            f"{config.model.architecture}",
            where=where,
            hint=f"set it to {architecture}",
        )
    _check_vocabulary(read_pieces(folder / "tokenizer.json"), pieces, where)
    model = load_model(folder, config.model.dropout)
    if isinstance(start, ContinueStart):
        _check_shape(model, spec_of(config.model, len(pieces), config.context_length))
    if model.config.vocab_size != len(pieces):
        raise ConfigError(
            f"the model to start from has {model.config.vocab_size:,} embeddings for {len(pieces):,} pieces",
            where=where,
            hint="resize its embeddings to the vocabulary first (`resize_token_embeddings`)",
        )
    positions = model.config.max_position_embeddings if HAS_POSITION_TABLE[architecture] else config.context_length
    if positions < config.context_length:
        raise ConfigError(
            f"a context of {config.context_length} is longer than the {positions} positions of the model",
            where=where,
            hint=f"lower pretrain.context_length to {positions} at most",
        )
    model.config.pad_token_id, model.config.bos_token_id, model.config.eos_token_id = PAD, BOS, EOS
    return model.train()


def _check_shape(parent: Any, spec: ModelSpec) -> None:
    """Refuses a changed shape: a lineage keeps its own, and what a configuration says must be so."""
    kind, config = model_class(spec)
    with torch.device("meta"):
        wanted = {name: weight.shape for name, weight in kind(config).named_parameters()}
    found = {name: weight.shape for name, weight in parent.named_parameters()}
    changed = [name for name in sorted(wanted.keys() | found.keys()) if wanted.get(name) != found.get(name)]
    if changed:
        name = changed[0]
        shapes = [list(of[name]) if name in of else "none" for of in (found, wanted)]
        raise ConfigError(
            f"pretrain.model is of another shape than the parent: {name} was {shapes[0]} and would be {shapes[1]}",
            where="pretrain.start",
            hint="set pretrain.model back, or begin anew with pretrain.start.kind scratch",
        )


def _check_vocabulary(found: list[str], wanted: list[str], where: str) -> None:
    if found == wanted:
        return
    first = next((n for n, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), None)
    if first is None:
        told = f"it has {len(found):,} pieces, the pipeline's tokenizer {len(wanted):,}"
    else:
        told = f"its piece {first} is {found[first]!r}, the pipeline's {wanted[first]!r}"
    raise ConfigError(
        f"the model to start from has another vocabulary: {told}",
        where=where,
        hint="a model goes on only with its own tokenizer: let `tokenizer` reuse it",
    )
