"""Checkpoints are whole or passed over, and only the newest two are kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_training import SETTINGS, toy_train

from schemas.errors import Interrupted, StageFailed
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.checkpoints import Checkpoints


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a flipped bit in the weights": lambda folder: _flip(folder / "model.safetensors"),
    "a flipped bit in the optimisers": lambda folder: _flip(folder / "optimizer.safetensors"),
    "a state cut short": lambda folder: (
        (folder / "state.json").write_bytes((folder / "state.json").read_bytes()[:100]) and None
    ),
    "no state": lambda folder: (folder / "state.json").unlink(),
    "no digests": lambda folder: (folder / "digests.json").unlink(),
    "digests of nothing": lambda folder: (folder / "digests.json").write_text("[]") and None,
    "nothing at all": lambda folder: [file.unlink() for file in folder.iterdir()] and None,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    toy_train(folder)
    return folder


def test_only_the_newest_two_are_kept_and_nothing_is_left_aside(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == ["step-00000006", "step-00000009", "steps.jsonl"]
    assert sorted(path.name for path in (trained / "step-00000009").iterdir()) == [
        "average.safetensors",
        "digests.json",
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(trained: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(trained, folder)
    DAMAGES[damage](folder / "step-00000009")
    warnings: list[str] = []
    resumed_at: list[int] = []
    _, result = toy_train(folder, warn=warnings.append, on_resume=resumed_at.append)
    assert resumed_at == [6]
    assert len(warnings) == 1 and "step-00000009 is damaged" in warnings[0]
    assert [record.step for record in result.records] == list(range(1, 10))
    for name in ("model.safetensors", "optimizer.safetensors", "state.json", "digests.json"):
        assert (folder / "step-00000009" / name).read_bytes() == (trained / "step-00000009" / name).read_bytes()
    assert (folder / "steps.jsonl").read_bytes() == (trained / "steps.jsonl").read_bytes()


def test_with_all_checkpoints_damaged_training_starts_anew_and_ends_alike(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(trained, folder)
    for step in ("step-00000006", "step-00000009"):
        _flip(folder / step / "model.safetensors")
    warnings: list[str] = []
    toy_train(folder, warn=warnings.append, on_resume=lambda step: pytest.fail("nothing to resume"))
    assert len(warnings) == 2
    assert (folder / "steps.jsonl").read_bytes() == (trained / "steps.jsonl").read_bytes()


def test_what_a_kill_left_half_written_is_swept_away(tmp_path: Path) -> None:
    half = tmp_path / ".step-00000003.123"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    (tmp_path / "steps.jsonl").write_bytes(b'{"step":1,"tok')
    toy_train(tmp_path, steps=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "steps.jsonl"]


def test_a_checkpoint_of_another_model_is_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "copy")
    with pytest.raises(StageFailed, match="another model"):
        toy_train(tmp_path / "copy", spec=ModelSpec(60, 32, 2, 2, 1, 24, 16))


def test_a_stop_before_the_first_step_leaves_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        toy_train(tmp_path, stopping=lambda: True)
    assert Checkpoints(tmp_path, pytest.fail).steps() == []
    assert SETTINGS.steps == 9
