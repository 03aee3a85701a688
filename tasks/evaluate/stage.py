"""Stage `evaluate`: a model and its test split in, `scores.json` out, in one of three forms.

`language_modelling` reads a pretrained model and the token files of `train` and `test`; `generation` and
`classification` read a fine-tuned model and the example tables of `train` and `test`. What a model wrote is kept as the
diagnostic `samples.jsonl`.
"""

from __future__ import annotations

import os

from schemas.config.evaluate import EvaluateConfig
from tasks.engine.stage import Context, Stage


def build(context: Context) -> None:
    """Scores the model, writes the scores and reports the headline."""
    # Read when the libraries are imported: without them a missing file becomes a minute of attempts at a hub.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    from tasks.evaluate.build import build_evaluate

    build_evaluate(context)


STAGE = Stage(name="evaluate", version=1, config=EvaluateConfig, outputs=("scores",), build=build)
