"""Files below any URL that fsspec opens: one listing tells what changed, and only that is transferred."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
from fsspec.callbacks import Callback

from schemas.config.remote_sources import UrlSource
from schemas.errors import ConfigError, Interrupted
from tasks.fetch.contract import JSON, Destination, Failure, Fetched, Item, SourceDown
from tasks.fetch.globs import is_hidden, matches
from tasks.fetch.secrets import resolve_all
from tasks.readers.formats import format_of

AT_A_TIME = 8
"""Transfers at a time: small objects wait for the network more than for anything else."""

S3_OPTIONS: Mapping[str, Any] = {
    # s3fs asks for the parts of a large object side by side and holds each in memory: here 10 × 50 MB, for nothing.
    "max_concurrency": 1,
    "config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 3, "mode": "standard"}},
}

_CHANGE_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "checksum", "VersionId")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")


def fetch_url(source: UrlSource, known: Mapping[str, Item], state: JSON, destination: Destination) -> Fetched:
    """Implements `tasks.fetch.contract.Fetcher`."""
    del state
    files, root = _opened(source)
    present, failures = _listed(files, root, source)
    items = [known[path] for path, entry in present.items() if _is_unchanged(known.get(path), entry)]
    standing = {item.path for item in items}
    missing = [(path, entry) for path, entry in present.items() if path not in standing]
    done = 0
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        tasks = [pool.submit(_transfer, files, root, path, entry, source, destination) for path, entry in missing]
        try:
            for task in tasks:
                found = task.result()
                (items if isinstance(found, Item) else failures).append(found)  # type: ignore[arg-type]
                done += 1
                destination.progress(done, len(missing), "files")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return Fetched(items, failures, transferred=sum(item.path not in standing for item in items))


def _opened(source: UrlSource) -> tuple[Any, str]:
    """The file system, and where the source's folder begins in it."""
    options = resolve_all(source.options, "options")
    protocol = source.url.partition("://")[0]
    if protocol in ("s3", "s3a"):
        options = {**S3_OPTIONS, **options}
    try:
        # No listing or instance of an earlier look may stand in for what is there now.
        files = fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **options)
    except (ValueError, ImportError, TypeError) as error:
        raise ConfigError(
            f"{protocol}:// cannot be opened: {error}",
            where="url",
            hint="check `url` and `options`, and install what fsspec needs for it",
        ) from None
    except OSError as error:
        raise _down(error) from None
    return files, str(files._strip_protocol(source.url)).rstrip("/")


def _listed(files: Any, root: str, source: UrlSource) -> tuple[dict[str, dict[str, Any]], list[Failure]]:
    """What the source holds by relative path, in order, and what is there under a name that cannot be used."""
    try:
        found = files.find(root, detail=True)
        if not found and not files.exists(root):
            raise SourceDown("not_there", _address(source, ""))
    except SourceDown:
        raise
    except Exception as error:
        raise _down(error) from None
    present: dict[str, dict[str, Any]] = {}
    failures = []
    for full, entry in sorted(found.items()):
        path = full[len(root) :].removeprefix("/") if full != root else full.rpartition("/")[2]
        if entry.get("type") == "directory" or is_hidden(path) or not matches(path, source.glob):
            continue
        if source.format == "auto" and format_of(path) is None:
            continue
        if not _is_usable(path):
            shown = path.encode("utf-8", "backslashreplace").decode()
            name = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            failures.append(Failure(f"unusable-name-{name}", _address(source, shown), "unusable_name", shown))
        elif (entry.get("size") or 0) > source.max_transfer_bytes:
            failures.append(Failure(path, _address(source, path), "too_large", f"{entry['size']} bytes"))
        else:
            present[path] = entry
    return present, failures


def _transfer(
    files: Any, root: str, path: str, entry: Mapping[str, Any], source: UrlSource, destination: Destination
) -> Item | Failure:
    target: Path = destination.folder / hashlib.sha256(path.encode()).hexdigest()
    url = _address(source, path)
    full = root if entry["name"].rstrip("/") == root else f"{root}/{path}"
    watch = _Watch(source.max_transfer_bytes, destination)
    try:
        watch.look()
        files.get_file(full, str(target), callback=watch)
        size = target.stat().st_size
        expected = entry.get("size")
        if isinstance(expected, int) and size != expected:
            return Failure(path, url, "changed_meanwhile", f"{size} bytes instead of {expected}")
    except _TooLarge:
        return Failure(path, url, "too_large", f"more than {source.max_transfer_bytes} bytes")
    except PermissionError as error:
        return Failure(path, url, "forbidden", _brief(error))
    except FileNotFoundError:
        return Failure(path, url, "not_found", "it was gone before it could be read", gone=True)
    except Interrupted:
        raise
    except Exception as error:
        raise _down(error) from None
    sha256, size = destination.keep(target)
    format = format_of(path) if source.format == "auto" else source.format
    item = Item(path, url, sha256, size, format or "text", _tag(entry))
    destination.remember(item)
    return item


class _TooLarge(Exception):
    """More bytes came than are allowed."""


class _Watch(Callback):  # type: ignore[misc]
    """Is told of every piece of a transfer, and ends it when it must end."""

    def __init__(self, limit: int, destination: Destination) -> None:
        super().__init__()
        self._limit = limit
        self._destination = destination

    def look(self) -> None:
        if self._destination.stopping():
            raise Interrupted("stopped between two pieces of a file")

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self.value > self._limit:
            raise _TooLarge
        self.look()


def _is_unchanged(item: Item | None, entry: Mapping[str, Any]) -> bool:
    tag = _tag(entry)
    return item is not None and item.tag == tag and len(tag) > 1


def _tag(entry: Mapping[str, Any]) -> dict[str, JSON]:
    """What tells whether a file changed: its size, and its digest if the store has one, else its time."""
    tag: dict[str, JSON] = {"size": entry.get("size")}
    for name in _CHANGE_MARKS:
        if entry.get(name):
            return {**tag, name.lower(): str(entry[name]).strip('"')}
    for name in _TIMES:
        if entry.get(name):
            return {**tag, name.lower(): str(entry[name])}
    return tag


def _is_usable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return bool(path) and not {"", ".", ".."} & set(path.split("/")) and not any(ord(letter) < 32 for letter in path)


def _address(source: UrlSource, path: str) -> str:
    base = source.url.partition("?")[0].rstrip("/")
    return base if not path or base.endswith("/" + path) else f"{base}/{path}"


def _down(error: BaseException) -> SourceDown:
    if isinstance(error, SourceDown):
        return error
    if isinstance(error, PermissionError):
        return SourceDown("forbidden", _brief(error))
    if isinstance(error, FileNotFoundError):
        return SourceDown("not_there", _brief(error))
    return SourceDown("unreachable", _brief(error))


def _brief(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200] or type(error).__name__
