"""Reads a configuration file into a checked pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schemas.config.pipeline import PipelineConfig
from schemas.config.reading import check, override, parse
from schemas.errors import ConfigError


@dataclass(frozen=True)
class Configuration:
    """A configuration with its paths made absolute, and the file it came from."""

    file: Path
    pipeline: PipelineConfig


def read_configuration(file: Path, assignments: list[str] | None = None) -> Configuration:
    """Reads and checks a configuration file.

    Args:
        file: The YAML file; relative paths in it are relative to its folder.
        assignments: `a.b=value` overrides.

    Raises:
        ConfigError: With every fault at once, each with its line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("does not exist", where=str(file), hint="`nightmill init DIR` writes an example") from None
    except IsADirectoryError:
        raise ConfigError("is a folder", where=str(file), hint="name the configuration file in it") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8: {error.reason} at byte {error.start}", where=str(file)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(file)) from None
    document = parse(text, str(file))
    override(document, assignments or [])
    config = check(document, PipelineConfig)
    if config is None:
        document.raise_faults()
        raise AssertionError("a configuration was refused without a fault")
    config = config.located(file.parent)
    for name, source in config.snapshot.sources.items():
        for setting, path in source.local_paths().items():
            if not path.exists():
                document.fault(("snapshot", "sources", name, setting), f"{path} does not exist", "check the path")
    for name, examples in config.examples.items():
        if not examples.path.exists():
            document.fault(("examples", name, "path"), f"{examples.path} does not exist", "check the path")
    unknown = set(config.execution.stages) - _stage_names(config)
    for name in sorted(unknown):
        document.fault(("execution", "stages", name), "there is no such stage", ", ".join(sorted(_stage_names(config))))
    document.raise_faults()
    return Configuration(file, config)


def _stage_names(config: PipelineConfig) -> set[str]:
    from flows.graph import pipeline_graph

    nodes = set(pipeline_graph(config).nodes)
    return nodes | {name.split(".")[0] for name in nodes}
