"""When is which address asked for: hosts side by side, and within one host politely."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from yarl import URL

from schemas.config.http import HttpFetching
from tasks.fetch.http.clock import Clock

_FINISHED_AT_ONCE = 256
"""So many addresses that need no request are finished before whatever is under way has its turn."""


@dataclass(slots=True)
class Job:
    """One address that is asked for. There may be very many: addresses are kept as text, which takes a third.

    Attributes:
        path: Its locator.
        listed: The canonical address as it was listed.
        lastmod: What the sitemap says of it.
        led_to: Where it has led to so far; empty: nowhere else.
        redirects: How often it has led elsewhere.
        failed: How many attempts have failed.
        spent_s: Seconds that its transfers have taken.
    """

    path: str
    listed: str
    lastmod: str = ""
    led_to: str = ""
    redirects: int = 0
    failed: int = 0
    spent_s: float = 0.0

    @property
    def start(self) -> URL:
        """The address as it was listed."""
        return URL(self.listed, encoded=True)

    @property
    def url(self) -> URL:
        """The address that is asked for next."""
        return URL(self.led_to or self.listed, encoded=True)


@dataclass(slots=True)
class Host:
    """One host and what is wanted of it.

    Attributes:
        name: Its name, without port: a machine's services share its patience.
        delay_s: Seconds between two requests.
        free_at: When the next request may start.
        paused_until: Before that it asked, or needs, to be left alone.
        failures: Addresses in a row that failed because of the host.
        down: Why nothing more is asked of it in this look; empty: it is.
    """

    name: str
    delay_s: float
    free_at: float = 0.0
    paused_until: float = 0.0
    failures: int = 0
    down: str = ""
    down_detail: str = ""
    active: int = 0
    ticket: int = 0
    waiting: deque[Job] = field(default_factory=deque)
    later: list[tuple[float, int, Job]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Again:
    """A job is not finished: it is taken up again at its address, no earlier than `at`."""

    at: float = 0.0


Handle = Callable[[Job, Host], Awaitable[Again | None]]
"""Asks for an address; None: the job is finished."""
Settle = Callable[[Job, Host], bool]
"""Finishes a job that needs no request, such as one that robots.txt refuses; False: it needs one."""


def backoff(failed: int, settings: HttpFetching, random: Random) -> float:
    """Returns the seconds to wait after so many failed attempts: doubling, from half to one and a half times that."""
    seconds = settings.backoff_s * 2.0 ** (failed - 1) * (0.5 + random.random())
    return min(seconds, settings.max_wait_s)


class Schedule:
    """Runs jobs: at most `connections` at once, `connections_per_host` of one host, none before its host's time."""

    def __init__(self, settings: HttpFetching, clock: Clock, handle: Handle, settle: Settle) -> None:
        self._settings = settings
        self._clock = clock
        self._handle = handle
        self._settle = settle
        self._hosts: dict[str, Host] = {}
        self._ready: list[tuple[float, int, Host]] = []
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    def host(self, url: URL) -> Host:
        """Returns the host of an address."""
        name = url.raw_host or ""
        if name not in self._hosts:
            self._hosts[name] = Host(name, 1 / self._settings.requests_per_second)
        return self._hosts[name]

    async def run(self, jobs: Iterable[Job]) -> None:
        """Runs jobs, in the given order within a host, until all are finished."""
        for job in jobs:
            self.host(job.url).waiting.append(job)
        for host in self._hosts.values():
            self._offer(host)
        try:
            while self._ready or self._tasks:
                self._changed.clear()
                due = await self._start_what_is_due()
                if due is None and not self._tasks:
                    continue  # all that was left needed no request
                wait = None if due is None else max(0.0, due - self._clock.now())
                await self._clock.wait(self._changed, wait)
                for task in [task for task in self._tasks if task.done()]:
                    self._tasks.discard(task)
                    task.result()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks.clear()

    async def _start_what_is_due(self) -> float | None:
        """Starts what may start now; returns when something may next, None if that depends on what is under way."""
        settled = 0
        while self._ready and len(self._tasks) < self._settings.connections:
            at, ticket, host = self._ready[0]
            if ticket != host.ticket:
                heapq.heappop(self._ready)
                continue
            now = self._clock.now()
            if at > now:
                return at
            heapq.heappop(self._ready)
            job = self._take(host, now)
            if self._settle(job, host):
                settled += 1
                if settled % _FINISHED_AT_ONCE == 0:
                    await asyncio.sleep(0)
            else:
                host.free_at = max(host.free_at, now) + host.delay_s
                host.active += 1
                task = asyncio.create_task(self._work(job, host))
                self._tasks.add(task)
                task.add_done_callback(self._wake)
            self._offer(host)
        return None

    def _take(self, host: Host, now: float) -> Job:
        if host.later and (host.later[0][0] <= now or not host.waiting):
            return heapq.heappop(host.later)[2]
        return host.waiting.popleft()

    def _offer(self, host: Host) -> None:
        """Says when a host may next be asked for something."""
        host.ticket = 0
        if not (host.waiting or host.later) or host.active >= self._settings.connections_per_host:
            return
        at = 0.0 if host.down else max(host.free_at, host.paused_until)
        if not host.waiting and not host.down:
            at = max(at, host.later[0][0])
        self._count += 1
        host.ticket = self._count
        heapq.heappush(self._ready, (at, host.ticket, host))

    async def _work(self, job: Job, host: Host) -> None:
        try:
            again = await self._handle(job, host)
        finally:
            host.active -= 1
        if again is not None:
            there = self.host(job.url)
            self._count += 1
            heapq.heappush(there.later, (again.at, self._count, job))
            if there is not host:
                self._offer(there)
        self._offer(host)

    def _wake(self, task: asyncio.Task[None]) -> None:
        del task
        self._changed.set()
