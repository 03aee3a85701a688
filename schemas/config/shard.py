"""Settings of `shard`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from schemas.config.base import Config


class ShardConfig(Config):
    """How documents are divided into train, valid and test, and these into files."""

    valid_fraction: float = Field(default=0.03, gt=0, lt=1)
    """Share of clusters that training watches its loss on."""

    test_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of clusters that only the final evaluation reads.

    The defaults suit a corpus of some ten thousand documents: of 600 in its smaller language, 30 are for testing, about
    the least that an interval can be given for. Millions of documents want a tenth of it.
    """

    seed: int = Field(default=1, ge=0)
    """Decides which side a cluster falls on, and the order inside a shard."""

    shard_bytes: int = Field(default=64 * 2**20, ge=1)
    """Bytes of documents, before compression, that one shard of each split is made of, on average.

    A shard is shuffled as a whole, so a process holds the texts of one at a time: at most 1.75 times as much (or one
    file of `dedup`, if that is larger), and four row groups.
    """

    row_group_rows: int = Field(default=4096, ge=1)
    """Rows in a row group of a shard: what a reader holds at least."""

    row_group_bytes: int = Field(default=32 * 2**20, ge=1)
    """A row group ends sooner, after the row that brings its texts to so many bytes."""

    @model_validator(mode="after")
    def _something_is_left_to_train(self) -> Self:
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"valid_fraction ({self.valid_fraction}) and test_fraction ({self.test_fraction}) "
                "leave nothing to train on"
            )
        return self
