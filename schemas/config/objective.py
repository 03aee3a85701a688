"""What a model is pretrained to predict."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.architectures import FAMILIES, OBJECTIVES, USUAL_OBJECTIVE, Architecture, ObjectiveKind
from schemas.config.base import Config

USUAL_FRACTION: dict[ObjectiveKind, float] = {"masked": 0.15, "span_corruption": 0.15, "infilling": 0.3}
"""Share of the text that each objective was published with."""


class ObjectiveConfig(Config):
    """The task that is made from plain text. What is hidden follows from the seed and the position of a sample."""

    kind: Literal["auto"] | ObjectiveKind = "auto"
    """`causal`: the next token; `masked`: hidden tokens, from both sides; `span_corruption`: the missing spans of a
    text; `infilling`: a text whole, from one with spans missing; `auto`: what the architecture was published with."""
    fraction: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Share of the text that is hidden; left out, 0.15, and 0.3 for `infilling`."""
    mean_span: float = Field(default=3.0, ge=1.0, le=100.0)
    """Mean length of a missing span in tokens."""
    masked: float = Field(default=0.8, ge=0.0, le=1.0)
    """Share of the hidden tokens of `masked` that become `<mask>`."""
    replaced: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of the hidden tokens of `masked` that become another token; the rest stay as they are."""
    whole_words: bool = False
    """Hide all pieces of a word written in letters of an alphabet, or none (`masked` only). A Chinese piece counts as
    a word."""

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.masked + self.replaced > 1.0:
            raise ValueError(f"masked {self.masked} and replaced {self.replaced} are shares of one whole: at most 1")
        return self

    def of(self, architecture: Architecture) -> ObjectiveConfig:
        """Returns the settings with nothing left open.

        Raises:
            ValueError: The architecture cannot learn this.
        """
        kind = USUAL_OBJECTIVE[architecture] if self.kind == "auto" else self.kind
        suitable = OBJECTIVES[FAMILIES[architecture]]
        if kind not in suitable:
            raise ValueError(
                f"the architecture {architecture} does not suit the objective {kind}: it learns {' or '.join(suitable)}"
            )
        usual = USUAL_FRACTION.get(kind)
        return self.model_copy(update={"kind": kind, "fraction": self.fraction or usual})
