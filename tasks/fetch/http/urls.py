"""Addresses: one canonical form, and the locator that follows from it."""

from __future__ import annotations

import hashlib
import ipaddress
import re

from yarl import URL

MAX_URL_CHARACTERS = 8192

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_CANONICAL = re.compile(r"https?://[A-Za-z0-9_.:\[\]-]+/[A-Za-z0-9\-._~!$&'()*+,;=:@/?%\[\]]*")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMERIC = re.compile(r"([0-9]+|0x[0-9a-f]*)")
_NOT_ASCII = re.compile(r"(?:%[89A-F][0-9A-F])+")
_COMPRESSED = re.compile(r"(\.[A-Za-z0-9]{1,8})?\.(gz|zst|bz2|xz|tgz|tzst|tbz2?|txz|tar|zip)$", re.IGNORECASE)
_SUFFIXES = re.compile(r"(\.[A-Za-z0-9]{1,8}){1,2}$")

_MAX_SEGMENT_BYTES = 180
_MAX_PATH_BYTES = 700
_HEAD_CHARACTERS = 40


class BadURL(Exception):
    """An address that is not asked for; the message says why, without repeating what might be secret in it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def canonical(text: str, base: URL | None = None) -> URL:
    """Returns the one form of an address: two that every server must take for the same give the same form.

    Args:
        text: The address; relative ones are allowed if there is a `base`.
        base: The address it was found at.

    Raises:
        BadURL: It is no address that can be asked for: not HTTP, with credentials, without a host, …
    """
    text = text.strip(" \t\r\n")
    if len(text) > MAX_URL_CHARACTERS:
        raise BadURL("invalid_url", f"it has more than {MAX_URL_CHARACTERS} characters")
    if _FORBIDDEN.search(text):
        raise BadURL("invalid_url", "it holds control characters or backslashes")
    try:
        url = URL(text)
        url = base.join(url) if base is not None else url
        scheme, host, port = url.scheme.lower(), url.raw_host, url.port
        authority, path, query = url.raw_authority, url.raw_path, url.raw_query_string
    except (ValueError, UnicodeError):
        raise BadURL("invalid_url", "it is no address") from None
    if scheme not in ("http", "https"):
        raise BadURL("scheme", "only http and https are fetched")
    if "@" in authority:
        raise BadURL("credentials_in_url", "addresses with credentials are not fetched; use the setting `credentials`")
    host = _checked_host((host or "").lower())
    if port == 0:
        raise BadURL("invalid_url", "port 0")
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port == {"http": 80, "https": 443}[scheme] else f":{port}"
    form = f"{scheme}://{shown_host}{shown_port}{path or '/'}{f'?{query}' if query else ''}"
    if not _CANONICAL.fullmatch(form) or {".", ".."} & set(path.split("/")):
        raise BadURL("invalid_url", "it has no canonical form")
    return URL(form, encoded=True)


def _checked_host(host: str) -> str:
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise BadURL("invalid_url", "its host is no IPv6 address") from None
        if address.scope_id:
            raise BadURL("invalid_url", "an IPv6 address with a zone is no public host")
        return str(address)
    host = host.removesuffix(".")
    if not _HOST.fullmatch(host):
        raise BadURL("invalid_url", "it has no host" if not host else "its host is no name")
    if _NUMERIC.fullmatch(host.rpartition(".")[2]):
        # Resolvers take 2130706433, 0x7f.1 and 0177.0.0.1 for addresses; nobody writes them so without an intent.
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise BadURL("invalid_url", "its host is an IPv4 address in an unusual form") from None
    return host


def origin_of(url: URL) -> str:
    """Returns scheme, host and port, which is what a robots.txt speaks for."""
    return str(url.origin())


def path_of(url: URL) -> str:
    """Returns the locator of a canonical address: `host/path?query`, readable, without `..`, different for each.

    `https` goes without saying, other ports and `http+` are written out. An empty segment is `{}`, and `!` at the end
    of a folder `!{}`. A slash of the query is `|`; a query stands before the suffix of a compressed file, as
    `name{?query}.jsonl.gz`. UTF-8 is decoded. What is too long for a file's name is cut and bears a digest in braces.
    None of `{`, `|` and `}`, and no character beyond ASCII, occurs in a canonical address, so no two get the same.
    """
    authority = ("" if url.scheme == "https" else "http+") + url.raw_authority
    segments = [_readable(segment) or "{}" for segment in url.raw_path.removeprefix("/").split("/")]
    # `!/` stands between an archive and its member in the locators that reading makes.
    segments[:-1] = [f"{segment}{{}}" if segment.endswith("!") else segment for segment in segments[:-1]]
    if url.raw_query_string:
        query = _readable(url.raw_query_string).replace("/", "|")
        last = segments[-1]
        suffix = _COMPRESSED.search(last)
        segments[-1] = f"{last[: suffix.start()]}{{?{query}}}{suffix.group()}" if suffix else f"{last}?{query}"
    path = "/".join(segments)
    sizes = [len(segment.encode()) for segment in segments]
    if max(sizes) <= _MAX_SEGMENT_BYTES and sum(sizes) + len(sizes) <= _MAX_PATH_BYTES:
        return f"{authority}/{path}"
    digest = hashlib.sha256(str(url).encode()).hexdigest()[:32]
    suffixes = _SUFFIXES.search(url.raw_path)
    return f"{authority}/{path[:_HEAD_CHARACTERS].replace('/', '|')}{{{digest}}}{suffixes.group() if suffixes else ''}"


def _readable(text: str) -> str:
    return _NOT_ASCII.sub(_decode, text) if "%" in text else text


def _decode(match: re.Match[str]) -> str:
    try:
        decoded = bytes.fromhex(match.group().replace("%", "")).decode()
    except UnicodeDecodeError:
        return match.group()
    return decoded if decoded.isprintable() else match.group()


def shown(url: URL) -> str:
    """Returns an address for messages about where a server led to: its query may be a secret of the server's."""
    return str(url.with_query(None)) + ("?…" if url.raw_query_string else "")


def shown_text(text: str) -> str:
    """Returns what can be shown of a text that is no address: whatever may be credentials is left out."""
    head, at, tail = text.rpartition("@")
    scheme = head.partition("://")[0][:10] + "://" if "://" in head else ""
    return ((f"{scheme}…@{tail}" if at else text)[:200]).encode("utf-8", "backslashreplace").decode()


def path_of_text(text: str) -> str:
    """Returns a locator for a text that is no address; no address has the same."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{{invalid}}/{digest}"
