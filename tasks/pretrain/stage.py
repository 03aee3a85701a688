"""Pretraining: packed tokens in, a Hugging Face folder out, resumed bit for bit after a kill.

In: `train` and `valid` (token files of `pack`) and `tokenizer`. Out: `model`, and `seen`, which documents it
and its ancestors were trained on. Diagnostic: `steps.jsonl`, the loss
curve. Expensive: a change of code alone holds instead of training anew.
"""

from __future__ import annotations

from schemas.config.pretrain import PretrainConfig
from tasks.engine.stage import Context, Stage
from tasks.pretrain.look import look


def build(context: Context) -> None:
    """Trains the decoder and publishes it."""
    from tasks.pretrain.pretraining import pretrain

    pretrain(context)


STAGE = Stage(
    name="pretrain",
    version=1,
    config=PretrainConfig,
    outputs=("model", "seen"),
    build=build,
    cost="expensive",
    look=look,
    continues=lambda config: config.start.kind == "continue",
    trains=True,
)
