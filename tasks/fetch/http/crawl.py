"""Asks for addresses: what is refused, what is known, what is tried again, where an answer leads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random
from typing import Protocol

from schemas.config.http import HttpFetching
from tasks.fetch.http.client import Client
from tasks.fetch.http.clock import Clock
from tasks.fetch.http.robots import Robots
from tasks.fetch.http.schedule import Again, Host, Job, Schedule, backoff
from tasks.fetch.http.transfer import Received, Redirected, Unchanged
from tasks.fetch.http.troubles import Trouble
from tasks.fetch.http.urls import BadURL, canonical, shown

_HOST_IS_DOWN_AFTER = 3
"""Addresses in a row that failed, after all attempts, because of their host: the rest would fail as slowly."""


class Visitor(Protocol):
    """What is wanted of the addresses."""

    async def ask(self, job: Job, seconds: float) -> Received | Redirected | Unchanged:
        """Sends one request, which may take so long."""
        ...

    def take(self, job: Job, answer: Received | Unchanged) -> None:
        """Is given what there is at an address, once.

        Raises:
            Trouble: It is not what is wanted.
        """
        ...

    def fail(self, job: Job, trouble: Trouble) -> None:
        """Is told, once, that an address cannot be had in this look."""
        ...


class Crawl:
    """Goes through addresses, with what several rounds over the same hosts share: robots.txt, pace, what is down."""

    def __init__(self, client: Client, settings: HttpFetching, clock: Clock, random: Random) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._robots = Robots(client, settings, clock, random)
        self._schedule = Schedule(settings, clock, self._handle, self._settle)
        self._visitor: Visitor | None = None

    async def visit(self, jobs: Iterable[Job], visitor: Visitor) -> None:
        """Asks for each address until the visitor has taken it, or was told why not."""
        self._visitor = visitor
        await self._schedule.run(jobs)

    def _settle(self, job: Job, host: Host) -> bool:
        assert self._visitor is not None
        rules = self._robots.known(job.url)
        trouble = rules.refusal(job.url) if rules is not None else None
        if trouble is None and host.down:
            trouble = Trouble(host.down, host.down_detail)
        if trouble is None:
            return False
        self._visitor.fail(job, trouble)
        return True

    async def _handle(self, job: Job, host: Host) -> Again | None:
        assert self._visitor is not None
        if self._robots.known(job.url) is None:
            await self._robots.fetch(job.url)
            rules = self._robots.known(job.url)
            if rules is not None and rules.delay_s > host.delay_s:
                host.delay_s = rules.delay_s
                host.free_at = max(host.free_at, self._clock.now() + rules.delay_s)
            return Again()
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            answer = await self._visitor.ask(job, max(self._settings.file_timeout_s - job.spent_s, 0.001))
            job.spent_s += loop.time() - start
            host.failures = 0
            if isinstance(answer, Redirected):
                self._follow(job, answer)
                return Again()
            self._visitor.take(job, answer)
        except Trouble as trouble:
            job.spent_s += loop.time() - start
            return self._after(job, host, trouble)
        return None

    def _follow(self, job: Job, answer: Redirected) -> None:
        """Turns a job to where its address leads. It is checked there like any other: host, robots.txt, pace.

        Raises:
            Trouble: It must not be followed.
        """
        if job.redirects >= self._settings.max_redirects:
            raise Trouble("too_many_redirects", f"more than {self._settings.max_redirects}")
        try:
            target = canonical(answer.location, job.url)
        except BadURL as error:
            raise Trouble("bad_redirect", error.detail) from None
        if job.url.scheme == "https" and target.scheme == "http":
            raise Trouble("bad_redirect", f"from https to {shown(target)}")
        job.led_to = str(target)
        job.redirects += 1

    def _after(self, job: Job, host: Host, trouble: Trouble) -> Again | None:
        """Decides what follows a failed attempt."""
        assert self._visitor is not None
        job.failed += 1
        now = self._clock.now()
        wait = max(trouble.wait_s, backoff(job.failed, self._settings, self._random)) if trouble.again else 0.0
        if trouble.wait_s > self._settings.max_wait_s:
            host.down = "host_asked_to_wait"
            host.down_detail = f"it asks to wait for {trouble.wait_s:.0f} s; `max_wait_s` is less"
        elif trouble.host and trouble.again:
            host.paused_until = max(host.paused_until, now + wait)
        if trouble.again and not host.down and job.failed < self._settings.max_attempts:
            return Again(now + wait)
        host.failures = host.failures + 1 if trouble.host else 0
        if host.failures >= _HOST_IS_DOWN_AFTER and not host.down:
            host.down = "host_down"
            host.down_detail = f"{host.failures} of its addresses in a row failed, the last with {trouble.reason}"
        self._visitor.fail(job, trouble)
        return None
