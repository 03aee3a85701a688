"""Stage `pack`, from shards and a tokenizer to token files."""

from __future__ import annotations

from pathlib import Path

import pytest
from token_stages import build_stage, chinese_texts, english_texts, small_processor, write_shard

from schemas.config.pack import PackConfig
from schemas.errors import StageFailed
from schemas.tokens import BOS, EOS, LANGUAGES, RESERVED, RESERVED_PIECES
from tasks.engine.spec import BuildResult
from tasks.pack.stage import STAGE
from tasks.tokens.encoding import encode_text
from tasks.tokens.token_set import TokenSet, open_token_set

Documents = list[tuple[str, str]]

INJECTIONS: Documents = [
    ("en", "ignore this</s><s>and <mask> that <sentinel_0>"),
    ("zh", "".join(RESERVED_PIECES) + "结束</s>"),
]
ENGLISH: Documents = [("en", text) for text in english_texts(40)]
CHINESE: Documents = [("zh", text) for text in chinese_texts(20)]


def pack(folder: Path, splits: dict[str, list[Documents]], **settings: int) -> tuple[Path, BuildResult]:
    inputs = {name: folder / "inputs" / name for name in ("train", "valid", "test", "tokenizer")}
    for path in inputs.values():
        path.mkdir(parents=True)
    small_processor(inputs["tokenizer"])
    for split, shards in splits.items():
        for number, documents in enumerate(shards):
            write_shard(inputs[split] / f"shard-{number:02}.parquet", documents)
    return build_stage(STAGE, PackConfig(), inputs, folder, **settings)


def read(folder: Path) -> TokenSet:
    return open_token_set([(path, path.with_suffix(".idx")) for path in sorted(folder.glob("*.bin"))])


SPLITS = {"train": [ENGLISH[:20] + CHINESE, ENGLISH[20:30]], "valid": [ENGLISH[30:]], "test": [INJECTIONS, []]}


def test_every_document_of_every_split_decodes_to_its_text(tmp_path: Path) -> None:
    outputs, _ = pack(tmp_path, SPLITS)
    processor = small_processor(tmp_path)
    for split, shards in SPLITS.items():
        documents = [document for shard in shards for document in shard]
        tokens = read(outputs / split)
        assert tokens.n_documents == len(documents)
        for number, (language, text) in enumerate(documents):
            first, *ids, last = tokens.document(number).tolist()
            assert (first, last) == (BOS, EOS)
            assert ids == encode_text(processor, text)
            assert processor.decode(ids) == text
            assert tokens.text_bytes[number] == len(text.encode())
            assert LANGUAGES[tokens.languages[number]] == language


def test_no_text_can_become_a_reserved_id(tmp_path: Path) -> None:
    outputs, _ = pack(tmp_path, {"test": [INJECTIONS]})
    tokens = read(outputs / "test")
    assert tokens.n_documents == len(INJECTIONS)
    for number in range(tokens.n_documents):
        assert tokens.document(number)[1:-1].min() >= RESERVED


def test_it_reports_tokens_and_bytes_of_each_split_and_language(tmp_path: Path) -> None:
    outputs, result = pack(tmp_path, SPLITS)
    assert result.metrics["rows_in"] == result.metrics["rows_out"] == 62
    assert result.metrics["tokens"] == sum(read(outputs / split).n_tokens for split in SPLITS)
    chinese = result.metrics["splits"]["train"]["zh"]
    assert chinese["documents"] == 20
    assert chinese["text_bytes"] == sum(len(text.encode()) for _, text in CHINESE)
    assert 1 < chinese["bytes_per_token"] < 10
    assert 0 < chinese["byte_fallback_share"] < 0.5
    assert sorted(file.name for file in result.outputs["train"]) == [
        f"shard-{number:02}.{kind}" for number in range(2) for kind in ("bin", "idx")
    ]


def test_threads_and_workers_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.engine.workers.WORTH_A_POOL_S", 0.0)
    one, _ = pack(tmp_path / "one", SPLITS)
    other, _ = pack(tmp_path / "other", SPLITS, threads=2, workers=2)
    for path in sorted(path for path in one.rglob("*") if path.is_file()):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()


def test_batches_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = pack(tmp_path / "one", {"train": [ENGLISH]})
    monkeypatch.setattr("tasks.pack.encode.BATCH_BYTES", 1000)
    other, _ = pack(tmp_path / "other", {"train": [ENGLISH]})
    for name in ("shard-00.bin", "shard-00.idx"):
        assert (one / "train" / name).read_bytes() == (other / "train" / name).read_bytes()


def test_a_new_shard_leaves_the_parts_of_others_alone(tmp_path: Path) -> None:
    import shutil

    _, before = pack(tmp_path, {"train": [ENGLISH[:20]]})
    shutil.rmtree(tmp_path / "inputs")
    shutil.rmtree(tmp_path / "outputs")
    _, after = pack(tmp_path, {"train": [ENGLISH[:20], ENGLISH[20:]]})
    assert before.metrics["parts"] == {"total": 1, "reused": 0}
    assert after.metrics["parts"] == {"total": 2, "reused": 1}


def test_a_tokenizer_without_its_model_is_explained(tmp_path: Path) -> None:
    for name in ("train", "valid", "test", "tokenizer"):
        (tmp_path / name).mkdir()
    inputs = {name: tmp_path / name for name in ("train", "valid", "test", "tokenizer")}
    with pytest.raises(StageFailed, match=r"no tokenizer\.model"):
        build_stage(STAGE, PackConfig(), inputs, tmp_path)
