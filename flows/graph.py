"""The graph of a pipeline: which stage reads which output of which other.

snapshot → collect → clean → dedup → shard → decontaminate → validate → tokenizer → pack → pretrain → evaluate.pretrain
                                             ↑                                               └→ finetune.X → evaluate.X
                                 examples.X ─┴─────────────────────────────────────────────────┘

Where `boilerplate` is enabled it stands between collect and clean. Only decoders are evaluated and fine-tuned so far:
pretraining itself reports the validation loss of other architectures.
"""

from __future__ import annotations

from dataclasses import replace

from flows.stages import STAGES
from schemas.architectures import FAMILIES
from schemas.config.base import Config
from schemas.config.pipeline import PipelineConfig
from schemas.splits import SPLITS
from tasks.engine.graph import Graph, Node
from tasks.engine.stage import Input
from tasks.tokenizer.stage import stage_for as tokenizer_stage_for


def pipeline_graph(config: PipelineConfig) -> Graph:
    """Returns the nodes that a configuration asks for, in an order in which each comes after what it reads."""
    collect = config.collect.model_copy(update={"sources": config.snapshot.sources})
    boilerplate, lines = [], {}
    if config.boilerplate.enabled:
        clean = config.clean
        seen = {"html": clean.html, "unicode": clean.unicode, "personal": clean.personal}
        found = config.boilerplate.model_copy(update=seen)
        boilerplate, lines = (
            [_node("boilerplate", found, documents="collect.documents")],
            {"lines": "boilerplate.lines"},
        )
    used = {finetune.examples for finetune in config.finetune.values()}
    examples = {name: found for name, found in config.examples.items() if name in used}
    decontaminate = config.decontaminate.model_copy(
        update={name: getattr(config.shard, name) for name in ("row_group_rows", "row_group_bytes")}
    )
    held_out = [f"examples.{name}.{split}" for name in examples for split in ("valid", "test")]
    nodes = [
        _node("snapshot", config.snapshot),
        _node("collect", collect, files="snapshot.files"),
        *boilerplate,
        _node("clean", config.clean, documents="collect.documents", **lines),
        _node("dedup", config.dedup, documents="clean.documents"),
        _node(
            "shard",
            config.shard,
            documents="dedup.documents",
            duplicates="dedup.duplicates",
            clusters="dedup.clusters",
        ),
        *(_node(f"examples.{name}", found) for name, found in examples.items()),
        _node(
            "decontaminate",
            decontaminate,
            **{split: f"shard.{split}" for split in SPLITS},
            **{name: name for name in held_out},
        ),
        _node(
            "validate",
            config.validation,
            **{split: f"decontaminate.{split}" for split in SPLITS},
            card="decontaminate.card",
        ),
        replace(
            _node("tokenizer", config.tokenizer, train="validate.train"), stage=tokenizer_stage_for(config.tokenizer)
        ),
        _node(
            "pack",
            config.pack,
            **{split: f"validate.{split}" for split in SPLITS},
            tokenizer="tokenizer.tokenizer",
        ),
        _node(
            "pretrain",
            config.pretrain,
            train="pack.train",
            valid="pack.valid",
            tokenizer="tokenizer.tokenizer",
        ),
    ]
    if FAMILIES[config.pretrain.model.architecture] == "decoder":
        nodes.append(
            _node(
                "evaluate.pretrain",
                config.evaluate.model_copy(update={"kind": "language_modelling", "task": "pretrain"}),
                model="pretrain.model",
                train="pack.train",
                test="pack.test",
            )
        )
    for name, finetune in config.finetune.items():
        labelled = f"examples.{finetune.examples}"
        nodes.append(
            _node(
                f"finetune.{name}",
                finetune,
                model="pretrain.model",
                train=f"{labelled}.train",
                valid=f"{labelled}.valid",
            )
        )
    for name, finetune in config.finetune.items():
        labelled = f"examples.{finetune.examples}"
        nodes.append(
            _node(
                f"evaluate.{name}",
                config.evaluate.model_copy(update={"kind": finetune.kind, "task": name}),
                model=f"finetune.{name}.model",
                train=f"{labelled}.train",
                test=f"{labelled}.test",
            )
        )
    return Graph(config.name, nodes)


def _node(name: str, config: Config, **reads: str) -> Node:
    inputs = {}
    for wanted, source in reads.items():
        node, _, output = source.rpartition(".")
        inputs[wanted] = Input(node, output)
    return Node(name, STAGES[name.split(".")[0]], config, inputs)
