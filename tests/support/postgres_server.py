"""A PostgreSQL of the tests' own: on loopback, in a temporary folder, as a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

PASSWORD = "planted-password-93b7"


@dataclass
class Postgres:
    """A server, which may be stopped and started."""

    bin: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://nightmill:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text(errors="replace")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        arguments = ["-D", f"{self.folder}/data", "-l", f"{self.folder}/log.txt", "-w", "-o", options, "start"]
        self._run("pg_ctl", *arguments)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")

    def create(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        shutil.chown(secret, *_owner())
        data = f"{self.folder}/data"
        self._run(
            "initdb", "-D", data, "-U", "nightmill", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "-N"
        )

    def execute(self, *statements: str) -> list[Any]:
        """Executes statements in one transaction and returns the rows of the last one."""
        with psycopg.connect(self.url) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *arguments: str) -> None:
        user, group = _owner()
        # Not captured: the server inherits the descriptors, and would keep a pipe open.
        with (self.folder / f"{program}.txt").open("ab") as output:
            done = subprocess.run(
                [str(self.bin / program), *arguments],
                user=user if os.geteuid() == 0 else None,
                group=group if os.geteuid() == 0 else None,
                extra_groups=[] if os.geteuid() == 0 else None,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            )
        assert done.returncode == 0, (self.folder / f"{program}.txt").read_text()


def _owner() -> tuple[int, int]:
    """Who the server runs as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return found.pw_uid, found.pw_gid
    raise AssertionError("there is no user to run PostgreSQL as")


def _binaries() -> Path:
    folders = [Path(found).resolve().parent for name in ("pg_ctl", "postgres") if (found := shutil.which(name))]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise AssertionError("PostgreSQL is not installed: tests/integration_services/install.sh installs it")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="nightmill-postgres-"))
    shutil.chown(folder, *_owner())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Postgres(_binaries(), folder, port)
    try:
        server.create()
        server.start()
        yield server
    finally:
        if (folder / "data/postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
