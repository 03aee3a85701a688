"""The architectures of models: which there are, what they are made of, and what they learn from by default."""

from __future__ import annotations

from typing import Literal, get_args

Architecture = Literal["llama", "gpt2", "bert", "t5", "bart", "marian"]
"""Equal to `model_type` in the config.json of a Hugging Face folder."""

Family = Literal["decoder", "encoder", "encoder-decoder"]

ObjectiveKind = Literal["causal", "masked", "span_corruption", "infilling"]

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)

FAMILIES: dict[Architecture, Family] = {
    "llama": "decoder",
    "gpt2": "decoder",
    "bert": "encoder",
    "t5": "encoder-decoder",
    "bart": "encoder-decoder",
    "marian": "encoder-decoder",
}

OBJECTIVES: dict[Family, tuple[ObjectiveKind, ...]] = {
    "decoder": ("causal",),
    "encoder": ("masked",),
    "encoder-decoder": ("span_corruption", "infilling"),
}
"""What each family can be pretrained for."""

USUAL_OBJECTIVE: dict[Architecture, ObjectiveKind] = {
    "llama": "causal",
    "gpt2": "causal",
    "bert": "masked",
    "t5": "span_corruption",
    "bart": "infilling",
    "marian": "infilling",
}
"""What each architecture was published with."""

TITLES: dict[Architecture, str] = {
    "llama": "Llama-style decoder",
    "gpt2": "GPT-2-style decoder",
    "bert": "BERT-style encoder",
    "t5": "T5-style encoder–decoder",
    "bart": "BART-style encoder–decoder",
    "marian": "Marian-style encoder–decoder",
}
"""How a model card names a model."""

HAS_POSITION_TABLE: dict[Architecture, bool] = {
    "llama": False,
    "gpt2": True,
    "bert": True,
    "t5": False,
    "bart": True,
    "marian": True,
}
"""Whether positions are looked up in a table, so that none beyond it exists."""
