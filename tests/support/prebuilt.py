"""The mini-pipeline built once for all test processes of a session; tests copy it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from mini import Mini


@pytest.fixture(scope="session")
def prebuilt(tmp_path_factory: pytest.TempPathFactory) -> Mini:
    """A project whose store holds every stage. Do not change it: copy it."""
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else None
    base = shared or tmp_path_factory.getbasetemp()
    with (base / "prebuilt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mini = Mini(base / "prebuilt")
        if not (base / "prebuilt.ready").exists():
            mini.create().run()
            (base / "prebuilt.ready").touch()
    return mini


@pytest.fixture
def project(prebuilt: Mini, tmp_path: Path) -> Mini:
    """A copy of the prebuilt project."""
    return prebuilt.copy(tmp_path / "project")
