"""`dedup`: cleaned documents in, documents without exact and near duplicates out.

Inputs: `documents` (files of CLEANED rows). Outputs: `documents` (the same files without the rows that go; a file that
loses none keeps its bytes) and `duplicates` (`duplicates.parquet`, DUPLICATES rows).

What holds, whatever the cut into files and the order inside them: the same documents stay and the same table comes out;
building night by night gives what one build of the same documents gives. Running it again on its own output drops
nothing, unless a bucket was too large to be compared in full, which is warned of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.config.dedup import DedupConfig
from tasks.engine.stage import Context, Part, Stage

if TYPE_CHECKING:
    from tasks.dedup.clusters import Clusters
    from tasks.dedup.index import Corpus


def build(context: Context) -> None:
    """Signs every part, finds clusters among all documents, and writes each part without what goes."""
    from tasks.dedup.clusters import find_clusters
    from tasks.dedup.index import Corpus
    from tasks.dedup.signatures import KEYS, SIGNATURES, Shingling, sign_part
    from tasks.dedup.survivors import keep_rows, write_duplicates

    config: DedupConfig = context.config
    files = context.inputs["documents"].files
    parameters = {
        "ngram_words": config.ngram_words,
        "ngram_chars": config.ngram_chars,
        "permutations": config.permutations,
        "seed": config.seed,
    }
    signed = context.map_parts(sign_part, [Part(file.stored.name, (file,), parameters) for file in files])
    corpus = Corpus.load(
        [file.path for file in files],
        [context.path(result.files[KEYS]) for result in signed],
        [context.path(result.files[SIGNATURES]) for result in signed],
    )
    clusters = find_clusters(
        corpus,
        Shingling(config.ngram_words, config.ngram_chars),
        bands=config.bands,
        threshold=config.threshold,
        scratch=context.folder,
        stopping=context.stopping,
        progress=lambda done, total: context.progress(done, total, "bands"),
    )
    duplicates = context.folder / "duplicates.parquet"
    gone = write_duplicates(duplicates, corpus, clusters)
    context.add("duplicates", duplicates.name, duplicates)

    dropped = dict(corpus.in_parts(clusters.gone))
    thinned = context.map_parts(
        keep_rows,
        [Part(files[part].stored.name, (files[part],), {"drop": rows.tolist()}) for part, rows in dropped.items()],
    )
    written = {result.name: result.files[result.name] for result in thinned}
    for file in files:
        context.add("documents", file.stored.name, written.get(file.stored.name, file.stored))
    _report(context, corpus, clusters, [result.figures["sources"] for result in signed], gone)


def _report(
    context: Context,
    corpus: Corpus,
    clusters: Clusters,
    sources: list[dict[str, int]],
    gone: dict[str, dict[str, int]],
) -> None:
    counts: dict[str, dict[str, int]] = {}
    for part in sources:
        for source, rows in part.items():
            counts.setdefault(source, {"rows_in": 0, "exact": 0, "near": 0})["rows_in"] += rows
    for source, kinds in gone.items():
        counts[source].update(kinds)
    exact = sum(count["exact"] for count in counts.values())
    near = sum(count["near"] for count in counts.values())
    context.report(
        rows_in=corpus.size,
        rows_out=corpus.size - exact - near,
        exact=exact,
        near=near,
        clusters=clusters.count,
        candidates=clusters.candidates,
        compared=clusters.compared,
        verified=clusters.verified,
        sources=dict(sorted(counts.items())),
    )
    if clusters.capped:
        context.warn(
            f"{clusters.capped} groups of similar documents were too large to compare in full: some near-duplicates of "
            "their later members may remain; more permutations per band make such groups smaller"
        )


STAGE = Stage(name="dedup", version=1, config=DedupConfig, outputs=("documents", "duplicates"), build=build)
