"""`validate`: the shards in, the same shards out, once they meet the declared expectations.

Inputs: `train`, `valid` and `test` (SHARDED rows), and `card`. Outputs: the splits again, byte for byte: later stages
read them, so a failed expectation stops everything after it, and one that holds changes no bytes; `dataset`, all splits
and the card in one folder that other tools open as it is; and `profile`: `profile.json`, how many documents of which
source, language and length there are, and `baseline.json`, the profile they were compared with. Diagnostics:
`expectations.json` with every verdict, `drift.json`, and Great Expectations' pages.

Shards are measured as parts, so a night measures new ones only. What is found between them (repeated ids,
near-duplicates across the split) is found anew from those measures. Verdicts depend neither on the cut into shards nor
on the order.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from schemas.config.validate import ValidateConfig
from tasks.engine.stage import Context, Part, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tasks.validate.checks import Verdict
    from tasks.validate.profile import Profile
    from tasks.validate.tables import Measured, Near

SPLITS = ("train", "valid", "test")

PROFILE, BASELINE = "profile.json", "baseline.json"


def build(context: Context) -> None:
    """Measures the texts, checks the expectations, and passes the shards on."""
    from schemas.errors import ExpectationFailed
    from tasks.validate import profile as profiles
    from tasks.validate import tables
    from tasks.validate.checks import check
    from tasks.validate.database import opened
    from tasks.validate.pages import render
    from tasks.validate.telling import Telling

    config: ValidateConfig = context.config
    expectations = config.in_force()
    wanted = tables.columns_wanted(expectations)
    files, shared, near = _measured(context, wanted.get("documents", []))
    profile = profiles.merged(file.profile for file in files)
    baseline = _baseline(context, profile)
    drift = profiles.drift(profile, baseline["profile"], config.drift.min_documents)
    with opened(context.folder / "measures.sqlite") as database:
        tables.write_small_tables(database, wanted, files, profile, drift)
        if "documents" in wanted:
            tables.write_documents(database, wanted["documents"], files, shared, near)
        verdicts, results = check(expectations, database, config.examples)
        telling = Telling(database, files, near)
        unmet = [(verdict, telling.lines(verdict)) for verdict in verdicts if not verdict.met]
    critical = [lines for verdict, lines in unmet if verdict.expectation.severity == "critical"]
    if critical:
        raise ExpectationFailed(
            f"{len(critical)} of {len(verdicts)} expectations are not met",
            where="validate",
            hint="repair the sources or their cleaning; or change the limit under validate.expectations",
            details=[line for lines in critical for line in lines],
        )
    for _, lines in unmet:
        context.warn("\n".join(lines))
    for split in SPLITS:
        for file in context.inputs[split].files:
            context.add(split, file.stored.name, file.stored)
            context.add("dataset", f"{split}/{file.stored.name}", file.stored)
    for file in context.inputs["card"].files:
        context.add("dataset", file.stored.name, file.stored)
    for name, value in ((PROFILE, profile), (BASELINE, baseline)):
        context.add("profile", name, _written(context, name, value))
    context.add_diagnostic("expectations.json", _written(context, "expectations.json", _records(verdicts)))
    compared = {name: baseline[name] for name in ("date", "why")} | {"rows": drift}
    context.add_diagnostic("drift.json", _written(context, "drift.json", compared))
    for result, text in zip(results, render(results), strict=True):
        page = context.folder / f"data_docs_{result.suite_name}.html"
        page.write_text(text, encoding="utf-8")
        context.add_diagnostic(page.name, page)
    rows = sum(file.rows for file in files)
    context.report(
        rows_in=rows,
        rows_out=rows,
        expectations=len(verdicts),
        unmet=len(unmet),
        baseline={name: baseline[name] for name in ("date", "why")},
        held_out_near=len(near),
    )


def _measured(context: Context, columns: Sequence[str]) -> tuple[list[Measured], Any, dict[tuple[int, int], Near]]:
    """Measures every shard, and what is between them as far as columns are about it."""
    from tasks.validate import identities, measures
    from tasks.validate.tables import Measured

    config: ValidateConfig = context.config
    shingling = {"words": config.ngram_words, "characters": config.ngram_chars}
    shards = [(split, file) for split in SPLITS for file in context.inputs[split].files]
    parts = [Part(f"{split}/{file.stored.name}", (file,), shingling) for split, file in shards]
    results = context.map_parts(measures.measure_part, parts)
    files = []
    sound = []
    for (split, file), result in zip(shards, results, strict=True):
        figures = result.figures
        documents = None if figures["faults"] else context.path(result.files[measures.DOCUMENTS])
        files.append(
            Measured(split, file, figures["rows"], figures["faults"], figures["nulls"], figures["profile"], documents)
        )
        if documents is not None:
            sound.append((split, file, result))
    loaded = measures.load([context.path(result.files[measures.IDENTITIES]) for _, _, result in sound])
    shared = identities.find_shared(loaded, [split for split, _, _ in sound])
    numbers = [number for number, file in enumerate(files) if not file.faults]
    if "nearest" not in columns:
        return files, shared, {}
    paths = [
        (context.path(result.files[measures.SKETCHES]), context.path(result.files[measures.IDENTITIES]))
        for _, _, result in sound
    ]
    return files, shared, _nearest(context, files, numbers, paths)


def _nearest(
    context: Context, files: Sequence[Measured], numbers: Sequence[int], paths: Sequence[tuple[Path, Path]]
) -> dict[tuple[int, int], Near]:
    """Returns for held-out documents (file, row) the one of another split that they resemble most."""
    from tasks.validate import nearness
    from tasks.validate.measures import Shingling, read_sketches
    from tasks.validate.tables import Near

    config: ValidateConfig = context.config
    documents = [
        nearness.Documents(files[number].split, files[number].file, files[number].rows, partial(read_sketches, *pair))
        for number, pair in zip(numbers, paths, strict=True)
    ]
    pairs = nearness.candidates(documents, config.compare_from)
    work = nearness.shingle_parts(documents, pairs, Shingling(config.ngram_words, config.ngram_chars))
    results = context.map_parts(nearness.shingle_part, list(work.values()))
    read = {
        number: (
            part.parameters["rows"],
            context.path(result.files[nearness.SETS]),
            context.path(result.files[nearness.ENDS]),
        )
        for (number, part), result in zip(work.items(), results, strict=True)
    }
    sets = nearness.Sets(read)
    found: dict[tuple[int, int], Near] = {}
    for owner, others in pairs.items():
        similarity, other = max(((sets.similarity(owner, other), other) for other in others), key=lambda pair: pair[0])
        if similarity >= config.compare_from:
            found[numbers[owner.file], owner.row] = Near(similarity, numbers[other.file], other.row)
    return found


def _baseline(context: Context, profile: Profile) -> dict[str, Any]:
    """Returns what the profile is compared with; see `profile.next_baseline`."""
    from tasks.validate.profile import next_baseline

    config: ValidateConfig = context.config
    kept: dict[str, Any] = {}
    if context.predecessor is not None and "profile" in context.predecessor:
        for file in context.predecessor["profile"].files:
            kept[file.stored.name] = json.loads(file.path.read_text(encoding="utf-8"))
    return next_baseline(
        profile,
        kept.get(BASELINE),
        kept.get(PROFILE),
        date=context.date,
        renew_after_days=config.drift.renew_after_days,
        accept=config.drift.accept,
    )


def _records(verdicts: Sequence[Verdict]) -> list[Mapping[str, object]]:
    return [
        {"name": verdict.name, "met": verdict.met, "observed": verdict.observed, **verdict.expectation.model_dump()}
        for verdict in verdicts
    ]


def _written(context: Context, name: str, value: object) -> Any:
    path = context.folder / name
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")
    return path


STAGE = Stage(
    name="validate",
    version=1,
    config=ValidateConfig,
    outputs=(*SPLITS, "dataset", "profile"),
    build=build,
    keeps_baseline=True,
    memory="profile",
)
