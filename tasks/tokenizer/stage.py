"""Stage `tokenizer`: training shards in, a tokenizer folder out.

The folder holds the SentencePiece model, the files with which `AutoTokenizer.from_pretrained` gives the same ids, and
how well the tokenizer fitted the text that it was trained on. By `mode` it is trained, or taken over from an earlier
artifact as long as it fits; what it is taken from is part of the key, so that a rerun never continues from itself.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.config.tokenizer import TokenizerConfig
from tasks.engine.stage import Context, Stage
from tasks.tokenizer.look import look_at_reference


def build(context: Context) -> None:
    """Samples documents of `train`, trains or takes over, writes the folder and measures how well it fits."""
    from tasks.tokenizer.build import build_tokenizer

    build_tokenizer(context)


STAGE = Stage(name="tokenizer", version=2, config=TokenizerConfig, outputs=("tokenizer",), build=build)

_CONTINUING = replace(STAGE, keeps_baseline=True)
_REFERRING = replace(STAGE, look=look_at_reference)


def stage_for(config: TokenizerConfig) -> Stage:
    """Returns the stage with what a mode must see: nothing, the pipeline's own predecessor, or another artifact."""
    if config.mode == "train":
        return STAGE
    return _REFERRING if config.reuse.reference else _CONTINUING
