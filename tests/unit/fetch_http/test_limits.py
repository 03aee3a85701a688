"""Whatever a server does, a look ends, in bounded memory, and says what was wrong."""

from __future__ import annotations

import gzip
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from web import LOOPBACK, Handler, Page, Shelf, Site, listening, settings

from schemas.errors import StoreError
from tasks.fetch.contract import Fetched, SourceDown
from tasks.fetch.http.fetch import look

Fetch = Callable[..., Fetched]


def only_reason(found: Fetched) -> str:
    assert found.items == []
    assert len(found.failures) == 1
    return found.failures[0].reason


def reason_of(fetch: Fetch, **given: object) -> str:
    try:
        return only_reason(fetch(**given))
    except SourceDown as down:
        return down.reason


def unlimited(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def test_a_file_that_is_too_large_is_not_even_begun(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    site.pages["/a"] = Page(b"x", headers={"Content-Length": "1000000"})
    assert reason_of(fetch, urls=[f"{site.url}/a"], max_file_bytes=999_999) == "too_large"
    assert list(shelf.folder.iterdir()) == []


def test_a_file_without_end_is_cut(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    site.pages["/a"] = unlimited
    assert reason_of(fetch, urls=[f"{site.url}/a"], max_file_bytes=3_000_000) == "too_large"
    assert list(shelf.folder.iterdir()) == []


@pytest.mark.parametrize(("size", "reason"), [(30 << 20, "decompression_bomb"), (900_000, "too_large")])
def test_what_decompresses_to_too_much_is_cut(site: Site, fetch: Fetch, shelf: Shelf, size: int, reason: str) -> None:
    site.pages["/a"] = Page(gzip.compress(bytes(size)), headers={"Content-Encoding": "gzip"})
    limit = 1 << 30 if reason == "decompression_bomb" else 500_000
    assert reason_of(fetch, urls=[f"{site.url}/a"], max_file_bytes=limit) == reason
    assert list(shelf.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (gzip.compress(b"text" * 99, mtime=0)[:-9], "gzip", "broken_encoding"),
        (b"no gzip", "gzip", "broken_encoding"),
        (b"x", "compress", "content_encoding"),
        (b"x", "gzip, gzip, gzip", "content_encoding"),
    ],
)
def test_what_cannot_be_decompressed_is_named(site: Site, fetch: Fetch, body: bytes, coding: str, reason: str) -> None:
    site.pages["/a"] = Page(body, headers={"Content-Encoding": coding})
    assert reason_of(fetch, urls=[f"{site.url}/a"]) == reason


def test_a_body_that_drips_is_cut(site: Site, fetch: Fetch) -> None:
    site.pages["/a"] = Page(b"x" * 10_000, drip_s=0.02)
    assert reason_of(fetch, urls=[f"{site.url}/a"], read_timeout_s=1, min_bytes_per_second=1000) == "too_slow"
    assert site.asked() == ["/a"]


def test_a_file_has_no_more_than_its_time_all_attempts_together(site: Site, fetch: Fetch) -> None:
    site.pages["/a"] = Page(b"x" * 10_000, drip_s=0.02)
    assert reason_of(fetch, urls=[f"{site.url}/a"], file_timeout_s=0.4, min_bytes_per_second=0) == "file_timeout"
    assert site.asked() == ["/a"]

    def hang_up(handler: Handler) -> None:
        time.sleep(0.05)
        handler.connection.shutdown(socket.SHUT_RDWR)

    site.pages["/b"] = hang_up
    given = {"max_attempts": 20, "backoff_s": 0.001, "robots_exempt_hosts": ["127.0.0.1"]}
    assert reason_of(fetch, urls=[f"{site.url}/b"], file_timeout_s=0.5, **given) == "file_timeout"
    assert 2 <= site.asked().count("/b") <= 11


def silent(connection: socket.socket) -> None:
    time.sleep(10)
    del connection


def dripping_headers(connection: socket.socket) -> None:
    connection.recv(10_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        connection.sendall(f"X-{number}: x\r\n".encode())
        time.sleep(0.02)


def endless_header(connection: socket.socket) -> None:
    connection.recv(10_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x" * 10_000)


def many_headers(connection: socket.socket) -> None:
    connection.recv(10_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(5_000)))


def saying(data: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(data)

    return answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (silent, "timeout"),
        (dripping_headers, "timeout"),
        (endless_header, "bad_response"),
        (many_headers, "bad_response"),
        (saying(b""), "connection"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "bad_response"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n"), "bad_response"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\nx"), "incomplete"),
        (
            saying(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "bad_response",
        ),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n"), "bad_redirect"),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n"), "bad_redirect"),
        (saying(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), "http_302"),
        (saying(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"), "http_999"),
    ],
)
def test_servers_that_misbehave_are_named(fetch: Fetch, answer: Callable[[socket.socket], None], reason: str) -> None:
    seconds = 0.25 if reason == "timeout" else 10
    with listening(answer) as (port, _):
        found = reason_of(
            fetch,
            urls=[f"http://127.0.0.1:{port}/"],
            robots_exempt_hosts=["127.0.0.1"],
            max_attempts=2,
            connect_timeout_s=seconds,
            read_timeout_s=seconds,
        )
    assert found == reason


@given(data=st.binary(max_size=300), head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 206 X\r\nETag: "]))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_answers_raise_nothing_undocumented(shelf: Shelf, data: bytes, head: bytes) -> None:
    with listening(saying(head + data)) as (port, _):
        given = settings(
            urls=[f"http://127.0.0.1:{port}/"], robots_exempt_hosts=["127.0.0.1"], max_attempts=1, read_timeout_s=2
        )
        try:
            found = look(given, {}, shelf)
        except SourceDown:
            return
        assert len(found.items) + len(found.failures) == 1


def test_a_scratch_folder_that_cannot_be_written_is_an_error_that_helps(site: Site, tmp_path: Path) -> None:
    site.pages["/a"] = Page(b"a" * 1000)
    shelf = Shelf(tmp_path / "shelf")
    # A limit on the size of files is what even root cannot write beyond.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            look(settings(urls=[f"{site.url}/a"]), {}, shelf)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


PEAK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from web import Shelf, settings
from tasks.fetch.http.fetch import fetch_http
shelf = Shelf(Path(sys.argv[2]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = fetch_http(settings(urls=sys.argv[3:]), {}, None, shelf)
assert len(found.items) == len(sys.argv) - 3, found
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_large_files_do_not_fill_the_memory(site: Site, tmp_path: Path) -> None:
    body = os.urandom(1 << 20) * 40
    site.pages |= {"/a": Page(body), "/b": Page(gzip.compress(body, 1), headers={"Content-Encoding": "gzip"})}
    support = str(Path(__file__).parents[2] / "support")
    command = [sys.executable, "-c", PEAK, support, str(tmp_path / "shelf"), f"{site.url}/a", f"{site.url}/b"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 30, f"{done.stdout} MiB for two files of 40 MiB"


def test_loopback_is_all_that_tests_may_ask() -> None:
    assert settings(urls=["http://example.org/"]).allow_private_addresses == LOOPBACK
