"""collect: `files` of a snapshot → `documents` (one row per document) and `quarantine` (what could not be read)."""

from __future__ import annotations

from schemas.config.collect import CollectConfig
from tasks.engine.stage import Context, Stage


def build(context: Context) -> None:
    """Reads the files part by part; only parts whose files changed are read again."""
    from tasks.collect.outcome import check, summarise
    from tasks.collect.part import DOCUMENTS, QUARANTINE, collect_part
    from tasks.collect.plan import plan_parts, read_files

    files = [file for output in context.inputs["files"].files for file in read_files(output.path)]
    results = context.map_parts(collect_part, plan_parts(files, context.config))
    for result in results:
        context.add("documents", f"part-{result.name}.parquet", result.files[DOCUMENTS])
        context.add("quarantine", f"part-{result.name}.parquet", result.files[QUARANTINE])
    summary = summarise([result.figures for result in results])
    context.report(rows_in=len(files), bytes=sum(file["size"] for file in files), **summary.metrics())
    for warning in summary.warnings():
        context.warn(warning)
    check(summary, context.config)


STAGE = Stage(
    name="collect",
    version=1,
    config=CollectConfig,
    outputs=("documents", "quarantine"),
    build=build,
)
