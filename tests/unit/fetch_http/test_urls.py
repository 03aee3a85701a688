"""Addresses have one canonical form, and each form a locator of its own."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.fetch.http.urls import BadURL, canonical, path_of, path_of_text, shown_text

HOSTS = st.sampled_from(["example.org", "a.example.org", "例子.测试", "[2001:db8::1]", "192.0.2.7", "EXAMPLE.org."])
PIECES = st.text(
    st.one_of(st.sampled_from("ab.~%/?=&;+,中é{}|<>\"^` :@[]'()*!$-_"), st.characters(exclude_categories=["Cs", "Cc"])),
    max_size=12,
)
ADDRESSES = st.builds(
    lambda scheme, host, port, pieces, query: f"{scheme}://{host}{port}/{'/'.join(pieces)}{query}",
    st.sampled_from(["http", "https", "HTTPS"]),
    HOSTS,
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.lists(PIECES | st.sampled_from(["", ".", "..", "%2e%2e", "a.jsonl.gz", "x" * 200]), max_size=5),
    PIECES.map(lambda text: f"?{text}") | st.just(""),
)


def form(text: str) -> str | None:
    try:
        return str(canonical(text))
    except BadURL:
        return None


def address_of(path: str) -> str:
    """The way back from a locator that is not cut."""
    authority, _, rest = path.partition("/")
    scheme, host = ("http", authority[5:]) if authority.startswith("http+") else ("https", authority)
    before, inner, after = rest.partition("{?")
    if inner:
        query, _, suffix = after.partition("}")
        rest = f"{before}{suffix}?{query}"
    rest, mark, query = rest.partition("?")
    rest = "/".join(segment.removesuffix("{}") for segment in rest.split("/"))
    return f"{scheme}://{host}/{rest}{mark}{query.replace('|', '/')}"


def encoded(text: str) -> str:
    return re.sub(r"[^\x00-\x7f]", lambda match: quote(match.group()), text)


@given(ADDRESSES)
@example("http://h.example/%2e%2e/%2E./x")
@example("https://h.example/a%2Fb?c/../d")
def test_the_canonical_form_is_final(text: str) -> None:
    found = form(text)
    if found is not None:
        assert form(found) == found
        assert form(f"  {found}#part\n") == found


@given(ADDRESSES)
@example("https://h.example/get.jsonl.gz?a=1/2&b={}")
@example("https://h.example//a///?")
@example("https://h.example/a.zip!/b!/c!")
@example("https://h.example/%E4%B8%AD%FF%E2%80%AE")
def test_a_locator_leads_back_to_its_address(text: str) -> None:
    found = form(text)
    if found is None:
        return
    path = path_of(canonical(found))
    if re.search(r"\{[0-9a-f]{32}\}", path) is None:
        assert encoded(address_of(path)) == found


@given(st.lists(ADDRESSES, min_size=2, max_size=12))
@example(["https://h.example/a?b", "https://h.example/a%3Fb", "http://h.example/a?b", "https://h.example:8443/a?b"])
@example(["https://h.example/" + "x" * 400, "https://h.example/" + "x" * 401])
def test_two_addresses_never_share_a_locator(texts: list[str]) -> None:
    forms = {found for text in texts if (found := form(text)) is not None}
    assert len({path_of(canonical(found)) for found in forms}) == len(forms)


@given(ADDRESSES)
def test_a_locator_stays_inside_its_source_and_fits_a_file_system(text: str) -> None:
    found = form(text)
    if found is None:
        return
    path = path_of(canonical(found))
    assert not path.startswith("/")
    assert all(part not in ("", ".", "..") and len(part.encode()) < 256 for part in path.split("/"))
    assert PurePosixPath(path).as_posix() == path
    assert "!/" not in path
    assert path.isprintable() and len(path.encode()) < 1024


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://example.org", "example.org/{}"),
        ("https://Example.org:443/Docs/./a/../b.html#top", "example.org/Docs/b.html"),
        ("http://example.org/", "http+example.org/{}"),
        ("https://zh.example.org:8443/wiki/%e4%b8%ad文?页=1", "zh.example.org:8443/wiki/中文?页=1"),
        ("https://example.org/get?file=/etc/../x", "example.org/get?file=|etc|..|x"),
        ("https://example.org/data.jsonl.gz?v=2", "example.org/data{?v=2}.jsonl.gz"),
        ("https://[2001:DB8::1]/x", "[2001:db8::1]/x"),
    ],
)
def test_locators_can_be_read(address: str, path: str) -> None:
    assert path_of(canonical(address)) == path


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".html", ""])
def test_a_cut_locator_keeps_the_suffix_that_readers_go_by(suffix: str) -> None:
    path = path_of(canonical(f"https://example.org/{'长' * 100}{suffix}"))
    assert path.endswith("}" + suffix)
    assert path.startswith("example.org/长长")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ftp://example.org/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("//example.org/x", "scheme"),
        ("example.org/x", "scheme"),
        ("", "scheme"),
        ("http://", "invalid_url"),
        ("http:///x", "invalid_url"),
        ("http://user:secret@example.org/", "credentials_in_url"),
        ("http://secret@example.org/", "credentials_in_url"),
        ("http://example.org\\@secret.org/", "invalid_url"),
        ("http://example.org:0/", "invalid_url"),
        ("http://example.org:99999/", "invalid_url"),
        ("http://example.org/a\x00b", "invalid_url"),
        ("http://example.org/a\nb", "invalid_url"),
        ("http://example.org/\udce4", "invalid_url"),
        ("http://2130706433/", "invalid_url"),
        ("http://0x7f000001/", "invalid_url"),
        ("http://0x7f.1/", "invalid_url"),
        ("http://0177.0.0.1/", "invalid_url"),
        ("http://127.1/", "invalid_url"),
        ("http://127.0.0.1.:x/", "invalid_url"),
        ("http://[fe80::1%25eth0]/", "invalid_url"),
        ("http://[::1/", "invalid_url"),
        ("http://a..b/", "invalid_url"),
        ("http://exa mple.org/", "invalid_url"),
        ("http://example.org/" + "x" * 9000, "invalid_url"),
    ],
)
def test_what_is_no_address_is_named_without_repeating_secrets(address: str, reason: str) -> None:
    with pytest.raises(BadURL) as caught:
        canonical(address)
    assert caught.value.reason == reason
    assert "secret" not in str(caught.value)
    assert "secret@" not in shown_text(address) and ":secret" not in shown_text(address)
    assert path_of_text(address).startswith("{invalid}/")
