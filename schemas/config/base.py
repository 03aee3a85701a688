"""What every stage's configuration has in common: strictness, and the line between identity and execution.

A field counts towards the identity of what is built unless it is marked `Annotated[..., EXECUTION]`: paths, workers,
threads and devices say how something is built, never what. A field added after a release is marked
`Annotated[..., OmittedAt(value)]` with the value that stands for the old behaviour: at that value it is left out of the
identity, so artifacts built before keep their keys.

An identity names settings as the configuration does: fields by their names, entries of a mapping (sources, word lists)
by theirs, in any order; a list keeps its order. So a renamed field or source is another identity, and so are settings
that mean the same but say it in other words; of what a file holds, a stage adds the digest itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class _Execution:
    def __repr__(self) -> str:
        return "EXECUTION"


EXECUTION = _Execution()
"""Marks a field that never changes what is built."""


@dataclass(frozen=True)
class OmittedAt:
    """Marks a later field: at `value` it is left out of the identity."""

    value: Any


class Config(BaseModel):
    """Base of all configuration models: unknown keys are errors, values do not change once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    def resolved(self, host_class: str) -> Self:
        """Returns the settings with every `auto` replaced by what it means on a class of host, before keys are made."""
        del host_class
        return self

    def identity(self) -> dict[str, Any]:
        """Returns the JSON-able settings that decide what is built, execution settings left out."""
        found: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if any(mark is EXECUTION for mark in field.metadata):
                continue
            if any(isinstance(mark, OmittedAt) and mark.value == value for mark in field.metadata):
                continue
            found[name] = _identity(value)
        return found


def _identity(value: Any) -> Any:
    if isinstance(value, Config):
        return value.identity()
    if isinstance(value, dict):
        return {str(key): _identity(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_identity(item) for item in value]
    return value
