"""What happened to one document: read of the artifacts that a pipeline's latest run had, stage by stage.

Models are looked for among all artifacts of the store: what was trained on an earlier night has seen the document too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from schemas.manifest import InputRecord, Manifest
from schemas.splits import SPLITS
from tasks.history.scan import ID_DIGITS, Found, Query, Tables

SHOWN = 20
"""Documents that another stands for, and choices of an ambiguous question, that are listed."""


class Artifacts(Protocol):
    """What of a store is needed to find models: all artifacts, and one by its name."""

    def published(self) -> Iterable[Manifest]: ...
    def manifest(self, node: str, version: str) -> Manifest | str: ...


@dataclass(frozen=True, slots=True)
class Step:
    """What a stage did with the document.

    Attributes:
        stage: Its node.
        version: The artifact that says so.
        says: In a few words.
        facts: The same for programs.
    """

    stage: str
    version: str
    says: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reader:
    """A model that read the document.

    Attributes:
        node: Such as `finetune.summarise`.
        version: Its artifact.
        split: Of the document, as the model's data had it.
        validated: The version of `validate` that the data came from.
    """

    node: str
    version: str
    split: str
    validated: str


@dataclass(frozen=True, slots=True)
class History:
    """One document of one pipeline. A text that stands in several places is several documents of one id."""

    pipeline: str
    id: str
    source: str
    path: str
    offset: int
    steps: list[Step]
    readers: list[Reader]
    notes: list[str]

    @property
    def place(self) -> str:
        """`source:path#offset`."""
        return f"{self.source}:{self.path}#{self.offset}"

    def to_json(self) -> dict[str, Any]:
        """Returns a form for programs."""
        return asdict(self)


def matching(tables: Tables, manifests: Mapping[str, Manifest], query: Query) -> list[Found]:
    """Returns the collected documents that a query asks for, and what was quarantined there."""
    found = tables.rows(manifests.get("collect"), "documents", query)
    if not query.id:
        found += tables.rows(manifests.get("collect"), "quarantine", query)
    return found


def history(
    tables: Tables, pipeline: str, manifests: Mapping[str, Manifest], artifacts: Artifacts, document: Found
) -> History:
    """Follows a document that `matching` found.

    Args:
        tables: Reads the artifacts.
        pipeline: Its name.
        manifests: The latest artifact of each of its nodes.
        artifacts: All of the store, for the models.
        document: A row of `collect`'s outputs.
    """
    row = document.values
    collect = manifests["collect"]
    if "reason" in row:
        says = f"quarantined: {row['reason']}" + (f" ({row['detail']})" if row["detail"] else "")
        step = Step("collect", collect.version, says, {"quarantined": row["reason"], "detail": row["detail"]})
        offset = max(0, row["line"] - 1)
        return History(pipeline, "", row["source"], row["path"], offset, [step], [], list(tables.unreadable))
    says = f"read as {row['format']} from {row['origin']}, {row['licence']}, first seen {row['first_seen']}"
    says += f", of {row['date']}" if row["date"] else ""
    facts = {name: row[name] for name in row if name not in ("id", "source", "path", "offset")}
    file = tables.file(collect, row["source"], row["path"])
    if file is not None:
        facts["file"] = {"path": file["path"], "sha256": file["sha256"], "last_changed": file["last_changed"]}
    steps = [Step("collect", collect.version, says, facts)]
    here = Query(source=row["source"], path=row["path"], offset=row["offset"])
    steps += _cleaned(tables, manifests.get("clean"), here)
    steps += _deduplicated(tables, manifests, here, row["id"])
    steps += _decontaminated(tables, manifests.get("decontaminate"), here)
    steps += _sharded(tables, manifests, here)
    readers = _readers(tables, artifacts, Query(id=row["id"]))
    notes = [*_stale(manifests), *tables.unreadable]
    return History(pipeline, row["id"], row["source"], row["path"], row["offset"], steps, readers, notes)


def _cleaned(tables: Tables, clean: Manifest | None, here: Query) -> list[Step]:
    if clean is None:
        return []
    for found in tables.rows(clean, "documents", here):
        facts = {"language": found.values["language"]}
        return [Step("clean", clean.version, f"kept, in {found.values['language']}", facts)]
    for found in tables.rows(clean, "dropped", here):
        facts = {"dropped": found.values["reason"], "sample": found.values["sample"]}
        return [Step("clean", clean.version, f"dropped: {found.values['reason']}", facts)]
    return [Step("clean", clean.version, "not among its documents", {})]


def _deduplicated(tables: Tables, manifests: Mapping[str, Manifest], here: Query, identity: str) -> list[Step]:
    dedup = manifests.get("dedup")
    if dedup is None:
        return []
    for found in tables.rows(dedup, "duplicates", here):
        row = found.values
        similar = f", Jaccard {row['jaccard']:.3f}" if row["kind"] != "exact" else ""
        stays = tables.rows(manifests.get("collect"), "documents", Query(id=row["kept"]), columns=_PLACE)
        place = f" at {_place(stays[0])}" if stays else ""
        says = f"dropped: {row['kind']} duplicate{similar} of {row['kept']}{place}, which stays"
        return [
            Step("dedup", dedup.version, says, {name: row[name] for name in ("kind", "jaccard", "kept", "cluster")})
        ]
    if not tables.rows(dedup, "documents", here, columns=["id"]):
        return []
    gone = tables.rows(dedup, "duplicates", Query(id=identity), id_column="kept")
    if not gone:
        return [Step("dedup", dedup.version, "kept, no other resembles it", {"stands_for": []})]
    listed = [
        {"id": one.values["id"], "place": _place(one), "kind": one.values["kind"], "jaccard": one.values["jaccard"]}
        for one in gone[:SHOWN]
    ]
    others = "1 duplicate" if len(gone) == 1 else f"{len(gone)} duplicates"
    facts = {"stands_for": listed, "stands_for_count": len(gone)}
    return [Step("dedup", dedup.version, f"kept, and stands for {others}", facts)]


def _decontaminated(tables: Tables, decontaminate: Manifest | None, here: Query) -> list[Step]:
    hits = tables.rows(decontaminate, "hits", here)
    if decontaminate is None or not hits:
        return []
    actions = sorted({str(hit.values.get("action", "hit")) for hit in hits})
    sets = sorted({str(hit.values.get("evaluation", "an evaluation set")) for hit in hits})
    facts = {"hits": [dict(hit.values) for hit in hits[:SHOWN]], "hits_count": len(hits)}
    says = f"{' and '.join(actions)}: it says what stands in {', '.join(sets)}"
    return [Step("decontaminate", decontaminate.version, says, facts)]


def _sharded(tables: Tables, manifests: Mapping[str, Manifest], here: Query) -> list[Step]:
    last = manifests.get("validate") or manifests.get("shard")
    if last is None:
        return []
    for split in SPLITS:
        for found in tables.rows(last, split, here):
            facts = {"split": split, "file": found.file, "row": found.row, "cluster": found.values["cluster"]}
            return [Step(last.node, last.version, f"{split}, {found.file} row {found.row}", facts)]
    return []


def _readers(tables: Tables, artifacts: Artifacts, query: Query) -> list[Reader]:
    """Returns the models whose data hold a document of this id, whichever night they are of."""
    published = list(artifacts.published())
    holding: dict[tuple[str, str], bool] = {}
    for manifest in published:
        for split in SPLITS if manifest.node == "validate" else ():
            if split in manifest.outputs and (split, manifest.outputs[split].digest) not in holding:
                held = bool(tables.rows(manifest, split, query, columns=["id"]))
                holding[split, manifest.outputs[split].digest] = held
    readers = set()
    for manifest in published:
        if "model" in manifest.outputs:
            for read in _read_of(manifest, artifacts, "validate"):
                if holding.get((read.output, read.digest)):
                    readers.add(Reader(manifest.node, manifest.version, read.output, read.version))
    return sorted(readers, key=lambda reader: (reader.version, reader.node, reader.split, reader.validated))


def _read_of(manifest: Manifest, artifacts: Artifacts, node: str) -> list[InputRecord]:
    """Returns what an artifact and those that it descends from read of a node."""
    found: list[InputRecord] = []
    waiting: list[Manifest] = [manifest]
    visited: set[tuple[str, str]] = set()
    while waiting:
        for read in waiting.pop().inputs:
            place = (read.node, read.version)
            if read.node == node:
                found.append(read)
            elif place not in visited:
                visited.add(place)
                source = artifacts.manifest(*place)
                if isinstance(source, Manifest):
                    waiting.append(source)
    return found


_PLACE: Sequence[str] = ("source", "path", "offset")


def _place(found: Found) -> str:
    return f"{found.values['source']}:{found.values['path']}#{found.values['offset']}"


def _stale(manifests: Mapping[str, Manifest]) -> list[str]:
    """Says which artifacts were made of another state than the one before them: the night that failed in between."""
    found = []
    for node in ("clean", "dedup", "shard", "decontaminate", "validate"):
        for read in manifests[node].inputs if node in manifests else []:
            source = manifests.get(read.node)
            output = source.outputs.get(read.output) if source else None
            if output is not None and output.digest != read.digest:
                found.append(f"{node} is of an earlier run: it read {read.node} {read.version}")
                break
    return found


def is_whole(query: Query) -> bool:
    """Whether a query names one id or one place, rather than the beginning of one or a file."""
    return len(query.id) == ID_DIGITS or query.offset is not None
