"""Pretraining of every family as a stage: it learns, resumes bit for bit, and publishes what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trained_models import pretrain_config, train_stage
from transformers import AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from schemas.errors import Interrupted
from tasks.pretrain.pieces import continues_word, read_pieces
from tasks.pretrain.stage import STAGE


@pytest.mark.parametrize(
    ("architecture", "auto", "card"),
    [
        ("bert", AutoModelForMaskedLM, "fills in `<mask>`"),
        ("t5", AutoModelForSeq2SeqLM, "after its sentinel"),
        ("marian", AutoModelForSeq2SeqLM, "writes it whole"),
    ],
)
def test_stopped_and_built_again_it_publishes_the_bytes_of_one_build(
    architecture: str, auto: Any, card: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    config = pretrain_config(architecture)
    built, whole = train_stage(tmp_path / "whole", STAGE, config, inputs)
    answers = iter([False] * 9 + [True] * 9)
    with pytest.raises(Interrupted, match="after step 4 of 8"):
        train_stage(tmp_path / "cut", STAGE, config, inputs, stopping=lambda: next(answers))
    content, _ = train_stage(tmp_path / "cut", STAGE, config, inputs)
    assert content == built
    for name, data in content.items():
        (tmp_path / Path(name).name).write_bytes(data)
    loaded = auto.from_pretrained(tmp_path)
    assert loaded.config.model_type == architecture
    assert card in content["model/README.md"].decode()
    metrics = whole.result.metrics
    assert metrics["valid_loss"] < metrics["train_loss"] * 1.5
    assert 0 < metrics["tokens"] < 8 * 4 * 64 * (1.1 if architecture == "marian" else 0.35)


def test_words_of_alphabets_are_joined_and_chinese_pieces_stand_alone(inputs: dict[str, Path], tmp_path: Path) -> None:
    pieces = read_pieces(inputs["tokenizer"] / "tokenizer.json")
    continues = continues_word(pieces)
    joined = {piece for piece, flag in zip(pieces, continues, strict=True) if flag}
    assert {"e", "ing"} & joined
    assert not any(piece.startswith(("\u2581", "<")) or "\u4e00" <= piece[0] <= "\u9fff" for piece in joined)
    config = pretrain_config("bert", objective={"whole_words": True})
    assert config.identity() != pretrain_config("bert").identity()
    whole, _ = train_stage(tmp_path / "whole", STAGE, config, inputs)
    single, _ = train_stage(tmp_path / "single", STAGE, pretrain_config("bert"), inputs)
    assert whole["model/model.safetensors"] != single["model/model.safetensors"]
