"""One builder per key: leases with a heartbeat.

A lease is a record that its holder renews. Whoever waits watches the record: if it does not change for the lease's
length of the watcher's own clock, or its holder was a process of this machine that is gone, the holder is dead and the
lease is taken over by a conditional swap. Clocks of different machines are never compared. A holder that slept past its
lease finds at its next heartbeat that the record is another's, and stops its build.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.errors import StoreError
from tasks.store.canonical import canonical_json
from tasks.store.records import RecordStore, etag_of

LEASE_S = 30.0
HEARTBEAT_S = 5.0
POLL_S = 0.2


@dataclass
class Lease:
    """A lease that this process holds. `lost` is set once it is another's."""

    name: str
    token: str
    records: RecordStore
    length_s: float = LEASE_S
    lost: threading.Event = field(default_factory=threading.Event)
    _etag: str = ""
    _beats: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, etag: str) -> None:
        """Begins the heartbeat."""
        self._etag = etag
        self._thread = threading.Thread(target=self._beat, name=f"lease {self.name[:20]}", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Ends the heartbeat and gives the lease back, if it is still ours."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if not self.lost.is_set():
            self.records.delete(self.name, self._etag)

    def still_held(self) -> bool:
        """Looks at the record itself: True if the lease is ours this moment."""
        found = self.records.get(self.name)
        held = found is not None and _holder(found.data).get("token") == self.token
        if not held:
            self.lost.set()
        return held

    def _beat(self) -> None:
        while not self._stop.wait(min(HEARTBEAT_S, self.length_s / 4)):
            self._beats += 1
            data = _lease_data(self.token, self._beats)
            try:
                renewed = self.records.put_if_match(self.name, data, self._etag)
            except (OSError, StoreError):
                continue  # A full disk may have room at the next beat; if not, the lease runs out by itself.
            if not renewed:
                self.lost.set()
                return
            # Not looked up: what lies there by now may be another's, and would be overwritten at the next beat.
            self._etag = etag_of(data)


def acquire(
    records: RecordStore,
    key: str,
    *,
    give_up: Callable[[], bool],
    waiting: Callable[[str], None] = lambda holder: None,
    length_s: float | None = None,
) -> Lease | None:
    """Waits until the key's lease is ours.

    Args:
        records: Where leases lie.
        key: What is to be built.
        give_up: Asked while waiting; True ends the wait.
        waiting: Told once who holds the lease.
        length_s: After how long without a heartbeat a holder counts as dead.

    Returns:
        The lease, its heartbeat running; None if `give_up` said so.
    """
    length_s = LEASE_S if length_s is None else length_s
    name = f"leases/{key}"
    token = secrets.token_hex(8)
    data = _lease_data(token, 0)
    seen, seen_at, told = "", 0.0, False
    while True:
        found = records.get(name)
        if found is None:
            if records.put_if_absent(name, data):
                return _started(records, name, token, data, length_s)
        else:
            holder = _holder(found.data)
            if found.etag != seen:
                seen, seen_at = found.etag, time.monotonic()
            expired = time.monotonic() - seen_at > length_s
            if (expired or is_gone(holder)) and records.put_if_match(name, data, found.etag):
                return _started(records, name, token, data, length_s)
            if not told:
                told = True
                waiting(f"process {holder.get('pid')} on {holder.get('host')}")
        if give_up():
            return None
        time.sleep(POLL_S)


def _started(records: RecordStore, name: str, token: str, data: bytes, length_s: float) -> Lease:
    lease = Lease(name=name, token=token, records=records, length_s=length_s)
    lease.start(etag_of(data))
    return lease


def this_process() -> dict[str, Any]:
    """Tells this process apart from every other, on this machine and elsewhere, now and later."""
    return {"pid": os.getpid(), "born": _born(os.getpid()), "host": socket.gethostname(), "machine": _machine()}


def is_gone(holder: Mapping[str, Any]) -> bool:
    """True if what `this_process` told of itself was a process of this machine that no longer lives."""
    pid = holder.get("pid")
    here = holder.get("host") == socket.gethostname() and holder.get("machine") == _machine()
    if not here or not isinstance(pid, int) or pid == os.getpid():
        return False
    return _born(pid) != holder.get("born")


def _lease_data(token: str, beats: int) -> bytes:
    return canonical_json({"token": token, "beats": beats, **this_process()})


def _machine() -> str:
    """Tells apart machines of one name, boots of one machine, and containers that share a kernel."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _born(pid: int) -> int | None:
    """When a process started, in ticks since the machine did: no clock that can be set enters. None for the dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _holder(data: bytes) -> dict[str, Any]:
    try:
        holder = json.loads(data)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}
