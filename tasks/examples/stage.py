"""examples: a labelled set → `train`, `valid` and `test`, each one `examples.parquet`."""

from __future__ import annotations

from schemas.config.examples import ExamplesConfig
from tasks.engine.stage import Context, Stage
from tasks.examples.look import look


def build(context: Context) -> None:
    """Reads, checks, deduplicates and splits the examples."""
    from tasks.examples.build import build_examples

    build_examples(context)


STAGE = Stage(
    name="examples",
    version=1,
    config=ExamplesConfig,
    outputs=("train", "valid", "test"),
    build=build,
    look=look,
)
