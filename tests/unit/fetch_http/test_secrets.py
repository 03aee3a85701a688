"""Certificates are checked against names, and credentials go to their host alone and appear nowhere else."""

from __future__ import annotations

import datetime
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from web import Handler, Page, Shelf, Site, settings

from schemas.config.http import HttpFetching
from schemas.errors import ConfigError
from tasks.fetch.contract import Fetched, SourceDown

Fetch = Callable[..., Fetched]
SECRET = "s3cr3t-T0ken"


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """Makes a certificate for one name, signed by itself; returns its file and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def local(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.fixture
def secure(make_site: Callable[..., Site], tmp_path: Path) -> tuple[Site, Path]:
    authority, context = certificate(tmp_path, "docs.example")
    return make_site(tls=context, name="docs.example"), authority


def test_https_is_verified_on_the_name_although_an_address_is_connected_to(
    secure: tuple[Site, Path], fetch: Fetch
) -> None:
    site, authority = secure
    site.pages["/a"] = Page(b"a")
    found = fetch(urls=[f"{site.url}/a"], ca_file=authority, resolve=local)
    assert found.items[0].path == f"{site.authority}/a"
    for url, more in ((f"{site.url}/a", {}), (f"https://other.example:{site.port}/a", {"ca_file": authority})):
        site.forget()
        with pytest.raises(SourceDown, match="certificate"):
            fetch(urls=[url], resolve=local, known=[], **more)
        assert site.requests == []


def test_a_secure_page_does_not_lead_to_an_insecure_one(secure: tuple[Site, Path], site: Site, fetch: Fetch) -> None:
    safe, authority = secure
    safe.pages["/a"] = Page(status=301, headers={"Location": f"{site.url}/b?{SECRET}"})
    found = fetch(urls=[f"{safe.url}/a"], ca_file=authority, resolve=local)
    assert [failure.reason for failure in found.failures] == ["bad_redirect"]
    assert site.requests == [] and SECRET not in repr(found)


@pytest.mark.parametrize(
    ("credential", "value", "header"),
    [
        ({"bearer": "env:DOCS_SECRET"}, SECRET, f"Bearer {SECRET}"),
        ({"basic": "env:DOCS_SECRET"}, f"me:{SECRET}", "Basic bWU6czNjcjN0LVQwa2Vu"),
    ],
)
def test_credentials_go_to_their_host_alone_and_appear_nowhere(
    secure: tuple[Site, Path],
    make_site: Callable[..., Site],
    tmp_path: Path,
    fetch: Fetch,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    credential: dict[str, str],
    value: str,
    header: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    site, authority = secure
    _, context = certificate(tmp_path, "elsewhere.example")
    other = make_site(tls=context, name="elsewhere.example")
    both = tmp_path / "both.pem"
    both.write_bytes(authority.read_bytes() + (tmp_path / "elsewhere.example.pem").read_bytes())
    monkeypatch.setenv("DOCS_SECRET", value)

    def refuse(handler: Handler) -> None:
        handler.give(Page(status=401, headers={"WWW-Authenticate": handler.headers.get("Authorization", "")}))

    def cut(handler: Handler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    site.pages |= {"/a": Page(b"a"), "/b": Page(status=302, headers={"Location": f"{other.url}/b"})}
    site.pages |= {"/c": refuse, "/d": cut}
    other.pages["/b"] = Page(b"b")
    found = fetch(
        urls=[*(f"{site.url}/{name}" for name in "abcd"), f"http://docs.example:{site.port}/e"],
        ca_file=both,
        credentials={site.authority: credential},
        resolve=local,
        max_attempts=2,
    )
    assert len(found.items) == 2
    assert {failure.reason for failure in found.failures} == {"http_401", "connection", "credentials_need_https"}
    assert {request.headers.get("authorization") for request in site.requests} == {header}
    assert {request.headers.get("authorization") for request in other.requests} == {None}
    written = "".join(path.read_text(errors="replace") for path in shelf.root.rglob("*") if path.is_file())
    out, err = capfd.readouterr()
    for hidden in (SECRET, header.partition(" ")[2]):
        assert hidden not in repr(found) + caplog.text + written + out + err


@pytest.mark.parametrize("value", [None, "", "with\nnewline"])
def test_a_credential_that_is_not_there_is_a_fault_of_the_configuration(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("DOCS_SECRET", raising=False)
    if value is not None:
        monkeypatch.setenv("DOCS_SECRET", value)
    with pytest.raises(ConfigError, match="DOCS_SECRET") as caught:
        fetch(urls=["https://docs.example/"], credentials={"docs.example": {"bearer": "env:DOCS_SECRET"}})
    assert "newline" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"credentials": {"docs.example": {"bearer": SECRET}}},
        {"credentials": {"docs.example": {"bearer": f"Bearer {SECRET}", "basic": None}}},
        {"credentials": {"docs.example": {"bearer": "env:A", "basic": f"me:{SECRET}"}}},
        {"urls": [f"https://me:{SECRET}@docs.example/"]},
        {"sitemaps": [f"https://{SECRET}@docs.example/"]},
        {"urls": [f"https:\\\\me:{SECRET}@docs.example/"]},
    ],
)
def test_a_secret_in_the_configuration_is_refused_without_showing_it(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**({"urls": ["https://docs.example/"]} | given))
    for error in caught.value.errors():
        assert SECRET not in error["msg"]
        assert not isinstance(error["input"], str)


@pytest.mark.parametrize(
    "given",
    [
        {"urls": []},
        {"urls": ["ftp://example.org/"]},
        {"contact": "a\nb"},
        {"contact": ""},
        {"allow_private_addresses": ["10.0.0.1/8"]},
        {"allow_private_addresses": ["everything"]},
        {"credentials": {"https://example.org": {"bearer": "env:A"}}},
        {"sitemap_hosts": ["https://example.org"]},
        {"content_types": {"text/html": "pdf"}},
        {"requests_per_second": 0},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**({"urls": ["https://docs.example/"]} | given))


def test_how_things_are_fetched_is_no_part_of_what_is_built() -> None:
    plain = HttpFetching(urls=("https://docs.example/",), contact="me@example.org")
    other = HttpFetching(
        urls=("https://docs.example/",),
        contact="you@example.org",
        requests_per_second=9,
        ca_file=Path("ca.pem"),
        allow_private_addresses=("10.0.0.0/8",),
        credentials={"docs.example": {"bearer": "env:TOKEN"}},  # type: ignore[dict-item]
    )
    assert plain.identity() == other.identity()
    assert "env:" not in repr(other.identity())


def test_a_ca_file_that_cannot_be_read_is_a_fault_of_the_configuration(fetch: Fetch, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        (tmp_path / "empty.pem").write_text("no certificate")
        with pytest.raises(ConfigError, match="ca_file"):
            fetch(urls=["https://docs.example/"], ca_file=path)
