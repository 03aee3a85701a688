"""Lists of addresses, and sitemaps."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from web import Page, Shelf, Site

from schemas.errors import ConfigError
from tasks.fetch.contract import Fetched
from tasks.fetch.http.sitemaps import is_settled, read_sitemap

Fetch = Callable[..., Fetched]
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def urlset(*entries: tuple[str, str] | str, encoding: str = "UTF-8") -> bytes:
    rows = [(entry, "") if isinstance(entry, str) else entry for entry in entries]
    body = "".join(
        f"<url><loc> {loc}\n</loc>{f'<lastmod>{lastmod}</lastmod>' if lastmod else ''}</url>" for loc, lastmod in rows
    )
    return f'<?xml version="1.0" encoding="{encoding}"?><urlset xmlns="{NAMESPACE}">{body}</urlset>'.encode(encoding)


def index(*locs: str) -> bytes:
    body = "".join(f"<sitemap><loc>{loc}</loc></sitemap>" for loc in locs)
    return f'<sitemapindex xmlns="{NAMESPACE}">{body}</sitemapindex>'.encode()


def xml(body: bytes) -> Page:
    return Page(body, type="application/xml")


def names(found: Fetched) -> list[str]:
    return [item.path.partition("/")[2] for item in found.items]


def by_reason(found: Fetched) -> dict[str, str]:
    return {failure.reason: failure.detail for failure in found.failures}


@pytest.mark.parametrize("name", ["list.txt", "list.txt.gz"])
def test_a_file_of_addresses_is_read_and_its_bad_lines_are_named(
    site: Site, fetch: Fetch, tmp_path: Path, name: str
) -> None:
    site.pages |= {"/a": Page(b"a"), "/中": Page(b"x"), "/%E4%B8%AD": Page(b"z")}
    lines = [
        b"\xef\xbb\xbf# addresses",
        f"{site.url}/a\r".encode(),
        b"",
        f"{site.url}/中".encode(),
        b"no address",
        b"http://user:hunter2@example.org/",
        b"x" * 100_000,
        f"{site.url}/\xe4".encode("latin-1"),
    ]
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"\n".join(lines)) if name.endswith("gz") else b"\n".join(lines))
    found = fetch(url_file=path)
    assert names(found) == ["a", "中"]
    told = sorted((failure.reason, failure.detail.partition(":")[2].partition(":")[0]) for failure in found.failures)
    assert told == [("credentials_in_url", "6"), ("invalid_url", "7"), ("invalid_url", "8"), ("scheme", "5")]
    assert "hunter2" not in repr(found)


def test_a_file_of_addresses_that_cannot_be_read_is_a_fault_of_the_configuration(fetch: Fetch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="url_file"):
        fetch(url_file=tmp_path / "missing.txt")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"http://example.org/\n" * 1000)[:-20])
    with pytest.raises(ConfigError, match="cannot be read"):
        fetch(url_file=tmp_path / "cut.gz")


def test_thousands_of_bad_lines_are_counted_not_listed(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    site.pages["/a"] = Page(b"a")
    (tmp_path / "list").write_text("".join(f"bad {number}\n" for number in range(5000)) + f"{site.url}/a\n")
    found = fetch(url_file=tmp_path / "list")
    assert names(found) == ["a"]
    assert len(found.failures) == 1001
    assert any(failure.detail.startswith("4000 further lines") for failure in found.failures)


def test_sitemaps_and_their_indexes_are_followed(site: Site, fetch: Fetch, shelf: Shelf) -> None:
    site.pages |= {f"/{name}": Page(name.encode()) for name in "abcd"}
    site.pages |= {
        "/index.xml": xml(index(f"{site.url}/one.xml", f"{site.url}/deeper.xml", f"{site.url}/index.xml")),
        "/deeper.xml": xml(index(f"{site.url}/two.xml.gz")),
        "/one.xml": xml(urlset(f"{site.url}/a", f"{site.url}/b")),
        "/two.xml.gz": Page(gzip.compress(urlset(f"{site.url}/b", f"{site.url}/c")), type="application/x-gzip"),
        "/lines.txt": Page(f"{site.url}/d\r\n\n{site.url}/a".encode(), type="text/plain"),
    }
    found = fetch(sitemaps=[f"{site.url}/index.xml", f"{site.url}/lines.txt"], urls=[f"{site.url}/a"])
    assert names(found) == ["a", "b", "c", "d"]
    assert found.failures == []
    assert len(site.asked()) == len(set(site.asked()))
    assert list(shelf.folder.iterdir()) == []


def test_a_sitemap_speaks_for_its_own_host_only(make_site: Callable[..., Site], fetch: Fetch) -> None:
    site, other = make_site(), make_site("127.0.0.2")
    site.pages |= {"/s.xml": xml(urlset(f"{site.url}/a", f"{other.url}/b")), "/a": Page(b"a")}
    other.pages["/b"] = Page(b"b")
    found = fetch(sitemaps=[f"{site.url}/s.xml"])
    assert len(found.items) == 1 and other.requests == []
    assert by_reason(found)["other_host"].startswith("1 addresses in it, the first: http://127.0.0.2")
    assert len(fetch(sitemaps=[f"{site.url}/s.xml"], sitemap_hosts=["127.0.0.2"]).items) == 2


def test_an_equal_lastmod_saves_the_request(site: Site, fetch: Fetch) -> None:
    today = datetime.now(UTC).date().isoformat()
    site.pages |= {
        "/s.xml": xml(urlset((f"{site.url}/old", "2020-01-01"), (f"{site.url}/today", today), f"{site.url}/silent")),
        "/old": Page(b"old"),
        "/today": Page(b"today"),
        "/silent": Page(b"silent"),
    }
    first = fetch(sitemaps=[f"{site.url}/s.xml"])
    site.forget()
    again = fetch(sitemaps=[f"{site.url}/s.xml"])
    assert again.items == first.items
    assert sorted(site.asked()) == ["/s.xml", "/silent", "/today"]
    site.forget()
    fetch(sitemaps=[f"{site.url}/s.xml"], trust_lastmod=False)
    assert len(site.asked()) == 4
    site.pages["/s.xml"] = xml(urlset((f"{site.url}/old", "2020-01-02")))
    site.forget()
    fetch(sitemaps=[f"{site.url}/s.xml"])
    assert site.asked() == ["/s.xml", "/old"]


def test_a_lastmod_counts_once_its_time_is_over_everywhere() -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    wall = now.timestamp()
    assert is_settled("2026-02-28", wall) and is_settled("2026-03-02T10:00:00Z", wall)
    assert is_settled((now - timedelta(hours=2)).isoformat(), wall)
    for text in ("2026-03-01", "2026-03-02", "2026", "2026-03", "2026-03-02T11:30:00Z", "2026-03-02T09:00", "soon", ""):
        assert not is_settled(text, wall), text


def test_an_unreachable_sitemap_does_not_make_its_pages_leave(site: Site, fetch: Fetch) -> None:
    site.pages |= {"/s.xml": xml(urlset(f"{site.url}/a")), "/a": Page(b"a"), "/b": Page(b"b")}
    settings = {"sitemaps": [f"{site.url}/s.xml"], "urls": [f"{site.url}/b"]}
    assert names(fetch(**settings)) == ["a", "b"]
    site.pages["/s.xml"] = Page(status=500)
    found = fetch(**settings)
    assert names(found) == ["b"]
    assert [(failure.path.rpartition("/")[2], failure.reason, failure.gone) for failure in found.failures] == [
        ("a", "list_incomplete", False),
        ("s.xml", "http_500", False),
    ]
    site.pages["/s.xml"] = xml(urlset(f"{site.url}/a")[:-40])
    assert set(by_reason(fetch(**settings))) == {"broken_sitemap", "list_incomplete"}
    del site.pages["/s.xml"]
    assert [(failure.reason, failure.gone) for failure in fetch(**settings).failures] == [("http_404", True)]


def test_more_addresses_than_allowed_make_the_source_incomplete(site: Site, fetch: Fetch) -> None:
    site.pages |= {f"/{number}": Page(b"x") for number in range(6)}
    site.pages |= {
        "/1.xml": xml(urlset(*(f"{site.url}/{number}" for number in range(3)))),
        "/2.xml": xml(urlset(*(f"{site.url}/{number}" for number in range(2, 6)))),
        "/index.xml": xml(index(f"{site.url}/2.xml", f"{site.url}/1.xml")),
    }
    whole = fetch(sitemaps=[f"{site.url}/index.xml"])
    assert names(whole) == ["0", "1", "2", "3", "4", "5"]
    found = fetch(sitemaps=[f"{site.url}/index.xml"], max_urls=4)
    assert names(found) == ["0", "1", "2", "3"]
    assert set(by_reason(found)) == {"too_many_urls", "list_incomplete"}
    few = fetch(sitemaps=[f"{site.url}/index.xml"], max_sitemaps=2, known=[])
    assert names(few) == ["0", "1", "2"]
    assert set(by_reason(few)) == {"too_many_sitemaps"}


def test_endless_indexes_end(site: Site, fetch: Fetch) -> None:
    site.pages |= {f"/{number}.xml": xml(index(f"{site.url}/{number + 1}.xml")) for number in range(20)}
    found = fetch(sitemaps=[f"{site.url}/0.xml"])
    assert len(site.asked()) == 4
    assert "nested" in by_reason(found)["too_many_sitemaps"]


BOMB = (
    b"""<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY a "aaaaaaaaaa">%s]><urlset><url><loc>&z;</loc></url></urlset>"""
)
ENTITIES = b"".join(b'<!ENTITY %c "%s">' % (97 + n, b"&%c;" % (96 + n) * 10) for n in range(1, 26))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (BOMB % ENTITIES, "document type"),
        (b'<!DOCTYPE urlset SYSTEM "file:///etc/passwd"><urlset/>', "document type"),
        (b"<html><body><a href='x'/></body></html>", "root is <html>"),
        (b"", "no element"),
        (b"<urlset><url><loc>http://example.org/</loc></url>", "no element"),
        (b"<urlset>" + b"<a>" * 100_000, "no element"),
        (b"<urlset><url><loc>" + b"x" * 3_000_000 + b"</loc></url></urlset>", ""),
        (b'<?xml version="1.0" encoding="utf-7"?><urlset/>', "encoding is unknown"),
        (b"\xff\xfe<\x00u\x00", "unclosed token"),
        (b"<urlset>\x00</urlset>", "not well-formed"),
    ],
)
def test_hostile_sitemaps_are_refused_by_name(tmp_path: Path, body: bytes, said: str) -> None:
    (tmp_path / "s").write_bytes(body)
    found = read_sitemap(tmp_path / "s", max_ratio=200, max_urls=100)
    assert said in found.fault
    assert sum(len(url) for url, _ in found.urls) < 400_000


def test_only_what_stands_in_its_place_is_an_address(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(
        f"""<urlset xmlns="{NAMESPACE}" xmlns:i="http://example.org/image"><loc>https://h.example/0</loc><url>
        <i:loc>https://h.example/1</i:loc><i:image><i:loc>https://h.example/2</i:loc></i:image>
        <loc>https://h.example/3?a=1&amp;b=2</loc><i:lastmod>1999</i:lastmod></url><i:url><loc>https://h.example/4</loc></i:url>
        <sitemap><loc>https://h.example/5</loc></sitemap></urlset>""".encode()
    )
    found = read_sitemap(tmp_path / "s", max_ratio=200, max_urls=100)
    assert (found.urls, found.sitemaps, found.fault) == ([("https://h.example/3?a=1&b=2", "")], [], "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb2312", "gb18030", "big5", "iso-8859-1"])
def test_sitemaps_in_the_encodings_of_chinese_sites_are_read(tmp_path: Path, encoding: str) -> None:
    word = "é" if encoding == "iso-8859-1" else "中文"
    (tmp_path / "s").write_bytes(urlset(f"https://h.example/{word}", encoding=encoding))
    assert read_sitemap(tmp_path / "s", max_ratio=200, max_urls=9).urls == [(f"https://h.example/{word}", "")]


def test_a_gzip_bomb_as_a_sitemap_is_stopped(site: Site, fetch: Fetch) -> None:
    site.pages["/s.xml.gz"] = Page(
        gzip.compress(urlset()[:-9] + b" " * (50 << 20) + b"</urlset>"), type="application/gzip"
    )
    assert set(by_reason(fetch(sitemaps=[f"{site.url}/s.xml.gz"]))) == {"decompression_bomb"}
