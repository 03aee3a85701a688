"""One, two and two sharded processes train alike, go on from each other's checkpoints, and read every sample once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy_processes import finish, start

SETTINGS: dict[str, Any] = {"steps": 6, "batch_size": 4, "ema_decay": 0.9, "checkpoint_every": 2}


def _told(folder: Path, rank: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"told-{rank}.json").read_text())
    return found


def _losses(folder: Path) -> list[float]:
    return [
        value
        for record in _told(folder)["records"]
        for value in (record["loss"], record.get("valid_loss", 0.0), record["gradient_norm"])
    ]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "training"
    finish(start(folder, **SETTINGS))
    return folder


@pytest.mark.parametrize("sharded", [False, True])
def test_two_processes_train_as_one_does(tmp_path: Path, alone: Path, sharded: bool) -> None:
    finish(start(tmp_path / "two", processes=2, sharded=sharded, **SETTINGS))
    assert _losses(tmp_path / "two") == pytest.approx(_losses(alone), abs=1e-5)
    ours, theirs = (load_file(folder / "final-0.safetensors") for folder in (tmp_path / "two", alone))
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, atol=2e-4, rtol=0)
    assert (tmp_path / "two/step-00000006/model.safetensors").stat().st_size > 0
    assert _told(tmp_path / "two")["bit_exact"] and not _told(tmp_path / "two")["events"]
    if not sharded:
        assert (tmp_path / "two/final-0.safetensors").read_bytes() == (
            tmp_path / "two/final-1.safetensors"
        ).read_bytes()


def test_other_numbers_of_processes_go_on_from_a_checkpoint_and_read_every_sample_once(
    tmp_path: Path, alone: Path
) -> None:
    folder, read = tmp_path / "elastic", str(tmp_path / "read.txt")
    finish(start(folder, processes=2, stop_after=1, read=read, **SETTINGS))
    assert not _told(folder)["records"]
    finish(start(folder, processes=1, stop_after=4, read=read, **SETTINGS))
    assert _told(folder)["resumed"] == [2]
    finish(start(folder, processes=2, sharded=True, read=read, **SETTINGS))
    told = _told(folder)
    assert told["resumed"] == [4]
    assert [record["step"] for record in told["records"]] == [1, 2, 3, 4, 5, 6]
    assert _losses(folder) == pytest.approx(_losses(alone), abs=1e-5)
    assert not told["bit_exact"] and "not bit-exact" in told["events"][0]
    positions = sorted(int(line) for line in Path(read).read_text().split())
    assert positions == list(range(6 * 4)), "a sample was read twice, or skipped"


def test_a_lost_process_costs_no_byte(tmp_path: Path) -> None:
    whole, lost = tmp_path / "whole", tmp_path / "lost"
    finish(start(whole, processes=2, **SETTINGS))
    first, second = start(lost, processes=2, lose=[1, 5], **SETTINGS)
    second.join(60)
    first.join(60)
    assert second.exitcode == -9 and first.exitcode != 0, "the other must not wait for ever"
    finish(start(lost, processes=2, lose=[1, 5], **SETTINGS))
    assert _told(lost)["resumed"] == [4]
    assert (lost / "steps.jsonl").read_bytes() == (whole / "steps.jsonl").read_bytes()
    assert (lost / "final-0.safetensors").read_bytes() == (whole / "final-0.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("changes", "sharded", "message"),
    [
        ({"batch_size": 5}, False, "cannot be shared out"),
        ({"optimizer": {"kind": "adafactor"}}, True, "cannot be split"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(
    tmp_path: Path, changes: dict[str, Any], sharded: bool, message: str
) -> None:
    processes = start(tmp_path / "odd", processes=2, sharded=sharded, **{**SETTINGS, **changes})
    for process in processes:
        process.join(60)
        assert process.exitcode == 1
    assert message in (tmp_path / "odd/error-0.txt").read_text()
