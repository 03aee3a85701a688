"""status, ls, show."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.commands.options import DEFAULT_STORE, Json, StorePath, print_json, print_line


def register(app: typer.Typer) -> None:
    """Adds these commands to the application."""
    app.command()(status)
    app.command("ls")(list_artifacts)
    app.command()(show)


def status(
    run: Annotated[str, typer.Argument(help="A run's id, or `latest`.")] = "latest",
    store: StorePath = DEFAULT_STORE,
    as_json: Json = False,
) -> int:
    """Show what became of a run: its stages, and its scores.

    Example: nightmill status --store .nightmill/store
    """
    from flows.lookup import find_run, open_store

    opened = open_store(store)
    record = find_run(opened, run)
    if as_json:
        print_json(record.model_dump(mode="json"))
        return 0
    from flows.summary import print_summary

    print_line(f"run {record.run} of {record.pipeline} ({record.date}): {record.outcome}")
    print_summary(opened, record)
    return 0


def list_artifacts(
    stage: Annotated[str | None, typer.Argument(help="Only this stage, or a family such as finetune.")] = None,
    store: StorePath = DEFAULT_STORE,
    as_json: Json = False,
) -> int:
    """List the artifacts of a store, oldest first.

    Example: nightmill ls pretrain --store .nightmill/store
    """
    from flows.lookup import open_store

    opened = open_store(store)
    rows: list[dict[str, Any]] = []
    for manifest in opened.published():
        if stage is not None and stage not in (manifest.node, manifest.stage):
            continue
        files = [file for output in manifest.outputs.values() for file in output.files]
        rows.append(
            {
                "stage": manifest.node,
                "version": manifest.version,
                "files": len(files),
                "bytes": sum(file.size for file in files),
                "rows": manifest.metrics.get("rows_out"),
                "seconds": round(manifest.seconds, 1),
                "date": manifest.date,
            }
        )
    if as_json:
        print_json(rows)
        return 0
    for row in rows:
        count = "" if row["rows"] is None else f"{row['rows']:,} rows"
        print_line(f"{row['stage']:<22} {row['version']}  {_size(row['bytes']):>9}  {count:>16}  {row['seconds']:>7} s")
    print_line(f"{len(rows)} artifacts in {opened.root}")
    return 0


def show(
    what: Annotated[
        str,
        typer.Argument(
            help="A version; a stage, for its latest; a document: its id or how that begins, or `source:path#offset`.",
            show_default=False,
        ),
    ],
    store: StorePath = DEFAULT_STORE,
    as_json: Json = False,
) -> int:
    """Show an artifact (what it was made of and how, its files and figures), or what happened to a document.

    Example: nightmill show pretrain --store .nightmill/store

    Example: nightmill show docs:guide/install.md#0
    """
    from flows.lookup import find_artifact, names_artifact, open_store

    opened = open_store(store)
    if (":" in what or _is_hexadecimal(what)) and not names_artifact(opened, what):
        from flows.documents import show_documents

        return show_documents(opened, what, as_json)
    manifest = find_artifact(opened, what)
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return 0
    print_line(f"{manifest.node} {manifest.version}")
    print_line(f"  built    {manifest.started} in {manifest.seconds:.1f} s ({manifest.cpu_seconds:.1f} s of CPU),")
    print_line(
        f"           at most {manifest.peak_memory_bytes / 2**20:,.0f} MiB; why: {manifest.reason or 'first build'}"
    )
    print_line(f"  folder   {opened.root / 'artifacts' / manifest.node / manifest.version}")
    for read in manifest.inputs:
        print_line(f"  read     {read.node}.{read.output} {read.version}")
    for name, output in manifest.outputs.items():
        print_line(f"  output   {name} ({output.digest[:12]})")
        for file in output.files:
            count = "" if file.rows is None else f", {file.rows:,} rows"
            print_line(f"             {file.name}  {_size(file.size)}{count}")
    for name, value in manifest.metrics.items():
        print_line(f"  figure   {name}: {_short(value)}")
    for message in manifest.warnings:
        print_line(f"  warning  {message}")
    return 0


def _is_hexadecimal(name: str) -> bool:
    return bool(name) and set(name) <= set("0123456789abcdef")


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.1f} KiB"


def _short(value: Any, limit: int = 160) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"
