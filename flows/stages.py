"""Every kind of stage, by name."""

from tasks.boilerplate.stage import STAGE as BOILERPLATE
from tasks.clean.stage import STAGE as CLEAN
from tasks.collect.stage import STAGE as COLLECT
from tasks.decontaminate.stage import STAGE as DECONTAMINATE
from tasks.dedup.stage import STAGE as DEDUP
from tasks.engine.stage import Stage
from tasks.evaluate.stage import STAGE as EVALUATE
from tasks.examples.stage import STAGE as EXAMPLES
from tasks.finetune.stage import STAGE as FINETUNE
from tasks.pack.stage import STAGE as PACK
from tasks.pretrain.stage import STAGE as PRETRAIN
from tasks.shard.stage import STAGE as SHARD
from tasks.snapshot.stage import STAGE as SNAPSHOT
from tasks.tokenizer.stage import STAGE as TOKENIZER
from tasks.validate.stage import STAGE as VALIDATE

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        SNAPSHOT,
        COLLECT,
        BOILERPLATE,
        CLEAN,
        DEDUP,
        SHARD,
        DECONTAMINATE,
        VALIDATE,
        TOKENIZER,
        PACK,
        PRETRAIN,
        EXAMPLES,
        FINETUNE,
        EVALUATE,
    )
}
