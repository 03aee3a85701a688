"""Which text goes where: the sources of the corpus and the labelled sets.

| folder | what | formats |
|---|---|---|
| readmes, licences, help, html | files as they were found, with a sidecar of licences and origins | md rst txt html |
| docstrings, tables | one file per library | jsonl, jsonl.gz, parquet |
| chinese, english | interfaces, catalogues, dialogues | jsonl |
| tasks | summarise, library, translate: `input`, `target`, `language` | jsonl |

The Chinese side of translations is in the corpus too, as documents: without it a sixth of the Chinese would be missing.
A score on `translate` is therefore one on targets that pretraining may have read; the other two sets are kept apart.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

from deployments.quickstart import chinese, documentation, examples
from deployments.quickstart.distributions import DOCSTRINGS, LABELLED, Distribution
from deployments.quickstart.docstrings import Docstring, read_files, source_files
from deployments.quickstart.environment import Environment, Found
from deployments.quickstart.examples import Example
from deployments.quickstart.layout import Layout, PlainFile, Record
from schemas.errors import StageKilled

CHARACTERS_PER_LIBRARY = 1_000_000
"""Keeps any one library below a tenth of the corpus, and the whole at what a 6-minute run can read."""

_PANDAS_AS_PARQUET = "pandas"
_POLARS_AS_GZIP = "polars"
_CHUNK_BYTES = 2_000_000
"""Source parsed by one task of the pool: small enough that both cores end at about the same time."""

_INTERFACES = "akshare/data/interfaces.json"


def lay_out_files(layout: Layout, found: Found, environment: Environment) -> None:
    """Writes READMEs, licence texts, HTML pages and Python's help topics."""
    files: list[PlainFile] = []
    for distribution in found.read.values():
        files += documentation.files_of(distribution)
    layout.files([*files, *documentation.help_topics(environment.topics, environment.python)])


def lay_out_docstrings(layout: Layout, found: Found) -> dict[str, list[Docstring]]:
    """Writes the docstrings of the corpus and returns, by library, those that are left for labelled sets."""
    labelled: dict[str, list[Docstring]] = {}
    docstrings = read_docstrings({name: found.read[name] for name in DOCSTRINGS if name in found.read})
    for name, items in docstrings.items():
        kept = items
        if name in LABELLED:
            labelled[name] = [item for item in items if examples.is_labelled(item.function)]
            kept = [item for item in items if not examples.is_labelled(item.function)]
        distribution = found.read[name]
        layout.records(
            _docstring_file(name),
            [
                Record(item.text, distribution.licence, distribution.origin, item.name, "en")
                for item in examples.within(kept, CHARACTERS_PER_LIBRARY)
            ],
        )
    return labelled


def lay_out_tasks(
    layout: Layout, labelled: dict[str, list[Docstring]], described: list[Example], pairs: list[Example]
) -> None:
    """Writes the labelled sets: from docstrings, from interfaces described in Chinese, from translations."""
    summaries = examples.summarise(item for items in labelled.values() for item in items)
    layout.examples("tasks/summarise.jsonl", [row.row() for row in [*summaries, *examples.unique(described)]])
    layout.examples("tasks/library.jsonl", [row.row() for row in examples.library(labelled)])
    layout.examples("tasks/translate.jsonl", [row.row() for row in examples.unique(pairs)])


def read_docstrings(distributions: Mapping[str, Distribution]) -> dict[str, list[Docstring]]:
    """Reads the docstrings of the distributions, in a pool when there is much to parse; each text once.

    Raises:
        StageKilled: A process of the pool was killed.
    """
    work: list[tuple[str, Path, list[str]]] = []
    for name, distribution in distributions.items():
        size = _CHUNK_BYTES  # a new distribution starts a new chunk
        for path in source_files(distribution.files, DOCSTRINGS[name]):
            if size >= _CHUNK_BYTES:
                work.append((name, distribution.site, []))
                size = 0
            work[-1][2].append(path)
            size += _size(distribution.site / path)
    read: dict[str, list[Docstring]] = {name: [] for name in distributions}
    for (name, _, _), items in zip(work, _parse([(site, paths) for _, site, paths in work]), strict=True):
        read[name] += items
    return {name: examples.distinct(items) for name, items in read.items()}


def _parse(work: list[tuple[Path, list[str]]]) -> Iterator[list[Docstring]]:
    """Yields the docstrings of each chunk, in order."""
    if len(work) <= len(DOCSTRINGS):  # no library of any size: a pool costs more than it brings
        yield from (read_files(site, paths) for site, paths in work)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), initializer=_start_worker) as pool:
        try:
            yield from pool.map(read_files, *zip(*work, strict=True))
        except BrokenProcessPool as error:
            raise StageKilled(
                "a process that parsed sources was killed, most often for memory",
                where="deployments.quickstart.harvest",
                hint="free some memory and run it again",
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def lay_out_chinese(layout: Layout, found: Found) -> tuple[list[Example], list[Example]]:
    """Writes what the wheels hold, and returns examples of summarising and of translating."""
    described: list[Example] = []
    pairs: list[Example] = []
    for distribution in found.named("akshare"):
        layout.records("chinese/akshare.jsonl", chinese.module_documents(distribution))
        records, described = chinese.interface_documents(distribution, _INTERFACES)
        layout.records("chinese/akshare-interfaces.jsonl", records)
    for distribution in found.named("django", "spyder"):
        texts: list[Record] = []
        for path, messages in chinese.catalogues(distribution, ("zh_Hans", "zh_CN", "zh_Hant", "zh_TW")):
            texts += chinese.catalogue_documents(distribution, path, messages)
            if "/zh_Hans/" in path or "/zh_CN/" in path:
                pairs += chinese.translation_pairs(messages)
        layout.records(f"chinese/{distribution.name}.jsonl", texts)
    for distribution in found.named("chatterbot-corpus"):
        for source, language in (("chinese", "zh"), ("english", "en")):
            folder = f"chatterbot_corpus/data/{source}/"
            layout.records(f"{source}/{distribution.name}.jsonl", chinese.dialogues(distribution, folder, language))
    return described, pairs


def _docstring_file(name: str) -> str:
    """One library as Parquet, one gzipped, so that a run of the quickstart meets every format."""
    if name == _PANDAS_AS_PARQUET:
        return f"tables/{name}.parquet"
    return f"docstrings/{name}.jsonl{'.gz' if name == _POLARS_AS_GZIP else ''}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _start_worker() -> None:
    """Leaves interrupts to the parent, and ends with it even when it is killed."""
    import multiprocessing
    import multiprocessing.connection
    import threading

    def follow() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            multiprocessing.connection.wait([parent.sentinel])
            os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=follow, daemon=True).start()
