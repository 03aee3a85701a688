"""Names for versions: what is latest of each node of a pipeline, with its history.

A run resolves references once, when it is created, and pins what they led to; nothing later looks at them again.
"""

from __future__ import annotations

import json

from pydantic import BaseModel, ValidationError

from tasks.store.records import RecordStore

HISTORY_LENGTH = 400
"""More than a year of nights."""


class RefEntry(BaseModel):
    """One state of a reference.

    `predecessor` and `predecessor_digest` say what a ledger continued, so that it can be built again with equal bytes.
    """

    node: str
    version: str
    key: str
    date: str
    predecessor: str = ""
    predecessor_digest: str = ""


class Ref(BaseModel):
    """A reference: its entries, newest last."""

    entries: list[RefEntry] = []

    @property
    def latest(self) -> RefEntry | None:
        return self.entries[-1] if self.entries else None


def read_ref(records: RecordStore, name: str) -> Ref:
    """Returns a reference; an unreadable one counts as having no history."""
    record = records.get(f"refs/{name}")
    if record is None:
        return Ref()
    try:
        return Ref.model_validate(json.loads(record.data))
    except (ValueError, ValidationError):
        return Ref()


def move_ref(records: RecordStore, name: str, entry: RefEntry) -> None:
    """Lets a reference lead to `entry`; does nothing if it does so already."""
    while True:
        record = records.get(f"refs/{name}")
        ref = read_ref(records, name)
        if ref.latest is not None and ref.latest.version == entry.version:
            return
        ref.entries = [*ref.entries, entry][-HISTORY_LENGTH:]
        data = ref.model_dump_json(indent=1).encode()
        done = (
            records.put_if_absent(f"refs/{name}", data)
            if record is None
            else records.put_if_match(f"refs/{name}", data, record.etag)
        )
        if done:
            return
