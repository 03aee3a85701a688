"""What must hold of the shards before anything is trained on them, as data.

An expectation names a column of one of two tables that `validate` makes: `documents`, a row for each document with what
was measured of its text, and `splits`, a row for each split. Its type and arguments are Great Expectations' own.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from schemas.config.base import Config

COLUMNS = {
    "documents": (
        "id",
        "source",
        "path",
        "language",
        "licence",
        "cluster",
        "split",
        "characters",  # of the text, outer whitespace left out
        "replacement_share",  # of its characters that are U+FFFD, left by undecodable bytes
        "splits_of_id",  # how many splits hold a document of this id
        "splits_of_cluster",
    ),
    "splits": ("split", "documents", "share"),  # of all documents
}


class Expectation(Config):
    """One check of one column."""

    table: Literal["documents", "splits"] = "documents"
    """`documents` has a row for each document, `splits` one for each split."""

    column: str
    """The column that is checked."""

    type: str = Field(pattern=r"^expect_column_[a-z_]+$")
    """Great Expectations' name of the check, such as `expect_column_values_to_be_between`."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    """Its arguments, such as `min_value`, or `mostly` for the share of rows that suffices."""

    severity: Literal["critical", "warning"] = "critical"
    """A failed critical expectation stops the run; a warning is shown and recorded."""


DEFAULTS: dict[str, Expectation] = {
    "ids_stated": Expectation(column="id", type="expect_column_values_to_not_be_null"),
    "ids_unique": Expectation(column="id", type="expect_column_values_to_be_unique"),
    "ids_in_one_split": Expectation(
        column="splits_of_id", type="expect_column_values_to_be_between", arguments={"max_value": 1}
    ),
    "clusters_in_one_split": Expectation(
        column="splits_of_cluster", type="expect_column_values_to_be_between", arguments={"max_value": 1}
    ),
    "languages_known": Expectation(
        column="language", type="expect_column_values_to_be_in_set", arguments={"value_set": ["en", "zh"]}
    ),
    "licences_stated": Expectation(
        column="licence", type="expect_column_values_to_not_match_regex", arguments={"regex": r"^\s*$"}
    ),
    "text_lengths": Expectation(
        column="characters",
        type="expect_column_values_to_be_between",
        arguments={"min_value": 1, "max_value": 10_000_000},
    ),
    "few_replacement_characters": Expectation(
        column="replacement_share",
        type="expect_column_values_to_be_between",
        arguments={"max_value": 0.02, "mostly": 0.999},
    ),
    "splits_hold_documents": Expectation(
        table="splits", column="documents", type="expect_column_values_to_be_between", arguments={"min_value": 1}
    ),
    "train_is_the_greatest_split": Expectation(
        table="splits", column="share", type="expect_column_max_to_be_between", arguments={"min_value": 0.5}
    ),
}
"""By name; a configuration can replace any, turn it off, and add its own."""
