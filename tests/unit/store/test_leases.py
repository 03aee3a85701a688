"""One builder per key, and the dead leave nothing locked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tasks.store.leases import acquire, is_gone, this_process
from tasks.store.local import LocalRecords
from tasks.store.records import MemoryRecords


def never() -> bool:
    return False


HOLDER = """
import sys, time
from pathlib import Path
from tasks.store.leases import acquire
from tasks.store.local import LocalRecords
lease = acquire(LocalRecords(Path(sys.argv[1])), "key", give_up=lambda: False, length_s=float(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
print("lost" if lease.lost.wait(20) else "kept", flush=True)
"""


def holder(folder: Path, length_s: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), str(length_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_waits_for_the_first() -> None:
    records = MemoryRecords()
    first = acquire(records, "key", give_up=never)
    assert first is not None
    told: list[str] = []
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(acquire(records, "key", give_up=never, waiting=told.append)))
    thread.start()
    time.sleep(0.5)
    assert not got and told
    first.release()
    thread.join(5)
    assert got and got[0] is not None


def test_a_waiter_can_give_up() -> None:
    records = MemoryRecords()
    assert acquire(records, "key", give_up=never) is not None
    assert acquire(records, "key", give_up=lambda: True) is None


def test_the_lease_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    process = holder(tmp_path, 3600)
    process.kill()
    process.wait()
    started = time.monotonic()
    lease = acquire(LocalRecords(tmp_path), "key", give_up=lambda: time.monotonic() - started > 20)
    assert lease is not None
    lease.release()
    assert LocalRecords(tmp_path).list("leases") == []


def test_a_sleeper_loses_its_lease_and_learns_of_it_when_it_wakes(tmp_path: Path) -> None:
    process = holder(tmp_path, 2)
    os.kill(process.pid, signal.SIGSTOP)
    started = time.monotonic()
    lease = acquire(LocalRecords(tmp_path), "key", give_up=lambda: time.monotonic() - started > 60, length_s=2)
    assert lease is not None
    os.kill(process.pid, signal.SIGCONT)
    out, _ = process.communicate(timeout=60)
    assert out == "lost\n"
    assert lease.still_held()
    lease.release()


def test_a_lease_with_a_heartbeat_outlives_its_length(tmp_path: Path) -> None:
    process = holder(tmp_path, 1)
    started = time.monotonic()
    assert acquire(LocalRecords(tmp_path), "key", give_up=lambda: time.monotonic() - started > 4, length_s=1.5) is None
    process.kill()
    process.wait()


class TakenBetween(MemoryRecords):
    """Another takes the lease over right after a heartbeat of ours, as if we had slept there for long."""

    taken = False

    def put_if_match(self, name: str, data: bytes, etag: str) -> bool:
        done = super().put_if_match(name, data, etag)
        if done and not self.taken:
            self.taken = True
            self._records[name] = b'{"token": "another"}'
        return done


def test_a_sleeper_does_not_take_back_what_became_anothers() -> None:
    records = TakenBetween()
    lease = acquire(records, "key", give_up=never, length_s=0.2)
    assert lease is not None and lease.lost.wait(20)
    lease.release()
    found = records.get("leases/key")
    assert found is not None and found.data == b'{"token": "another"}'


def test_only_a_process_of_this_very_machine_can_be_known_to_be_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    gone = {**this_process(), "pid": process.pid, "born": 1}
    assert is_gone(gone)
    assert not is_gone({**gone, "machine": "another machine of this name"})
    parent = {**this_process(), "pid": os.getppid()}
    assert is_gone({**parent, "born": 1}), "its number was given to another process"
    assert not is_gone(this_process())
