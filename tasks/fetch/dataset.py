"""Rows of a dataset of the `datasets` library, as files of JSON lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.config.remote_sources import DatasetsSource
from schemas.errors import ConfigError, Interrupted
from tasks.fetch.chunks import ChunkWriter, chunk_path
from tasks.fetch.contract import JSON, Destination, Fetched, Item, SourceDown
from tasks.fetch.secrets import resolve
from tasks.store.canonical import digest_json

ROWS_AT_A_TIME = 200


def fetch_dataset(source: DatasetsSource, known: Mapping[str, Item], state: JSON, destination: Destination) -> Fetched:
    """Implements `tasks.fetch.contract.Fetcher`. What is of the same revision, or lies untouched, is not read again."""
    version = _version(source)
    chunks = _chunks_of(version, known)
    if isinstance(state, dict) and state == {"version": version, "chunks": len(chunks)}:
        return Fetched(chunks, state=state)
    url = f"hf://datasets/{source.hub}@{source.revision}" if source.hub is not None else ""
    writer = ChunkWriter(destination, url=url, number=len(chunks))
    done = sum(item.tag["rows"] for item in chunks)
    try:
        dataset, fields = _opened(source, destination.folder / "cache")
        for row in _rows(dataset, fields, done, source, destination):
            writer.write(row)
            if writer.rows >= source.chunk_rows:
                writer.end({"version": version})
        writer.end({"version": version})
    except (ConfigError, Interrupted):
        raise
    except Exception as error:  # Every layer below has errors of its own: the network's, the hub's, Arrow's.
        raise SourceDown(_reason(error), (str(error).strip().splitlines() or [""])[0][:200]) from None
    items = [*chunks, *writer.items]
    transferred = sum(known.get(item.path) is None or known[item.path].sha256 != item.sha256 for item in writer.items)
    return Fetched(items, state={"version": version, "chunks": len(items)}, transferred=transferred)


def hub_arguments(source: DatasetsSource) -> dict[str, Any]:
    """Returns what `load_dataset` is called with for a dataset of the hub."""
    return {
        "path": source.hub,
        "name": source.name,
        "split": source.split,
        "revision": source.revision,
        "token": None if source.token is None else resolve(source.token, "token"),
        "streaming": True,
    }


def _version(source: DatasetsSource) -> str:
    """Tells one state of a dataset from another without reading it."""
    if source.path is None:
        return str(source.revision)
    entries = []
    try:
        for path in sorted(source.path.rglob("*")):
            if path.is_file():
                status = path.stat()
                entries.append([path.relative_to(source.path).as_posix(), status.st_size, status.st_mtime_ns])
    except OSError as error:
        raise SourceDown("unreadable", f"{source.path}: {error.strerror}") from None
    if not entries:
        raise SourceDown("not_there", f"{source.path} holds no file")
    return digest_json(entries)


def _chunks_of(version: str, known: Mapping[str, Item]) -> list[Item]:
    """The chunks of a version that are there, as far as none is missing."""
    chunks: list[Item] = []
    while (item := known.get(chunk_path(len(chunks)))) is not None and item.tag.get("version") == version:
        chunks.append(item)
    return chunks


def _opened(source: DatasetsSource, cache: Path) -> tuple[Any, list[str]]:
    """The dataset, and those of the columns that are read which it has."""
    if source.path is None:
        # Builders are kept off the network; this one is here to use it.
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            os.environ.pop(name, None)
    import datasets

    datasets.disable_progress_bars()
    if source.path is None:
        found = datasets.load_dataset(**hub_arguments(source), cache_dir=str(cache))
    elif (source.path / "dataset_dict.json").is_file() or (source.path / "state.json").is_file():
        found = datasets.load_from_disk(str(source.path))
        if isinstance(found, dict):
            if source.split not in found:
                raise ConfigError(
                    f"the dataset has no split {source.split!r}", where="split", hint="it has: " + ", ".join(found)
                )
            found = found[source.split]
    else:
        found = datasets.load_dataset(
            str(source.path), name=source.name, split=source.split, streaming=True, cache_dir=str(cache)
        )
    columns = found.column_names
    if columns is None:
        columns = list(next(iter(found), {}))
    if source.text_field not in columns:
        raise ConfigError(
            f"the dataset has no column {source.text_field!r}", where="text_field", hint="it has: " + ", ".join(columns)
        )
    wanted = dict.fromkeys((source.text_field, source.licence_field, source.origin_field))
    return found, [name for name in wanted if name in columns]


def _rows(
    dataset: Any, fields: list[str], done: int, source: DatasetsSource, destination: Destination
) -> Iterator[dict[str, Any]]:
    left = None if source.limit is None else max(0, source.limit - done)
    if left == 0:
        return
    rest = dataset.select_columns(fields).skip(done)
    if left is not None:
        rest = rest.take(left)
    count = done
    for batch in rest.iter(batch_size=ROWS_AT_A_TIME):
        if destination.stopping():
            raise Interrupted("stopped between two rows")
        size = len(batch[fields[0]])
        for number in range(size):
            yield {name: batch[name][number] for name in fields}
        count += size
        destination.progress(count, count, "rows")


def _reason(error: Exception) -> str:
    name = type(error).__name__
    if "NotFound" in name:
        return "not_there"
    return "forbidden" if "Gated" in name or "Permission" in name else "unreachable"
