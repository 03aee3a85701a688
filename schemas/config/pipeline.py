"""The configuration of a whole pipeline: one section for each stage."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.architectures import FAMILIES
from schemas.config.base import EXECUTION, Config
from schemas.config.boilerplate import BoilerplateConfig
from schemas.config.clean import CleanConfig
from schemas.config.collect import CollectConfig
from schemas.config.decontaminate import DecontaminateConfig
from schemas.config.dedup import DedupConfig
from schemas.config.evaluate import EvaluateConfig
from schemas.config.examples import ExamplesConfig
from schemas.config.execution import ExecutionConfig
from schemas.config.finetune import FinetuneConfig
from schemas.config.pack import PackConfig
from schemas.config.pretrain import PretrainConfig
from schemas.config.shard import ShardConfig
from schemas.config.snapshot import SnapshotConfig
from schemas.config.tokenizer import TokenizerConfig
from schemas.config.validate import ValidateConfig

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
"""Lower-case letters, digits, `_` and `-`: it becomes part of file names and of Prefect's keys."""


class PipelineConfig(Config):
    """A pipeline from sources to evaluated models. Sections left out have their defaults."""

    model_config = ConfigDict(populate_by_name=True)

    name: Name
    """Name of the pipeline: its references in the store bear it."""

    store: Annotated[Path, EXECUTION] = Path(".nightmill/store")
    """Folder of the store; relative to the configuration file."""

    execution: Annotated[ExecutionConfig, EXECUTION] = ExecutionConfig()
    """How stages are built: threads, processes, stages side by side."""

    snapshot: SnapshotConfig
    """The sources."""

    collect: CollectConfig = CollectConfig()
    boilerplate: BoilerplateConfig = BoilerplateConfig()
    clean: CleanConfig = CleanConfig()
    dedup: DedupConfig = DedupConfig()
    shard: ShardConfig = ShardConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    validation: ValidateConfig = Field(default=ValidateConfig(), alias="validate")
    tokenizer: TokenizerConfig = TokenizerConfig()
    pack: PackConfig = PackConfig()
    pretrain: PretrainConfig = PretrainConfig()

    examples: dict[Name, ExamplesConfig] = Field(default_factory=dict)
    """Labelled sets by name."""

    finetune: dict[Name, FinetuneConfig] = Field(default_factory=dict)
    """Fine-tunings by name; each is evaluated under that name."""

    evaluate: EvaluateConfig = EvaluateConfig()
    """How every model is evaluated."""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        if self.tokenizer.reuse.reference == f"{self.name}/tokenizer":
            raise ValueError("tokenizer.reuse.reference names this pipeline itself: leave it out for that")
        for name, finetune in self.finetune.items():
            if name == "pretrain":
                raise ValueError("a fine-tuning cannot be named `pretrain`")
            if finetune.examples not in self.examples:
                known = ", ".join(self.examples) or "none"
                raise ValueError(f"finetune.{name}.examples: there is no labelled set {finetune.examples!r} ({known})")
            if finetune.kind != self.examples[finetune.examples].kind:
                raise ValueError(
                    f"finetune.{name}.kind is {finetune.kind}, but its labelled set is for"
                    f" {self.examples[finetune.examples].kind}"
                )
        return self

    @model_validator(mode="after")
    def _architecture_suits(self) -> Self:
        architecture = self.pretrain.model.architecture
        if self.finetune and FAMILIES[architecture] != "decoder":
            raise ValueError(
                f"the architecture does not suit: finetune.{next(iter(self.finetune))} needs a decoder, and"
                f" pretrain.model.architecture is {architecture}; set it to llama or gpt2, or take finetune out"
            )
        return self

    def located(self, base: Path) -> Self:
        """Returns the configuration with paths that are relative to `base` made absolute."""

        def place(path: Path) -> Path:
            with contextlib.suppress(RuntimeError):  # A user that there is not: told like any missing place.
                path = path.expanduser()
            return (base / path).resolve()

        sources = {name: source.located(place) for name, source in self.snapshot.sources.items()}
        word_lists = {
            name: found.model_copy(update={"path": place(found.path)}) for name, found in self.clean.word_lists.items()
        }
        examples = {name: found.model_copy(update={"path": place(found.path)}) for name, found in self.examples.items()}
        evaluations = {
            name: found.model_copy(update={"path": place(found.path)})
            for name, found in self.decontaminate.evaluations.items()
        }
        return self.model_copy(
            update={
                "store": place(self.store),
                "snapshot": self.snapshot.model_copy(update={"sources": sources}),
                "clean": self.clean.model_copy(update={"word_lists": word_lists}),
                "examples": examples,
                "decontaminate": self.decontaminate.model_copy(update={"evaluations": evaluations}),
                "pretrain": self.pretrain.located(place),
            }
        )
