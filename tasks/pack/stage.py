"""Stage `pack`: validated shards and the tokenizer in, token files out.

Each shard `shard-x.parquet` becomes `shard-x.bin` (token ids) and `shard-x.idx` (where documents end, their language
and their bytes); `tasks.tokens` reads them.
"""

from __future__ import annotations

from schemas.config.pack import PackConfig
from tasks.engine.stage import Context, Stage


def build(context: Context) -> None:
    """Encodes every shard of `train`, `valid` and `test`, each a part of its own."""
    from tasks.pack.build import build_pack

    build_pack(context)


STAGE = Stage(name="pack", version=1, config=PackConfig, outputs=("train", "valid", "test"), build=build)
