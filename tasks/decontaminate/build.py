"""From indexes to clean shards: what is shared, what of it is boilerplate, what is cut."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from schemas.config.decontaminate import DecontaminateConfig
from schemas.errors import DamagedArtifact, StageFailed
from tasks.arrays.utf8 import I64, U64
from tasks.decontaminate import ordered
from tasks.decontaminate.comparing import Compared, compare, keep_compared
from tasks.decontaminate.documents import cut_documents
from tasks.decontaminate.hits import find_places, write_hits
from tasks.decontaminate.index import Segment, index_training, open_array, segments_of
from tasks.decontaminate.matching import boilerplate, count_documents, held_by, inside, without
from tasks.decontaminate.outcome import DECIDING, DOCUMENTS, MADE, PAIR, WINDOWS, Pairs
from tasks.decontaminate.report import report, write_card
from tasks.decontaminate.sets import HELD_OUT, Evaluated, Written, index_evaluations
from tasks.decontaminate.shards import write_shard
from tasks.engine.stage import Context, InputFile, Part, PartResult

KEPT = (DOCUMENTS, WINDOWS, MADE, DECIDING)
"""What is kept of each shard for the next build."""


@dataclass(frozen=True)
class Shard:
    """A shard of train and its index."""

    file: InputFile
    segments: list[Segment]


def decontaminate(context: Context) -> None:
    """Builds all outputs; see `tasks.decontaminate.stage`."""
    config: DecontaminateConfig = context.config
    length = {"ngram": config.ngram, "min_tokens": config.min_tokens}
    files = context.inputs["train"].files
    trained = context.map_parts(index_training, [Part(file.stored.name, (file,), length) for file in files])
    train = [Shard(file, segments_of(result.files, context.path)) for file, result in zip(files, trained, strict=True)]
    evaluated = index_evaluations(context, length)
    earlier = {file.stored.name: file for file in context.earlier["diagnostics"].files} if context.earlier else {}

    compared = Compared.read(earlier)
    shared = compare([(shard.file.stored.digest, shard.segments) for shard in train], evaluated, compared)
    hits = [
        (segment, places)
        for shard, found in zip(train, shared, strict=True)
        for segment, places in zip(shard.segments, found, strict=True)
    ]
    grams, documents = count_documents([(segment.open()[at], segment.documents_of(at)) for segment, at in hits])
    answers = [partial(open_array, one.answers) for one in evaluated]
    ignored = boilerplate(grams, documents, answers, config.boilerplate_documents)
    held = {number: _held(shard, shared[number], ignored) for number, shard in enumerate(train)}
    held = {number: pairs for number, pairs in held.items() if len(pairs)}
    cut, read = _cut(context, train, held, ignored, evaluated, length, earlier, compared)
    written = _write(context, train, cut)

    for split in HELD_OUT:
        for file in context.inputs[split].files:
            context.add(split, file.stored.name, file.stored)
    left = [
        written[number].files.get(shard.file.stored.name) if number in written else shard.file.stored
        for number, shard in enumerate(train)
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
    examples, hit = _list_hits(context, cut, evaluated)
    times = len(read) + sum(not result.reused for result in trained)
    report(context, trained, cut, times, evaluated, examples, hit)
    context.report(ngrams={"shared": len(grams), "boilerplate": len(ignored)})
    counted = {train[number].file.stored.name: result.figures["counts"] for number, result in written.items()}
    write_card(context, [stored for stored in left if stored is not None], counted)
    keep_compared(context, [shard.file.stored for shard in train], evaluated, shared)
    for number, result in cut.items():
        for name in KEPT:
            context.add_diagnostic(f"{train[number].file.stored.name}/{name}", result.files[name])


def _held(shard: Shard, places: Sequence[I64], ignored: U64) -> Pairs:
    """Returns what each document of a shard holds of what evaluation sets hold, but for what is ignored."""
    found = [np.zeros(0, dtype=PAIR)]
    for segment, at in zip(shard.segments, places, strict=True):
        grams = segment.open()[at]
        kept = ~inside(grams, ignored)
        entries, owners = segment.entries(at[kept])
        pairs = np.empty(len(entries), dtype=PAIR)
        pairs["document"], pairs["gram"] = segment.rows_at(entries), grams[kept][owners]
        found.append(pairs)
    pairs = np.concatenate(found)
    return pairs[np.argsort(pairs["document"], kind="stable")]


def _cut(
    context: Context,
    train: Sequence[Shard],
    held: Mapping[int, Pairs],
    ignored: U64,
    evaluated: Sequence[Evaluated],
    length: Mapping[str, int],
    earlier: Mapping[str, InputFile],
    compared: Compared,
) -> tuple[dict[int, PartResult], set[int]]:
    """Cuts what is wanted from the documents that hold it, and then what cutting made, until that is nothing.

    Returns what `cut_documents` left of each shard with hits, and the shards that were read for it tonight.
    """
    config: DecontaminateConfig = context.config
    every = [segment.open for one in evaluated for segment in one.segments]
    wanted = {number: ordered.unique(np.ascontiguousarray(pairs["gram"])) for number, pairs in held.items()}
    known = {number: _known(train[number].file.stored.name, earlier) for number in held}
    for number, pairs in held.items():
        np.save(_scratch(context, f"held-{number}.npy"), pairs, allow_pickle=False)

    def add_made(files: Mapping[int, Path]) -> list[int]:
        """Adds to what is wanted of some shards what cutting made there; returns the shards that this is new to."""
        made = [ordered.unique(np.ascontiguousarray(np.load(path)["gram"])) for path in files.values()]
        asked = without(np.concatenate([np.zeros(0, dtype=np.uint64), *made]), ignored)
        held = asked[held_by(asked, every)]
        added = []
        for number, grams in zip(files, made, strict=True):
            new = without(grams[inside(grams, held)], wanted[number])
            if len(new):
                wanted[number] = ordered.unique(np.concatenate([wanted[number], new]))
                added.append(number)
        return added

    # What cutting made for an earlier build it makes again as a rule: looked for at once, it takes no second round.
    add_made({number: Path(files[MADE]) for number, files in known.items() if files is not None})
    results: dict[int, PartResult] = {}
    read: set[int] = set()
    todo = list(held)
    while todo:
        grams, checks = _write_wanted(context, [wanted[number] for number in todo], evaluated)
        parts = []
        for number in todo:
            path = _scratch(context, f"grams-{number}.npy")
            np.save(path, wanted[number], allow_pickle=False)
            execution = {
                "grams": str(path),
                "held": str(_scratch(context, f"held-{number}.npy")),
                "wanted": str(grams),
                "checks": str(checks),
                "known": known[number],
                "same": number in results or compared.holds(train[number].file.stored),
            }
            digest = hashlib.sha256(wanted[number].tobytes()).hexdigest()
            parameters = {**length, "max_share": config.max_share, "wanted": digest}
            parts.append(Part(train[number].file.stored.name, (train[number].file,), parameters, execution))
        for number, result in zip(todo, context.map_parts(cut_documents, parts), strict=True):
            results[number] = result
            known[number] = {name: str(context.path(result.files[name])) for name in KEPT}
            if not result.reused:
                read.add(number)
        todo = add_made({number: context.path(results[number].files[MADE]) for number in todo})
    return results, read


def _known(name: str, earlier: Mapping[str, InputFile]) -> dict[str, str] | None:
    """Returns where lies what an earlier build left of a shard of this name, whatever it held."""
    try:
        return {file: str(earlier[f"{name}/{file}"].path) for file in KEPT}
    except (DamagedArtifact, KeyError):
        return None


def _write_wanted(context: Context, wanted: Sequence[U64], evaluated: Sequence[Evaluated]) -> tuple[Path, Path]:
    """Writes all n-grams that are wanted of any shard, sorted, and their checks; one of two checks is there twice."""
    grams = ordered.unique(np.concatenate(wanted))
    found = [np.zeros(0, dtype=np.uint64)]
    checks = [np.zeros(0, dtype=np.uint64)]
    for one in evaluated:
        for segment in one.segments:
            places = ordered.shared(segment.open(), grams)
            entries, owners = segment.entries(places)
            if len(entries):
                found.append(segment.open()[places[owners]])
                checks.append(segment.checks_at(entries))
    every, order = ordered.sort_with(np.concatenate(found), np.arange(sum(map(len, found)), dtype=np.uint32))
    every_checks = np.concatenate(checks)[order]
    kept = ordered.distinct(every, every_checks)
    paths = _scratch(context, "wanted"), _scratch(context, "checks")
    for path, array in zip(paths, (every[kept], every_checks[kept]), strict=True):
        array.tofile(path)
    return paths


def _write(context: Context, train: Sequence[Shard], cut: Mapping[int, PartResult]) -> dict[int, PartResult]:
    """Writes the shards that hold documents that were cut or go."""
    config: DecontaminateConfig = context.config
    settings = {"row_group_rows": config.row_group_rows, "row_group_bytes": config.row_group_bytes}
    numbers = [number for number, result in sorted(cut.items()) if result.files[DOCUMENTS].rows]
    parts = []
    for number in numbers:
        documents = cut[number].files[DOCUMENTS]
        files = (train[number].file, Written(documents, context.path(documents)))
        parts.append(Part(train[number].file.stored.name, files, settings))
    return dict(zip(numbers, context.map_parts(write_shard, parts), strict=True))


def _list_hits(
    context: Context, cut: Mapping[int, PartResult], evaluated: Sequence[Evaluated]
) -> tuple[dict[str, int], dict[str, int]]:
    """Writes the list of hits; returns how many examples of each set were hit, and documents by each."""
    shards = [
        (context.path(cut[number].files[DOCUMENTS]), context.path(cut[number].files[WINDOWS])) for number in sorted(cut)
    ]
    found = [np.load(windows)["gram"] for _, windows in shards]
    grams = ordered.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *found]))
    places = [find_places(one.evaluation, one.segments, one.ids, grams) for one in evaluated]
    examples: dict[str, int] = {}
    for one in places:
        examples[one.evaluation] = examples.get(one.evaluation, 0) + one.hit
    hits = context.folder / "hits.parquet"
    documents = write_hits(hits, shards, places)
    context.add("hits", hits.name, hits)
    return examples, documents


def _scratch(context: Context, name: str) -> Path:
    folder = context.folder / "wanted"
    folder.mkdir(exist_ok=True)
    return folder / name
