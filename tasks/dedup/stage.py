"""`dedup`: cleaned documents in, documents without exact and near duplicates out.

Inputs: `documents` (files of CLEANED rows). Outputs: `documents` (the same files without the rows that go; a file that
loses none keeps its bytes), `duplicates` (`duplicates.parquet`, DUPLICATES rows) and `clusters` (`clusters.parquet`,
CLUSTERS rows). The index is kept as diagnostics under `index/`: the next build of the pipeline compares with it what it
does not hold yet.

What holds, whatever the cut into files and the order inside them, and with an index of any earlier night or without:
the same documents stay and the same tables come out; building night by night gives what one build of the same documents
gives. Running it again on its own output drops nothing. Except where a bucket was too large to be compared in full,
which is warned of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.config.dedup import DedupConfig
from tasks.engine.stage import Context, Part, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.dedup.clusters import Counts
    from tasks.dedup.index import Corpus
    from tasks.dedup.outcome import Outcome
    from tasks.dedup.shingles import Shingles
    from tasks.engine.stage import PartResult


def build(context: Context) -> None:
    """Signs every part, finds clusters among all documents, and writes each part without what goes."""
    from tasks.dedup.bands import banding, least_agreement
    from tasks.dedup.clusters import Limits, find_clusters
    from tasks.dedup.earlier import read_earlier
    from tasks.dedup.estimates import Signatures
    from tasks.dedup.index import Corpus, PartFiles
    from tasks.dedup.keeping import decide
    from tasks.dedup.outcome import write_clusters, write_duplicates
    from tasks.dedup.shingles import Shingles
    from tasks.dedup.signatures import Shingling, sign_part, signing

    config: DedupConfig = context.config
    files = context.inputs["documents"].files
    bands = banding(config)
    parameters = signing(config)
    signed = context.map_parts(sign_part, [Part(file.stored.name, (file,), parameters) for file in files])
    corpus = Corpus.of(
        [
            PartFiles(
                file.stored.name,
                file.stored.digest,
                file.path,
                sum(result.figures["sources"].values()),
                {name: context.path(stored) for name, stored in result.files.items()},
            )
            for file, result in zip(files, signed, strict=True)
        ]
    )
    earlier = read_earlier(context.earlier, corpus)
    shingling = Shingling(config.ngram_words, config.ngram_chars)
    shingles = Shingles(corpus, shingling, context.folder / "shingles.u64", context.stopping)
    signatures = Signatures(corpus, config.permutations, context.folder / "signatures.u32")
    agreement = least_agreement(config.threshold, config.permutations)
    limits = Limits(len(bands.columns()), config.threshold, agreement, config.memory_mib << 20)
    clusters = find_clusters(
        corpus,
        earlier,
        signatures,
        shingles,
        limits,
        scratch=context.folder,
        stopping=context.stopping,
        progress=lambda done, total: context.progress(done, total, "tables"),
    )
    duplicates = context.folder / "duplicates.parquet"
    decided = decide(corpus, clusters, shingles, limits, config.keep, context.stopping)
    outcome = write_duplicates(duplicates, earlier, clusters.fresh, decided, context.folder, limits.memory)
    context.add("duplicates", duplicates.name, duplicates)
    founders = context.folder / "clusters.parquet"
    write_clusters(founders, corpus, outcome.members)
    context.add("clusters", founders.name, founders)
    _write_documents(context, corpus, outcome)
    _write_index(context, corpus, outcome, signed)
    _report(context, corpus, outcome, clusters.counts, shingles, signed)


def _write_documents(context: Context, corpus: Corpus, outcome: Outcome) -> None:
    from tasks.dedup.outcome import keep_rows

    files = context.inputs["documents"].files
    dropped = {part: rows for part, _, rows in corpus.in_parts(outcome.gone)}
    thinned = context.map_parts(
        keep_rows,
        [Part(files[part].stored.name, (files[part],), {"drop": rows.tolist()}) for part, rows in dropped.items()],
    )
    written = {result.name: result.files[result.name] for result in thinned}
    for file in files:
        context.add("documents", file.stored.name, written.get(file.stored.name, file.stored))


def _write_index(context: Context, corpus: Corpus, outcome: Outcome, signed: Sequence[PartResult]) -> None:
    import numpy as np

    from tasks.dedup.earlier import MEMBERS, PARTS, describe_parts

    (context.folder / "index").mkdir()
    (context.folder / PARTS).write_text(describe_parts(corpus))
    np.save(context.folder / MEMBERS, outcome.members, allow_pickle=False)
    for name in (PARTS, MEMBERS):
        context.add_diagnostic(name, context.folder / name)
    for result in signed:
        for name, stored in result.files.items():
            context.add_diagnostic(f"index/{result.name}/{name}", stored)


def _report(
    context: Context,
    corpus: Corpus,
    outcome: Outcome,
    counts: Counts,
    shingles: Shingles,
    signed: Sequence[PartResult],
) -> None:
    sources: dict[str, dict[str, int]] = {}
    for result in signed:
        for source, rows in result.figures["sources"].items():
            sources.setdefault(source, {"rows_in": 0, "exact": 0, "near": 0})["rows_in"] += rows
    for source, kinds in outcome.counts.items():
        sources[source].update(kinds)
    exact = sum(count["exact"] for count in sources.values())
    near = sum(count["near"] for count in sources.values())
    context.report(
        rows_in=corpus.size,
        rows_out=corpus.size - exact - near,
        exact=exact,
        near=near,
        clusters=outcome.clusters,
        merged=outcome.merged,
        fresh=counts.fresh,
        candidates=counts.candidates,
        shingled=shingles.count,
        compared=counts.compared,
        verified=counts.verified,
        sources=dict(sorted(sources.items())),
    )
    if counts.capped:
        context.warn(
            f"{counts.capped} documents resemble too many others to be compared with all: some of their near-duplicates"
            " may remain; more permutations per band make such groups smaller"
        )


STAGE = Stage(
    name="dedup",
    version=1,
    config=DedupConfig,
    outputs=("documents", "duplicates", "clusters"),
    build=build,
    uses_earlier=True,
)
