"""The first round of a look: sitemaps are fetched level by level, and then say which pages are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from schemas.config.http import HttpFetching
from tasks.fetch.contract import Failure
from tasks.fetch.http.client import Client
from tasks.fetch.http.clock import Clock
from tasks.fetch.http.crawl import Crawl
from tasks.fetch.http.decoding import DecodingFault
from tasks.fetch.http.lists import Listing, too_many
from tasks.fetch.http.partial import Partial, Scratch
from tasks.fetch.http.schedule import Job
from tasks.fetch.http.sitemaps import MAX_DEPTH, MAX_SITEMAP_BYTES, Sitemap, read_sitemap
from tasks.fetch.http.transfer import Conditions, Limits, Received, Redirected, Unchanged, transfer
from tasks.fetch.http.troubles import Trouble
from tasks.fetch.http.urls import BadURL, canonical, path_of, path_of_text, shown_text


@dataclass(slots=True)
class SitemapRound:
    """A visitor that collects sitemaps.

    They lie on disk until all have come: only then is their order known, and with it what is beyond `max_urls`.
    """

    client: Client
    settings: HttpFetching
    clock: Clock
    scratch: Scratch
    listing: Listing
    files: dict[str, tuple[URL, Path]] = field(default_factory=dict)
    below: list[URL] = field(default_factory=list)

    async def collect(self, crawl: Crawl) -> None:
        """Adds the pages that the sitemaps list to `listing`."""
        seen: dict[str, URL] = {}
        level = [url for text in self.settings.sitemaps if (url := self._checked(text, "sitemaps")) is not None]
        for _ in range(MAX_DEPTH):
            fresh = {path_of(url): url for url in level if path_of(url) not in seen}
            wanted = sorted(fresh)[: self.settings.max_sitemaps - len(seen)]
            if len(wanted) < len(fresh):
                detail = f"there are more than {self.settings.max_sitemaps:,}; raise `max_sitemaps`"
                self._incomplete(Failure(path_of_text("\0sitemaps"), "", "too_many_sitemaps", detail))
            seen |= {path: fresh[path] for path in wanted}
            self.below = []
            await crawl.visit([Job(path, str(fresh[path])) for path in wanted], self)
            level = self.below
        if any(path_of(url) not in seen for url in level):
            detail = f"indexes are nested more than {MAX_DEPTH} deep"
            self._incomplete(Failure(path_of_text("\0depth"), "", "too_many_sitemaps", detail))
        for path in sorted(self.files):
            if not self._add_pages(*self.files[path]):
                break
        for _, file in self.files.values():
            file.unlink(missing_ok=True)

    async def ask(self, job: Job, seconds: float) -> Received | Redirected | Unchanged:
        """Sends one request."""
        limits = Limits(seconds, MAX_SITEMAP_BYTES)
        partial = Partial(self.scratch, f"sitemap {job.path}")
        return await transfer(self.client, job.url, partial, Conditions(), limits, self.settings, self.clock)

    def take(self, job: Job, answer: Received | Unchanged) -> None:
        """Keeps a sitemap and notes which ones are below it."""
        assert isinstance(answer, Received)
        try:
            found = self._read(answer.file)
        except DecodingFault as fault:
            answer.file.unlink(missing_ok=True)
            raise Trouble(fault.reason, fault.detail) from None
        self.files[job.path] = (job.start, answer.file)
        if found.fault:
            self._incomplete(Failure(job.path, job.listed, "broken_sitemap", found.fault))
        self.below += [url for url, _ in self._own(job.start, [(text, "") for text in found.sitemaps], "sitemaps")]

    def fail(self, job: Job, trouble: Trouble) -> None:
        """Notes that a sitemap cannot be had: unless it is gone, nothing is known of what it lists."""
        failure = Failure(job.path, job.listed, trouble.reason, _said("sitemap", trouble.detail), trouble.gone)
        self.listing.failures.append(failure)
        if not trouble.gone:
            self.listing.complete = False

    def _read(self, file: Path) -> Sitemap:
        ratio = self.settings.max_decompression_ratio
        return read_sitemap(file, max_ratio=ratio, max_urls=self.settings.max_urls)

    def _add_pages(self, sitemap: URL, file: Path) -> bool:
        """Adds what one sitemap lists; False if there are too many addresses."""
        found = self._read(file)
        for url, lastmod in self._own(sitemap, found.urls, "addresses"):
            if not self.listing.add(url, lastmod, self.settings.max_urls):
                self._incomplete(too_many(path_of(sitemap), self.settings.max_urls))
                return False
        return True

    def _own(self, sitemap: URL, entries: Sequence[tuple[str, str]], what: str) -> list[tuple[URL, str]]:
        """Returns the addresses that a sitemap may speak for; counts the others."""
        own: list[tuple[URL, str]] = []
        foreign: list[str] = []
        bad: list[str] = []
        for text, lastmod in entries:
            try:
                url = canonical(text)
            except BadURL as error:
                bad.append(f"{shown_text(text)} ({error.detail})")
                continue
            if url.host == sitemap.host or url.host in self.settings.sitemap_hosts:
                own.append((url, lastmod))
            else:
                foreign.append(str(url))
        path = path_of(sitemap)
        for reason, found in (("other_host", foreign), ("invalid_url", bad)):
            if found:
                detail = f"{len(found):,} {what} in it, the first: {found[0]}"
                self.listing.failures.append(Failure(path, str(sitemap), reason, detail))
        return own

    def _checked(self, text: str, where: str) -> URL | None:
        try:
            return canonical(text)
        except BadURL as error:
            failure = Failure(path_of_text(text), shown_text(text), error.reason, f"{where}: {error.detail}")
            self._incomplete(failure)
            return None

    def _incomplete(self, failure: Failure) -> None:
        self.listing.failures.append(failure)
        self.listing.complete = False


def _said(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what
