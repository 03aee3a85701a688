"""A builder's process whose one stage trains the toy, on several devices and with trouble on demand."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from toy_training import SPEC, toy_batch

from schemas.config.training import TrainingConfig
from tasks.engine.child import main
from tasks.engine.stage import Context, Stage
from tasks.modeling.models import build_model
from tasks.modeling.objectives import Batch, language_modeling_loss
from tasks.modeling.precision import prepare_process
from tasks.modeling.stage_training import train_in_stage
from tasks.modeling.validation import mean_loss


class ToyTrainingConfig(TrainingConfig):
    """The toy's training, and what goes wrong with it."""

    lose_rank: int = -1
    """This process kills itself at its fourth step, the first time."""
    slow: bool = False

    @property
    def tokens_per_sample(self) -> int:
        """Tokens in a row."""
        return 16

    def identity(self) -> dict[str, Any]:
        """What decides the weights: no trouble does."""
        return {name: value for name, value in super().identity().items() if name not in ("lose_rank", "slow")}


def build(context: Context) -> None:
    """Trains the toy."""
    config: ToyTrainingConfig = context.config
    rank = int(os.environ.get("RANK", "0"))
    prepare_process(context.threads)
    lost = context.checkpoints / "lost"

    def batches(position: int, count: int) -> Batch:
        if rank == config.lose_rank and position >= 3 * config.batch_size and not lost.exists():
            lost.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if config.slow:
            time.sleep(0.1)
        return toy_batch(position, count)

    def validate(model: Any) -> float:
        return mean_loss(model, language_modeling_loss, toy_batch, 7, 3, "fp32")

    model = build_model(SPEC, seed=0)
    train_in_stage(context, config, model, language_modeling_loss, batches, validate, "fp32")
    assert rank == 0, "only the first process goes on"
    out = context.folder / "weights.bin"
    out.write_bytes(b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters()))
    context.add("model", out.name, out)


STAGE = Stage(name="toy", version=1, config=ToyTrainingConfig, outputs=("model",), build=build, trains=True)

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main({"toy": STAGE}, sys.argv[1:]))
