"""Stage `clean`: what was collected becomes text in a known language; every document left out has its reason.

Reads `documents` (COLLECTED) and, where the stage `boilerplate` is on, its `lines`. Writes `documents` (CLEANED, same
order, one file per file of the input) and `dropped` (DROPPED), and as a diagnostic `reject_samples.json`. Reports rows,
characters, documents per language, repaired texts, and by source what was dropped (by reason), which personal data was
replaced (by kind) and which lines were taken out (by reason).
"""

from __future__ import annotations

from schemas.config.clean import CleanConfig
from tasks.clean.look import look
from tasks.engine.stage import Context, InputFile, Part, Stage


def build(context: Context) -> None:
    """Cleans every file of the input as a part of its own."""
    from tasks.clean import samples
    from tasks.clean.look import checked_word_lists
    from tasks.clean.part import Tally, clean_part, sources_of

    word_lists = checked_word_lists(context)
    tables: dict[str, InputFile] = {}
    if "lines" in context.inputs:
        tables = {file.stored.name.removesuffix(".parquet"): file for file in context.inputs["lines"].files}
    parts = [
        Part(
            name=file.stored.name.removesuffix(".parquet"),
            # Only the tables of its own sources: another source's new table leaves the part as it is.
            files=[file, *(tables[source] for source in (sources_of(file.path) if tables else ()) if source in tables)],
            parameters={
                "settings": context.config.identity(),
                "word_lists": {name: digest for name, (digest, _) in word_lists.items()},
            },
            execution={"word_lists": {name: path for name, (_, path) in word_lists.items()}},
        )
        for file in context.inputs["documents"].files
    ]
    tally = Tally()
    rejects = []
    for result in context.map_parts(clean_part, parts):
        tally.add(result.figures)
        rows_in, rows_out = result.figures["rows_in"], result.figures["rows_out"]
        context.add("documents", f"{result.name}.parquet", result.files["documents.parquet"], rows=rows_out)
        context.add("dropped", f"{result.name}.parquet", result.files["dropped.parquet"], rows=rows_in - rows_out)
        rejects.append(samples.read(context.path(result.files[samples.FILE])))
    samples.write(context.folder / samples.FILE, samples.merged(rejects, context.config.reject_samples))
    context.add_diagnostic(samples.FILE, context.folder / samples.FILE)
    context.report(**tally.figures())


STAGE = Stage(name="clean", version=1, config=CleanConfig, outputs=("documents", "dropped"), build=build, look=look)
