"""From indexes to clean shards: what is shared, what of it is boilerplate, what is cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from schemas.config.decontaminate import DecontaminateConfig
from schemas.errors import StageFailed
from tasks.arrays.utf8 import U64
from tasks.decontaminate import kernels
from tasks.decontaminate.evaluation import Kind, check_faults, find_places, read_evaluation
from tasks.decontaminate.hits import Places, write_hits
from tasks.decontaminate.index import ANSWERS, GRAMS, documents_of, index_evaluation, index_training, open_index
from tasks.decontaminate.look import file_path
from tasks.decontaminate.matching import boilerplate, count_documents, find_shared, inside, without
from tasks.decontaminate.provenance import card_of, count_shard
from tasks.decontaminate.shards import WANTED, cut_shard
from tasks.engine.stage import Context, InputFile, Part, PartResult, StoredFile
from tasks.tables.parquet import TableWriter

HELD_OUT = ("valid", "test")

RANGE_ROWS = 1 << 16
"""N-grams of evaluation sets that are handed to the shards at a time: 10 MiB."""


@dataclass(frozen=True)
class Written:
    """A file that a part left, as the input of another part."""

    stored: StoredFile
    path: Path


@dataclass(frozen=True)
class Evaluated:
    """A file of evaluation text: its set, what its rows are, and its indexes."""

    evaluation: str
    kind: Kind
    file: InputFile
    grams: Path
    answers: Path
    examples: int
    short: int


@dataclass(frozen=True)
class Cut:
    """What was cut, and on whose account.

    Attributes:
        shards: What `cut_shard` left, by number of the shard.
        read: How many shards' texts were read for it, tonight.
        places: Where the n-grams that were cut stand in each evaluation file that holds any.
        examples: How many examples of each set hold any of them.
    """

    shards: dict[int, PartResult]
    read: int
    places: Sequence[Places]
    examples: Mapping[str, int]


def decontaminate(context: Context) -> None:
    """Builds all outputs; see `tasks.decontaminate.stage`."""
    config: DecontaminateConfig = context.config
    length = {"ngram": config.ngram, "min_tokens": config.min_tokens}
    train = context.inputs["train"].files
    trained = context.map_parts(index_training, [Part(file.stored.name, (file,), length) for file in train])
    evaluated = _index_evaluations(context, length)

    shared = _shared(context, trained, [one.grams for one in evaluated])
    grams, documents = count_documents([hit for hits in shared for hit in hits])
    ignored = boilerplate(grams, documents, [one.answers for one in evaluated], config.boilerplate_documents)
    wanted = {
        number: without(np.concatenate([found for found, _ in hits]), ignored) for number, hits in enumerate(shared)
    }
    wanted = {number: found for number, found in wanted.items() if len(found)}
    done = _cut(context, train, wanted, ignored, evaluated, length)
    cut = done.shards

    for split in HELD_OUT:
        for file in context.inputs[split].files:
            context.add(split, file.stored.name, file.stored)
    left = [
        cut[number].files.get(file.stored.name) if number in cut else file.stored for number, file in enumerate(train)
    ]
    if not any(left):
        raise StageFailed(
            "every document to train on says what the evaluation sets say",
            where="decontaminate",
            hint="evaluate on other text, or raise decontaminate.max_share",
        )
    for stored in left:
        if stored is not None:
            context.add("train", stored.name, stored)
    hits = context.folder / "hits.parquet"
    tables = [cut[number].files for number in sorted(cut)]
    shards = [(context.path(one["documents.parquet"]), context.path(one["windows.parquet"])) for one in tables]
    hit = write_hits(hits, shards, done.places)
    context.add("hits", hits.name, hits)
    _report(context, trained, done, evaluated, hit)
    context.report(ngrams={"shared": len(grams), "boilerplate": len(ignored)})
    _write_card(context, [stored for stored in left if stored is not None])


def _index_evaluations(context: Context, length: Mapping[str, int]) -> list[Evaluated]:
    files: list[tuple[str, Kind, InputFile]] = []
    for name, found in sorted(context.inputs.items()):
        if name != "train":
            kind: Kind = "documents" if name in HELD_OUT else "examples"
            files += [(name, kind, file) for file in found.files]
    files += _read_evaluations(context)
    results = context.map_parts(
        index_evaluation,
        [Part(f"{name}/{file.stored.name}", (file,), {**length, "kind": kind}) for name, kind, file in files],
    )
    return [
        Evaluated(
            name,
            kind,
            file,
            context.path(result.files[f"{GRAMS}.npy"]),
            context.path(result.files[ANSWERS]),
            result.figures["examples"],
            result.figures["short"],
        )
        for (name, kind, file), result in zip(files, results, strict=True)
    ]


def _read_evaluations(context: Context) -> list[tuple[str, Kind, InputFile]]:
    """Reads the sets that the settings name; what cannot be used of them becomes `quarantine.jsonl`."""
    files: list[tuple[str, Kind, InputFile]] = []
    quarantined: list[dict[str, Any]] = []
    config: DecontaminateConfig = context.config
    for name, evaluation in sorted(config.evaluations.items()):
        settings = evaluation.model_dump(mode="json", include={"fields", "answers", "id_field", "max_record_bytes"})
        parts = [
            Part(
                f"{name}/{file}",
                parameters={**settings, "name": file, "sha256": digest, "format": format},
                execution={"path": str(file_path(evaluation, file))},
            )
            for file, digest, format in context.look[name]
        ]
        results = context.map_parts(read_evaluation, parts)
        faults = [
            (part.parameters["name"], fault)
            for part, result in zip(parts, results, strict=True)
            for fault in result.figures["faults"]
        ]
        records = sum(result.figures["records"] for result in results)
        if check_faults(name, faults, records, evaluation.max_bad_fraction):
            context.warn(f"{len(faults)} of {records} records of the evaluation set {name} cannot be used")
        for file, (line, reason, detail) in faults:
            quarantined.append({"evaluation": name, "path": file, "line": line, "reason": reason, "detail": detail})
        for result in results:
            texts = result.files["texts.parquet"]
            stored = StoredFile(f"{result.name}.parquet", texts.digest, texts.size, texts.rows)
            files.append((f"evaluations.{name}", "texts", Written(stored, context.path(texts))))
    if quarantined:
        path = context.folder / "quarantine.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in quarantined), encoding="utf-8")
        context.add_diagnostic(path.name, path)
    return files


def _shared(
    context: Context, trained: Sequence[PartResult], evaluation: Sequence[Path]
) -> list[list[tuple[U64, np.ndarray[Any, np.dtype[np.int64]]]]]:
    """Returns for each shard, segment by segment, the n-grams that evaluation sets hold, and the documents of each."""
    segments = [
        (number, context.path(stored), context.path(result.files[name.replace(GRAMS, "counts")]))
        for number, result in enumerate(trained)
        for name, stored in sorted(result.files.items())
        if name.startswith(GRAMS)
    ]
    hits: list[list[tuple[U64, np.ndarray[Any, np.dtype[np.int64]]]]] = [[] for _ in trained]
    for (number, grams, counts), places in zip(
        segments, find_shared([grams for _, grams, _ in segments], evaluation), strict=True
    ):
        hits[number].append((np.array(open_index(grams)[places]), documents_of(places, counts)))
    return hits


def _cut(
    context: Context,
    train: Sequence[InputFile],
    wanted: dict[int, U64],
    ignored: U64,
    evaluated: Sequence[Evaluated],
    length: Mapping[str, int],
) -> Cut:
    """Cuts what is wanted from the shards that hold it, and then what cutting made, until that is nothing."""
    config: DecontaminateConfig = context.config
    settings = {
        **length,
        "max_share": config.max_share,
        "row_group_rows": config.row_group_rows,
        "row_group_bytes": config.row_group_bytes,
    }
    shards: dict[int, PartResult] = {}
    read = 0
    todo = sorted(wanted)
    while True:
        places, examples = _find_places(context, wanted, evaluated, length)
        paths = _write_wanted(context, {number: wanted[number] for number in todo}, [one.grams for one in places])
        parts = [
            Part(
                train[number].stored.name,
                (train[number],),
                {**settings, "wanted": hashlib.sha256(path.read_bytes()).hexdigest()},
                execution={"wanted": str(path)},
            )
            for number, path in paths.items()
        ]
        for number, result in zip(todo, context.map_parts(cut_shard, parts), strict=True):
            shards[number] = result
            read += not result.reused
        joints = [context.path(shards[number].files["joints.npy"]) for number in todo]
        shared = find_shared(joints, [one.grams for one in evaluated])
        made = {
            number: without(open_index(path)[at], ignored)
            for number, path, at in zip(todo, joints, shared, strict=True)
        }
        todo = [number for number, grams in made.items() if len(grams)]
        if not todo:
            return Cut(shards, read, places, examples)
        for number in todo:
            wanted[number] = kernels.unique(np.concatenate([wanted[number], made[number]]))


def _find_places(
    context: Context, wanted: Mapping[int, U64], evaluated: Sequence[Evaluated], length: Mapping[str, int]
) -> tuple[list[Places], dict[str, int]]:
    """Finds all wanted n-grams in the evaluation files that hold them; see `Cut.places` and `Cut.examples`."""
    grams = kernels.unique(np.concatenate([*wanted.values(), np.zeros(0, dtype=np.uint64)]))
    parts, sets = [], []
    for number, one in enumerate(evaluated):
        here = grams[kernels.shared(grams, open_index(one.grams))]
        if len(here):
            path = _scratch(context, f"places-{number}.npy")
            np.save(path, here, allow_pickle=False)
            parameters = {**length, "kind": one.kind, "wanted": hashlib.sha256(here.tobytes()).hexdigest()}
            name = f"{one.evaluation}/{one.file.stored.name}"
            parts.append(Part(name, (one.file,), parameters, execution={"wanted": str(path)}))
            sets.append(one.evaluation)
    places: list[Places] = []
    examples: dict[str, int] = {}
    for evaluation, result in zip(sets, context.map_parts(find_places, parts), strict=True):
        tables = [context.path(result.files[name]) for name in ("places.parquet", "examples.parquet")]
        places.append(Places(evaluation, *tables))
        examples[evaluation] = examples.get(evaluation, 0) + result.figures["examples"]
    return places, examples


def _write_wanted(context: Context, wanted: Mapping[int, U64], places: list[Path]) -> dict[int, Path]:
    """Writes for some shards what to cut from each (WANTED), a range of hashes at a time."""
    if not wanted:
        return {}
    paths = {number: _scratch(context, f"wanted-{number}.parquet") for number in wanted}
    total = sum(int(pq.read_metadata(path).num_rows) for path in places)
    limits = [2**64 * step // (total // RANGE_ROWS + 1) for step in range(total // RANGE_ROWS + 2)]
    with ExitStack() as stack:
        writers = {number: stack.enter_context(TableWriter(path, WANTED)) for number, path in paths.items()}
        for low, high in pairwise(limits):
            inside_range = pl.col("gram").is_between(pl.lit(low, pl.UInt64), pl.lit(high - 1, pl.UInt64))
            # File by file: read all at once, each thread of Polars holds several.
            scans = (pl.scan_parquet(path).select("gram", "tokens").filter(inside_range) for path in places)
            tokens = pl.concat([scan.collect() for scan in scans]).unique().sort("gram", "tokens")
            for number, writer in writers.items():
                writer.write(tokens.filter(inside(tokens["gram"].to_numpy(), wanted[number])).to_arrow())
    return paths


def _scratch(context: Context, name: str) -> Path:
    folder = context.folder / "wanted"
    folder.mkdir(exist_ok=True)
    return folder / name


def _report(
    context: Context,
    trained: Sequence[PartResult],
    done: Cut,
    evaluated: Sequence[Evaluated],
    hit: Mapping[str, int],
) -> None:
    sources: dict[str, dict[str, dict[str, int]]] = {}
    for result in trained:
        for source, languages in result.figures["documents"].items():
            for language, rows in languages.items():
                counts = sources.setdefault(source, {}).setdefault(
                    language, {"rows_in": 0, "cut": 0, "dropped": 0, "rows_out": 0}
                )
                counts["rows_in"] += rows
                counts["rows_out"] += rows
    for result in done.shards.values():
        for source, languages in result.figures["documents"].items():
            for language, actions in languages.items():
                counts = sources[source][language]
                for action, rows in actions.items():
                    counts[action] += rows
                counts["rows_out"] -= actions.get("dropped", 0)
    every = [counts for languages in sources.values() for counts in languages.values()]
    read = done.read + sum(not result.reused for result in trained)
    held_out = sum(file.stored.rows or 0 for split in HELD_OUT for file in context.inputs[split].files)
    totals = {name: sum(counts[name] for counts in every) for name in ("rows_in", "cut", "dropped", "rows_out")}
    evaluations: dict[str, dict[str, int]] = {}
    for one in evaluated:
        counts = evaluations.setdefault(one.evaluation, {"examples": 0, "short_texts": 0})
        counts["examples"] += one.examples
        counts["short_texts"] += one.short
    for name, counts in evaluations.items():
        counts |= {"hit": done.examples.get(name, 0), "documents": hit.get(name, 0)}
    context.report(
        rows_in=totals["rows_in"] + held_out,
        rows_out=totals["rows_out"] + held_out,
        cut=totals["cut"],
        dropped=totals["dropped"],
        sources={source: dict(sorted(languages.items())) for source, languages in sorted(sources.items())},
        evaluations=evaluations,
        shards={"train": len(trained), "with_hits": len(done.shards), "read": read},
    )
    for source, languages in sorted(sources.items()):
        for language, counts in sorted(languages.items()):
            if not counts["rows_out"]:
                context.warn(f"nothing in {language} of the source {source} is left to train on")


def _write_card(context: Context, train: Sequence[StoredFile]) -> None:
    files: dict[str, Sequence[InputFile]] = {"train": [Written(stored, context.path(stored)) for stored in train]}
    files |= {split: context.inputs[split].files for split in HELD_OUT}
    parts = [Part(f"{split}/{file.stored.name}", (file,)) for split, found in files.items() for file in found]
    counts: dict[str, list[Any]] = {split: [] for split in files}
    for part, result in zip(parts, context.map_parts(count_shard, parts), strict=True):
        counts[part.name.partition("/")[0]] += result.figures["counts"]
    card = context.folder / "README.md"
    card.write_text(card_of(counts, context.config), encoding="utf-8")
    context.add("card", card.name, card)
