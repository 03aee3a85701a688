"""Transfers what one address holds into a file: not at all if unchanged, and only the rest if half of it is there."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from schemas.config.http import HttpFetching
from tasks.fetch.http.client import Client
from tasks.fetch.http.clock import Clock
from tasks.fetch.http.decoding import BLOCK_BYTES, DecodingFault, codings, decoded
from tasks.fetch.http.partial import Origin, Partial, writing
from tasks.fetch.http.troubles import GONE, OVERLOADED, TRY_AGAIN, Trouble, http_date, retry_after

REDIRECTS = frozenset((301, 302, 303, 307, 308))

_PAUSE_BYTES = 1024**2
"""After so many decompressed bytes everything else has its turn."""
_MAX_VALIDATOR_CHARACTERS = 1000
_COMPRESSED_NAMES = {"gzip": (".gz", ".tgz"), "zstd": (".zst",), "br": (".br",)}
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Received:
    """A whole answer.

    Attributes:
        file: Its content, decompressed.
        content_type: As the server states it.
        etag: As the server states it.
        last_modified: As the server states it.
    """

    file: Path
    content_type: str
    etag: str
    last_modified: str


@dataclass(frozen=True, slots=True)
class Redirected:
    """The answer is elsewhere; `location` is what the server says, unchecked."""

    location: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What is known is still there."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is known of an address: its answer is wanted only if it differs."""

    etag: str = ""
    last_modified: str = ""

    def headers(self) -> dict[str, str]:
        headers = {}
        if self.etag:
            headers["If-None-Match"] = self.etag
        if self.last_modified:
            headers["If-Modified-Since"] = self.last_modified
        return headers


def digest_of(url: URL) -> str:
    """Returns a digest of an address without its query, to recognise who sent something."""
    return hashlib.sha256(str(url.with_query(None)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where one transfer stops.

    Attributes:
        seconds: How long it may take.
        max_bytes: How large it may be, both as transferred and decompressed.
    """

    seconds: float
    max_bytes: int


async def transfer(
    client: Client,
    url: URL,
    partial: Partial,
    conditions: Conditions,
    limits: Limits,
    settings: HttpFetching,
    clock: Clock,
    *,
    accept: Callable[[str], None] | None = None,
) -> Received | Redirected | Unchanged:
    """Sends one request and takes the answer in.

    Args:
        client: Sends it.
        url: Where to.
        partial: Where bytes go, and where those of an earlier attempt are.
        conditions: What is known already.
        limits: Where to stop.
        settings: Decompression and slowness.
        clock: The wall clock that `Retry-After` refers to.
        accept: Is told the `Content-Type` before the body is read, and may raise `Trouble`.

    Raises:
        Trouble: It could not be had; what came of it stays in `partial` where it can be gone on with.
    """
    there = partial.found()
    if there is not None and there.url != digest_of(url):
        there = None
    headers = conditions.headers()
    if there is not None:
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": there.validator}
    async with client.get(url, headers, limits.seconds) as response:
        status = response.status
        if status in REDIRECTS and "Location" in response.headers:
            return Redirected(response.headers["Location"])
        if status == 304 and conditions.headers():
            partial.discard()
            return Unchanged()
        if status == 416 and there is not None:
            partial.discard()
            raise Trouble("bad_range", "the server does not give the rest of it", again=True)
        if status not in (200, 206) or (status == 206 and there is None):
            raise _refusal(response, clock)
        if accept is not None:
            accept(response.headers.get("Content-Type", ""))
        origin = _origin(url, response.headers)
        if status == 200 or there is None:
            partial.begin(origin)
        else:
            _check_rest(response, there, origin, partial)
        await _receive(response, partial, limits.max_bytes, settings)
        headers_seen = response.headers
    file = await _decompressed(partial, url, origin.coding, limits.max_bytes, settings)
    etag, last_modified = headers_seen.get("ETag", ""), headers_seen.get("Last-Modified", "")
    return Received(
        file,
        headers_seen.get("Content-Type", ""),
        etag if _is_sendable(etag) else "",
        last_modified if _is_sendable(last_modified) and http_date(last_modified) is not None else "",
    )


def _is_sendable(validator: str) -> bool:
    return len(validator) <= _MAX_VALIDATOR_CHARACTERS and validator.isascii() and validator.isprintable()


def _refusal(response: aiohttp.ClientResponse, clock: Clock) -> Trouble:
    status = response.status
    wait = retry_after(response.headers.get("Retry-After", ""), clock.wall()) if status in TRY_AGAIN else 0.0
    return Trouble(
        f"http_{status}",
        again=status in TRY_AGAIN,
        host=status in OVERLOADED or wait > 0,
        wait_s=wait,
        gone=status in GONE,
    )


def _origin(url: URL, headers: Mapping[str, str]) -> Origin:
    """Returns what the rest of an answer could be asked for with: what promises the very same bytes, or nothing."""
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    validator = ""
    if etag.startswith('"') and _is_sendable(etag):
        validator = etag
    elif not etag and _is_sendable(modified):
        # A date counts as strong if nothing can have changed within its second (RFC 9110, 8.8.2.2).
        sent, changed = http_date(headers.get("Date", "")), http_date(modified)
        if sent is not None and changed is not None and sent - changed >= 1:
            validator = modified
    return Origin(digest_of(url), validator, headers.get("Content-Encoding", ""))


def _check_rest(response: aiohttp.ClientResponse, there: Origin, origin: Origin, partial: Partial) -> None:
    """Checks that a 206 goes on where we are; else starting over is the only safe thing."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    same = origin.coding == there.coding and (
        not there.validator.startswith('"') or origin.validator == there.validator
    )
    if found is None or int(found.group(1)) != partial.size or not same:
        partial.discard()
        raise Trouble("bad_range", "the server gives another piece than was asked for", again=True)


async def _receive(response: aiohttp.ClientResponse, partial: Partial, max_bytes: int, settings: HttpFetching) -> None:
    """Takes the body in.

    Raises:
        Trouble: It is too large, or comes too slowly.
    """
    declared = response.content_length
    if declared is not None and partial.size + declared > max_bytes:
        partial.discard()
        raise Trouble("too_large", f"{partial.size + declared:,} bytes; `max_file_bytes` is {max_bytes:,}")
    loop = asyncio.get_running_loop()
    start, received = loop.time(), 0
    try:
        async for data in response.content.iter_any():
            received += len(data)
            if partial.size + len(data) > max_bytes:
                partial.discard()
                raise Trouble("too_large", f"more than {max_bytes:,} bytes (`max_file_bytes`)")
            partial.append(data)
            seconds = loop.time() - start
            if seconds > settings.read_timeout_s and received < settings.min_bytes_per_second * seconds:
                raise Trouble("too_slow", f"{received:,} bytes in {seconds:.0f} s")
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        partial.spill()  # so that the next attempt asks for the rest only
        raise


async def _decompressed(partial: Partial, url: URL, coding: str, max_bytes: int, settings: HttpFetching) -> Path:
    """Returns a file with the content.

    Raises:
        Trouble: It is damaged, too large or a bomb.
    """
    try:
        names = codings(coding)
        if len(names) == 1 and url.raw_path.lower().endswith(_COMPRESSED_NAMES.get(names[0], ("\0",))):
            # Many servers state of a compressed file that its compression is their doing. Its name says otherwise.
            names = ()
        if not names:
            return partial.finish()
        size = 0
        with writing(partial.complete), partial.complete.open("wb", buffering=BLOCK_BYTES) as file:
            for block in decoded(
                partial.blocks(),
                names,
                encoded_bytes=partial.size,
                max_bytes=max_bytes,
                max_ratio=settings.max_decompression_ratio,
            ):
                file.write(block)
                size += len(block)
                if size >= _PAUSE_BYTES:
                    size = 0
                    await asyncio.sleep(0)
    except DecodingFault as fault:
        partial.complete.unlink(missing_ok=True)
        partial.discard()
        raise Trouble(fault.reason, fault.detail) from None
    partial.discard()
    return partial.complete
