"""`fetch_http`: one look at an HTTP source."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping
from random import Random
from typing import Any, TypeVar

from schemas.config.http import HttpFetching
from schemas.errors import Interrupted
from tasks.fetch.contract import Destination, Failure, Fetched, Item, SourceDown
from tasks.fetch.http.addresses import Resolve, system_addresses
from tasks.fetch.http.client import Client
from tasks.fetch.http.clock import Clock
from tasks.fetch.http.crawl import Crawl
from tasks.fetch.http.journal import Journal
from tasks.fetch.http.lists import Listing, listed
from tasks.fetch.http.pages import Pages
from tasks.fetch.http.partial import Scratch
from tasks.fetch.http.sitemap_round import SitemapRound
from tasks.fetch.http.troubles import DOWN

_STOP_POLL_S = 0.1

T = TypeVar("T")


def fetch_http(source: HttpFetching, known: Mapping[str, Item], state: Any, destination: Destination) -> Fetched:
    """Looks at an HTTP source, as `tasks.fetch.contract.Fetcher` says.

    Raises:
        ConfigError: A file of addresses, a credential or the CA file cannot be used.
        SourceDown: No address gave anything, and it is not that they are gone.
        StoreError: The scratch folder cannot be written.
        Interrupted: The run is to stop; what was fetched is kept.
    """
    del state  # all that must be remembered lies in the items' tags
    return look(source, known, destination)


def look(
    settings: HttpFetching,
    known: Mapping[str, Item],
    destination: Destination,
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    resolve: Resolve = system_addresses,
) -> Fetched:
    """As `fetch_http`, with what a test may want to decide: time, jitter, and what names resolve to."""
    work = _look(settings, known, destination, clock or Clock(), random or Random(), resolve)
    return asyncio.run(_until_stopped(work, destination))


async def _until_stopped(work: Coroutine[Any, Any, T], destination: Destination) -> T:
    task = asyncio.create_task(work)
    while not (await asyncio.wait({task}, timeout=_STOP_POLL_S))[0]:
        if destination.stopping():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise Interrupted("stopped while fetching", hint="run again: what was fetched is kept")
    return task.result()


async def _look(
    settings: HttpFetching,
    known: Mapping[str, Item],
    destination: Destination,
    clock: Clock,
    random: Random,
    resolve: Resolve,
) -> Fetched:
    listing = listed(settings)
    scratch = Scratch(destination.folder)
    with Journal(scratch.folder, settings, clock.wall()) as journal:
        async with Client(settings, resolve) as client:
            crawl = Crawl(client, settings, clock, random)
            await SitemapRound(client, settings, clock, scratch, listing).collect(crawl)
            pages = Pages(client, settings, clock, known, destination, scratch, journal)
            await crawl.visit(pages.jobs(listing), pages)
        failures = [*listing.failures, *pages.failures, *_not_listed(listing, known)]
        failures.sort(key=lambda failure: (failure.path, failure.reason, failure.detail))
        scratch.sweep(keep=[failure.path for failure in pages.failures])
        items = [pages.items[path] for path in sorted(pages.items)]
        if not items:
            _check_up(failures)
    return Fetched(items, failures, None, pages.transferred)


def _not_listed(listing: Listing, known: Mapping[str, Item]) -> list[Failure]:
    """What is known and not listed has left the source, unless a part of the list is missing."""
    if listing.complete:
        return []
    detail = "a list of addresses could not be had whole, so it may or may not still be there"
    return [
        Failure(path, item.url, "list_incomplete", detail)
        for path, item in sorted(known.items())
        if path not in listing.urls
    ]


def _check_up(failures: list[Failure]) -> None:
    """Raises `SourceDown` if nothing was had because hosts are down or refuse."""
    down = [failure for failure in failures if failure.reason in DOWN]
    if down and not any(failure.gone for failure in failures):
        counts = Counter(failure.reason for failure in down)
        reason = min(counts, key=lambda name: (-counts[name], name))
        first = next(failure for failure in down if failure.reason == reason)
        numbers = ", ".join(f"{count} × {name}" for name, count in sorted(counts.items()))
        said = f", {first.detail}" if first.detail else ""
        raise SourceDown(reason, f"none of {len(failures)} addresses could be had ({numbers}); {first.url}{said}")
