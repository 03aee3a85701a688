"""Toy inputs of the stages that train, and building such a stage so that it can be stopped and built again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from token_stages import chinese_texts, english_texts, small_model, small_processor

from schemas.config.base import Config
from schemas.config.pretrain import PretrainConfig
from schemas.manifest import FileRecord
from schemas.tables import EXAMPLES
from tasks.engine.context import BuildContext
from tasks.engine.spec import BuildSpec, InputSpec
from tasks.engine.stage import Stage
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.artifacts import save_model
from tasks.modeling.models import build_model
from tasks.store.store import Store
from tasks.tables.parquet import write_table
from tasks.tokenizer.hugging_face import write_folder
from tasks.tokens.encoding import encode_text
from tasks.tokens.files import TokenWriter


def write_tokenizer(folder: Path, context: int = 64) -> Path:
    """Writes the folder that `tokenizer` publishes."""
    folder.mkdir(parents=True)
    write_folder(folder, small_model(), small_processor(folder), context)
    return folder


def write_tokens(folder: Path, tokenizer: Path, english: int, chinese: int) -> Path:
    """Writes the token files of a split, as `pack` publishes them."""
    folder.mkdir(parents=True)
    processor = small_processor(tokenizer)
    texts = [("en", text) for text in english_texts(english)] + [("zh", text) for text in chinese_texts(chinese)]
    with TokenWriter(folder / "shard-a.bin", folder / "shard-a.idx", processor.get_piece_size()) as writer:
        for language, text in texts:
            writer.write(np.array(encode_text(processor, text), np.int32), language, len(text.encode()))
    return folder


def write_decoder(folder: Path, tokenizer: Path, context: int = 64) -> Path:
    """Writes an untrained decoder's folder, as `pretrain` publishes it."""
    vocabulary = small_processor(tokenizer).get_piece_size()
    spec = ModelSpec(vocabulary, 32, 1, heads=2, kv_heads=1, intermediate_size=48, context_length=context)
    save_model(build_model(spec, seed=0), folder, tokenizer, "# A model\n")
    return folder


def write_examples(folder: Path, examples: list[tuple[str, str]]) -> Path:
    """Writes a split of a labelled set from (input, target)."""
    folder.mkdir(parents=True)
    rows = [
        {"id": f"{number:06}", "language": "en", "input": text, "target": target}
        for number, (text, target) in enumerate(examples)
    ]
    write_table(folder / "examples.parquet", pa.Table.from_pylist(rows, schema=EXAMPLES), EXAMPLES)
    return folder


def pretrain_config(architecture: str, **changes: Any) -> PretrainConfig:
    """Settings of a pretraining of 8 small steps, resolved as a planner does."""
    settings: dict[str, Any] = {
        "model": {"architecture": architecture, "hidden_size": 32, "layers": 1, "heads": 2, "dropout": 0.1},
        "context_length": 64,
        "steps": 8,
        "batch_size": 4,
        "micro_batch_size": 2,
        "precision": "fp32",
        "valid_blocks": 4,
        "evaluate_every": 0,
        "checkpoint_every": 3,
    }
    return PretrainConfig.model_validate({**settings, **changes}).resolved("x86_64")


def train_stage(
    folder: Path,
    stage: Stage,
    config: Config,
    inputs: Mapping[str, Path],
    stopping: Callable[[], bool] = lambda: False,
    look: Any = None,
    predecessor: Mapping[str, Path] | None = None,
) -> tuple[dict[str, bytes], BuildContext]:
    """Builds a stage in this process; checkpoints of an earlier call with the same folder are gone on from.

    Returns:
        The content files of all outputs by `<output>/<name>`, and the context with all else that was left.
    """
    store = Store.open(folder / "store")

    def stored(source: Path) -> InputSpec:
        records = []
        for path in sorted(source.iterdir()):
            copy = folder / "copy"
            copy.unlink(missing_ok=True)  # the store may keep a link to what it takes
            shutil.copyfile(path, copy)
            digest, size = store.objects.take(copy)
            records.append(FileRecord(name=path.name, digest=digest, size=size))
        return InputSpec(files=records, folder=str(source))

    shutil.rmtree(folder / "work" / "scratch", ignore_errors=True)
    spec = BuildSpec(
        node=stage.name,
        stage=stage.name,
        settings=config.resolved("x86_64").model_dump(mode="json"),  # as a plan does, for this class of host
        inputs={name: stored(source) for name, source in inputs.items()},
        predecessor=(None if predecessor is None else {name: stored(source) for name, source in predecessor.items()}),
        look=look,
        date="2026-01-01",
        code="",
        store=str(store.root),
        folder=str(folder / "work"),
        threads=1,
        workers=1,
    )
    context = BuildContext(spec, stage, store, tell=lambda event: None, stopping=stopping)
    stage.build(context)
    content = {
        f"{output}/{file.name}": store.verified_path(file).read_bytes()
        for output, files in context.result.outputs.items()
        for file in files
    }
    return content, context
