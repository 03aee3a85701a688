"""Sites on loopback, and a look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from web import FastClock, Shelf, Site, settings

from tasks.fetch.contract import Fetched
from tasks.fetch.http.clock import Clock
from tasks.fetch.http.fetch import look


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(*arguments: Any, **keywords: Any) -> Site:
        sites.append(Site(*arguments, **keywords))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def fetch(shelf: Shelf) -> Callable[..., Fetched]:
    """Looks at what the settings name; what was fetched before is known."""

    def fetch(*, clock: Clock | None = None, known: Any = None, resolve: Any = None, **given: Any) -> Fetched:
        more = {} if resolve is None else {"resolve": resolve}
        before = shelf.known() if known is None else {item.path: item for item in known}
        return look(settings(**given), before, shelf, clock=clock, random=Random(7), **more)

    return fetch


@pytest.fixture
def fast_clock() -> FastClock:
    return FastClock()
