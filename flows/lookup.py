"""Finds artifacts and runs by what people call them."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import ConfigError
from schemas.manifest import RUN_FORMAT, Manifest, RunRecord
from tasks.store.leases import is_gone
from tasks.store.refs import read_ref
from tasks.store.store import Store


def open_store(root: Path) -> Store:
    """Opens a store that exists.

    Raises:
        ConfigError: There is none.
    """
    if not (root / "store.json").exists():
        raise ConfigError("is no store", where=str(root), hint="name it with --store or NIGHTMILL_STORE")
    return Store.open(root)


def find_artifact(store: Store, name: str) -> Manifest:
    """Returns the artifact that a name means: a version, a stage (`pretrain`: its latest), or `pipeline/stage`.

    Raises:
        ConfigError: There is none, or the name means several.
    """
    references = store.records.list("refs")
    known = [reference.removeprefix("refs/") for reference in references if reference.count("/") == 2]
    matching = [reference for reference in known if reference == name or reference.split("/", 1)[1] == name]
    if len(matching) > 1:
        raise ConfigError(f"{name} means several artifacts", hint="say which: " + ", ".join(matching))
    if matching:
        latest = read_ref(store.records, matching[0]).latest
        found = "its reference cannot be read" if latest is None else store.manifest(latest.node, latest.version)
        if isinstance(found, Manifest):
            return found
        raise ConfigError(f"{name} cannot be shown: {found}", hint="run the pipeline again: it will be rebuilt")
    for place in store.records.list("artifacts"):
        if place.endswith("/manifest.json") and place.split("/")[-2] == name:
            manifest = store.manifest(place.split("/")[1], name)
            if isinstance(manifest, Manifest):
                return manifest
            raise ConfigError(manifest)
    stages = sorted({reference.split("/", 1)[1] for reference in known})
    near = difflib.get_close_matches(name, stages, n=1)
    hint = f"did you mean {near[0]}?" if near else "known stages: " + (", ".join(stages) or "none yet")
    raise ConfigError(f"there is no artifact {name!r} in {store.root}", hint=hint)


def latest_artifacts(store: Store) -> dict[str, dict[str, Manifest]]:
    """Returns the latest artifact of each node of each pipeline, where it can be read."""
    found: dict[str, dict[str, Manifest]] = {}
    for reference in store.records.list("refs"):
        pipeline, _, node = reference.removeprefix("refs/").partition("/")
        latest = read_ref(store.records, f"{pipeline}/{node}").latest if node else None
        manifest = "" if latest is None else store.manifest(latest.node, latest.version)
        if isinstance(manifest, Manifest):
            found.setdefault(pipeline, {})[node] = manifest
    return found


def names_artifact(store: Store, name: str) -> bool:
    """Whether a name is that of a stage, of `pipeline/stage`, or of a version."""
    for reference in store.records.list("refs"):
        pipeline_and_node = reference.removeprefix("refs/")
        if name in (pipeline_and_node, pipeline_and_node.partition("/")[2]):
            return True
    return False


def runs(store: Store) -> list[RunRecord]:
    """Returns every run that can be read, oldest first. One that was killed counts as interrupted."""
    found = []
    for name in store.records.list("runs"):
        record = store.records.get(name)
        try:
            data = json.loads(record.data) if record is not None else {}
            if data.get("format") == RUN_FORMAT:
                found.append(_settled(RunRecord.model_validate(data)))
        except (ValueError, AttributeError, ValidationError):
            continue
    return sorted(found, key=lambda run: (run.started, run.run))


def _settled(run: RunRecord) -> RunRecord:
    if run.outcome == "running" and is_gone(run.process):
        run.outcome = "interrupted"
        for stage in run.stages:
            if stage.outcome in ("pending", "running"):
                stage.outcome, stage.reason = "interrupted", "its run was killed"
    return run


def find_run(store: Store, name: str) -> RunRecord:
    """Returns a run by its id, or the latest for `latest`.

    Raises:
        ConfigError: There is none.
    """
    found = runs(store)
    if not found:
        raise ConfigError(f"there is no run in {store.root}", hint="nightmill run CONFIG")
    if name == "latest":
        return found[-1]
    matching = [run for run in found if run.run == name]
    if not matching:
        latest = ", ".join(run.run for run in found[-5:])
        raise ConfigError(f"there is no run {name!r} in {store.root}", hint=f"the latest are: {latest}")
    return matching[0]
