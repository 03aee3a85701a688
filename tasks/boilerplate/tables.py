"""Decides which tables are due, and makes them from what `count` found in each part.

Memory is bounded: of a source about `max_documents` documents are looked at, their lines are counted as hashes of 8
bytes, and only lines that reach the threshold are read as text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from schemas.config.boilerplate import BoilerplateConfig
from tasks.boilerplate.count import COUNTS, count_documents, count_lines
from tasks.engine.stage import Context, InputFile, Part
from tasks.store.canonical import digest_json
from tasks.tables.parquet import write_table
from tasks.text.boilerplate import LINES

TABLES = "tables.json"

MADE_FORMAT = 1
"""Raised when lines are counted in another way: older tables are then made anew."""

Table = dict[str, Any]
"""When a source's table was made (`date`), with what (`settings`, a digest), from how many `documents`."""


def renew(context: Context) -> None:
    """Writes the output `lines`."""
    config: BoilerplateConfig = context.config
    settings = digest_json([MADE_FORMAT, config.identity()])
    before, files = _predecessor(context)
    documents = list(context.inputs["documents"].files)
    sources = _documents_by_source(context, documents)
    tables = dict(before)
    due = [name for name in sorted(sources) if _is_due(before.get(name), settings, context.date, config)]
    for name, table in _made(context, documents, {name: sources[name] for name in due}).items():
        tables[name] = {"date": context.date, "settings": settings, "documents": table[1]}
        files[name] = table[0]
    for name in sorted(files):
        context.add("lines", f"{name}.parquet", files[name])
    listed = context.folder / TABLES
    listed.write_text(json.dumps(tables, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    context.add("lines", TABLES, listed)
    context.report(
        rows_in=sum(sources.values()),
        rows_out=sum(
            pl.scan_parquet(_local(context, file)).select(pl.len()).collect().item() for file in files.values()
        ),
        made=due,
        carried_over=sorted(set(files) - set(due)),
    )


def _is_due(table: Table | None, settings: str, today: str, config: BoilerplateConfig) -> bool:
    if table is None or table["settings"] != settings:
        return True
    return (date.fromisoformat(today) - date.fromisoformat(table["date"])).days >= config.renew_after_days


def _predecessor(context: Context) -> tuple[dict[str, Table], dict[str, Any]]:
    """Returns the earlier tables: what is listed of them, and their files, by source."""
    if context.predecessor is None:
        return {}, {}
    files = {file.stored.name: file for file in context.predecessor["lines"].files}
    listed: dict[str, Table] = json.loads(files[TABLES].path.read_text(encoding="utf-8"))
    return listed, {name: files[f"{name}.parquet"].stored for name in listed}


def _local(context: Context, file: Any) -> Path:
    return file if isinstance(file, Path) else context.path(file)


def _documents_by_source(context: Context, documents: Sequence[InputFile]) -> dict[str, int]:
    parts = [Part(name=file.stored.name, files=[file]) for file in documents]
    found: dict[str, int] = {}
    for result in context.map_parts(count_documents, parts):
        for source, count in result.figures["sources"].items():
            found[source] = found.get(source, 0) + count
    return found


def _made(context: Context, documents: Sequence[InputFile], due: dict[str, int]) -> dict[str, tuple[Path, int]]:
    """Makes the tables of sources of so many documents each; returns their files and how many were looked at."""
    if not due:
        return {}
    config: BoilerplateConfig = context.config
    parameters = {
        "settings": config.identity(),
        "shares": {name: min(1.0, config.max_documents / max(count, 1)) for name, count in due.items()},
    }
    parts = [Part(name=file.stored.name, files=[file], parameters=parameters) for file in documents]
    results = context.map_parts(count_lines, parts)
    counted = [context.path(result.files[COUNTS]) for result in results]
    made: dict[str, tuple[Path, int]] = {}
    for name in due:
        looked_at = sum(result.figures["documents"].get(name, 0) for result in results)
        least = max(config.min_documents, int(np.ceil(config.min_share * looked_at)))
        table = _common_lines(counted, name, least)
        made[name] = (context.folder / f"{name}.parquet", looked_at)
        write_table(made[name][0], table.to_arrow(), LINES)
    return made


def _common_lines(counted: Sequence[Path], source: str, least: int) -> pl.DataFrame:
    """Adds up, by hash, in how many documents of a source each line stands; then reads those that reach `least`."""
    hashes = np.zeros(0, dtype=np.uint64)
    totals = np.zeros(0, dtype=np.int64)
    for path in counted:
        found = pl.read_parquet(path, columns=["source", "hash", "documents"]).filter(pl.col("source") == source)
        both = np.concatenate([hashes, found["hash"].to_numpy()])
        hashes, places = np.unique(both, return_inverse=True)
        totals = np.bincount(places, np.concatenate([totals, found["documents"].to_numpy()]), len(hashes)).astype(
            np.int64
        )
    common = pl.DataFrame({"hash": hashes[totals >= least], "documents": totals[totals >= least]})
    texts = [
        pl.scan_parquet(path)
        .filter(pl.col("source") == source)
        .select("hash", "line")
        .join(common.lazy(), on="hash")
        .collect()
        for path in counted
    ]
    return pl.concat(texts).unique("line").sort("line").select("line", "documents")
