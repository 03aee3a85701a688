"""What `nightmill show` says of a document. Apart from the command, since it reads tables: it brings pyarrow."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from flows.commands.options import print_json, print_line
from flows.lookup import latest_artifacts
from schemas.errors import ConfigError
from schemas.manifest import Manifest
from tasks.history.document import SHOWN, History, history, matching
from tasks.history.scan import Found, Query, Tables
from tasks.store.store import Store

MAX_SHOWN_TEXT = 200


def show_documents(store: Store, text: str, as_json: bool) -> int:
    """Prints the history of the documents that an id or a place names; see `find_documents`."""
    found = find_documents(store, text)
    if as_json:
        print_json([one.to_json() for one in found])
        return 0
    for one in found:
        print_history(one)
    return 0


def find_documents(store: Store, text: str) -> list[History]:
    """Returns what happened to the documents that an id or a place names, pipeline by pipeline.

    Raises:
        ConfigError: It names none, or the beginning of an id or a file names several.
    """
    query = Query.read(text)
    if query is None:
        raise ConfigError(
            f"{text!r} is neither an artifact nor a document",
            hint="name a document by 4 or more digits of its id, or as source:path#offset",
        )
    found: list[History] = []
    tables = Tables(store)
    for pipeline, manifests in sorted(latest_artifacts(store).items()):
        documents = matching(tables, manifests, query) if "collect" in manifests else []
        _refuse_many(text, query, documents)
        found += [history(tables, pipeline, manifests, store, document) for document in documents]
    if not found:
        raise _unknown(store, text, query, tables)
    return found


def _refuse_many(text: str, query: Query, documents: list[Found]) -> None:
    """One id in several places is shown place by place; several ids, or very many places, are listed."""
    ids = {one.values.get("id", "") for one in documents}
    if (query.id and len(ids) > 1) or len(documents) > SHOWN:
        listed = [
            f"{one.values.get('id') or 'quarantined'}  {one.values['source']}:{one.values['path']}"
            f"#{one.values.get('offset', one.values.get('line'))}"
            for one in documents[:SHOWN]
        ]
        more = [f"and {len(documents) - SHOWN} more"] if len(documents) > SHOWN else []
        raise ConfigError(
            f"{text} names {len(documents)} documents", details=[*listed, *more], hint="name one of them in full"
        )


def _unknown(store: Store, text: str, query: Query, tables: Tables) -> ConfigError:
    pipelines: Mapping[str, Mapping[str, Manifest]] = latest_artifacts(store)
    details = list(tables.unreadable)
    if not any("collect" in manifests for manifests in pipelines.values()):
        return ConfigError(f"nothing was collected in {store.root} yet", hint="nightmill run CONFIG", details=details)
    hint = "an id is the 32 digits that duplicates, drops and shards state; a place is source:path#offset"
    if query.source:
        sources = {
            name
            for manifests in pipelines.values()
            if "collect" in manifests
            for name in manifests["collect"].metrics.get("documents", {})
        }
        if query.source not in sources:
            hint = f"there is no source {query.source!r}; the sources are: {', '.join(sorted(sources))}"
    return ConfigError(f"no document {text!r} was collected in {store.root}", hint=hint, details=details)


def print_history(one: History) -> None:
    """Prints what happened to a document, a line for each stage and model."""
    print_line(_plain(f"{one.id or 'no document'}  {one.place}  in {one.pipeline}"))
    for step in one.steps:
        print_line(_plain(f"  {step.stage:<14} {step.says}  ({step.version})"))
        for line in _lines(step.facts):
            print_line(_plain(f"  {'':<14}   {line}"))
    for reader in one.readers:
        print_line(f"  {'read by':<14} {reader.node} {reader.version}, as {reader.split}")
    if one.id and not one.readers:
        print_line(f"  {'read by':<14} no model")
    for note in one.notes:
        sys.stderr.write(_plain(f"  note: {note}") + "\n")


def _lines(facts: Mapping[str, object]) -> list[str]:
    lines = []
    file = facts.get("file")
    if isinstance(file, dict):
        lines.append(f"file {file['path']}, sha256 {file['sha256']}, last changed {file['last_changed']}")
    if facts.get("sample"):
        lines.append(f"“{_short(str(facts['sample']))}”")
    stands_for = facts.get("stands_for")
    if isinstance(stands_for, list):
        lines += [f"{other['kind']} {other['jaccard']:.3f}  {other['id']}  {other['place']}" for other in stands_for]
    hits = facts.get("hits")
    if isinstance(hits, list):
        lines += [f"{hit.get('evaluation')}, example {hit.get('example')}" for hit in hits]
    return lines


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_SHOWN_TEXT else line[: MAX_SHOWN_TEXT - 1] + "…"


def _plain(line: str) -> str:
    """Names and texts are data: none of their characters may steer the terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)
