"""Starting from a model that is there: what suits is gone on from, what does not is refused before training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy_models import toy_spec
from trained_models import pretrain_config, train_stage

from schemas.config.pretrain import PretrainConfig
from schemas.errors import ConfigError, DamagedArtifact
from schemas.manifest import FileRecord, Manifest, OutputRecord
from tasks.engine.planner import StoreSight
from tasks.modeling.artifacts import save_model
from tasks.modeling.models import build_model
from tasks.pretrain.look import look
from tasks.pretrain.stage import STAGE
from tasks.store.refs import RefEntry, move_ref
from tasks.store.store import Store


@pytest.fixture
def folder(inputs: dict[str, Path], tmp_path: Path) -> Path:
    """A GPT-2 of 64 positions, as `save_pretrained` leaves it."""
    spec = toy_spec("gpt2", vocabulary=700, context_length=64)
    save_model(build_model(spec, seed=5), tmp_path / "start", inputs["tokenizer"], "# A model\n")
    return tmp_path / "start"


def started(folder: Path, architecture: str = "gpt2", **changes: Any) -> PretrainConfig:
    return pretrain_config(architecture, start={"kind": "folder", "path": str(folder)}, **changes)


def build(config: PretrainConfig, inputs: dict[str, Path], place: Path) -> tuple[dict[str, bytes], Any]:
    found = look(config, StoreSight(Store.open(place / "store")))
    return train_stage(place, STAGE, config, inputs, look=found.detail)


def test_weights_are_those_of_the_folder_and_its_shape_is_kept(
    folder: Path, inputs: dict[str, Path], tmp_path: Path
) -> None:
    config = started(folder, steps=1, learning_rate=1e-12)
    content, _ = build(config, inputs, tmp_path / "built")
    (tmp_path / "weights").write_bytes(content["model/model.safetensors"])
    for name, weight in load_file(folder / "model.safetensors").items():
        torch.testing.assert_close(load_file(tmp_path / "weights")[name], weight, atol=1e-6, rtol=0)
    assert json.loads(content["model/config.json"])["n_embd"] == 16


def test_what_counts_is_the_bytes_of_the_folder_and_nothing_else_of_it(folder: Path, tmp_path: Path) -> None:
    sight = StoreSight(Store.open(tmp_path / "store"))
    before = look(started(folder), sight)
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    (moved / "notes.txt").write_text("of no account")
    (moved / "modeling_own.py").write_text("raise SystemExit")
    assert look(started(moved), sight).identity == before.identity
    assert started(moved).identity() == started(folder).identity()
    (moved / "config.json").write_text((folder / "config.json").read_text() + " ")
    assert look(started(moved), sight).identity != before.identity


def test_a_file_that_changes_between_plan_and_build_is_found_out(
    folder: Path, inputs: dict[str, Path], tmp_path: Path
) -> None:
    config = started(folder)
    found = look(config, StoreSight(Store.open(tmp_path / "store")))
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    with pytest.raises(DamagedArtifact, match="changed since the plan"):
        train_stage(tmp_path, STAGE, config, inputs, look=found.detail)


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"architecture": "llama"}, "is a GPT-2-style decoder, pretrain.model.architecture says llama", "gpt2"),
        ({"context_length": 80}, "a context of 80 is longer than the 64 positions", "64 at most"),
    ],
)
def test_a_model_that_does_not_suit_is_refused(
    changes: dict[str, Any], message: str, hint: str, folder: Path, inputs: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message) as failure:
        build(started(folder, **changes), inputs, tmp_path / "built")
    assert hint in failure.value.hint


def test_another_vocabulary_is_refused(folder: Path, inputs: dict[str, Path], tmp_path: Path) -> None:
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace('"<spare_0>"', '"<other>"'))
    with pytest.raises(
        ConfigError, match=r"another vocabulary: its piece 113 is '<other>', the pipeline's '<spare_0>'"
    ):
        build(started(folder), inputs, tmp_path / "built")
    (folder / "tokenizer.json").write_text(text)
    save_model(build_model(toy_spec("gpt2", vocabulary=704), 0), folder, inputs["tokenizer"], "")
    with pytest.raises(ConfigError, match="704 embeddings for 700 pieces"):
        build(started(folder, context_length=16), inputs, tmp_path / "other")


def test_a_folder_that_is_no_model_is_refused_by_the_plan(folder: Path, tmp_path: Path) -> None:
    sight = StoreSight(Store.open(tmp_path / "store"))
    with pytest.raises(ConfigError, match="no such folder"):
        look(started(tmp_path / "nowhere"), sight)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"tokenizer\.json, model\.safetensors is missing"):
        look(started(folder), sight)


def published(store: Store, folder: Path, name: str, version: str) -> None:
    """Publishes a model folder under a reference, as another pipeline's pretrain does."""
    records = []
    for path in sorted(folder.iterdir()):
        (store.root / "copy").unlink(missing_ok=True)  # the store may keep a link to what it takes
        shutil.copyfile(path, store.root / "copy")
        digest, size = store.objects.take(store.root / "copy")
        records.append(FileRecord(name=path.name, digest=digest, size=size))
    manifest = Manifest(
        node="pretrain",
        stage="pretrain",
        version=version,
        key=version,
        settings={},
        stage_version=1,
        code="",
        inputs=[],
        outputs={"model": OutputRecord(digest="", files=records)},
        started="",
        seconds=0,
        cpu_seconds=0,
        peak_memory_bytes=0,
    )
    store.records.put_if_absent(f"artifacts/pretrain/{version}/manifest.json", manifest.model_dump_json().encode())
    move_ref(store.records, name, RefEntry(node="pretrain", version=version, key=version, date="2026-01-01"))


def test_a_reference_leads_to_a_model_in_the_store_and_is_recorded(
    folder: Path, inputs: dict[str, Path], tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "built/store")
    published(store, folder, "base/pretrain", "v1")
    config = pretrain_config("gpt2", start={"kind": "reference", "reference": "base/pretrain"}, steps=2)
    found = look(config, StoreSight(store))
    assert found.pins == {"base/pretrain": "v1"}
    content, _ = train_stage(tmp_path / "built", STAGE, config, inputs, look=found.detail)
    same, _ = build(started(folder, steps=2), inputs, tmp_path / "folder")
    assert content["model/model.safetensors"] == same["model/model.safetensors"]

    save_model(build_model(toy_spec("gpt2", vocabulary=700), seed=6), folder, inputs["tokenizer"], "")
    published(store, folder, "base/pretrain", "v2")
    assert look(config, StoreSight(store)).pins == {"base/pretrain": "v2"}
    assert look(config, StoreSight(store)).identity != found.identity
    fixed = pretrain_config("gpt2", start={"kind": "reference", "reference": "base/pretrain", "version": "v1"})
    assert look(fixed, StoreSight(store)).identity == found.identity


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"reference": "other/pretrain"}, "nothing in this store has that name"),
        ({"reference": "base/pretrain", "version": "v9"}, "has that name and version"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_by_the_plan(
    start: dict[str, str], message: str, folder: Path, tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "store")
    published(store, folder, "base/pretrain", "v1")
    with pytest.raises(ConfigError, match=message):
        look(pretrain_config("gpt2", start={"kind": "reference", **start}), StoreSight(store))
