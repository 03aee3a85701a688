"""How pages and files are fetched over HTTP and HTTPS: what is asked for, how politely, and where it stops."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.config.base import EXECUTION, Config
from schemas.config.formats import FileFormat

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?(:[0-9]{1,5})?")
_CREDENTIALS_IN_URL = re.compile(r"[^/?#]*[/\\]*[^/?#]*@")

CONTENT_TYPES: dict[str, FileFormat | Literal["auto"]] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/plain": "text",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/x-rst": "rst",
    "text/prs.fallenstein.rst": "rst",
    "application/jsonl": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/jsonlines": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "application/json": "auto",
    "application/vnd.apache.parquet": "parquet",
    "text/csv": "auto",
    "text/tab-separated-values": "auto",
    "application/xml": "auto",
    "text/xml": "auto",
    "application/warc": "auto",
    "application/zip": "auto",
    "application/x-tar": "auto",
    "application/gzip": "auto",
    "application/x-gzip": "auto",
    "application/zstd": "auto",
    "application/x-bzip2": "auto",
    "application/x-xz": "auto",
    "application/octet-stream": "auto",
    "binary/octet-stream": "auto",
}
"""What is taken by default. `auto`: by the suffix of the address."""


class Credential(Config):
    """What is sent in the `Authorization` header: exactly one of the two, and always a reference, never the secret."""

    bearer: str | None = None
    """A token, by reference: `env:NAME` names an environment variable."""

    basic: str | None = None
    """`user:password`, by reference: `env:NAME` names an environment variable."""

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        # Checked as a whole: a message about one field would quote the field, which may be a secret.
        given = [value for value in (self.bearer, self.basic) if value is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of `bearer` and `basic`")
        if not _REFERENCE.fullmatch(given[0]):
            raise ValueError("must be a reference such as env:TOKEN, never the secret itself")
        return self


class HttpFetching(Config):
    """What is fetched from the web, and how."""

    urls: tuple[str, ...] = ()
    """Addresses of pages and files. Query strings are kept as part of each document's locator: no secrets in them."""

    url_file: Annotated[Path | None, EXECUTION] = None
    """A file of more addresses, one a line, plain or `.gz`; empty lines and those that begin with `#` are skipped."""

    sitemaps: tuple[str, ...] = ()
    """Addresses of sitemaps or sitemap indexes (XML or text, plain or `.gz`); indexes are followed."""

    sitemap_hosts: tuple[str, ...] = ()
    """Further hosts whose addresses a sitemap may list; otherwise only its own host's are taken."""

    content_types: dict[str, FileFormat | Literal["auto"]] = Field(default_factory=lambda: dict(CONTENT_TYPES))
    """Which content types are taken and what they hold; `auto` goes by the address's suffix.

    Where an address has a suffix that is known, it also decides for `text/plain`, which servers say of nearly anything.
    """

    max_file_bytes: int = Field(256 * 1024**2, ge=1)
    """A larger file (as transferred, or decompressed from its `Content-Encoding`) is not taken."""

    max_urls: int = Field(200_000, ge=1)
    """More addresses than this are not looked at; the source is then reported as incomplete."""

    max_sitemaps: int = Field(1_000, ge=1)
    """More sitemaps than this, those named by indexes included, are not read."""

    max_redirects: int = Field(5, ge=0, le=20)
    """How often an address may lead to another one."""

    trust_lastmod: bool = True
    """A page whose `lastmod` in the sitemap is the same as when it was fetched is not asked for again.

    A `lastmod` is only relied upon if it was over when the page was fetched: a page can change twice on one day.
    """

    contact: Annotated[str, EXECUTION] = Field(pattern=r"^[!-'*-\[\]-~]{3,200}$")
    """An e-mail address or a page about you, sent in the User-Agent: whom a host's operators can ask or tell."""

    credentials: Annotated[dict[str, Credential], EXECUTION] = Field(default_factory=dict)
    """By host (`example.org`, or `example.org:8443` for another port than 443). Sent to that host alone, over HTTPS."""

    allow_private_addresses: Annotated[tuple[str, ...], EXECUTION] = ()
    """Networks that may be connected to although they are not public, such as `10.1.0.0/16`; by default none."""

    robots_exempt_hosts: Annotated[tuple[str, ...], EXECUTION] = ()
    """Hosts whose robots.txt is not asked: your own."""

    ca_file: Annotated[Path | None, EXECUTION] = None
    """Certificates (PEM) that are trusted besides the system's, such as an organisation's own."""

    requests_per_second: Annotated[float, EXECUTION] = Field(1.0, gt=0, le=10_000)
    """To one host, at most; a longer `Crawl-delay` in its robots.txt counts."""

    connections_per_host: Annotated[int, EXECUTION] = Field(2, ge=1, le=256)
    """To one host at the same time."""

    connections: Annotated[int, EXECUTION] = Field(16, ge=1, le=1024)
    """To all hosts at the same time."""

    max_attempts: Annotated[int, EXECUTION] = Field(4, ge=1, le=20)
    """How often an address is tried when it, or its host, is in trouble."""

    backoff_s: Annotated[float, EXECUTION] = Field(1.0, gt=0, le=3600)
    """Seconds, on average, before the second attempt; they double with each further one."""

    max_wait_s: Annotated[float, EXECUTION] = Field(120.0, ge=0)
    """The longest wait, also of what a host asks for (`Retry-After`); one that wants more is left for another day."""

    max_crawl_delay_s: Annotated[float, EXECUTION] = Field(60.0, ge=0)
    """A host whose robots.txt asks for a longer `Crawl-delay` is not fetched."""

    connect_timeout_s: Annotated[float, EXECUTION] = Field(10.0, gt=0)
    """Seconds until a connection must stand."""

    read_timeout_s: Annotated[float, EXECUTION] = Field(30.0, gt=0)
    """Seconds until an answer must begin, and the longest silence within it."""

    file_timeout_s: Annotated[float, EXECUTION] = Field(900.0, gt=0)
    """Seconds that the transfer of one file may take, all attempts together, waiting apart."""

    min_bytes_per_second: Annotated[int, EXECUTION] = Field(100, ge=0)
    """A transfer that has been slower than this for as long as `read_timeout_s` is ended."""

    max_decompression_ratio: Annotated[int, EXECUTION] = Field(200, ge=2)
    """An answer that decompresses to more than a MiB and to more than so many times its size is taken for a bomb."""

    @field_validator("allow_private_addresses")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.ip_network(network)) for network in value)
        except ValueError as error:
            raise ValueError(f"{error}; write networks like 10.1.0.0/16 or fd00::/8") from None

    @field_validator("sitemap_hosts", "robots_exempt_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not _HOST.fullmatch(host) or ":" in host:
                raise ValueError(f"{host!r} is no host: write it in small letters, without scheme and port")
        return value

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        if not self.urls and not self.sitemaps and self.url_file is None:
            raise ValueError("needs `urls`, `url_file` or `sitemaps`")
        for name, addresses in (("urls", self.urls), ("sitemaps", self.sitemaps)):
            for number, address in enumerate(addresses):
                # Checked as a whole, like credentials: a message about the field would quote it.
                scheme, separator, rest = address.partition("://")
                if not separator or scheme.lower() not in ("http", "https"):
                    raise ValueError(f"{name}.{number}: must begin with http:// or https://")
                if _CREDENTIALS_IN_URL.match(rest):
                    raise ValueError(f"{name}.{number}: holds credentials; use `credentials`")
        for host in self.credentials:
            if not _HOST.fullmatch(host):
                raise ValueError("credentials: name hosts like example.org or example.org:8443")
        return self
