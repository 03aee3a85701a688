"""Real web servers on loopback, and a real place to put what is fetched from them."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

from schemas.config.http import HttpFetching
from tasks.fetch.contract import Item
from tasks.fetch.http.clock import Clock

LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass
class Page:
    """What a site answers under one path.

    Attributes:
        etag: With its quotes; the site then answers `If-None-Match`, and `If-Range` if it is strong.
        modified: Seconds since 1970; the site then answers `If-Modified-Since`.
        ranges: Whether it knows `Range`.
        breaks: After so many bytes of the body the connection is cut, once for each number.
        drip_s: Seconds between two bytes of the body.
    """

    body: bytes = b""
    status: int = 200
    type: str | None = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    modified: float | None = None
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    drip_s: float = 0.0


@dataclass(frozen=True)
class Request:
    """What a site was asked."""

    path: str
    headers: dict[str, str]
    at: float


Answer = Page | Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers from `Site.pages`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        site = self.server.site
        headers = {name.lower(): value for name, value in self.headers.items()}
        with site.lock:
            site.requests.append(Request(self.path, headers, time.monotonic()))
        answer = site.pages.get(self.path)
        if answer is None:
            answer = Page(b"nothing here", 404)
        if isinstance(answer, Page):
            self.give(answer)
        else:
            answer(self)

    def give(self, page: Page) -> None:
        """Sends a page as far as it is asked for."""
        wanted = self.headers
        validators = {}
        if page.etag:
            validators["ETag"] = page.etag
        if page.modified is not None:
            validators["Last-Modified"] = email.utils.formatdate(page.modified, usegmt=True)
        seen = wanted.get("If-None-Match")
        since = wanted.get("If-Modified-Since")
        same = (
            seen.removeprefix("W/") == page.etag.removeprefix("W/")
            if seen and page.etag
            else page.modified is not None and since == validators["Last-Modified"]
        )
        if page.status == 200 and same:
            self.send_response(304)
            self._headers(validators, 0)
            return
        status, start = page.status, 0
        asked = wanted.get("Range")
        if asked and page.ranges and wanted.get("If-Range") in validators.values():
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            status = 206 if start < len(page.body) else 416
            end = f"{start}-{len(page.body) - 1}" if status == 206 else "*"
            validators["Content-Range"] = f"bytes {end}/{len(page.body)}"
        body = page.body[start:] if status != 416 else b""
        self.send_response(status)
        if page.type is not None:
            self.send_header("Content-Type", page.type)
        self._headers(validators | page.headers, len(body))
        if page.breaks:
            self.wfile.write(body[: page.breaks.pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif page.drip_s:
            for number in range(len(body)):
                self.wfile.write(body[number : number + 1])
                time.sleep(page.drip_s)
        else:
            self.wfile.write(body)

    def _headers(self, headers: dict[str, str], length: int) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        if "Transfer-Encoding" not in headers and "Content-Length" not in headers:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the client has had enough

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    site: Site

    def handle_error(self, request: object, client_address: object) -> None:
        del request, client_address


class Site:
    """A web server on an address and port of its own."""

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, name: str | None = None) -> None:
        self._server = _Server((host, 0), Handler)
        self._server.site = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.authority = f"{name or host}:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.authority}"
        self.pages: dict[str, Answer] = {}
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def asked(self) -> list[str]:
        """The paths that were asked for, robots.txt left out."""
        return [request.path for request in self.requests if request.path != "/robots.txt"]

    def forget(self) -> None:
        """Forgets what was asked so far."""
        self.requests.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def listening(answer: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[tuple[int, list[object]]]:
    """A bare server; gives its port and the connections that were made to it."""
    server = socket.create_server((host, 0))
    connections: list[object] = []

    def serve() -> None:
        while True:
            try:
                connection, address = server.accept()
            except OSError:
                return
            connections.append(address)
            threading.Thread(target=_answer, args=(answer, connection), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1], connections
    finally:
        server.close()


def _answer(answer: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection:
        try:
            answer(connection)
        except OSError:
            return


@dataclass
class Shelf:
    """A destination on disk, which a killed process leaves as it is."""

    root: Path
    stop: Callable[[], bool] = lambda: False
    steps: list[tuple[int, int]] = field(default_factory=list)
    journal: TextIO | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.root / "objects").mkdir(exist_ok=True)

    @property
    def folder(self) -> Path:
        return self.root / "scratch"

    def keep(self, file: Path) -> tuple[str, int]:
        assert file.parent == self.folder
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        size = file.stat().st_size
        file.replace(self.root / "objects" / sha256)
        return sha256, size

    def remember(self, item: Item) -> None:
        if self.journal is None:
            self.journal = (self.root / "items.jsonl").open("a", buffering=1, encoding="utf-8")
        self.journal.write(json.dumps(asdict(item)) + "\n")

    def stopping(self) -> bool:
        return self.stop()

    def progress(self, done: int, total: int, unit: str) -> None:
        del unit
        self.steps.append((done, total))

    def known(self) -> dict[str, Item]:
        """What was remembered, by path."""
        path = self.root / "items.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        items = [Item(**json.loads(line)) for line in lines]
        return {item.path: item for item in items}

    def bytes_of(self, item: Item) -> bytes:
        return (self.root / "objects" / item.sha256).read_bytes()


def settings(**given: Any) -> HttpFetching:
    """Settings for servers on loopback: nothing waits for long."""
    defaults = {
        "contact": "corpus@example.org",
        "allow_private_addresses": LOOPBACK,
        "requests_per_second": 10_000,
        "backoff_s": 0.01,
        "read_timeout_s": 5,
        "file_timeout_s": 20,
    }
    return HttpFetching.model_validate(defaults | given)


class FastClock(Clock):
    """Time that passes only when nothing else happens; remembers how long was waited."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        if seconds is None:
            await event.wait()
        elif not event.is_set():
            await asyncio.sleep(0.005)
            if not event.is_set():
                self.time += seconds
                self.waits.append(seconds)
