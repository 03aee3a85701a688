"""`shard`: documents in, three splits out; documents that resemble each other are never on two sides.

Inputs: `documents` (files of CLEANED rows), `duplicates` (`duplicates.parquet`) and `clusters` (`clusters.parquet`).
Outputs: `train`, `valid` and `test` (`shard-<name>.parquet`, SHARDED rows). A shard is made of a fixed group of files,
found by content-defined boundaries: one more document changes the shards of one group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from schemas.config.shard import ShardConfig
from tasks.engine.stage import Context, InputFile, Part, Stage

if TYPE_CHECKING:
    from tasks.engine.stage import PartResult

SPLITS = ("train", "valid", "test")


def build(context: Context) -> None:
    """Groups the files, writes the shards of each group, and refuses to leave a split empty."""
    import pyarrow.parquet as pq

    from tasks.engine.boundaries import cut
    from tasks.shard.shards import shard_group

    config: ShardConfig = context.config
    files = context.inputs["documents"].files

    def uncompressed(file: InputFile) -> int:
        metadata = pq.read_metadata(file.path)
        return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))

    groups = cut(files, key=lambda file: file.stored.name, weight=uncompressed, target=config.shard_bytes)
    clusters = _clusters(context.inputs["duplicates"].files)
    moved = _moved(context)
    settings = config.model_dump(
        include={"valid_fraction", "test_fraction", "seed", "row_group_rows", "row_group_bytes"}
    )
    parts = [
        Part(
            f"shard-{hashlib.sha256(group[0].stored.name.encode()).hexdigest()[:12]}.parquet",
            tuple(group),
            settings | _inside(clusters, moved, group),
        )
        for group in groups
    ]
    results = context.map_parts(shard_group, parts)
    for result in results:
        for name, stored in sorted(result.files.items()):
            split, _, shard = name.partition("/")
            context.add(split, shard, stored)
    _report(context, results)


def _clusters(duplicates: Sequence[InputFile]) -> dict[str, str]:
    """Returns the cluster of every document that stands for one without being its earliest."""
    import pyarrow.compute as pc

    from schemas.tables import DUPLICATES
    from tasks.tables.parquet import read_table

    table = read_table([file.path for file in duplicates], DUPLICATES, ["kept", "cluster"])
    table = table.filter(pc.not_equal(table["kept"], table["cluster"]))
    return dict(zip(table["kept"].to_pylist(), table["cluster"].to_pylist(), strict=True))


def _moved(context: Context) -> dict[str, str]:
    """Returns the side of every cluster that falls elsewhere than by its own name, having merged with others."""
    from schemas.tables import CLUSTERS
    from tasks.shard.sides import Sides
    from tasks.tables.parquet import read_table

    config: ShardConfig = context.config
    sides = Sides(config.valid_fraction, config.test_fraction, config.seed)
    founders: dict[str, list[str]] = {}
    table = read_table([file.path for file in context.inputs["clusters"].files], CLUSTERS)
    for cluster, founder in zip(table["cluster"].to_pylist(), table["founder"].to_pylist(), strict=True):
        founders.setdefault(cluster, []).append(founder)
    found = {cluster: sides.of(cluster, names) for cluster, names in founders.items()}
    return {cluster: side for cluster, side in sorted(found.items()) if side != sides.of(cluster)}


def _inside(
    clusters: Mapping[str, str], moved: Mapping[str, str], group: Sequence[InputFile]
) -> dict[str, dict[str, str]]:
    """Returns what concerns a group's documents only, so that a cluster elsewhere does not redo its shards."""
    if not clusters and not moved:
        return {"clusters": {}, "sides": {}}
    import pyarrow as pa
    import pyarrow.compute as pc

    from schemas.tables import CLEANED
    from tasks.tables.parquet import read_table

    ids = read_table([file.path for file in group], CLEANED, ["id"])["id"]
    known = pa.array([*clusters, *moved], pa.string())
    here = sorted(set(ids.filter(pc.is_in(ids, known)).to_pylist()))
    named = {identity: clusters[identity] for identity in here if identity in clusters}
    concerned = {*named.values(), *here}
    return {"clusters": named, "sides": {name: side for name, side in moved.items() if name in concerned}}


def _report(context: Context, results: Sequence[PartResult]) -> None:
    from schemas.errors import StageFailed

    splits: dict[str, dict[str, dict[str, int]]] = {split: {} for split in SPLITS}
    for result in results:
        for split, languages in result.figures["splits"].items():
            for language, found in languages.items():
                counts = splits[split].setdefault(language, {"rows": 0, "text_bytes": 0})
                for name in counts:
                    counts[name] += found[name]
    rows = {split: sum(count["rows"] for count in languages.values()) for split, languages in splits.items()}
    total = sum(rows.values())
    empty = [split for split in SPLITS if not rows[split]]
    if empty:
        raise StageFailed(
            f"no document of {total} falls into {' or '.join(empty)}",
            where="shard",
            hint="give the pipeline more documents, or raise shard.valid_fraction and shard.test_fraction",
        )
    for split in ("valid", "test"):
        for language in sorted(splits["train"].keys() - splits[split].keys()):
            context.warn(f"{split} has no document in {language}: raise shard.{split}_fraction to measure it")
    by_language = {split: dict(sorted(languages.items())) for split, languages in splits.items()}
    left_train = sum(result.figures["left_train"] for result in results)
    context.report(rows_in=total, rows_out=total, splits=by_language, shards=len(results), left_train=left_train)


STAGE = Stage(name="shard", version=1, config=ShardConfig, outputs=SPLITS, build=build)
