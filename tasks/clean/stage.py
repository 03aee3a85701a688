"""Stage `clean`: what was collected becomes text in a known language; every document left out has its reason.

Reads `documents` (COLLECTED). Writes `documents` (CLEANED, same order, one file per file of the input) and `dropped`
(DROPPED). Reports rows, characters, documents per language, repaired texts, and drops by source and reason.
"""

from __future__ import annotations

from schemas.config.clean import CleanConfig
from tasks.engine.stage import Context, Part, Stage


def build(context: Context) -> None:
    """Cleans every file of the input as a part of its own."""
    from tasks.clean.part import Tally, clean_part

    settings = context.config.identity()
    parts = [
        Part(name=file.stored.name.removesuffix(".parquet"), files=[file], parameters=settings)
        for file in context.inputs["documents"].files
    ]
    tally = Tally()
    for result in context.map_parts(clean_part, parts):
        tally.add(result.figures)
        rows_in, rows_out = result.figures["rows_in"], result.figures["rows_out"]
        context.add("documents", f"{result.name}.parquet", result.files["documents.parquet"], rows=rows_out)
        context.add("dropped", f"{result.name}.parquet", result.files["dropped.parquet"], rows=rows_in - rows_out)
    context.report(**tally.figures())


STAGE = Stage(name="clean", version=1, config=CleanConfig, outputs=("documents", "dropped"), build=build)
