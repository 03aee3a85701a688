"""From a labelled set to its three splits. Labelled sets fit in memory: about 1 KB for an example."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.config.examples import ExamplesConfig
from schemas.errors import BadInputError
from schemas.tables import EXAMPLES, SPLITS
from tasks.engine.stage import Context
from tasks.examples.reading import Example, read_examples
from tasks.examples.splitting import choose, split_of
from tasks.readers.faults import Fault
from tasks.tables.parquet import write_table

MAX_SHOWN = 20


def build_examples(context: Context) -> None:
    """Writes the outputs `train`, `valid` and `test`, and the diagnostic `quarantine.jsonl`.

    Raises:
        BadInputError: Too many records cannot be used, a split is too small, or there are fewer than two classes.
    """
    config: ExamplesConfig = context.config
    folder = config.path if config.path.is_dir() else config.path.parent
    unique: dict[str, Example] = {}
    faults: list[tuple[str, Fault]] = []
    repeated = conflicting = 0
    for name, found in read_examples(context.look, folder, config):
        if isinstance(found, Fault):
            faults.append((name, found))
        elif found.id in unique:
            repeated += 1
            conflicting += unique[found.id].target != found.target
        else:
            unique[found.id] = found
    records = len(unique) + repeated + len(faults)
    _keep_faults(context, faults)
    _check_faults(faults, records, config)

    chosen = choose(unique.values(), config)
    splits: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for example in chosen:
        splits[split_of(example.id, config)].append(example)
    _check_sizes(splits, config)
    figures: dict[str, Any] = {
        "examples": {split: dict(_sorted_counts(e.language for e in found)) for split, found in splits.items()},
        "quarantined": dict(_sorted_counts(fault.reason for _, fault in faults)),
        "repeated": repeated,
        "conflicting": conflicting,
    }
    if config.kind == "classification":
        _check_classes(context, splits)
        figures["classes"] = {split: dict(_sorted_counts(e.target for e in found)) for split, found in splits.items()}
    if faults:
        context.warn(f"{len(faults)} of {records} records quarantined: see quarantine.jsonl")
    if conflicting:
        context.warn(f"{conflicting} repeated inputs have another target than before; the first one counts")
    for split, examples in splits.items():
        path = context.folder / f"{split}.parquet"
        rows = _write(path, examples)
        context.add(split, "examples.parquet", path, rows=rows)
    context.report(rows_in=records, rows_out=len(chosen), **figures)


def _write(path: Path, examples: list[Example]) -> int:
    columns = {name: [getattr(example, name) for example in examples] for name in EXAMPLES.names}
    return write_table(path, pa.table(columns, schema=EXAMPLES), EXAMPLES)


def _keep_faults(context: Context, faults: list[tuple[str, Fault]]) -> None:
    if not faults:
        return
    path = context.folder / "quarantine.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for name, fault in faults:
            row = {"path": name, "line": fault.line, "reason": fault.reason, "detail": fault.detail}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    context.add_diagnostic("quarantine.jsonl", path)


def _check_faults(faults: list[tuple[str, Fault]], records: int, config: ExamplesConfig) -> None:
    if not records:
        raise BadInputError("the labelled set is empty", where=str(config.path), hint="check `path`")
    if len(faults) <= config.max_bad_fraction * records:
        return
    more = [f"and {len(faults) - MAX_SHOWN} more"] if len(faults) > MAX_SHOWN else []
    raise BadInputError(
        f"{len(faults)} of {records} records cannot be used ({config.max_bad_fraction:.1%} allowed)",
        where=str(config.path),
        details=[fault.at(name) for name, fault in faults[:MAX_SHOWN]] + more,
        hint="repair the file, check `input`, `target` and `language_field`, or raise `max_bad_fraction`",
    )


def _check_sizes(splits: dict[str, list[Example]], config: ExamplesConfig) -> None:
    small = {split: len(found) for split, found in splits.items() if len(found) < config.min_split_examples}
    if small:
        raise BadInputError(
            "too few examples in " + ", ".join(f"{split} ({count})" for split, count in small.items()),
            where=str(config.path),
            hint="give more examples or larger fractions, or lower `min_split_examples` "
            f"({config.min_split_examples}); repeated inputs count once",
        )


def _check_classes(context: Context, splits: dict[str, list[Example]]) -> None:
    known = {example.target for example in splits["train"]}
    if len(known) < 2:
        raise BadInputError(
            f"classification needs at least two classes to learn from, found {len(known)}: {', '.join(sorted(known))}",
            where=str(context.config.path),
            hint="check `target`, or set `kind: generation`",
        )
    for split in ("valid", "test"):
        unknown = sorted({example.target for example in splits[split]} - known)
        if unknown:
            context.warn(f"{split} holds classes that train lacks: {', '.join(unknown)}")


def _sorted_counts(values: Any) -> list[tuple[str, int]]:
    return sorted(Counter(values).items())
