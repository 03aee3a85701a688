"""At most so many documents of a source: the first in locator order.

Parts are read in waves until there are enough, so a small limit reads little of a large source; of the part in which
the limit is reached only the first documents stay.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.config.sources import Source
from schemas.tables import COLLECTED
from tasks.collect.part import DOCUMENTS, QUARANTINE, collect_part
from tasks.collect.plan import sources_of
from tasks.engine.stage import Context, Part, PartResult
from tasks.tables.parquet import TableWriter, iterate_tables


def collect_parts(context: Context, parts: Sequence[Part], sources: Mapping[str, Source]) -> list[PartResult]:
    """Reads the parts that are needed, which are in locator order, and cuts off what is beyond a source's limit."""
    limits = {name: source.limit for name, source in sources.items() if source.limit is not None}
    results: list[PartResult] = []
    taken = dict.fromkeys(limits, 0)
    waiting = list(parts)
    wave = 1
    while waiting:
        size = wave if limits else len(waiting)
        chosen, waiting = waiting[:size], waiting[size:]
        for result in context.map_parts(collect_part, chosen):
            keep = {
                name: max(0, limit - taken[name])
                for name, limit in limits.items()
                if taken[name] + result.figures["documents"].get(name, 0) > limit
            }
            if keep:
                result = _cut(context, result, keep)
            for name in limits:
                taken[name] += result.figures["documents"].get(name, 0)
            results.append(result)
        full = {name for name, limit in limits.items() if taken[name] >= limit}
        waiting = [part for part in waiting if not sources_of(part) <= full]
        wave *= 2
    return results


def _cut(context: Context, result: PartResult, keep: Mapping[str, int]) -> PartResult:
    part = Part(
        name=result.name,
        files=[context.stored_file(result.files[name]) for name in (DOCUMENTS, QUARANTINE)],
        parameters={"keep": dict(keep), "figures": dict(result.figures)},
    )
    return context.map_parts(cut_part, [part])[0]


def cut_part(part: Part, folder: Path) -> Mapping[str, Any]:
    """Copies a part but for documents beyond the first `keep` of a source; returns its counts by source."""
    keep: dict[str, int] = dict(part.parameters["keep"])
    with TableWriter(folder / DOCUMENTS, COLLECTED) as writer:
        for table in iterate_tables(part.files[0].path):
            chosen = np.ones(table.num_rows, dtype=bool)
            for name, count in keep.items():
                mine = pc.equal(table["source"], name).to_numpy()
                chosen &= ~mine | (np.cumsum(mine) <= count)
                keep[name] = max(0, count - int(mine.sum()))
            writer.write(table.filter(pa.array(chosen)))
    shutil.copyfile(part.files[1].path, folder / QUARANTINE)
    figures = dict(part.parameters["figures"])
    documents = {**figures["documents"], **part.parameters["keep"]}
    return {**figures, "documents": {name: count for name, count in documents.items() if count}}
