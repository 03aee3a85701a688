"""verify, export, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import DEFAULT_STORE, Json, StorePath, print_json, print_line
from schemas.errors import ConfigError, DamagedArtifact, ExitCode


def register(app: typer.Typer) -> None:
    """Adds these commands to the application."""
    for command in (verify, export, report):
        app.command()(command)


def verify(
    artifact: Annotated[str | None, typer.Argument(help="A version or a stage; everything by default.")] = None,
    store: StorePath = DEFAULT_STORE,
    as_json: Json = False,
) -> int:
    """Read every byte again and compare digests. What is damaged is removed, so that the next run rebuilds it.

    Example: nightmill verify --store .nightmill/store
    """
    from flows.lookup import find_artifact, open_store
    from tasks.store.verification import unreadable_artifacts, verify_artifacts

    opened = open_store(store)
    chosen = list(opened.published()) if artifact is None else [find_artifact(opened, artifact)]
    damages = verify_artifacts(opened, chosen)
    if artifact is None:
        damages = [*unreadable_artifacts(opened), *damages]
    if as_json:
        print_json([{"stage": found.node, "version": found.version, "damage": found.damage} for found in damages])
    else:
        for found in damages:
            print_line(f"{found.node} {found.version}: {found.damage}")
        print_line(f"{len(chosen)} artifacts verified, {len(damages)} damaged files")
    if damages:
        raise DamagedArtifact(
            f"{len(damages)} files are damaged and were removed",
            where=str(opened.root),
            hint="the next run rebuilds what needs them, and nothing else",
        )
    return int(ExitCode.DONE)


def export(
    artifact: Annotated[str, typer.Argument(help="A version, or a stage for its latest.", show_default=False)],
    directory: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    output: Annotated[str | None, typer.Option(help="Only this output, without a folder of its own.")] = None,
    store: StorePath = DEFAULT_STORE,
) -> int:
    """Copy an artifact's files into a folder, for other tools.

    Example: nightmill export pretrain my-model --output model
    """
    import shutil

    from flows.lookup import find_artifact, open_store

    opened = open_store(store)
    manifest = find_artifact(opened, artifact)
    if output is not None and output not in manifest.outputs:
        raise ConfigError(f"{manifest.node} has no output {output!r}", hint="it has: " + ", ".join(manifest.outputs))
    if directory.exists() and any(directory.iterdir()):
        raise ConfigError("is not empty", where=str(directory), hint="name a new folder")
    count = 0
    for name, found in manifest.outputs.items():
        if output not in (None, name):
            continue
        for file in found.files:
            target = directory / file.name if output is not None else directory / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(opened.verified_path(file), target)
            count += 1
    print_line(f"copied {count} files of {manifest.node} {manifest.version} to {directory}")
    return 0


def report(
    run: Annotated[str, typer.Argument(help="A run's id, or `latest`.")] = "latest",
    store: StorePath = DEFAULT_STORE,
) -> int:
    """Write the HTML report of a run and print where it is.

    Example: nightmill report latest --store .nightmill/store
    """
    from flows.lookup import find_run, open_store
    from flows.session import report_on

    opened = open_store(store)
    print_line(str(report_on(opened, find_run(opened, run))))
    return 0
