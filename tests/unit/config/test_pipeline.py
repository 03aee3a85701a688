"""What a pipeline can do with each architecture."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from flows.graph import pipeline_graph
from schemas.architectures import ARCHITECTURES, FAMILIES, Architecture
from schemas.config.pipeline import PipelineConfig

SOURCES: dict[str, Any] = {"sources": {"pages": {"path": "data", "licence": "CC0-1.0"}}}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_decoders_are_evaluated_and_fine_tuned(architecture: Architecture) -> None:
    settings = {"name": "p", "snapshot": SOURCES, "pretrain": {"model": {"architecture": architecture}}}
    tuned = {
        **settings,
        "examples": {"titles": {"path": "titles.jsonl", "kind": "generation", "language": "en"}},
        "finetune": {"titles": {"kind": "generation", "examples": "titles"}},
    }
    is_decoder = FAMILIES[architecture] == "decoder"
    assert ("evaluate.pretrain" in pipeline_graph(PipelineConfig.model_validate(settings)).nodes) == is_decoder
    if is_decoder:
        assert "evaluate.titles" in pipeline_graph(PipelineConfig.model_validate(tuned)).nodes
        return
    with pytest.raises(ValidationError, match=r"architecture does not suit: finetune\.titles needs a decoder"):
        PipelineConfig.model_validate(tuned)
