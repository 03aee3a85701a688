"""`python -m tasks.fetch.worker SPEC EVENTS`: the process in which one source is looked at.

It alone imports what talks to the outside, so neither a plan nor a run becomes heavy, and a fetcher that crashes or
runs out of memory is one source that is down.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

from schemas.config.snapshot import SnapshotConfig
from schemas.config.source import RemoteSource
from schemas.errors import NightmillError, StageFailed
from tasks.engine.child import supervised
from tasks.engine.spec import BuildResult
from tasks.fetch.secrets import redacted
from tasks.fetch.take import take_look
from tasks.store.store import Store


def main(arguments: list[str]) -> int:
    """Looks at the source that the spec file in `arguments[0]` names; events go to the descriptor in `arguments[1]`."""
    path = Path(arguments[0])
    spec = json.loads(path.read_bytes())
    return supervised(path.parent, int(arguments[1]), lambda tell, stop: _look(spec, tell, stop))


def _look(spec: dict[str, Any], tell: Any, stop: threading.Event) -> BuildResult:
    name = spec["name"]
    source = SnapshotConfig.model_validate({"sources": {name: spec["source"]}}).sources[name]
    assert isinstance(source, RemoteSource)

    def progress(done: int, total: int, unit: str) -> None:
        tell({"progress": {"done": done, "total": total, "unit": unit, "figures": {}}})

    try:
        store = Store.open(Path(spec["store"]))
        looked = take_look(name, source, store, stopping=stop.is_set, progress=progress)
    except NightmillError as error:
        where = f"snapshot.sources.{name}.{error.where}" if error.where.isidentifier() else error.where
        named = {**error.to_json(), "where": where or f"snapshot.sources.{name}"}
        return BuildResult(outputs={}, error=named)
    except Exception as error:
        # No traceback: it shows values, and one of them may be a credential.
        told = redacted(f"{type(error).__name__}: {error}".splitlines()[0])
        return BuildResult(outputs={}, error=StageFailed(told, where=f"snapshot.sources.{name}").to_json())
    return BuildResult(outputs={}, metrics={name: getattr(looked, name) for name in looked.__slots__})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
