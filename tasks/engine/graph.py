"""The graph of a pipeline: nodes in an order in which each comes after what it reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.config.base import Config
from schemas.errors import ConfigError
from tasks.engine.stage import Input, Stage


@dataclass(frozen=True, slots=True)
class Node:
    """One stage of a pipeline with its settings.

    Attributes:
        name: Unique in the graph, such as `clean` or `finetune.summarise`.
        stage: The kind of stage.
        config: Its settings, an instance of `stage.config`.
        inputs: What it reads, by the name it has for it.
    """

    name: str
    stage: Stage
    config: Config
    inputs: Mapping[str, Input] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Dotted name of the module that declares the stage."""
        return self.stage.build.__module__

    @property
    def upstream(self) -> list[str]:
        """Names of the nodes it reads, each once."""
        return list(dict.fromkeys(wanted.node for wanted in self.inputs.values()))


class Graph:
    """The nodes of one pipeline in topological order, by name."""

    def __init__(self, pipeline: str, nodes: Iterable[Node]) -> None:
        self.pipeline = pipeline
        self.nodes: dict[str, Node] = {}
        for node in nodes:
            for wanted in node.inputs.values():
                source = self.nodes.get(wanted.node)
                if source is None or wanted.output not in source.stage.outputs:
                    raise ValueError(f"{node.name} reads {wanted.node}.{wanted.output}, which nothing before it makes")
            if node.name in self.nodes:
                raise ValueError(f"two nodes are named {node.name}")
            self.nodes[node.name] = node

    def ancestors(self, name: str) -> set[str]:
        """Every node that a node reads, directly or not."""
        found: set[str] = set()
        for upstream in self.nodes[name].upstream:
            found |= {upstream} | self.ancestors(upstream)
        return found

    def descendants(self, name: str) -> set[str]:
        """Every node that reads a node, directly or not."""
        return {other for other in self.nodes if name in self.ancestors(other)}

    def matching(self, name: str) -> list[str]:
        """Returns the nodes that a name means: itself, or all of a family (`finetune` for `finetune.*`).

        Raises:
            ConfigError: There is none.
        """
        if name in self.nodes:
            return [name]
        family = [node for node in self.nodes if node.startswith(name + ".")]
        if not family:
            raise ConfigError(f"there is no stage named {name!r}", hint="the stages are: " + ", ".join(self.nodes))
        return family

    def select(self, first: str | None, last: str | None, only: str | None) -> set[str]:
        """Returns the nodes that `--from`, `--until` and `--only` leave to run."""
        chosen = set(self.nodes)
        if only:
            chosen &= set(self.matching(only))
        if first:
            starts = set(self.matching(first))
            chosen &= starts | {node for start in starts for node in self.descendants(start)}
        if last:
            ends = set(self.matching(last))
            chosen &= ends | {node for end in ends for node in self.ancestors(end)}
        if not chosen:
            raise ConfigError("no stage is left to run", hint="--from must not come after --until")
        return chosen
