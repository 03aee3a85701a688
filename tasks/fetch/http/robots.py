"""What the robots.txt of each host allows (RFC 9309): fetched once a look, before anything else of the host."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from protego import Protego
from yarl import URL

from schemas.config.http import HttpFetching
from tasks.fetch.http.client import PRODUCT, Client
from tasks.fetch.http.clock import Clock
from tasks.fetch.http.schedule import backoff
from tasks.fetch.http.transfer import REDIRECTS
from tasks.fetch.http.troubles import TRY_AGAIN, Trouble, retry_after
from tasks.fetch.http.urls import BadURL, canonical, origin_of

_MAX_ROBOTS_BYTES = 500 * 1024
"""What lies beyond is not looked at, as RFC 9309 allows."""
_MAX_REDIRECTS = 5
_EVERYTHING = Protego.parse("")


@dataclass(frozen=True, slots=True)
class Rules:
    """What one robots.txt says to us.

    Attributes:
        parsed: Its rules; None: nothing of the host may be asked for.
        reason: Why not, as of `Failure`.
        detail: As of `Failure`.
        delay_s: Seconds that it wants between two requests.
    """

    parsed: Protego | None
    reason: str = ""
    detail: str = ""
    delay_s: float = 0.0

    def refusal(self, url: URL) -> Trouble | None:
        """Returns why an address must not be asked for."""
        if self.parsed is None:
            return Trouble(self.reason, self.detail)
        if not self.parsed.can_fetch(str(url), PRODUCT):
            return Trouble("refused_by_robots", f"{origin_of(url)}/robots.txt does not allow it")
        return None


class Robots:
    """The rules by origin, each fetched when first needed, while whoever else needs them waits."""

    def __init__(self, client: Client, settings: HttpFetching, clock: Clock, random: Random) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._random = random
        self._known: dict[str, Rules] = {}
        self._fetching: dict[str, asyncio.Event] = {}

    def known(self, url: URL) -> Rules | None:
        """Returns the rules for an address; None if they have not been fetched yet."""
        if url.host in self._settings.robots_exempt_hosts:
            return Rules(_EVERYTHING)
        return self._known.get(origin_of(url))

    async def fetch(self, url: URL) -> None:
        """Sees to it that the rules for an address are known."""
        origin = origin_of(url)
        if origin in self._fetching:
            await self._fetching[origin].wait()
            return
        fetched = self._fetching[origin] = asyncio.Event()
        try:
            self._known[origin] = await self._rules(url)
        finally:
            fetched.set()

    async def _rules(self, url: URL) -> Rules:
        settings = self._settings
        for attempt in range(1, settings.max_attempts + 1):
            try:
                text = await self._text(canonical("/robots.txt", url))
                break
            except Trouble as trouble:
                if trouble.reason in ("private_address", "credentials_need_https"):
                    return Rules(None, trouble.reason, trouble.detail)
                wait = max(trouble.wait_s, backoff(attempt, settings, self._random))
                if not trouble.again or attempt == settings.max_attempts or wait > settings.max_wait_s:
                    detail = trouble.reason + (f": {trouble.detail}" if trouble.detail else "")
                    return Rules(None, "robots_unreachable", f"{origin_of(url)}/robots.txt: {detail}")
                await self._clock.sleep(wait)
        parsed = Protego.parse(text)
        rate = parsed.request_rate(PRODUCT)
        delay = max(
            parsed.crawl_delay(PRODUCT) or 0.0, rate.seconds / rate.requests if rate and rate.requests > 0 else 0.0
        )
        if delay > settings.max_crawl_delay_s:
            return Rules(None, "crawl_delay_too_long", f"{delay:g} s; `max_crawl_delay_s` is less")
        return Rules(parsed, delay_s=delay)

    async def _text(self, url: URL) -> str:
        """Returns the file's text; empty if there is none.

        Raises:
            Trouble: It cannot be reached, which means that nothing may be asked for.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            headers = {"Accept-Encoding": "identity"}
            async with self._client.get(url, headers, self._settings.read_timeout_s * 2) as response:
                if response.status in REDIRECTS and "Location" in response.headers:
                    try:
                        url = canonical(response.headers["Location"], url)
                    except BadURL as error:
                        raise Trouble("bad_redirect", error.detail) from None
                    continue
                if response.status == 200 and response.headers.get("Content-Encoding", "identity") != "identity":
                    raise Trouble("content_encoding", "compressed, although that was not asked for")
                if response.status == 200:
                    data = bytearray()
                    async for block in response.content.iter_any():
                        data += block
                        if len(data) > _MAX_ROBOTS_BYTES:
                            break
                    return data[:_MAX_ROBOTS_BYTES].decode("utf-8-sig", "replace")
                if response.status == 429 or not 400 <= response.status < 500:
                    wait = retry_after(response.headers.get("Retry-After", ""), self._clock.wall())
                    raise Trouble(f"http_{response.status}", again=response.status in TRY_AGAIN, wait_s=wait)
                return ""  # 4xx: there are no rules
        return ""  # after five redirects a robots.txt counts as missing
