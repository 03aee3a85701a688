"""Pretraining as a stage: what it publishes, what it reports, how it resumes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from trained_models import train_stage, write_tokens
from transformers import AutoModelForCausalLM, AutoTokenizer

from schemas.config.model import ModelConfig
from schemas.config.pretrain import PretrainConfig
from schemas.errors import Interrupted, StageFailed
from tasks.pretrain.stage import STAGE
from tasks.store.store import Store

CONFIG = PretrainConfig(
    model=ModelConfig(hidden_size=32, layers=1, heads=2, kv_heads=1, intermediate_size=48, dropout=0.1),
    context_length=64,
    steps=12,
    batch_size=4,
    micro_batch_size=2,
    precision="fp32",
    valid_blocks=8,
    evaluate_every=5,
    checkpoint_every=4,
)


@pytest.fixture(scope="module")
def built(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes], Any]:
    folder = tmp_path_factory.mktemp("built")
    return folder, *train_stage(folder, STAGE, CONFIG, inputs)


def test_it_publishes_a_folder_that_auto_classes_load(built: Any, tmp_path: Path) -> None:
    _, content, _ = built
    for name, data in content.items():
        (tmp_path / Path(name).name).write_bytes(data)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert model.config.vocab_size == len(tokenizer)
    with torch.no_grad():
        assert model(**tokenizer("一个列表 and a list", return_tensors="pt")).logits.isfinite().all()
    card = content["model/README.md"].decode()
    assert "12 of 4 blocks of 64 tokens" in card and "not for giving away" in card


def test_it_reports_figures_and_the_loss_curve(built: Any) -> None:
    folder, _, context = built
    metrics = context.result.metrics
    [log] = context.result.diagnostics
    lines = [json.loads(line) for line in Store.open(folder / "store").verified_path(log).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert [line["step"] for line in lines if "valid_loss" in line] == [5, 10, 12]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert metrics["valid_loss"] == lines[-1]["valid_loss"]
    assert metrics["tokens"] == lines[-1]["tokens"] <= 12 * 4 * 64
    assert metrics["steps"] == 12 and metrics["rows_in"] > 12 and metrics["parameters"] > 20_000


def test_stopped_and_built_again_it_says_so_and_publishes_the_same_bytes(
    built: Any, inputs: dict[str, Path], tmp_path: Path
) -> None:
    answers = iter([False] * 13 + [True] * 9)
    with pytest.raises(Interrupted, match="after step 6 of 12"):
        train_stage(tmp_path, STAGE, CONFIG, inputs, stopping=lambda: next(answers))
    content, context = train_stage(tmp_path, STAGE, CONFIG, inputs)
    assert context.result.resumed == "step 6"
    assert content == built[1]


def test_how_often_it_saves_and_validates_changes_no_byte(built: Any, inputs: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"evaluate_every": 0, "checkpoint_every": 100})
    assert config.identity() == CONFIG.identity()
    assert train_stage(tmp_path, STAGE, config, inputs)[0] == built[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context_length": 1 << 16}, "do not fill one context of 65536"),
        ({"batch_size": 5000}, "do not fill one batch of 5000"),
    ],
)
def test_too_little_text_is_a_clear_error(
    inputs: dict[str, Path], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(StageFailed, match=message) as failure:
        train_stage(tmp_path, STAGE, CONFIG.model_copy(update=changes), inputs)
    assert failure.value.hint


@pytest.mark.parametrize("split", ["train", "valid"])
@pytest.mark.parametrize(("documents", "message"), [(0, "has no document"), (1, "a split of 1 document")])
def test_a_split_of_one_document_is_a_clear_error(
    split: str, documents: int, message: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    lonely = write_tokens(tmp_path / "tokens", inputs["tokenizer"], english=documents, chinese=0)
    with pytest.raises(StageFailed, match=message) as failure:
        train_stage(tmp_path / "built", STAGE, CONFIG, {**inputs, split: lonely})
    assert failure.value.where == split and failure.value.hint


def test_a_token_file_without_its_index_is_a_clear_error(inputs: dict[str, Path], tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "shard-a.bin").write_bytes((inputs["train"] / "shard-a.bin").read_bytes())
    with pytest.raises(StageFailed, match="without their index"):
        train_stage(tmp_path, STAGE, CONFIG, {**inputs, "train": alone})


def test_a_rate_that_explodes_names_the_step(inputs: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(StageFailed, match="is no number"):
        train_stage(tmp_path, STAGE, config, inputs)
