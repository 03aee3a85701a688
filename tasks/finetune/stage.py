"""Fine-tuning: the pretrained model and labelled examples in, a Hugging Face folder out, by the trainer of pretraining.

In: `model` (of `pretrain`), `train` and `valid` (tables of examples). Out: `model`. Diagnostic: `steps.jsonl`. Cheap:
a change of code trains anew, in under a minute as a rule.
"""

from __future__ import annotations

from schemas.config.finetune import FinetuneConfig
from tasks.engine.stage import Context, Stage


def build(context: Context) -> None:
    """Fine-tunes the model and publishes it."""
    from tasks.finetune.finetuning import finetune

    finetune(context)


STAGE = Stage(name="finetune", version=1, config=FinetuneConfig, outputs=("model",), build=build, trains=True)
