"""Rows of Parquet files, few at a time.

A dictionary page can stand for any number of long texts, and what a file says about its sizes need not be true; so
memory is bounded by the number of rows in a batch, and output by `max_ratio`. Of the metadata only what Arrow checks is
asked for: asking for a damaged column's ends the process (pyarrow 26).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.readers.decompression import BrokenFile, Limits, check
from tasks.readers.faults import Fault, brief
from tasks.readers.records import Record

BATCH_ROWS = 64
"""Twice as many are read no faster."""

BATCH_BYTES = 8 * 1024**2

_THRIFT_LIMITS = {"thrift_string_size_limit": 100_000_000, "thrift_container_size_limit": 1_000_000}


def parquet_rows(stream: BinaryIO, size: int, fields: Sequence[str], limits: Limits) -> Iterator[Record | Fault]:
    """Yields the rows of a Parquet file of `size` bytes, with those of `fields` that it has."""
    row = expanded = 0
    try:
        # Checksums where the file has them; what it claims about itself is never trusted with memory.
        with pq.ParquetFile(stream, page_checksum_verification=True, **_THRIFT_LIMITS) as file:
            present = [name for name in dict.fromkeys(fields) if name in file.schema_arrow.names]
            if not present:
                yield Fault(0, "missing_column", f"none of {', '.join(fields)}")
                return
            for group in range(file.num_row_groups):
                meta = file.metadata.row_group(group)
                rows = max(1, min(BATCH_ROWS, BATCH_BYTES * meta.num_rows // max(meta.total_byte_size, 1)))
                for batch in file.iter_batches(rows, row_groups=[group], columns=present, use_threads=False):
                    for found in _rows(batch, row):
                        if isinstance(found, Record):
                            expanded += sum(len(value) for value in found.fields.values() if isinstance(value, str))
                        yield found
                    row += batch.num_rows
                    check(expanded, size, limits)
    except BrokenFile as broken:
        yield broken.fault(row + 1)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        yield Fault(row + 1 if row else 0, "broken_parquet", brief(error))


def _rows(batch: pa.RecordBatch, before: int) -> Iterator[Record | Fault]:
    try:
        values = [column.to_pylist() for column in batch.columns]
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                yield Record(before + index + 1, {name: batch[name][index].as_py() for name in batch.schema.names})
            except UnicodeDecodeError as error:
                yield Fault(before + index + 1, "invalid_utf8", brief(error))
        return
    names = batch.schema.names
    for line, row in zip(itertools.count(before + 1), zip(*values, strict=True), strict=False):
        yield Record(line, dict(zip(names, row, strict=True)))
