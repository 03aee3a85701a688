"""Half a download is gone on with, but only with the other half of the same thing."""

from __future__ import annotations

import gzip
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from web import Handler, Page, Shelf, Site, settings

from schemas.errors import Interrupted
from tasks.fetch.contract import Fetched, SourceDown
from tasks.fetch.http.fetch import look

Fetch = Callable[..., Fetched]
BODY = random.Random(5).randbytes(1_500_000)
CUT = 900_000


def ranges(site: Site) -> list[str]:
    return [request.headers.get("range", "") for request in site.requests if request.path != "/robots.txt"]


@pytest.mark.parametrize("validators", [{"etag": '"v"'}, {"modified": 1.6e9}])
def test_a_cut_download_is_gone_on_with(site: Site, fetch: Fetch, shelf: Shelf, validators: dict[str, object]) -> None:
    site.pages["/a"] = Page(BODY, breaks=[CUT, 1000], **validators)  # type: ignore[arg-type]
    found = fetch(urls=[f"{site.url}/a"])
    assert shelf.bytes_of(found.items[0]) == BODY
    asked = ranges(site)
    assert asked[0] == ""
    starts = [int(text.removeprefix("bytes=").removesuffix("-")) for text in asked[1:]]
    assert len(starts) == 2 and 0 < starts[0] <= CUT and starts[0] <= starts[1] <= starts[0] + 1000
    assert list(shelf.folder.iterdir()) == []


def test_ranges_count_encoded_bytes(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    body = gzip.compress(BODY)
    site.pages["/a"] = Page(body, etag='"v"', headers={"Content-Encoding": "gzip"}, breaks=[CUT])
    found = fetch(urls=[f"{site.url}/a"])
    assert shelf.bytes_of(found.items[0]) == BODY
    assert ranges(site)[1].startswith("bytes=")


@pytest.mark.parametrize("validators", [{"etag": 'W/"v"', "modified": 1.6e9}, {}, {"modified": 4e9}])
def test_without_a_strong_validator_a_download_starts_over(
    site: Site, fetch: Fetch, shelf: Shelf, validators: dict[str, object]
) -> None:
    site.pages["/a"] = Page(BODY, breaks=[CUT], **validators)  # type: ignore[arg-type]
    assert shelf.bytes_of(fetch(urls=[f"{site.url}/a"]).items[0]) == BODY
    assert ranges(site) == ["", ""]


def test_a_server_that_ignores_ranges_is_read_from_the_start(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    site.pages["/a"] = Page(BODY, etag='"v"', ranges=False, breaks=[CUT])
    assert shelf.bytes_of(fetch(urls=[f"{site.url}/a"]).items[0]) == BODY
    assert ranges(site)[1] != ""


def test_a_file_that_changed_meanwhile_is_read_from_the_start(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    before = Page(BODY, etag='"1"', breaks=[CUT])
    after = Page(BODY[::-1], etag='"2"')

    def change(handler: Handler) -> None:
        site.pages["/a"] = after
        handler.give(before)

    site.pages["/a"] = change
    found = fetch(urls=[f"{site.url}/a"])
    assert shelf.bytes_of(found.items[0]) == BODY[::-1]
    assert found.items[0].tag["etag"] == '"2"'


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 7-9/10"},
        {"Content-Range": "nonsense"},
        {},
        {"Content-Range": None, "ETag": '"other"'},
        {"Content-Range": None, "ETag": '"v"', "Content-Encoding": "gzip"},
    ],
)
def test_a_wrong_piece_is_thrown_away(site: Site, fetch: Fetch, shelf: Shelf, headers: dict[str, str | None]) -> None:
    page = Page(BODY, etag='"v"', breaks=[CUT])

    def wrong(handler: Handler) -> None:
        asked = handler.headers.get("Range")
        if asked is None:
            handler.give(page)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        right = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
        answer = {name: right if value is None else value for name, value in headers.items()}
        handler.give(Page(b"?" * 10, status=206, headers=answer))

    site.pages["/a"] = wrong
    assert shelf.bytes_of(fetch(urls=[f"{site.url}/a"]).items[0]) == BODY
    assert [bool(text) for text in ranges(site)] == [False, True, False]


def test_a_file_that_shrank_starts_over(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    page = Page(BODY, etag='"v"', breaks=[CUT])

    def shrink(handler: Handler) -> None:
        handler.give(page)
        site.pages["/a"] = replace(page, body=b"short", breaks=[])

    site.pages["/a"] = shrink
    assert shelf.bytes_of(fetch(urls=[f"{site.url}/a"]).items[0]) == b"short"


def test_the_next_look_goes_on_with_what_this_one_could_not_finish(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    site.pages["/b"] = Page(b"b")
    site.pages["/a"] = page = Page(BODY, etag='"v"', breaks=[CUT, 10, 10, 10])
    found = fetch(urls=[f"{site.url}/a", f"{site.url}/b"])
    assert [failure.reason for failure in found.failures] == ["incomplete"]
    page.breaks.clear()
    site.forget()
    assert shelf.bytes_of(fetch(urls=[f"{site.url}/a", f"{site.url}/b"]).items[0]) == BODY
    (asked,) = filter(None, ranges(site))
    assert int(asked.removeprefix("bytes=").removesuffix("-")) > CUT - 300_000
    assert list(shelf.folder.iterdir()) == []


def test_a_run_that_is_to_stop_stops_at_once_and_goes_on_later(site: Site, shelf: Shelf) -> None:
    site.pages |= {"/a": Page(b"a"), "/b": Page(BODY, etag='"v"', drip_s=5), "/c": Page(b"c")}
    given = settings(urls=[f"{site.url}/{name}" for name in "abc"], connections_per_host=4, read_timeout_s=60)
    shelf.stop = lambda: len(shelf.known()) == 2
    with pytest.raises(Interrupted):
        look(given, {}, shelf)
    shelf.stop = lambda: False
    site.forget()
    site.pages["/b"] = Page(BODY, etag='"v"')
    found = look(given, shelf.known(), shelf)
    assert site.asked() == ["/b"]
    assert [item.path[-1] for item in found.items] == ["a", "b", "c"]


def test_a_resolver_that_hangs_does_not_keep_a_run_from_stopping(shelf: Shelf) -> None:
    asked: list[str] = []

    def hang(host: str, port: int) -> list[str]:
        asked.append(host)
        time.sleep(30)
        return []

    shelf.stop = lambda: bool(asked)
    start = time.monotonic()
    with pytest.raises(Interrupted):
        look(settings(urls=["http://slow.example/"], connect_timeout_s=60), {}, shelf, resolve=hang)
    assert time.monotonic() - start < 20  # far below the resolver's 30 seconds


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from web import Shelf, settings
from tasks.fetch.http.fetch import fetch_http
shelf = Shelf(Path(sys.argv[2]))
fetch_http(settings(urls=sys.argv[3:], connections_per_host=1), shelf.known(), None, shelf)
"""


def test_after_kill_9_only_the_rest_is_fetched_and_the_digests_are_the_same(
    site: Site, shelf: Shelf, tmp_path: Path
) -> None:
    site.pages |= {f"/{number}": Page(f"page {number}".encode()) for number in range(5)}
    site.pages["/5"] = large = Page(BODY, etag='"v"')
    site.pages |= {f"/{number}": Page(f"page {number}".encode()) for number in range(6, 9)}
    urls = [f"{site.url}/{number}" for number in range(9)]
    reference = Shelf(tmp_path / "reference")
    whole = look(settings(urls=urls), {}, reference)
    site.forget()

    def stall(handler: Handler) -> None:
        handler.send_response(200)
        for name, value in {
            "Content-Type": "text/html; charset=utf-8",
            "ETag": '"v"',
            "Content-Length": str(len(BODY)),
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(BODY[:CUT])
        handler.wfile.flush()
        time.sleep(30)

    site.pages["/5"] = stall
    support = str(Path(__file__).parents[2] / "support")
    child = subprocess.Popen([sys.executable, "-c", CHILD, support, str(shelf.root), *urls])
    deadline = time.monotonic() + 60
    while sum(file.stat().st_size for file in shelf.folder.glob("*.part")) < CUT - 300_000:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert len(shelf.known()) == 5
    site.pages["/5"] = large
    site.forget()
    found = look(settings(urls=urls), shelf.known(), shelf)
    assert sorted(site.asked()) == ["/5", "/6", "/7", "/8"]
    assert any(text.startswith("bytes=") for text in ranges(site))
    assert found.items == whole.items
    assert list(shelf.folder.iterdir()) == []


def test_what_a_finished_look_noted_does_not_spare_the_next_one_its_requests(site: Site, fetch: Fetch) -> None:
    site.pages |= {"/a": Page(b"a"), "/b": Page(b"b")}
    urls = [f"{site.url}/a", f"{site.url}/b"]
    fetch(urls=urls)
    site.forget()
    fetch(urls=urls)
    assert sorted(site.asked()) == ["/a", "/b"]


def test_what_another_configuration_finished_counts_for_nothing(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    site.pages |= {"/a": Page(b"a"), "/b": Page(BODY, drip_s=5)}
    urls = [f"{site.url}/a", f"{site.url}/b"]
    shelf.stop = lambda: len(shelf.known()) == 1
    with pytest.raises(Interrupted):
        fetch(urls=urls)
    shelf.stop = lambda: False
    site.pages["/b"] = Page(b"b")
    journal = shelf.folder / "look.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"path": "torn')
    site.forget()
    fetch(urls=[*urls, f"{site.url}/c"])
    assert sorted(site.asked()) == ["/a", "/b", "/c"]


def test_nothing_is_lost_when_the_source_goes_down_half_way(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    site.pages["/a"] = Page(b"a", etag='"v"')
    fetch(urls=[f"{site.url}/a"])
    site.pages["/a"] = Page(status=502)
    with pytest.raises(SourceDown):
        fetch(urls=[f"{site.url}/a"])
    assert len(shelf.known()) == 1
