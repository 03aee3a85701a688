"""An S3 that speaks HTTP on loopback, in this process."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from werkzeug.wrappers import Request, Response

from schemas.config.remote_sources import UrlSource

BUCKET = "texts"
SECRET = "planted-secret-5f1e"


@dataclass
class S3:
    """A bucket, what was asked of it, and how it misbehaves on demand."""

    endpoint: str
    client: Any
    fetched: list[str] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    down_after: int | None = None
    delay_s: float = 0.0

    def put(self, **objects: str) -> None:
        for name, text in objects.items():
            self.client.put_object(Bucket=BUCKET, Key=f"corpus/{name}.txt", Body=text.encode())

    def delete(self, *names: str) -> None:
        for name in names:
            self.client.delete_object(Bucket=BUCKET, Key=f"corpus/{name}.txt")

    def source(self, **settings: Any) -> UrlSource:
        found: dict[str, Any] = {
            "type": "url",
            "url": f"s3://{BUCKET}/corpus",
            "licence": "MIT",
            "options": {
                "key": "env:NIGHTMILL_TEST_KEY",
                "secret": "env:NIGHTMILL_TEST_SECRET",
                "client_kwargs": {"endpoint_url": self.endpoint, "region_name": "us-east-1"},
                "config_kwargs": {"connect_timeout": 2, "read_timeout": 5, "retries": {"max_attempts": 1}},
            },
        }
        return UrlSource.model_validate({**found, **settings})


class _Door:
    """Stands before moto's application: counts downloads, refuses some, and goes away when told to."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.s3: S3 | None = None
        self._lock = threading.Lock()

    def __call__(self, environment: Any, start: Any) -> Any:
        request = Request(environment)
        name = request.path.rpartition("/")[2]
        time.sleep(self.s3.delay_s if self.s3 is not None else 0)
        with self._lock:
            refused = self._refused(request, name)
        return refused(environment, start) if refused is not None else self.application(environment, start)

    def _refused(self, request: Request, name: str) -> Response | None:
        if self.s3 is not None and request.method == "GET" and name.endswith(".txt"):
            if name in self.s3.forbidden:
                body = "<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>"
                return Response(body, 403, mimetype="application/xml")
            if self.s3.down_after is not None and len(self.s3.fetched) >= self.s3.down_after:
                body = "<Error><Code>ServiceUnavailable</Code><Message>down</Message></Error>"
                return Response(body, 503, mimetype="application/xml")
            self.s3.fetched.append(name)
        return None


@pytest.fixture(scope="session")
def moto() -> Iterator[tuple[str, _Door]]:
    os.environ.update(NIGHTMILL_TEST_KEY="test-key", NIGHTMILL_TEST_SECRET=SECRET)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    door = _Door(server._server.app)
    server._server.app = door
    yield f"http://{host}:{port}", door
    server.stop()


@pytest.fixture
def s3(moto: tuple[str, _Door]) -> Iterator[S3]:
    import boto3

    endpoint, door = moto
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket=BUCKET)
    door.s3 = S3(endpoint, client)
    yield door.s3
    found = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    for entry in found:
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)
    door.s3 = None
