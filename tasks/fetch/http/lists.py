"""The addresses that the settings and a file of addresses name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from schemas.config.http import HttpFetching
from schemas.errors import ConfigError
from tasks.fetch.contract import Failure
from tasks.fetch.http.urls import MAX_URL_CHARACTERS, BadURL, canonical, path_of, path_of_text, shown_text

_MAX_LIST_BYTES = 1024**3
"""Of a decompressed list: no list of `max_urls` addresses is as long, but a bomb is."""
_MAX_BAD_LINES = 1_000
"""So many are listed one by one; the rest in one line."""


@dataclass(slots=True)
class Listing:
    """Addresses that are wanted.

    Attributes:
        urls: By locator: the address, and what its sitemap says of its last change.
        failures: What is no address, and lists that could not be had.
        complete: False if there may be addresses that are not in `urls`; what is known of such must not be taken for
            gone.
    """

    urls: dict[str, tuple[str, str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    complete: bool = True

    def add(self, url: URL, lastmod: str, max_urls: int) -> bool:
        """Adds an address; False if there are too many already."""
        path = path_of(url)
        if path not in self.urls:
            if len(self.urls) >= max_urls:
                self.complete = False
                return False
            self.urls[path] = (str(url), lastmod)
        return True


def listed(settings: HttpFetching) -> Listing:
    """Returns the addresses of the settings and of their file.

    Raises:
        ConfigError: The file cannot be read.
    """
    found = Listing()
    bad = 0
    for where, text in _lines(settings):
        if len(text) > MAX_URL_CHARACTERS:
            problem: BadURL | None = BadURL("invalid_url", f"it has more than {MAX_URL_CHARACTERS} characters")
        else:
            try:
                problem = None
                if not found.add(canonical(text), "", settings.max_urls):
                    found.failures.append(too_many(where, settings.max_urls))
                    break
            except BadURL as error:
                problem = error
        if problem is not None:
            bad += 1
            if bad <= _MAX_BAD_LINES:
                found.failures.append(
                    Failure(path_of_text(text), shown_text(text), problem.reason, f"{where}: {problem.detail}")
                )
    if bad > _MAX_BAD_LINES:
        detail = f"{bad - _MAX_BAD_LINES} further lines that are no addresses"
        found.failures.append(Failure(path_of_text("\0more"), "", "invalid_url", detail))
    return found


def too_many(where: str, max_urls: int) -> Failure:
    """Returns the failure of a source that lists more addresses than are looked at."""
    detail = f"{where}: there are more than {max_urls:,} addresses; raise `max_urls` or divide the source"
    return Failure(path_of_text("\0too many"), "", "too_many_urls", detail)


def _lines(settings: HttpFetching) -> Iterator[tuple[str, str]]:
    for number, text in enumerate(settings.urls):
        yield f"urls.{number}", text
    path = settings.url_file
    if path is None:
        return
    try:
        for number, line in enumerate(_raw_lines(path), 1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape").strip()
            if text and not text.startswith("#"):
                yield f"{path.name}:{number}", text
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(
            f"the list of addresses cannot be read: {why}", where=f"url_file: {path}", hint="one address a line"
        ) from None


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Yields lines; of one that is longer than any address only the beginning."""
    is_gzip = path.name.lower().endswith(".gz")
    limit = MAX_URL_CHARACTERS * 4
    with gzip.open(path, "rb") if is_gzip else path.open("rb") as file:
        size = 0
        inside = False
        while line := file.readline(limit):
            size += len(line)
            if size > _MAX_LIST_BYTES:
                raise OSError(f"it holds more than {_MAX_LIST_BYTES:,} bytes")
            if not inside:
                yield line
            inside = not line.endswith(b"\n")
