"""Nothing that only we can reach is asked, whatever a list, a name or a redirect leads to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web import Page, Site, listening

from tasks.fetch.contract import Fetched
from tasks.fetch.http.addresses import AddressRefused, Gate, is_refused, system_addresses

Fetch = Callable[..., Fetched]


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.8.8.8",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2002:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "localhost",
        "",
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert is_refused(address, [])


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8", "172.32.0.1"]
)
def test_what_is_public_is_not_refused(address: str) -> None:
    assert not is_refused(address, [])


@given(st.ip_addresses(v=4))
def test_a_disguised_ipv4_address_is_judged_like_itself(address: ipaddress.IPv4Address) -> None:
    plain = is_refused(str(address), [])
    assert is_refused(f"::ffff:{address}", []) == plain
    assert is_refused(f"64:ff9b::{address}", []) == plain
    assert plain or address.is_global
    allowed = [ipaddress.ip_network(f"{address}/32")]
    assert not is_refused(str(address), allowed) and not is_refused(f"::ffff:{address}", allowed)


@given(st.ip_addresses(v=6))
def test_ipv6_addresses_beyond_global_unicast_are_refused(address: ipaddress.IPv6Address) -> None:
    if address not in ipaddress.ip_network("2000::/3") and not str(address).startswith("64:ff9b::"):
        assert is_refused(str(address), []) or address.ipv4_mapped is not None


def answer(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nsecret")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_the_machine_itself_is_not_asked(fetch: Fetch, host: str) -> None:
    with listening(answer) as (port, connections):
        found = fetch(urls=[f"http://{host}:{port}/"], allow_private_addresses=[], robots_exempt_hosts=["127.0.0.1"])
    assert connections == []
    assert [failure.reason for failure in found.failures] == ["private_address"]
    assert "allow_private_addresses" in found.failures[0].detail


@pytest.mark.parametrize("form", ["2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "017700000001"])
def test_a_disguised_loopback_address_is_not_asked_even_where_loopback_may_be(fetch: Fetch, form: str) -> None:
    with listening(answer) as (port, connections):
        found = fetch(urls=[f"http://{form}:{port}/"])
    assert connections == []
    assert [failure.reason for failure in found.failures] == ["invalid_url"]


def test_a_redirect_to_a_private_address_is_not_followed(make_site: Callable[..., Site], fetch: Fetch) -> None:
    site, inner = make_site("127.0.0.2"), make_site("127.0.0.3")
    inner.pages["/metadata"] = Page(b"secret")
    site.pages |= {
        "/a": Page(status=302, headers={"Location": f"{inner.url}/metadata"}),
        "/b": Page(status=302, headers={"Location": f"http://0x7f.0.0.3:{inner.port}/metadata"}),
        "/c": Page(status=302, headers={"Location": "file:///etc/passwd"}),
        "/d": Page(status=302, headers={"Location": f"http://me:secret@127.0.0.3:{inner.port}/"}),
        "/e": Page(status=302, headers={"Location": f"http://localhost:{inner.port}/metadata?secret"}),
    }
    found = fetch(urls=[f"{site.url}/{name}" for name in "abcde"], allow_private_addresses=["127.0.0.2/32"])
    assert inner.requests == []
    told = {failure.path[-1]: failure.reason for failure in found.failures}
    assert told == {
        "a": "private_address",
        "b": "bad_redirect",
        "c": "bad_redirect",
        "d": "bad_redirect",
        "e": "private_address",
    }
    assert "secret" not in repr(found)


def test_a_robots_file_does_not_lead_to_a_private_address(make_site: Callable[..., Site], fetch: Fetch) -> None:
    site, inner = make_site("127.0.0.2"), make_site("127.0.0.3")
    site.pages |= {"/robots.txt": Page(status=302, headers={"Location": f"{inner.url}/robots.txt"}), "/a": Page(b"a")}
    found = fetch(urls=[f"{site.url}/a"], allow_private_addresses=["127.0.0.2/32"])
    assert inner.requests == [] and site.asked() == []
    assert [failure.reason for failure in found.failures] == ["private_address"]


def test_a_name_is_resolved_by_us_and_that_address_is_used(make_site: Callable[..., Site], fetch: Fetch) -> None:
    """A name that changes its mind between check and connection (DNS rebinding) finds no second question."""
    site = make_site("127.0.0.2")
    site.pages["/a"] = Page(b"a")
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.3"]

    url = f"http://rebinding.example:{site.port}/a"
    found = fetch(urls=[url], resolve=resolve, allow_private_addresses=["127.0.0.2/32"])
    assert [item.url for item in found.items] == [url]
    assert site.requests[-1].headers["host"] == f"rebinding.example:{site.port}"
    assert asked == ["rebinding.example"]


def test_one_private_address_among_a_names_addresses_spoils_them_all(fetch: Fetch) -> None:
    with listening(answer) as (port, connections):
        found = fetch(
            urls=[f"http://both.example:{port}/"],
            resolve=lambda host, port: ["93.184.216.34", "127.0.0.1"],
            allow_private_addresses=[],
        )
    assert connections == []
    assert [failure.reason for failure in found.failures] == ["private_address"]
    assert "both.example leads to 127.0.0.1" in found.failures[0].detail


def test_no_socket_is_made_for_a_refused_address_whoever_asks_for_it() -> None:
    gate = Gate([], system_addresses)
    with pytest.raises(AddressRefused):
        gate.socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)))
    with pytest.raises(AddressRefused):
        gate.socket((socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 80, 0, 0)))
    gate.socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 80))).close()


def test_proxies_of_the_environment_are_not_used(site: Site, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pages["/a"] = Page(b"a")
    with listening(answer) as (port, connections):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        assert len(fetch(urls=[f"{site.url}/a"]).items) == 1
    assert connections == []
