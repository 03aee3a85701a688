"""Settings of `validate`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from schemas.config.base import Config
from schemas.expectations import COLUMNS, DEFAULTS, Expectation


class ValidateConfig(Config):
    """What must hold of the shards."""

    expectations: dict[str, Expectation | None] = Field(default_factory=dict)
    """Your own by name, beside the defaults; one with a default's name replaces it, null turns that default off."""

    examples: int = Field(default=20, ge=1, le=1000)
    """Rows that are named when an expectation fails."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for name, expectation in self.expectations.items():
            if expectation is None:
                if name not in DEFAULTS:
                    raise ValueError(f"there is no default {name} to turn off; the defaults are {', '.join(DEFAULTS)}")
            elif expectation.column not in COLUMNS[expectation.table]:
                known = ", ".join(COLUMNS[expectation.table])
                raise ValueError(f"{name}: {expectation.table} has no column {expectation.column!r}, only {known}")
        return self

    def in_force(self) -> dict[str, Expectation]:
        """Returns the expectations to check, by name."""
        merged = DEFAULTS | self.expectations
        return {name: expectation for name, expectation in sorted(merged.items()) if expectation is not None}
