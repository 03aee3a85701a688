"""A trained model as a Hugging Face folder that `AutoModel…` and `AutoTokenizer` load, with a model card.

Weights are written by safetensors directly, tied ones once, under their sorted names: equal weights are equal bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import GenerationConfig

from schemas.architectures import FAMILIES, TITLES
from schemas.errors import StageFailed
from schemas.tokens import BOS, EOS, PAD
from tasks.modeling.models import count_parameters, is_classifier, unique_parameters
from tasks.modeling.prompts import STOP

_OWN_FILES = ("config.json", "generation_config.json", "model.safetensors", "README.md")


def save_model(model: Any, folder: Path, tokenizer: Path, card: str) -> list[Path]:
    """Writes a model and its tokenizer into a new folder.

    Args:
        model: A model of transformers, float32.
        folder: Made here; holds nothing yet.
        tokenizer: Folder whose tokenizer files are copied in (a model's own files are left out).
        card: Text of README.md.

    Returns:
        The files written, sorted by name.

    Raises:
        StageFailed: The tokenizer's folder has no tokenizer.json.
    """
    if not (tokenizer / "tokenizer.json").is_file():
        raise StageFailed("the folder of the tokenizer has no tokenizer.json", where="tokenizer")
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(tokenizer.iterdir()):
        if file.is_file() and file.name not in _OWN_FILES:
            shutil.copyfile(file, folder / file.name)
    save_file(_weights(model), folder / "model.safetensors", metadata={"format": "pt"})
    model.config.architectures = [type(model).__name__]
    model.config.dtype = "float32"
    model.config.save_pretrained(folder)
    family = FAMILIES[model.config.model_type]
    if family != "encoder" and not is_classifier(model.config):
        ids: dict[str, Any] = {"bos_token_id": BOS, "eos_token_id": [EOS, *STOP[:1]], "pad_token_id": PAD}
        if family == "encoder-decoder":
            ids |= {"eos_token_id": EOS, "decoder_start_token_id": model.config.decoder_start_token_id}
        GenerationConfig(**ids).save_pretrained(folder)  # type: ignore[no-untyped-call]
    (folder / "README.md").write_text(card, encoding="utf-8")
    return sorted(folder.iterdir())


def model_card(title: str, model: Any, training: Mapping[str, str], data: str, use: str) -> str:
    """Returns the text of a model card.

    Args:
        title: Heading.
        model: Whose size is stated.
        training: What was done, such as steps and tokens; shown as a list, in this order.
        data: What it was trained on, as Markdown.
        use: How to ask it, as Markdown.
    """
    config = model.config
    lines = [
        f"# {title}",
        "",
        f"A {TITLES[config.model_type]} of {count_parameters(model):,} parameters: {_layers(config)} of width "
        f"{config.hidden_size}, {config.vocab_size:,} pieces{_positions(config)}.",
        "",
        "**For trying, not for giving away.** It was trained for a short time on little text, under the several "
        "licences of that text; what it says is neither true nor safe, and whether it may be passed on was not "
        "settled by anyone.",
        "",
        "## Training",
        "",
        *(f"- {name}: {value}" for name, value in training.items()),
        "",
        "## Data",
        "",
        data,
        "",
        "## Use",
        "",
        use,
        "",
    ]
    return "\n".join(lines)


def _weights(model: Any) -> dict[str, torch.Tensor]:
    """What a model consists of by name, tied weights once, without tables that follow from its shape."""
    derived = set(model._keys_to_ignore_on_save or ())
    weights = {name: parameter.detach() for name, parameter in unique_parameters(model).items()}
    every_parameter = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    weights |= {name: kept for name, kept in model.state_dict().items() if name not in every_parameter}
    return {name: weight.contiguous() for name, weight in weights.items() if name not in derived}


def _layers(config: Any) -> str:
    if FAMILIES[config.model_type] != "encoder-decoder":
        return f"{config.num_hidden_layers} layers"
    decoder = config.num_decoder_layers if config.model_type == "t5" else config.decoder_layers
    return f"{config.num_hidden_layers} layers in the encoder and {decoder} in the decoder"


def _positions(config: Any) -> str:
    positions = getattr(config, "max_position_embeddings", None)
    return "" if positions is None else f", context of {positions} tokens"
