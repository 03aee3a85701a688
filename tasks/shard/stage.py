"""`shard`: documents in, three splits out; documents that resemble each other are never on two sides.

Inputs: `documents` (files of CLEANED rows) and `duplicates` (`duplicates.parquet`). Outputs: `train`, `valid` and
`test` (`shard-<name>.parquet`, SHARDED rows). A shard is made of a fixed group of files, found by content-defined
boundaries: one more document changes the shards of one group.
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
    parts = [
        Part(
            f"shard-{hashlib.sha256(group[0].stored.name.encode()).hexdigest()[:12]}.parquet",
            tuple(group),
            {
                "valid_fraction": config.valid_fraction,
                "test_fraction": config.test_fraction,
                "seed": config.seed,
                "clusters": _clusters_inside(clusters, group),
            },
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


def _clusters_inside(clusters: Mapping[str, str], group: Sequence[InputFile]) -> dict[str, str]:
    """Returns those of a group's documents only, so that a cluster elsewhere does not redo its shards."""
    if not clusters:
        return {}
    from schemas.tables import CLEANED
    from tasks.tables.parquet import read_table

    ids = read_table([file.path for file in group], CLEANED, ["id"])["id"].to_pylist()
    return {identity: clusters[identity] for identity in sorted(set(ids) & clusters.keys())}


def _report(context: Context, results: Sequence[PartResult]) -> None:
    from schemas.errors import StageFailed

    splits: dict[str, dict[str, dict[str, int]]] = {split: {} for split in SPLITS}
    for result in results:
        for split, languages in result.figures.items():
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
    context.report(rows_in=total, rows_out=total, splits=by_language, shards=len(results))


STAGE = Stage(name="shard", version=1, config=ShardConfig, outputs=SPLITS, build=build)
