"""Text in both languages made on the spot, a small tokenizer, and building `tokenizer` and `pack` in this process."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from pydoc_data.topics import topics

from schemas.config.base import Config
from schemas.config.tokenizer import CharacterCoverage, TokenizerConfig
from schemas.errors import NightmillError
from schemas.manifest import FileRecord
from schemas.tables import SHARDED
from tasks.engine.child import build
from tasks.engine.spec import BuildResult, BuildSpec, InputSpec
from tasks.engine.stage import Stage
from tasks.store.store import Store
from tasks.tables.parquet import write_table
from tasks.tokenizer.build import train_on
from tasks.tokens.encoding import MODEL_FILE, Processor, load_processor

SMALL = TokenizerConfig(vocab_size=700, character_coverage=CharacterCoverage(en=0.99, zh=0.99))

_SUBJECTS = ["这个函数", "编译器", "训练数据", "我们的模型", "用户", "语言", "文档", "分词器", "系统", "测试"]
_VERBS = ["返回", "读取", "需要", "改变了", "不支持", "记录", "检查", "生成", "会删除", "使用"]
_OBJECTS = [
    "一个列表",
    "所有文件",
    "新的参数",
    "中文和英文",
    "错误信息",
    "三个结果",
    "默认值",
    "缓存",
    "每一行",
    "时间",
]


def english_texts(count: int) -> list[str]:
    """Paragraph groups of Python's own help topics."""
    paragraphs = "\n\n".join(topics[name] for name in sorted(topics)).split("\n\n")
    return ["\n\n".join(paragraphs[at : at + 4]) for at in range(0, 4 * count, 4)]


def chinese_texts(count: int) -> list[str]:
    """Sentences from a small grammar, now and then with a rare character."""
    draw = random.Random(0)

    def sentence() -> str:
        rare = chr(draw.randrange(0x4E00, 0x9FA6)) if draw.random() < 0.05 else ""
        return draw.choice(_SUBJECTS) + draw.choice(_VERBS) + draw.choice(_OBJECTS) + rare + draw.choice("，。！")

    return ["\n".join("".join(sentence() for _ in range(6)) for _ in range(4)) for _ in range(count)]


@cache
def small_model(kind: str = "bpe") -> bytes:
    """A SentencePiece model of 700 pieces, trained once a session."""
    texts = {"en": english_texts(200), "zh": chinese_texts(100)}
    return train_on(texts, SMALL.model_copy(update={"kind": kind})).model


def small_processor(folder: Path, kind: str = "bpe") -> Processor:
    """Writes the small model into a folder and loads it."""
    (folder / MODEL_FILE).write_bytes(small_model(kind))
    return load_processor(folder)


def write_shard(path: Path, documents: list[tuple[str, str]]) -> None:
    """Writes rows (language, text) as a shard."""
    import pyarrow as pa

    rows = [
        {
            **dict.fromkeys(SHARDED.names, "x"),
            "id": sha256(text.encode()).hexdigest()[:32],
            "offset": 0,
            "language": language,
            "text": text,
        }
        for language, text in documents
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, pa.Table.from_pylist(rows, schema=SHARDED), SHARDED)


def build_stage(
    stage: Stage, config: Config, inputs: Mapping[str, Path], folder: Path, *, threads: int = 1, workers: int = 1
) -> tuple[Path, BuildResult]:
    """Builds a stage in this process from folders of files.

    Returns:
        A folder that holds each output's files in a folder of its name, and everything else that the build left.
    """
    store = Store.open(folder / "store")

    def stored(source: Path) -> InputSpec:
        records = []
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            copy = folder / "copy"
            copy.unlink(missing_ok=True)  # the store may keep a link to what it takes
            shutil.copyfile(path, copy)
            digest, size = store.objects.take(copy)
            records.append(FileRecord(name=path.relative_to(source).as_posix(), digest=digest, size=size))
        return InputSpec(files=records, folder=str(source))

    spec = BuildSpec(
        node=stage.name,
        stage=stage.name,
        settings=config.model_dump(),
        inputs={name: stored(source) for name, source in inputs.items()},
        date="2026-01-01",
        code="",
        store=str(store.root),
        folder=str(folder / "work"),
        threads=threads,
        workers=workers,
    )
    result = build(spec, stage, tell=lambda event: None, stop=threading.Event())
    if result.error is not None:
        raise NightmillError.from_json(result.error)
    for name, files in result.outputs.items():
        for file in files:
            target = folder / "outputs" / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            store.objects.link(file.digest, target)
    return folder / "outputs", result
