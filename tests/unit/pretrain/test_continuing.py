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
from pydantic import ValidationError
from safetensors.torch import load_file
from trained_models import pretrain_config, train_stage, write_tokens

from schemas.errors import ConfigError
from tasks.pretrain.blocks import Weights, replayed_blocks
from tasks.pretrain.seen import document_hashes
from tasks.pretrain.stage import STAGE
from tasks.tokens.files import TokenWriter
from tasks.tokens.token_set import TokenSet, open_token_set


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


def test_a_later_night_may_have_a_budget_of_tokens(
    parent: dict[str, Path], inputs: dict[str, Path], tmp_path: Path
) -> None:
    config = continuing(tokens=3 * config_tokens())
    _, context = train_stage(tmp_path / "build", STAGE, config, inputs, predecessor=parent)
    assert context.result.metrics["steps"] == 3
    with pytest.raises(ValidationError, match="not both"):
        continuing(tokens=5, steps=1)


def config_tokens() -> int:
    """Tokens that a step reads."""
    config = pretrain_config("llama")
    return int(config.batch_size * config.context_length)


def token_set(folder: Path, lengths: list[int], languages: list[str] | None = None) -> TokenSet:
    with TokenWriter(folder / "a.bin", folder / "a.idx", 5000) as writer:
        for number, length in enumerate(lengths):
            language = languages[number] if languages else "en"
            writer.write(np.arange(200 + number, 200 + number + length, dtype=np.int32), language, length, "web")
    return open_token_set([(folder / "a.bin", folder / "a.idx")])


@settings(max_examples=60, deadline=None)
@given(
    documents=st.lists(
        st.tuples(st.integers(20, 60), st.booleans(), st.sampled_from(["en", "zh"])), min_size=1, max_size=12
    ),
    share=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]),
    weighted=st.booleans(),
    context=st.integers(2, 20),
)
def test_new_and_old_text_have_their_shares_and_a_block_holds_either(
    documents: list[tuple[int, bool, str]],
    share: float,
    weighted: bool,
    context: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    lengths, flags, languages = map(list, zip(*documents, strict=True))
    tokens = token_set(tmp_path_factory.mktemp("tokens"), lengths, languages)
    is_new = np.array(flags)
    weights = Weights({name: {"en": 0.7, "zh": 0.3}[name] for name in set(languages)} if weighted else {})
    blocks = replayed_blocks("train", tokens, is_new, context, share, 1, weights)
    if is_new.all() or not is_new.any():
        assert blocks.n_documents == len(documents)
    new = {int(tokens.document(number)[1]) for number in np.flatnonzero(is_new)}
    groups_new = {
        number: {int(group.document(place)[1]) in new for place in range(group.n_documents)}
        for number, group in enumerate(blocks.groups)
    }
    assert all(len(kinds) == 1 for kinds in groups_new.values())
    assert blocks.order is not None
    read = [blocks.order.sample(position) for position in range(200)]
    both = is_new.any() and not is_new.all()
    expected = share if both else float(not is_new.any())
    for stop in range(1, len(read) + 1):
        old = sum(not next(iter(groups_new[group])) for group, _ in read[:stop])
        assert abs(old - expected * stop) <= len(blocks.groups)
    for group, part in enumerate(blocks.groups):
        times = Counter(number for found, number in read if found == group)
        counts = [times.get(number, 0) for number in range(part.n_blocks(context))]
        assert max(counts) - min(counts) <= 1


def test_hashes_tell_documents_apart(tmp_path: Path) -> None:
    found = document_hashes(token_set(tmp_path, [3, 3, 4, 30]))
    assert len(set(found.tolist())) == 4
