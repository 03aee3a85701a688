"""The same rows are the same bytes, however they come in."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.tables import parquet

SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("text", pa.large_string(), nullable=False)])


def written(path: Path, pieces: list[list[str]]) -> str:
    with parquet.TableWriter(path, SCHEMA) as writer:
        for piece in pieces:
            writer.write_rows([{"id": text[:3], "text": text} for text in piece])
    return hashlib.sha256(path.read_bytes()).hexdigest()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.text(max_size=12), max_size=900), max_size=12))
def test_bytes_do_not_depend_on_batches(pieces: list[list[str]]) -> None:
    rows = [text for piece in pieces for text in piece]
    with tempfile.TemporaryDirectory() as folder:
        assert written(Path(folder) / "a", pieces) == written(Path(folder) / "b", [rows])


def test_groups_of_long_texts_end_sooner(tmp_path: Path) -> None:
    long = "x" * (parquet.BYTES_PER_GROUP // 4)
    texts = [long + str(number) for number in range(9)]
    one = written(tmp_path / "a.parquet", [[text] for text in texts])
    assert one == written(tmp_path / "b.parquet", [texts])
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    table = parquet.read_table([tmp_path / "a.parquet"], SCHEMA)
    assert table["text"].to_pylist() == texts
    assert sum(part.num_rows for part in parquet.iterate_tables(tmp_path / "a.parquet")) == 9
