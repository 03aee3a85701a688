"""The evaluation sets of a build: the files that hold them, and their indexes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.config.decontaminate import DecontaminateConfig
from tasks.decontaminate.evaluation import Kind, check_faults, read_evaluation
from tasks.decontaminate.index import ANSWERS, IDS, Segment, index_evaluation, segments_of
from tasks.decontaminate.look import file_path
from tasks.engine.stage import Context, InputFile, Part, StoredFile

HELD_OUT = ("valid", "test")


@dataclass(frozen=True)
class Written:
    """A file that a part left, as the input of another part."""

    stored: StoredFile
    path: Path


@dataclass(frozen=True)
class Evaluated:
    """A file of evaluation text and its index.

    Attributes:
        evaluation: Its set.
        kind: What its rows are.
        file: The file.
        segments: Its n-grams.
        answers: uint64[n], those of its answers, sorted.
        ids: The ids of its examples, see `index.EXAMPLE_IDS`.
        examples: How many these are.
        short: Texts that are too short to be looked for.
    """

    evaluation: str
    kind: Kind
    file: InputFile
    segments: list[Segment]
    answers: Path
    ids: Path
    examples: int
    short: int


def index_evaluations(context: Context, length: Mapping[str, int]) -> list[Evaluated]:
    """Indexes the held-out splits, the labelled sets, and the sets that the settings name, file by file."""
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
            segments_of(result.files, context.path),
            context.path(result.files[ANSWERS]),
            context.path(result.files[IDS]),
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
