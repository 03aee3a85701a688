"""The second round of a look: every page and file that is wanted, transferred only if it changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from yarl import URL

from schemas.config.http import HttpFetching
from tasks.fetch.contract import Destination, Failure, Item
from tasks.fetch.http.client import Client
from tasks.fetch.http.clock import Clock
from tasks.fetch.http.content import declared_charset, format_for, media_type
from tasks.fetch.http.journal import Journal
from tasks.fetch.http.lists import Listing
from tasks.fetch.http.partial import Partial, Scratch
from tasks.fetch.http.schedule import Job
from tasks.fetch.http.sitemaps import is_settled
from tasks.fetch.http.transfer import Conditions, Limits, Received, Redirected, Unchanged, digest_of, transfer
from tasks.fetch.http.troubles import Trouble


@dataclass(slots=True)
class Pages:
    """A visitor that takes pages into the store."""

    client: Client
    settings: HttpFetching
    clock: Clock
    known: Mapping[str, Item]
    destination: Destination
    scratch: Scratch
    journal: Journal
    items: dict[str, Item] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    transferred: int = 0
    total: int = 0

    def jobs(self, listing: Listing) -> Iterator[Job]:
        """Yields what must be asked for; what is known to be unchanged becomes an item at once."""
        finished = self.journal.finished(self.known)
        self.total = len(listing.urls)
        for path in sorted(listing.urls):
            url, lastmod = listing.urls[path]
            known = self.known.get(path)
            if path in finished:
                self.items[path] = finished[path]
            elif known is not None and self._is_unchanged(known, url, lastmod):
                self.items[path] = known
            else:
                yield Job(path, url, lastmod)

    def _is_unchanged(self, known: Item, url: str, lastmod: str) -> bool:
        trusted = self.settings.trust_lastmod and lastmod and known.tag.get("lastmod") == lastmod
        return bool(trusted) and self._is_still_wanted(known, URL(url, encoded=True).raw_path)

    def _is_still_wanted(self, known: Item, url_path: str) -> bool:
        """Tells whether an item would be taken as it is under the present settings."""
        format = format_for(str(known.tag.get("content_type", "")), url_path, self.settings.content_types)
        return format == known.format and known.size <= self.settings.max_file_bytes

    async def ask(self, job: Job, seconds: float) -> Received | Redirected | Unchanged:
        """Sends one request."""
        return await transfer(
            self.client,
            job.url,
            Partial(self.scratch, job.path),
            self._conditions(job),
            Limits(seconds, self.settings.max_file_bytes),
            self.settings,
            self.clock,
            accept=lambda header: self._check_type(job, header),
        )

    def _conditions(self, job: Job) -> Conditions:
        known = self.known.get(job.path)
        if known is None or not self._is_still_wanted(known, job.start.raw_path):
            return Conditions()
        tag = known.tag
        # A validator speaks for the address that gave it. A date says too little where a redirect may lead elsewhere.
        if tag.get("from") != digest_of(job.url):
            return Conditions()
        return Conditions(str(tag.get("etag", "")), "" if job.redirects else str(tag.get("last_modified", "")))

    def _check_type(self, job: Job, header: str) -> None:
        media = media_type(header)
        if format_for(media, job.start.raw_path, self.settings.content_types) is not None:
            return
        taken = self.settings.content_types.get(media or "application/octet-stream")
        said = f"{media!r}" if media else "no content type"
        why = "and the address's suffix does not tell what it holds" if taken else "which `content_types` does not list"
        raise Trouble("content_type", f"the server says {said}, {why}")

    def take(self, job: Job, answer: Received | Unchanged) -> None:
        """Keeps a page, or what is known of it."""
        settled = job.lastmod if is_settled(job.lastmod, self.clock.wall()) else ""
        if isinstance(answer, Unchanged):
            item = self.known[job.path]
            # Else it stays the very same object: a look at a million unchanged pages holds each once, not twice.
            if item.tag.get("lastmod", "") != settled:
                item = replace(item, tag=_given({**item.tag, "lastmod": settled}))
        else:
            media = media_type(answer.content_type)
            format = format_for(media, job.start.raw_path, self.settings.content_types)
            assert format is not None
            sha256, size = self.destination.keep(answer.file)
            tag = {
                "content_type": sys.intern(media),  # one of few, kept for every page
                "charset": declared_charset(answer.content_type),
                "etag": answer.etag,
                "last_modified": answer.last_modified,
                "lastmod": settled,
                "from": digest_of(job.url),
            }
            item = Item(job.path, job.listed, sha256, size, format, _given(tag))
            self.transferred += 1
            self.destination.remember(item)
        self.items[job.path] = item
        self.journal.add(item, self.clock.wall())
        self._progress()

    def fail(self, job: Job, trouble: Trouble) -> None:
        """Notes that a page cannot be had."""
        self.failures.append(Failure(job.path, job.listed, trouble.reason, trouble.detail, trouble.gone))
        self._progress()

    def _progress(self) -> None:
        self.destination.progress(len(self.items) + len(self.failures), self.total, "addresses")


def _given(tag: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tag.items() if value}
