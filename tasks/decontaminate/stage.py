"""`decontaminate`: shards in, the same shards out without what evaluation sets say in the text to train on.

Inputs: `train`, `valid` and `test` (SHARDED rows), and `examples.<name>.valid` and `.test` (EXAMPLES rows) of the
labelled sets that are used. Outputs: `train`, `valid`, `test` (the last two unchanged), `hits` (`hits.parquet`, HITS
rows) and `card` (`README.md`, which says what the corpus is). Diagnostic: `quarantine.jsonl`.

What holds, whatever the order of documents and files: running it again on its own output finds nothing, but for what
was boilerplate and is rarer now. Each shard's n-grams are kept as a part, so a change of the evaluation sets reads the
text of those shards only in which it hits something else than before.
"""

from __future__ import annotations

from schemas.config.decontaminate import DecontaminateConfig
from tasks.decontaminate.look import look
from tasks.engine.stage import Context, Stage


def build(context: Context) -> None:
    """Compares indexes, then cuts and drops."""
    from tasks.decontaminate.build import decontaminate

    decontaminate(context)


STAGE = Stage(
    name="decontaminate",
    version=1,
    config=DecontaminateConfig,
    outputs=("train", "valid", "test", "hits", "card"),
    build=build,
    look=look,
)
