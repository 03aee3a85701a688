"""Rows of `snapshot`'s output `files`: one JSON line for each file of a source, sorted by (source, path).

It is also the table that says which bytes a document was read from. It is joined by (source, path), where the path of
an archive's member begins with the archive's own and `!/`. A digest of the file on each document's row would say the
same, but one edit of a file of 10,000 records would then alter the rows of all of them, and with them shards of every
split: held-out data would be another, and all that is measured on it would be done anew. A digest that lies here costs
a line. The digest of the document itself is its `id`, on every row.

Servers' ETags are no part of it: they tell at the next look whether to fetch, but one file may have several, and two
files one. The sha256 is there for every kind of source.
"""

from __future__ import annotations

from typing import TypedDict


class LedgerRow(TypedDict):
    """One file. Dates are nominal dates of runs, ISO.

    Documents of a file were first seen between `first_seen` and `last_changed`; their own `first_seen` is the file's.
    """

    source: str
    path: str
    """Relative to the source's root, "/"-separated."""
    sha256: str
    """Of its bytes, 64 hex digits; empty if they cannot be had."""
    size: int
    """Bytes."""
    licence: str
    origin: str
    """Where it came from: a URL, a package and its version, or the name of its source."""
    language: str
    """As the source states it, or empty."""
    format: str
    """A `schemas.config.formats.FileFormat`."""
    first_seen: str
    """When the file appeared in its source."""
    last_changed: str
    """When its present bytes appeared."""
    stored: bool
    """Whether the bytes are an object of the store."""
    fault: str
    """Why the bytes cannot be had, in a word; empty if they can."""
