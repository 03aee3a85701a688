"""A night that goes on from an earlier one: its weights, its own schedule, and new text beside old in shares."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from trained_models import pretrain_config, train_stage, write_tokens

from schemas.errors import ConfigError
from tasks.pretrain.replay import replayed
from tasks.pretrain.seen import document_hashes
from tasks.pretrain.stage import STAGE
from tasks.tokens.files import TokenWriter
from tasks.tokens.token_set import TokenSet


def continuing(**changes: Any) -> Any:
    return pretrain_config("llama", start={"kind": "continue", **changes})


def test_only_this_kind_of_start_has_a_parent() -> None:
    assert STAGE.continues is not None
    assert STAGE.continues(continuing()) and not STAGE.continues(pretrain_config("llama"))


@pytest.fixture(scope="module")
def parent(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The first night: it has no parent, so it starts from scratch."""
    root = tmp_path_factory.mktemp("parent")
    content, context = train_stage(root / "build", STAGE, continuing(steps=2), inputs)
    scratch, _ = train_stage(root / "scratch", STAGE, pretrain_config("llama"), inputs)
    assert content == scratch and context.result.metrics["steps"] == 8
    folders = {name: root / name for name in ("model", "seen")}
    for name, data in content.items():
        output, _, file = name.partition("/")
        folders[output].mkdir(exist_ok=True)
        (folders[output] / file).write_bytes(data)
    return folders


def test_a_later_night_starts_from_the_parents_weights_with_its_own_budget(
    parent: dict[str, Path], inputs: dict[str, Path], tmp_path: Path
) -> None:
    config = continuing(steps=2, learning_rate=1e-12, warmup_steps=1)
    content, context = train_stage(tmp_path / "build", STAGE, config, inputs, predecessor=parent)
    (tmp_path / "weights").write_bytes(content["model/model.safetensors"])
    found = load_file(tmp_path / "weights")
    for name, weight in load_file(parent["model"] / "model.safetensors").items():
        torch.testing.assert_close(found[name], weight, atol=1e-6, rtol=0)
    assert context.result.metrics["steps"] == 2
    assert content["seen/documents.u64"] == (parent["seen"] / "documents.u64").read_bytes()
    assert context.result.metrics["new_documents"] == 0


def test_new_text_has_its_share_and_is_remembered(
    parent: dict[str, Path], inputs: dict[str, Path], tmp_path: Path
) -> None:
    more = {**inputs, "train": write_tokens(tmp_path / "more", inputs["tokenizer"], english=25, chinese=8)}
    content, context = train_stage(tmp_path / "build", STAGE, continuing(replay=0.25), more, predecessor=parent)
    metrics = context.result.metrics
    assert (metrics["new_documents"], metrics["old_documents"], metrics["replay"]) == (10, 23, 0.25)
    assert metrics["new_blocks"] > 0 and metrics["old_blocks"] > 0
    assert len(content["seen/documents.u64"]) == 8 * metrics["seen_documents"] == 8 * 33
    alike, _ = train_stage(tmp_path / "alike", STAGE, continuing(replay=None), more, predecessor=parent)
    assert alike["model/model.safetensors"] != content["model/model.safetensors"]


def test_new_text_that_is_read_too_often_is_told_of(
    parent: dict[str, Path], inputs: dict[str, Path], tmp_path: Path
) -> None:
    more = {**inputs, "train": write_tokens(tmp_path / "more", inputs["tokenizer"], english=16, chinese=8)}
    config = continuing(replay=0.0, steps=40)
    _, context = train_stage(tmp_path / "build", STAGE, config, more, predecessor=parent)
    assert any("times tonight" in warning for warning in context.result.warnings)


def test_another_shape_than_the_parents_is_refused(
    parent: dict[str, Path], inputs: dict[str, Path], tmp_path: Path
) -> None:
    shape = {"architecture": "llama", "hidden_size": 32, "layers": 2, "heads": 2}
    config = pretrain_config("llama", start={"kind": "continue"}, model=shape)
    with pytest.raises(ConfigError, match="of another shape than the parent") as failure:
        train_stage(tmp_path / "build", STAGE, config, inputs, predecessor=parent)
    assert "begin anew" in failure.value.hint


def token_set(folder: Path, lengths: list[int]) -> TokenSet:
    with TokenWriter(folder / "a.bin", folder / "a.idx", 5000) as writer:
        for number, length in enumerate(lengths):
            writer.write(np.arange(200 + number, 200 + number + length, dtype=np.int32), "en", length)
    return TokenSet([(folder / "a.bin", folder / "a.idx")])


@settings(max_examples=60, deadline=None)
@given(
    documents=st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=12),
    share=st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 0.9]),
    context=st.integers(2, 20),
)
def test_every_block_of_a_part_is_read_once_before_any_is_read_again_and_shares_are_kept(
    documents: list[tuple[int, bool]], share: float, context: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tokens = token_set(tmp_path_factory.mktemp("tokens"), [length for length, _ in documents])
    is_new = np.array([flag for _, flag in documents])
    mixed = replayed(tokens, is_new, context, share, seed=1)
    count = tokens.n_blocks(context)
    assert sorted([*mixed.new, *mixed.old]) == list(range(count))
    owners = np.searchsorted(tokens.document_ends, np.arange(tokens.n_tokens), side="right")
    for number in range(count):
        inside = is_new[owners[number * context : (number + 1) * context]]
        assert (number in mixed.new) == (2 * inside.sum() > len(inside))
    read = [mixed.number(position) for position in range(4 * count + 7)]
    old = set(mixed.old.tolist())
    expected = share if len(mixed.new) and len(mixed.old) else float(len(mixed.old) > 0)
    for stop in range(1, len(read) + 1):
        assert abs(sum(number in old for number in read[:stop]) - expected * stop) <= 1.01
    for part in (mixed.new, mixed.old):
        times = Counter(number for number in read if number in set(part.tolist()))
        if times:
            assert max(times.values()) - min(times.get(number, 0) for number in part.tolist()) <= 1


def test_hashes_tell_documents_apart(tmp_path: Path) -> None:
    found = document_hashes(token_set(tmp_path, [3, 3, 4, 30]))
    assert len(set(found.tolist())) == 4
