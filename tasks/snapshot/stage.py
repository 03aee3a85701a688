"""snapshot: sources → `files`, the list of all files with their digests, licences and first-seen dates."""

from __future__ import annotations

from schemas.config.snapshot import SnapshotConfig
from tasks.engine.stage import Context, Stage
from tasks.snapshot.look import look


def build(context: Context) -> None:
    """Writes what the look found, with the dates that the previous snapshot remembers."""
    from tasks.snapshot.ledger import write_ledger

    write_ledger(context)


STAGE = Stage(
    name="snapshot",
    version=1,
    config=SnapshotConfig,
    outputs=("files",),
    build=build,
    look=look,
    keeps_ledger=True,
)
