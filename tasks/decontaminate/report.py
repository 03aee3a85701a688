"""What a build says of itself: its metrics, and the card of the corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.decontaminate.provenance import card_of, count_shard
from tasks.decontaminate.sets import HELD_OUT, Evaluated, Written
from tasks.engine.stage import JSON, Context, InputFile, Part, PartResult, StoredFile


def report(
    context: Context,
    trained: Sequence[PartResult],
    cut: Mapping[int, PartResult],
    read: int,
    evaluated: Sequence[Evaluated],
    examples: Mapping[str, int],
    documents: Mapping[str, int],
) -> None:
    """Reports what was cut and dropped, on whose account, and what is left.

    Args:
        context: Of the build.
        trained: What `index_training` left of each shard.
        cut: What `cut_documents` left of the shards with hits.
        read: How many shards were read tonight: to index them, or to cut their documents; for both they count twice.
        evaluated: The files of evaluation text.
        examples: How many examples of each set were hit.
        documents: How many documents were hit by each set.
    """
    sources: dict[str, dict[str, dict[str, int]]] = {}
    for result in trained:
        for source, languages in result.figures["documents"].items():
            for language, rows in languages.items():
                counts = sources.setdefault(source, {}).setdefault(
                    language, {"rows_in": 0, "cut": 0, "dropped": 0, "rows_out": 0}
                )
                counts["rows_in"] += rows
                counts["rows_out"] += rows
    for result in cut.values():
        for source, languages in result.figures["documents"].items():
            for language, actions in languages.items():
                counts = sources[source][language]
                for action, rows in actions.items():
                    counts[action] += rows
                counts["rows_out"] -= actions.get("dropped", 0)
    every = [counts for languages in sources.values() for counts in languages.values()]
    held_out = sum(file.stored.rows or 0 for split in HELD_OUT for file in context.inputs[split].files)
    totals = {name: sum(counts[name] for counts in every) for name in ("rows_in", "cut", "dropped", "rows_out")}
    evaluations: dict[str, dict[str, int]] = {}
    for one in evaluated:
        counts = evaluations.setdefault(one.evaluation, {"examples": 0, "short_texts": 0})
        counts["examples"] += one.examples
        counts["short_texts"] += one.short
    for name, counts in evaluations.items():
        counts |= {"hit": examples.get(name, 0), "documents": documents.get(name, 0)}
    context.report(
        rows_in=totals["rows_in"] + held_out,
        rows_out=totals["rows_out"] + held_out,
        cut=totals["cut"],
        dropped=totals["dropped"],
        sources={source: dict(sorted(languages.items())) for source, languages in sorted(sources.items())},
        evaluations=evaluations,
        shards={"train": len(trained), "with_hits": len(cut), "read": read},
    )
    for source, languages in sorted(sources.items()):
        for language, counts in sorted(languages.items()):
            if not counts["rows_out"]:
                context.warn(f"nothing in {language} of the source {source} is left to train on")


def write_card(context: Context, train: Sequence[StoredFile], counted: Mapping[str, Sequence[JSON]]) -> None:
    """Writes the corpus's card.

    Args:
        context: Of the build.
        train: The shards that are left.
        counted: What `provenance.Counts` says of some of them, by name.
    """
    files: dict[str, Sequence[InputFile]] = {
        "train": [Written(stored, context.path(stored)) for stored in train if stored.name not in counted]
    }
    files |= {split: context.inputs[split].files for split in HELD_OUT}
    parts = [Part(f"{split}/{file.stored.name}", (file,)) for split, found in files.items() for file in found]
    counts: dict[str, list[Any]] = {split: [] for split in files}
    for rows in counted.values():
        counts["train"] += rows
    for part, result in zip(parts, context.map_parts(count_shard, parts), strict=True):
        counts[part.name.partition("/")[0]] += result.figures["counts"]
    card = context.folder / "README.md"
    card.write_text(card_of(counts, context.config), encoding="utf-8")
    context.add("card", card.name, card)
