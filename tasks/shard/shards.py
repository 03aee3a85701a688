"""One group of `dedup`'s files becomes one shard of each split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import CLEANED, SHARDED, SPLITS
from tasks.engine.stage import JSON, Part
from tasks.shard.sides import Sides, shuffle_key
from tasks.tables.parquet import read_table, write_table


def shard_group(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes `<split>/<part name>` for every split that any document of the group falls into, shuffled.

    The parameters hold the fractions, the seed, and the cluster of each document that is not its cluster's earliest.

    Returns by split and language the documents and the bytes of their texts.
    """
    parameters = part.parameters
    sides = Sides(parameters["valid_fraction"], parameters["test_fraction"], parameters["seed"])
    table = read_table([file.path for file in part.files], CLEANED)
    ids: list[str] = table["id"].to_pylist()
    clusters = [parameters["clusters"].get(identity, identity) for identity in ids]
    table = table.append_column(SHARDED.field("cluster"), pa.array(clusters, pa.string()))
    rows: dict[str, list[int]] = {split: [] for split in SPLITS}
    for row in sorted(range(len(ids)), key=lambda row: shuffle_key(sides.seed, ids[row])):
        rows[sides.of(clusters[row])].append(row)
    figures: dict[str, JSON] = {}
    for split, chosen in rows.items():
        if chosen:
            shard = table.take(pa.array(chosen, pa.int64()))
            (folder / split).mkdir()
            write_table(folder / split / part.name, shard, SHARDED)
            figures[split] = _figures(shard)
    return figures


def _figures(shard: pa.Table) -> dict[str, dict[str, int]]:
    sizes = pa.table({"language": shard["language"], "bytes": pc.binary_length(shard["text"])})
    counted: Any = sizes.group_by("language").aggregate([("bytes", "count"), ("bytes", "sum")])
    return {
        row["language"]: {"rows": row["bytes_count"], "text_bytes": row["bytes_sum"]}
        for row in sorted(counted.to_pylist(), key=lambda row: str(row["language"]))
    }
