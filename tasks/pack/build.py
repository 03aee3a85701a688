"""Builds the artifact of stage `pack`."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from schemas.errors import StageFailed
from schemas.tables import SPLITS
from tasks.engine.stage import Context, InputFile, Part
from tasks.pack.encode import INDEX_FILE, TOKENS_FILE, encode_shard
from tasks.tokens.encoding import MODEL_FILE
from tasks.tokens.files import FORMAT


def build_pack(context: Context) -> None:
    """Encodes every shard as a part and adds its files; see `tasks.pack.stage`."""
    model = _model(context)
    shards = [(split, file) for split in SPLITS for file in context.inputs[split].files]
    parts = [
        Part(
            name=f"{split}/{file.stored.name}",
            files=(file, model),
            parameters={"format": FORMAT},
            execution={"threads": context.threads},
        )
        for split, file in shards
    ]
    figures: dict[str, dict[str, Counter[str]]] = {split: {} for split in SPLITS}
    for (split, file), result in zip(shards, context.map_parts(encode_shard, parts), strict=True):
        stem = PurePosixPath(file.stored.name).with_suffix("")
        documents = sum(counted["documents"] for counted in result.figures.values())
        context.add(split, f"{stem}.bin", result.files[TOKENS_FILE])
        context.add(split, f"{stem}.idx", result.files[INDEX_FILE], rows=documents)
        for language, counted in result.figures.items():
            figures[split].setdefault(language, Counter()).update(counted)

    documents = sum(counted["documents"] for split in figures.values() for counted in split.values())
    context.report(
        rows_in=documents,
        rows_out=documents,
        tokens=sum(counted["tokens"] for split in figures.values() for counted in split.values()),
        splits={
            split: {language: _summary(counted) for language, counted in sorted(languages.items())}
            for split, languages in figures.items()
        },
    )


def _model(context: Context) -> InputFile:
    for file in context.inputs["tokenizer"].files:
        if file.stored.name == MODEL_FILE:
            return file
    raise StageFailed(f"the tokenizer has no {MODEL_FILE}", where="pack", hint="build `tokenizer` anew")


def _summary(counted: Counter[str]) -> dict[str, Any]:
    text_tokens = counted["tokens"] - 2 * counted["documents"]
    return {
        "documents": counted["documents"],
        "tokens": counted["tokens"],
        "text_bytes": counted["text_bytes"],
        "bytes_per_token": round(counted["text_bytes"] / counted["tokens"], 4),
        "byte_fallback_share": round(counted["byte_tokens"] / max(text_tokens, 1), 4),
    }
