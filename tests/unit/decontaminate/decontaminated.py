"""Builds `decontaminate` over rows given in a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from source_stages import Bench, Built
from table_inputs import Row, document, table_input

from schemas.config.decontaminate import DecontaminateConfig
from schemas.tables import EXAMPLES, SHARDED
from tasks.decontaminate.stage import STAGE

HELD_OUT = {
    "valid": [document("nothing that anybody else says", path="v", cluster="v")],
    "test": [document("and this neither", path="t", cluster="t")],
}


def row(text: str, path: str, language: str = "en") -> Row:
    found = document(text, path=path, language=language)
    return found | {"cluster": found["id"]}


def example(number: int, text: str, target: str = "label", language: str = "en") -> Row:
    return {"id": f"{number:032x}", "language": language, "input": text, "target": target}


def build(
    bench: Bench,
    train: Mapping[str, Sequence[Row]] | Sequence[Row],
    examples: Sequence[Row] = (),
    *,
    valid: Sequence[Row] = HELD_OUT["valid"],
    test: Sequence[Row] = HELD_OUT["test"],
    earlier: Built | None = None,
    **settings: object,
) -> Built:
    files = train if isinstance(train, Mapping) else {"shard-0.parquet": train}
    inputs = {
        "train": table_input(bench.store, SHARDED, files),
        "valid": table_input(bench.store, SHARDED, {"shard-0.parquet": valid}),
        "test": table_input(bench.store, SHARDED, {"shard-0.parquet": test}),
    }
    if examples:
        inputs["examples.questions.test"] = table_input(bench.store, EXAMPLES, {"examples.parquet": examples})
    return bench.build(STAGE, DecontaminateConfig(**settings), inputs, earlier=earlier)


def texts(built: Built) -> dict[str, str]:
    """What is left to train on, by path."""
    return {found["path"]: found["text"] for found in built.table("train", SHARDED)}
