"""Inputs of `pretrain`: a small tokenizer and token files in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from trained_models import write_tokenizer, write_tokens


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    tokenizer = write_tokenizer(root / "tokenizer")
    return {
        "tokenizer": tokenizer,
        "train": write_tokens(root / "train", tokenizer, english=15, chinese=8),
        "valid": write_tokens(root / "valid", tokenizer, english=2, chinese=3),
    }
