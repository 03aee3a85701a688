"""Building and loading models: from a spec and a seed, or from a Hugging Face folder.

All are transformers' own classes, so that every tool loads what is trained here. Folders are read as data: weights from
safetensors only, and no code that lies beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    GPT2ForSequenceClassification,
    LlamaForSequenceClassification,
)
from transformers.utils import logging as transformers_logging

from schemas.architectures import ARCHITECTURES, FAMILIES, TITLES, Architecture, Family
from schemas.errors import ConfigError, StageFailed
from tasks.modeling.architectures.configs import dropout_settings, model_class
from tasks.modeling.architectures.spec import ModelSpec

_AUTO_CLASSES: dict[Family, Any] = {
    "decoder": AutoModelForCausalLM,
    "encoder": AutoModelForMaskedLM,
    "encoder-decoder": AutoModelForSeq2SeqLM,
}

_CLASSIFIERS: dict[str, Any] = {"llama": LlamaForSequenceClassification, "gpt2": GPT2ForSequenceClassification}
"""They pool a row's last token that is no padding."""


def build_model(spec: ModelSpec, seed: int) -> Any:
    """Builds a model with weights that depend on the spec and the seed only; float32, in training mode."""
    kind, config = model_class(spec)
    with _seeded(seed):
        model = kind(config)
    model.train()
    return model


def load_model(folder: Path, dropout: float | None = None) -> Any:
    """Loads a language model of any architecture from a Hugging Face folder: float32, in evaluation mode.

    Args:
        folder: Holds `config.json` and the weights.
        dropout: Probability that a value is dropped in training; None keeps the model's.

    Raises:
        StageFailed: The folder holds no model of an architecture that is known here.
    """
    architecture = architecture_of(folder)
    settings: dict[str, Any] = {} if dropout is None else dropout_settings(architecture, dropout)
    return load_pretrained(_AUTO_CLASSES[FAMILIES[architecture]], folder, **settings)


def load_decoder(folder: Path, dropout: float | None = None) -> Any:
    """Loads a decoder from a Hugging Face folder: float32, in evaluation mode.

    Raises:
        StageFailed: The folder holds no model.
        ConfigError: It holds one of another family.
    """
    architecture = architecture_of(folder)
    if FAMILIES[architecture] != "decoder":
        decoders = " or ".join(name for name in ARCHITECTURES if FAMILIES[name] == "decoder")
        raise ConfigError(
            f"the architecture does not suit: this needs a decoder, and the model is a {TITLES[architecture]}",
            where="model",
            hint=f"pretrain with model.architecture {decoders}, or leave this stage out (--until pretrain)",
        )
    return load_model(folder, dropout)


def load_as_classifier(folder: Path, labels: list[str], seed: int, dropout: float | None = None) -> Any:
    """Turns a pretrained decoder into a classifier whose head is newly drawn; it pools a row's last token.

    Args:
        folder: Hugging Face folder of the decoder.
        labels: Names of the classes; their place is their number.
        seed: Decides the head's weights.
        dropout: Probability that a value is dropped in training; None keeps the decoder's.

    Returns:
        A sequence classifier of transformers: float32, in evaluation mode.

    Raises:
        ConfigError: The folder holds no decoder.
    """
    decoder = load_decoder(folder, dropout)
    config = decoder.config
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    with _seeded(seed):
        model = _CLASSIFIERS[config.model_type](config)
    model.base_model.load_state_dict(decoder.base_model.state_dict())
    return model.eval()


def architecture_of(folder: Path) -> Architecture:
    """Returns the architecture of the model in a Hugging Face folder.

    Raises:
        StageFailed: There is no model, or one of another architecture.
    """
    try:
        found = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).model_type
    except (OSError, ValueError, KeyError) as error:
        raise _no_model(error) from error
    if found not in get_args(Architecture):
        raise StageFailed(
            f"a model of the architecture {found}", where="model", hint=f"known are {', '.join(ARCHITECTURES)}"
        )
    known: Architecture = found
    return known


def is_classifier(config: Any) -> bool:
    """Tells from a model's configuration whether it labels texts instead of writing them."""
    return str((config.architectures or [""])[0]).endswith("ForSequenceClassification")


def unique_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Returns the parameters by name, tied ones once, in the model's order."""
    return dict(model.named_parameters())


def count_parameters(model: torch.nn.Module) -> int:
    """Returns the number of weights that can be learnt, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def load_pretrained(kind: Any, folder: Path, **settings: Any) -> Any:
    """Loads a model of one of transformers' Auto classes from a local folder: float32, in evaluation mode.

    Raises:
        StageFailed: The folder holds no such model.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            **settings,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _no_model(error) from error
    return model.eval()


def _no_model(error: Exception) -> StageFailed:
    return StageFailed(
        f"no model could be loaded: {error}", where="model", hint="give the folder that a training publishes"
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draws from a seed inside the block and leaves the generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
