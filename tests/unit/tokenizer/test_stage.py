"""Stage `tokenizer`, from shards to the folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from token_stages import SMALL, build_stage, chinese_texts, english_texts, write_shard

from schemas.config.tokenizer import TokenizerConfig
from schemas.errors import StageFailed
from tasks.tokenizer.stage import STAGE

CONFIG = SMALL


def write_train(folder: Path, shards: int) -> None:
    documents = [("en", text) for text in english_texts(150)] + [("zh", text) for text in chinese_texts(80)]
    for number in range(shards):
        write_shard(folder / f"shard-{number}.parquet", documents[number::shards])


def test_it_leaves_a_tokenizer_and_says_how_well_it_fits(tmp_path: Path) -> None:
    write_train(tmp_path / "train", shards=2)
    outputs, result = build_stage(STAGE, CONFIG, {"train": tmp_path / "train"}, tmp_path)

    names = ["tokenizer.json", "tokenizer.model", "tokenizer_config.json", "tokenizer_fit.json"]
    assert sorted(path.name for path in (outputs / "tokenizer").iterdir()) == names
    assert result.metrics["rows_in"] == 230
    for language in ("en", "zh"):
        fit = result.metrics["languages"][language]
        assert fit["altered_documents"] == 0
        assert fit["bytes_per_token"] > 1
        assert 0 <= fit["byte_fallback_share"] < 0.5
    assert result.metrics["languages"]["en"]["fertility"] > 1 > result.metrics["languages"]["zh"]["fertility"] > 0
    assert [file.name for file in result.diagnostics] == ["report.json"]
    assert result.warnings == []


def test_how_documents_lie_in_shards_changes_no_byte_of_it(tmp_path: Path) -> None:
    contents = []
    for shards in (1, 3):
        folder = tmp_path / str(shards)
        write_train(folder / "train", shards)
        outputs, _ = build_stage(STAGE, CONFIG, {"train": folder / "train"}, folder, threads=shards)
        contents.append({path.name: path.read_bytes() for path in (outputs / "tokenizer").iterdir()})
    assert contents[0] == contents[1]


def test_the_hash_seed_of_the_process_changes_no_byte_of_the_model() -> None:
    code = (
        "import hashlib, sys; sys.path.insert(0, 'tests/support'); from token_stages import small_model;"
        "print(hashlib.sha256(small_model()).hexdigest())"
    )
    root = Path(__file__).parents[3]
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=root, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_too_large_for_the_text_is_explained(tmp_path: Path, kind: str) -> None:
    write_shard(tmp_path / "train" / "shard-0.parquet", [("en", "hello world")])
    with pytest.raises(StageFailed, match=r"yields no more than \d+ pieces, not 700") as caught:
        build_stage(STAGE, CONFIG.model_copy(update={"kind": kind}), {"train": tmp_path / "train"}, tmp_path)
    assert caught.value.where == "tokenizer.vocab_size"
    assert "set it to at most" in caught.value.hint


def test_a_vocabulary_too_small_for_the_characters_is_explained(tmp_path: Path) -> None:
    characters = "".join(chr(0x4E00 + place) for place in range(500))
    write_shard(tmp_path / "train" / "shard-0.parquet", [("zh", characters)])
    with pytest.raises(StageFailed, match="do not hold") as caught:
        build_stage(STAGE, CONFIG, {"train": tmp_path / "train"}, tmp_path)
    assert "set it to at least 935" in caught.value.hint


def test_no_text_at_all_is_explained(tmp_path: Path) -> None:
    write_shard(tmp_path / "train" / "shard-0.parquet", [])
    with pytest.raises(StageFailed, match="no text to train on"):
        build_stage(STAGE, CONFIG, {"train": tmp_path / "train"}, tmp_path)


def test_a_language_without_text_is_warned_of(tmp_path: Path) -> None:
    write_shard(tmp_path / "train" / "shard-0.parquet", [("en", text) for text in english_texts(100)])
    _, result = build_stage(STAGE, CONFIG, {"train": tmp_path / "train"}, tmp_path)
    assert any("no zh text" in warning for warning in result.warnings)
    assert result.metrics["languages"]["zh"]["fertility"] is None


@pytest.mark.parametrize(
    "settings", [{"vocab_size": 402}, {"language_weights": {"en": 0, "zh": 0}}, {"language_weights": {"fr": 1}}]
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TokenizerConfig.model_validate(settings)


def test_the_identity_of_the_settings_is_json() -> None:
    assert json.loads(json.dumps(CONFIG.identity()))["language_weights"] == {"en": 1.0, "zh": 1.0}
