"""Stage `tokenizer`: training shards in, a tokenizer folder out.

The folder holds the SentencePiece model and the files with which `AutoTokenizer.from_pretrained` gives the same ids.
"""

from __future__ import annotations

from schemas.config.tokenizer import TokenizerConfig
from tasks.engine.stage import Context, Stage


def build(context: Context) -> None:
    """Samples documents of `train`, trains, writes the folder and measures what came out."""
    from tasks.tokenizer.build import build_tokenizer

    build_tokenizer(context)


STAGE = Stage(name="tokenizer", version=1, config=TokenizerConfig, outputs=("tokenizer",), build=build)
