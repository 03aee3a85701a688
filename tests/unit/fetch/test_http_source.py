"""Pages of the web through the engine: what the fetcher brings becomes documents, and is not asked for twice."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from source_stages import Bench, documents, quarantine

from schemas.config.remote_sources import HttpSource


class Site(ThreadingHTTPServer):
    """Pages by path, and how often each was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.pages: dict[str, str] = {}
        self.sent: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Any = self.server
        page = site.pages.get(self.path)
        body = (page or "").encode()
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        unchanged = page is not None and self.headers.get("If-None-Match") == tag
        self.send_response(404 if page is None else 304 if unchanged else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", "0" if unchanged else str(len(body)))
        self.end_headers()
        if not unchanged:
            self.wfile.write(body)
            if page is not None:
                site.sent.append(self.path)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def source(site: Site, *paths: str, **settings: Any) -> HttpSource:
    found = {
        "type": "http",
        "urls": [site.address + path for path in paths],
        "contact": "tests@example.org",
        "licence": "CC0-1.0",
        "allow_private_addresses": ["127.0.0.0/8"],
        "requests_per_second": 1000,
        "max_attempts": 1,
        "backoff_s": 0.01,
        "max_wait_s": 0.1,
    }
    return HttpSource.model_validate({**found, **settings})


def test_pages_become_documents_and_only_changed_ones_are_sent_again(tmp_path: Any, site: Site) -> None:
    site.pages = {"/a": "<p>one</p>", "/b": "<p>二</p>"}
    bench, sources = Bench(tmp_path), {"web": source(site, "/a", "/b", "/c", max_bad_fraction=0.5)}
    first = bench.refreshed(sources)
    built = bench.collect(sources, first)
    found = [(row["text"], row["origin"], row["format"], row["licence"]) for row in documents(built)]
    assert found == [
        ("<p>one</p>", f"{site.address}/a", "html", "CC0-1.0"),
        ("<p>二</p>", f"{site.address}/b", "html", "CC0-1.0"),
    ]
    assert [reason for _, _, reason in quarantine(built)] == ["http_404"]
    site.sent.clear()
    site.pages["/b"] = "<p>二二</p>"
    second = bench.refreshed(sources, first, 2)
    assert site.sent == ["/b"]
    assert [row["text"] for row in documents(bench.collect(sources, second))] == ["<p>one</p>", "<p>二二</p>"]


def test_a_page_that_is_gone_leaves_a_mirror_and_stays_where_it_is_accumulated(tmp_path: Any, site: Site) -> None:
    kept: dict[str, int] = {}
    for mode in ("mirror", "accumulate"):
        site.pages = {"/a": "<p>one</p>", "/b": "<p>two</p>"}
        bench, sources = Bench(tmp_path / mode), {"web": source(site, "/a", "/b", mode=mode, max_bad_fraction=0.5)}
        first = bench.refreshed(sources)
        del site.pages["/b"]
        kept[mode] = len(documents(bench.collect(sources, bench.refreshed(sources, first, 2))))
    assert kept == {"mirror": 1, "accumulate": 2}


def test_a_longer_list_asks_only_for_what_is_new(tmp_path: Any, site: Site) -> None:
    site.pages = {"/a": "<p>one</p>", "/b": "<p>two</p>"}
    bench = Bench(tmp_path)
    bench.take_look({"web": source(site, "/a")})
    longer = source(site, "/a", "/b", requests_per_second=500)
    assert "never looked at" in bench.look({"web": longer}).pending
    bench.take_look({"web": longer})
    assert site.sent == ["/a", "/b"]


def test_a_site_that_is_down_holds(tmp_path: Any, site: Site) -> None:
    site.pages = {"/a": "<p>one</p>"}
    bench, sources = Bench(tmp_path), {"web": source(site, "/a")}
    bench.take_look(sources)
    site.shutdown()
    site.server_close()
    assert bench.take_look(sources)["web"].outcome == "down"
    assert "'web' is down" in bench.look(sources).held
