"""collect: `files` of a snapshot → `documents` (one row per document) and `quarantine` (what could not be read)."""

from __future__ import annotations

from schemas.config.collect import CollectConfig
from schemas.errors import DamagedArtifact
from tasks.engine.stage import Context, Stage


def build(context: Context) -> None:
    """Reads the files part by part; only parts whose files changed are read again."""
    from tasks.collect.limit import collect_parts
    from tasks.collect.outcome import check, summarise
    from tasks.collect.part import DOCUMENTS, QUARANTINE
    from tasks.collect.plan import plan_parts, read_files

    files = [file for output in context.inputs["files"].files for file in read_files(output.path)]
    parts = plan_parts(files, context.config, context.stored_file)
    try:
        results = collect_parts(context, parts, context.config.sources)
    except DamagedArtifact as damage:
        damage.hint = damage.hint or (
            "bytes of a source are gone from the store: run again with --refresh to fetch them again, or with"
            " `--force snapshot` to set aside what left its source"
        )
        raise
    for result in sorted(results, key=lambda result: result.name):
        context.add("documents", f"part-{result.name}.parquet", result.files[DOCUMENTS])
        context.add("quarantine", f"part-{result.name}.parquet", result.files[QUARANTINE])
    summary = summarise([result.figures for result in results])
    context.report(rows_in=len(files), bytes=sum(file.size for file in files), **summary.metrics())
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
