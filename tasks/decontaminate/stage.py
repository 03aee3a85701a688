"""`decontaminate`: shards in, the same shards out without what evaluation sets say in the text to train on.

Inputs: `train`, `valid` and `test` (SHARDED rows), and `examples.<name>.valid` and `.test` (EXAMPLES rows) of the
labelled sets that are used. Outputs: `train`, `valid`, `test` (the last two unchanged), `hits` (`hits.parquet`, HITS
rows) and `card` (`README.md`, which says what the corpus is). Diagnostics: `quarantine.jsonl`, and what a later build
takes over: `shared.npy` and, of each shard, what was found of its documents.

What holds, whatever the order of documents and files: running it again on its own output finds nothing, but for what
was boilerplate and is rarer now. Each shard's n-grams are kept as a part, with the documents they stand in, and what
was found of each document as diagnostics: a later build reads the text of those documents only in which something else
is hit than before (of a shard that changed, of all that are hit), and leaves what a build without that would.
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
    uses_earlier=True,
)
