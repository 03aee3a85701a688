"""Arrow schemas of the tables that stages hand to each other.

Every table is sorted and written by `tasks.tables`, so that equal rows are equal bytes. Imported only where rows are
read or written: it brings pyarrow.
"""

from __future__ import annotations

import pyarrow as pa

from schemas.splits import LANGUAGES, SPLITS

__all__ = ["LANGUAGES", "SPLITS"]

ORIGIN = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("path", pa.string(), nullable=False),
    pa.field("offset", pa.int64(), nullable=False),
    pa.field("licence", pa.string(), nullable=False),
    pa.field("origin", pa.string(), nullable=False),
    pa.field("first_seen", pa.string(), nullable=False),
    pa.field("date", pa.string(), nullable=False),
]
"""Where a document is from: columns that stay as `collect` wrote them, up to the finished dataset.

- id: 32 hex digits of the sha256 of the raw text (Unicode NFC, newlines as \\n, outer whitespace stripped).
- (source, path, offset): the locator. path is relative to the source's root, "/"-separated; offset is the record's
  number in a file of records (0 for a file that is one document). A member of an archive has its own path, such as
  books/all.zip!/novels/emma.txt.
- licence: as the record, or else its source, states it.
- origin: where it came from: a URL, or such as "numpy 2.4.6".
- first_seen: ISO date of the snapshot in which its file appeared.
- date: when it was captured or last edited, as its record says, or empty.

The digest of the file that a document was read from is in `snapshot`'s output `files`; see `schemas.ledger` for why.
"""

COLLECTED = pa.schema(
    [
        *ORIGIN,
        pa.field("format", pa.string(), nullable=False),  # text | markdown | rst | html
        pa.field("text", pa.large_string(), nullable=False),  # as read, markup included
    ]
)
"""Rows of `collect`'s output `documents`: files sorted by (source, path), documents as they stand in their file.

Members of a zip archive come in the order of their names, those of a tar archive in its own.
"""

QUARANTINED = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),  # 1-based; 0 when the whole file or member is meant
        pa.field("reason", pa.string(), nullable=False),  # e.g. invalid_utf8, broken_gzip, not_json, line_too_long
        pa.field("detail", pa.string(), nullable=False),
    ]
)
"""Rows of `collect`'s output `quarantine`: input that could not be read."""

CLEANED = pa.schema(
    [
        *ORIGIN,
        pa.field("language", pa.string(), nullable=False),  # en | zh
        pa.field("text", pa.large_string(), nullable=False),
    ]
)
"""Rows of `clean`'s and `dedup`'s output `documents`, sorted by (source, path, offset)."""

DROPPED = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("sample", pa.string(), nullable=False),  # the first characters of the text
    ]
)
"""Rows of `clean`'s output `dropped`: documents left out, each with its reason."""

DUPLICATES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("kept", pa.string(), nullable=False),  # id of the document that stands for it
        pa.field("cluster", pa.string(), nullable=False),  # id of the cluster's earliest document
        pa.field("kind", pa.string(), nullable=False),  # exact | near
        pa.field("jaccard", pa.float64(), nullable=False),  # to `kept` (1 for exact)
        pa.field(
            "via", pa.string(), nullable=False
        ),  # id of the document it was joined to; a chain that ends at `kept`
        pa.field("via_jaccard", pa.float64(), nullable=False),  # to `via` (1 for equal texts or ids)
    ]
)
"""Rows of `dedup`'s output `duplicates`, sorted by (id, source, path, offset)."""

CLUSTERS = pa.schema(
    [
        pa.field("cluster", pa.string(), nullable=False),  # id of the cluster's earliest document
        pa.field("founder", pa.string(), nullable=False),  # id of a document that was its cluster's earliest on a night
    ]
)
"""Rows of `dedup`'s output `clusters`, sorted: every cluster of two documents or more.

A cluster has one founder, or as many as there were clusters that later documents made one. It is on the most held-out
side of its founders', so that what was held out on an earlier night is never trained on.
"""

SHARDED = pa.schema([*CLEANED, pa.field("cluster", pa.string(), nullable=False)])
"""Rows of the outputs `train`, `valid` and `test` of `shard`, `decontaminate` and `validate`, shuffled inside a shard
by a keyed hash."""

HITS = pa.schema(
    [
        *ORIGIN[:4],
        pa.field("language", pa.string(), nullable=False),
        pa.field("evaluation", pa.string(), nullable=False),  # the evaluation set
        pa.field("example", pa.string(), nullable=False),  # the least id of its examples that say the same
        pa.field("spans", pa.list_(pa.struct([("begin", pa.int64()), ("end", pa.int64())])), nullable=False),
        pa.field("share", pa.float64(), nullable=False),  # of the document's tokens that any set hits
        pa.field("action", pa.string(), nullable=False),  # cut | dropped
    ]
)
"""Rows of `decontaminate`'s output `hits`: training documents that say what an evaluation set says. Spans are in
characters of the text as `shard` wrote it."""

EXAMPLES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("input", pa.large_string(), nullable=False),
        pa.field("target", pa.large_string(), nullable=False),  # a text (generation) or a label (classification)
    ]
)
"""Rows of `examples.<name>`'s outputs `train`, `valid` and `test`, sorted by id."""
