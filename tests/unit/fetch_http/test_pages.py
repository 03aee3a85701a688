"""Pages are fetched, and next time only what changed; nothing else about a look decides what comes of it."""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import brotli
import pytest
import zstandard
from web import Handler, Page, Shelf, Site, settings

from tasks.fetch.contract import Fetched
from tasks.fetch.http.fetch import fetch_http, look

CHINESE = "<p>中文的网页和英文的一样重要。</p>"
Fetch = Callable[..., Fetched]


def reasons(found: Fetched) -> dict[str, str]:
    return {failure.path.rpartition("/")[2]: failure.reason for failure in found.failures}


def names(found: Fetched) -> list[str]:
    return [item.path.partition("/")[2] for item in found.items]


def test_pages_become_items_sorted_by_path_with_their_declared_charset(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    site.pages |= {
        "/b.html": Page(CHINESE.encode("gbk"), type='text/html; Charset="GBK"', etag='"1"', modified=1e9),
        "/a": Page(b"plain", type="text/plain"),
        "/%E4%B8%AD": Page(CHINESE.encode(), type="application/xhtml+xml"),
    }
    found = fetch(urls=[f"{site.url}/{path}" for path in ("b.html#x", "a", "中", "a")])
    assert [(item.path, item.format) for item in found.items] == [
        (f"http+{site.authority}/a", "text"),
        (f"http+{site.authority}/b.html", "html"),
        (f"http+{site.authority}/中", "html"),
    ]
    page = found.items[1]
    assert shelf.bytes_of(page).decode("gbk") == CHINESE
    assert page.url == f"{site.url}/b.html"
    assert page.size == len(CHINESE.encode("gbk"))
    assert page.tag["charset"] == "gbk"
    assert (page.tag["etag"], page.tag["last_modified"]) == ('"1"', "Sun, 09 Sep 2001 01:46:40 GMT")
    assert (found.failures, found.transferred, found.state) == ([], 3, None)
    assert sorted(site.asked()) == ["/%E4%B8%AD", "/a", "/b.html"]
    assert list(shelf.folder.iterdir()) == []
    assert shelf.steps[-1] == (3, 3)


def test_every_request_names_the_project_and_whom_to_ask(site: Site, fetch: Fetch) -> None:
    site.pages["/a"] = Page(b"a")
    fetch(urls=[f"{site.url}/a"], contact="https://example.org/bot")
    agents = {request.headers["user-agent"] for request in site.requests}
    assert len(agents) == 1
    agent = agents.pop()
    assert agent.startswith("Nightmill") and agent.endswith("(+https://example.org/bot)")


@pytest.mark.parametrize("validators", [{"etag": '"x"'}, {"etag": 'W/"x"'}, {"modified": 1.6e9}])
def test_an_unchanged_page_is_not_transferred_again(
    site: Site, fetch: Fetch, shelf: Shelf, validators: dict[str, object]
) -> None:
    site.pages["/a"] = page = Page(b"first", **validators)  # type: ignore[arg-type]
    first = fetch(urls=[f"{site.url}/a"])
    again = fetch(urls=[f"{site.url}/a"])
    assert (again.items, again.transferred) == (first.items, 0)
    other = {"etag": '"y"'} if "etag" in validators else {"modified": 1.7e9}
    site.pages["/a"] = replace(page, body=b"second", **other)  # type: ignore[arg-type]
    changed = fetch(urls=[f"{site.url}/a"])
    assert changed.transferred == 1
    assert shelf.bytes_of(changed.items[0]) == b"second"


def test_equal_bytes_keep_the_digest(site: Site, fetch: Fetch) -> None:
    site.pages["/a"] = Page(b"same")
    first = fetch(urls=[f"{site.url}/a"])
    again = fetch(urls=[f"{site.url}/a"])
    assert again.items == first.items
    assert again.transferred == 1


def test_a_validator_is_not_sent_to_another_page_than_gave_it(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    site.pages |= {
        "/a": Page(status=302, headers={"Location": "/one"}),
        "/one": Page(b"one", etag='"v"', modified=1.6e9),
        "/two": Page(b"two", etag='"v"', modified=1.6e9),
    }
    assert shelf.bytes_of(fetch(urls=[f"{site.url}/a"]).items[0]) == b"one"
    site.forget()
    assert fetch(urls=[f"{site.url}/a"]).transferred == 0
    seen = {request.path: request.headers for request in site.requests}
    assert "if-none-match" not in seen["/a"]
    assert seen["/one"]["if-none-match"] == '"v"'
    assert "if-modified-since" not in seen["/one"]
    site.pages["/a"] = Page(status=302, headers={"Location": "/two"})
    found = fetch(urls=[f"{site.url}/a"])
    assert shelf.bytes_of(found.items[0]) == b"two"
    assert found.items[0].path == f"http+{site.authority}/a"


def test_other_settings_of_what_is_taken_ask_anew(site: Site, fetch: Fetch) -> None:
    site.pages["/a"] = Page(b"<p>x</p>", type="text/plain", etag='"v"')
    assert fetch(urls=[f"{site.url}/a"]).items[0].format == "text"
    found = fetch(urls=[f"{site.url}/a"], content_types={"text/plain": "html"})
    assert (found.items[0].format, found.transferred) == ("html", 1)
    assert reasons(fetch(urls=[f"{site.url}/a"], content_types={"text/html": "html"})) == {"a": "content_type"}
    assert reasons(fetch(urls=[f"{site.url}/a"], max_file_bytes=3)) == {"a": "too_large"}


@pytest.mark.parametrize(
    ("path", "type", "format"),
    [
        ("/README.md", "text/plain; charset=utf-8", "markdown"),
        ("/data.jsonl.gz", "application/gzip", "jsonl"),
        ("/data.jsonl", "application/octet-stream", "jsonl"),
        ("/data.jsonl", None, "jsonl"),
        ("/data.parquet", "binary/octet-stream", "parquet"),
        ("/data.json", "application/json", None),
        ("/picture", "image/png", None),
        ("/unknown", "application/octet-stream", None),
        ("/unknown", None, None),
        ("/page", "TEXT/HTML", "html"),
    ],
)
def test_what_a_file_holds_is_told_from_type_and_suffix(
    site: Site, fetch: Fetch, path: str, type: str | None, format: str | None
) -> None:
    site.pages[path] = Page(b"x" * 10, type=type)
    found = fetch(urls=[site.url + path])
    assert [item.format for item in found.items] == ([format] if format else [])
    assert [failure.reason for failure in found.failures] == ([] if format else ["content_type"])


@pytest.mark.parametrize(
    ("coding", "encode"),
    [("gzip", gzip.compress), ("br", partial(brotli.compress, quality=4)), ("zstd", zstandard.compress)],
)
@pytest.mark.parametrize("size", [10, 900_000])
def test_compressed_answers_are_decompressed(
    site: Site, fetch: Fetch, shelf: Shelf, coding: str, encode: Callable[[bytes], bytes], size: int
) -> None:
    body = random.Random(size).randbytes(size)
    site.pages["/a"] = Page(encode(body), headers={"Content-Encoding": coding})
    found = fetch(urls=[f"{site.url}/a"])
    assert shelf.bytes_of(found.items[0]) == body
    assert list(shelf.folder.iterdir()) == []


def test_a_compressed_file_is_kept_as_it_is_whatever_the_server_calls_it(
    site: Site, fetch: Fetch, shelf: Shelf
) -> None:
    body = gzip.compress(b'{"text": "x"}\n')
    site.pages["/a.jsonl.gz"] = Page(body, type="application/x-gzip", headers={"Content-Encoding": "x-gzip"})
    assert shelf.bytes_of(fetch(urls=[f"{site.url}/a.jsonl.gz"]).items[0]) == body


def test_what_is_gone_is_told_from_what_cannot_be_had(site: Site, fetch: Fetch) -> None:
    site.pages |= {"/ok": Page(b"ok"), "/410": Page(status=410), "/403": Page(status=403), "/204": Page(status=204)}
    site.pages |= {"/206": Page(status=206, body=b"x"), "/304": Page(status=304), "/500": Page(status=500)}
    found = fetch(urls=[f"{site.url}/{path}" for path in ("ok", "404", "410", "403", "204", "206", "304", "500")])
    assert names(found) == ["ok"]
    assert {failure.reason: failure.gone for failure in found.failures} == {
        "http_204": False,
        "http_206": False,
        "http_304": False,
        "http_403": False,
        "http_404": True,
        "http_410": True,
        "http_500": False,
    }
    assert site.asked().count("/500") == 4
    assert site.asked().count("/404") == 1


def test_a_failed_page_is_no_item_even_if_it_was_one(site: Site, fetch: Fetch) -> None:
    site.pages |= {"/a": Page(b"a"), "/b": Page(b"b")}
    urls = [f"{site.url}/a", f"{site.url}/b"]
    assert names(fetch(urls=urls)) == ["a", "b"]
    site.pages["/b"] = Page(status=500)
    found = fetch(urls=urls)
    assert names(found) == ["a"]
    assert reasons(found) == {"b": "http_500"}


def test_who_answers_first_does_not_matter(site: Site, fetch: Fetch, shelf: Shelf, tmp_path: object) -> None:
    dice = random.Random(3)

    def slowly(handler: Handler) -> None:
        time.sleep(dice.random() * 0.03)
        handler.give(Page(f"page {handler.path}".encode()))

    site.pages |= {f"/{number}": slowly for number in range(40)}
    urls = [f"{site.url}/{number}" for number in range(40)]
    first = look(settings(urls=urls, connections_per_host=8), {}, shelf)
    dice.shuffle(urls)
    again = look(settings(urls=urls, connections_per_host=3), {}, shelf)
    assert first == again
    assert [item.path for item in first.items] == sorted(item.path for item in first.items)


def test_the_entry_point_needs_nothing_but_settings_and_a_place(site: Site, shelf: Shelf) -> None:
    site.pages["/a"] = Page(b"a")
    assert names(fetch_http(settings(urls=[f"{site.url}/a"]), {}, None, shelf)) == ["a"]


def test_hosts_are_fetched_side_by_side(make_site: Callable[..., Site], fetch: Fetch) -> None:
    sites = [make_site(f"127.0.0.{number}") for number in range(1, 5)]
    together = 0
    most = 0

    def wait_for_others(handler: Handler) -> None:
        nonlocal together, most
        together += 1
        most = max(most, together)
        deadline = time.monotonic() + 3
        while most < len(sites) and time.monotonic() < deadline:
            time.sleep(0.005)
        together -= 1
        handler.give(Page(b"x"))

    for site in sites:
        site.pages["/a"] = wait_for_others
    found = fetch(urls=[f"{site.url}/a" for site in sites])
    assert len(found.items) == most == len(sites)
