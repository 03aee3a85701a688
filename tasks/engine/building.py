"""What a builder is told of its node, and what becomes of the things it left: specification in, manifest out."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import StageFailed, StoreError
from schemas.manifest import FileRecord, InputRecord, Manifest, RunRecord
from tasks.engine.graph import Node
from tasks.engine.identity import Identity
from tasks.engine.planner import PROJECT_ROOT, Decision, Planner
from tasks.engine.processes import Usage
from tasks.engine.spec import BuildResult, BuildSpec, InputSpec
from tasks.store.store import Store, new_version, output_record


@dataclass(frozen=True, slots=True)
class Build:
    """One build of one node.

    Attributes:
        node: What is built.
        decision: Why, and under which key.
        inputs: Manifests of the nodes it reads, by node.
        folder: The builder's own folder.
        started: ISO 8601, UTC.
        went_on: Whether an earlier builder of this key left work.
    """

    node: Node
    decision: Decision
    inputs: Mapping[str, Manifest]
    folder: Path
    started: str
    went_on: bool

    @property
    def identity(self) -> Identity:
        assert self.decision.identity is not None
        return self.decision.identity


def specification(build: Build, planner: Planner, *, threads: int, workers: int, reuse_parts: bool) -> BuildSpec:
    """Returns what the builder needs to know."""
    node, identity, store = build.node, build.identity, planner.store
    look = planner.look(node.name)
    return BuildSpec(
        node=node.name,
        stage=node.stage.name,
        settings=planner.settings(node.name).model_dump(mode="json"),
        inputs={name: _input(store, build.inputs[wanted.node], wanted.output) for name, wanted in node.inputs.items()},
        predecessor=_predecessor(store, identity),
        earlier=_earlier(node, planner) if node.stage.uses_earlier and reuse_parts else None,
        look=None if look is None else look.detail,
        date=identity.date,
        code=planner.code(node).digest,
        root=str(planner.root),
        store=str(store.root),
        folder=str(build.folder),
        threads=threads,
        workers=workers,
        reuse_parts=reuse_parts,
    )


def _input(store: Store, manifest: Manifest, output: str) -> InputSpec:
    return InputSpec(files=manifest.outputs[output].files, folder=str(store.view(manifest, output)))


def _predecessor(store: Store, identity: Identity) -> dict[str, InputSpec] | None:
    entry = identity.predecessor
    if entry is None or not identity.fields.get("predecessor"):
        return None
    manifest = store.manifest(entry.node, entry.version)
    if isinstance(manifest, str):
        return None
    return {name: _input(store, manifest, name) for name in manifest.outputs}


def _earlier(node: Node, planner: Planner) -> dict[str, InputSpec] | None:
    """What the latest artifact holds, if only its inputs were others."""
    latest = planner.latest(node.name)
    if (
        latest is None
        or latest.code != planner.code(node).digest
        or latest.settings != planner.settings(node.name).identity()
        or planner.store.damage(latest)
    ):
        return None
    found = {name: InputSpec(files=output.files, folder="") for name, output in latest.outputs.items()}
    return found | {"diagnostics": InputSpec(files=latest.diagnostics, folder="")}


def check(build: Build, result: BuildResult, store: Store) -> None:
    """Checks that a builder left all it has to.

    Raises:
        StageFailed: An output is empty.
        StoreError: A file is not in the store.
    """
    for name, files in result.outputs.items():
        if not files:
            raise StageFailed(f"left nothing in its output {name}", where=build.node.name, hint="this is a defect")
        for file in files:
            if store.objects.size(file.digest) != file.size:
                raise StoreError(
                    f"{name}/{file.name} is not in the store though it was just written",
                    where=str(store.objects.path(file.digest)),
                    hint="check the disk, then run again",
                )


def manifest_of(build: Build, result: BuildResult, usage: Usage, planner: Planner, run: RunRecord) -> Manifest:
    """Returns the manifest of what was built; the builder's log is taken into the store."""
    node, identity, store = build.node, build.identity, planner.store
    diagnostics = list(result.diagnostics)
    log = build.folder / "log.txt"
    if log.stat().st_size:
        digest, size = store.objects.take(log)
        diagnostics.append(FileRecord(name="log.txt", digest=digest, size=size))
    code = planner.code(node)
    return Manifest(
        node=node.name,
        stage=node.stage.name,
        version=new_version(identity.key),
        key=identity.key,
        settings=planner.settings(node.name).identity(),
        stage_version=node.stage.version,
        code=code.digest,
        code_modules=code.modules,
        look=identity.fields.get("look", ""),
        predecessor=identity.fields.get("predecessor", ""),
        inputs=[_read(build.inputs[wanted.node], wanted.output) for wanted in node.inputs.values()],
        outputs={name: output_record(files) for name, files in sorted(result.outputs.items())},
        diagnostics=diagnostics,
        metrics=result.metrics,
        warnings=result.warnings,
        started=build.started,
        seconds=usage.seconds,
        cpu_seconds=usage.cpu_seconds,
        peak_memory_bytes=usage.peak_memory_bytes,
        resumed=_resumed(result, build.went_on),
        reason=build.decision.reason,
        date=identity.date,
        libraries=result.libraries,
        git_commit=_git_commit(),
        host_class=planner.host,
        command=run.command,
        flow_run=run.flow_run,
    )


def _read(manifest: Manifest, output: str) -> InputRecord:
    return InputRecord(
        node=manifest.node, output=output, version=manifest.version, digest=manifest.outputs[output].digest
    )


def _resumed(result: BuildResult, went_on: bool) -> str:
    parts: Mapping[str, Any] = result.metrics.get("parts", {})
    if not result.resumed and went_on and parts.get("reused"):
        return f"{parts['reused']} of {parts['total']} parts"
    return result.resumed


def bring_forward(key_folder: Path, folder: Path) -> bool:
    """Brings checkpoints and step logs of earlier builders of this key into a new builder's folder.

    Checkpoints (`step-*`, complete once they have their name) are linked, logs (`*.jsonl`) copied, the latest builder's
    last. Returns whether there was an earlier builder.
    """
    earlier = [path for path in key_folder.iterdir() if path != folder and path.is_dir()]
    target = folder / "checkpoints"
    target.mkdir()
    for path in sorted(earlier, key=lambda path: path.stat().st_mtime):
        for checkpoint in sorted((path / "checkpoints").glob("step-*")):
            if checkpoint.is_dir() and not (target / checkpoint.name).exists():
                try:
                    # Killed in between, it must not count as a checkpoint.
                    shutil.copytree(checkpoint, target / ".tmp-linked", copy_function=os.link)
                    (target / ".tmp-linked").rename(target / checkpoint.name)
                except (OSError, shutil.Error):
                    # Its owner still lives and removed it meanwhile: an older or newer one is there.
                    shutil.rmtree(target / ".tmp-linked", ignore_errors=True)
        for log in sorted((path / "checkpoints").glob("*.jsonl")):
            # Written on, so a copy: a sleeper that wakes must not write into its successor's.
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(log, target / log.name)
    return bool(earlier)


def _git_commit() -> str:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()
