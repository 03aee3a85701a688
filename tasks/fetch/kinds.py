"""Which fetcher looks at which kind of source. Each is imported when it is needed: most bring something heavy."""

from __future__ import annotations

from schemas.config.remote_sources import DatasetsSource, HttpSource, SqlSource, UrlSource
from schemas.config.source import RemoteSource
from tasks.fetch.contract import Fetcher


def fetcher_of(source: RemoteSource) -> Fetcher:
    """Returns the function that looks at a source."""
    if isinstance(source, UrlSource):
        from tasks.fetch.url import fetch_url

        return fetch_url
    if isinstance(source, HttpSource):
        from tasks.fetch.http.fetch import fetch_http

        return fetch_http
    if isinstance(source, DatasetsSource):
        from tasks.fetch.dataset import fetch_dataset

        return fetch_dataset
    if isinstance(source, SqlSource):
        from tasks.fetch.sql import fetch_sql

        return fetch_sql
    raise AssertionError(f"{type(source).__name__} has no fetcher")
