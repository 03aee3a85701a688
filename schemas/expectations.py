"""What must hold of the shards before anything is trained on them, as data.

An expectation names a column of one of the tables that `validate` makes. Its type and arguments are Great Expectations'
own. Texts are in none of the tables: only what was measured of them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from schemas.config.base import Config

Table = Literal["documents", "files", "splits", "languages", "drift"]

SHARD_COLUMNS = ("id", "source", "path", "offset", "licence", "origin", "first_seen", "date", "language", "cluster")
"""Columns of `documents` that are those of the shards."""

COLUMNS: dict[Table, tuple[str, ...]] = {
    "documents": (
        *SHARD_COLUMNS,
        "split",
        "licence_characters",  # of what the licence is called, outer whitespace left out
        "characters",  # of the text, outer whitespace left out
        "replacement_share",  # of its characters that are U+FFFD, left by undecodable bytes
        "emails",  # of personal data that cleaning replaces, how many are left in the text
        "phones",  # Chinese mobile numbers
        "cards",
        "resident_ids",
        "ibans",
        "ip_addresses",  # public ones; a version number of four parts looks the same
        "personal",  # all of them but `ip_addresses`
        "documents_of_id",  # how many documents have its id
        "splits_of_id",  # how many splits hold a document of its id
        "splits_of_cluster",
        "nearest",  # of held-out documents, the similarity to the most similar of another split; 0 below `compare_from`
    ),
    "files": (
        "split",
        "file",
        "documents",
        "schema_faults",  # columns that are missing, unknown or of another type
        "nulls",  # values that are missing, in all columns together
    ),
    "splits": ("split", "documents", "share"),  # share of all documents
    "languages": (  # of all splits together
        "language",
        "documents",
        "share",
        "characters_p5",  # quantiles of the lengths, right within 19 %
        "characters_p50",
        "characters_p95",
    ),
    "drift": (  # "*" stands for all sources or languages; see `ValidateConfig.drift`
        "source",
        "language",
        "documents",
        "baseline_documents",
        "length_psi",  # population stability index of the lengths; missing where there is nothing to compare with
        "language_psi",  # of the shares of languages
    ),
}
"""The tables that `validate` makes: a row for each document, shard file, split, language, and source with language."""


TEXT_COLUMNS = frozenset(
    ("id", "source", "path", "licence", "origin", "first_seen", "date", "language", "cluster", "split", "file")
)
"""Columns that hold texts; all others hold numbers."""

_OF_NUMBERS = frozenset(
    f"expect_column_{name}_to_be_between" for name in ("mean", "median", "stdev", "sum", "quantile_values")
) | {"expect_column_value_z_scores_to_be_less_than", "expect_column_kl_divergence_to_be_less_than"}
"""Types that mean something of numbers only."""


class Expectation(Config):
    """One check of one column."""

    table: Table = "documents"
    """The table: `documents`, `files`, `splits`, `languages` or `drift`."""

    column: str
    """The column that is checked."""

    type: str = Field(pattern=r"^expect_column_[a-z_]+$")
    """Great Expectations' name of the check, such as `expect_column_values_to_be_between`."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    """Its arguments, such as `min_value`, or `mostly` for the share of rows that suffices."""

    severity: Literal["critical", "warning"] = "critical"
    """A failed critical expectation stops the run; a warning is shown and recorded."""

    def misfit(self) -> str:
        """Returns why the column cannot be checked so, or an empty string: SQLite would compare texts with numbers."""
        if self.column not in COLUMNS[self.table]:
            return f"{self.table} has no column {self.column!r}, only {', '.join(COLUMNS[self.table])}"
        limits = [self.arguments.get(name) for name in ("min_value", "max_value")]
        of_numbers = self.type in _OF_NUMBERS or any(isinstance(limit, int | float) for limit in limits)
        if self.column in TEXT_COLUMNS and of_numbers and "length" not in self.type and "unique" not in self.type:
            return f"{self.type} compares numbers, but {self.table}.{self.column} holds texts"
        return ""


def _between(column: str, table: Table = "documents", *, warning: bool = False, **arguments: Any) -> Expectation:
    return Expectation(
        table=table,
        column=column,
        type="expect_column_values_to_be_between",
        arguments=arguments,
        severity="warning" if warning else "critical",
    )


DEFAULTS: dict[str, Expectation] = {
    "columns_as_declared": _between("schema_faults", "files", max_value=0),
    "nothing_missing": _between("nulls", "files", max_value=0),
    "ids_unique": _between("documents_of_id", max_value=1),
    "ids_in_one_split": _between("splits_of_id", max_value=1),
    "clusters_in_one_split": _between("splits_of_cluster", max_value=1),
    "languages_known": Expectation(
        column="language", type="expect_column_values_to_be_in_set", arguments={"value_set": ["en", "zh"]}
    ),
    "licences_stated": _between("licence_characters", min_value=1),
    "text_lengths": _between("characters", min_value=1, max_value=10_000_000),
    "few_replacement_characters": _between("replacement_share", max_value=0.02, mostly=0.999),
    # Deduplication's bands let some pairs pass whose similarity is little above its threshold: one in 12 at 0.8, one in
    # 2,500 at 0.9. So what stops the run lies where a find is a defect; what lies between is worth a look.
    "held_out_apart": _between("nearest", max_value=0.9),
    "held_out_no_near_duplicates": _between("nearest", max_value=0.8, strict_max=True, warning=True),
    # A warning, since cleaning may be set to leave personal data as they are.
    "no_personal_data": _between("personal", max_value=0, warning=True),
    "splits_hold_documents": _between("documents", "splits", min_value=1),
    "train_is_the_greatest_split": Expectation(
        table="splits", column="share", type="expect_column_max_to_be_between", arguments={"min_value": 0.5}
    ),
    "lengths_per_language": _between("characters_p50", "languages", min_value=16, max_value=100_000, warning=True),
    "languages_of_some_share": _between("share", "languages", min_value=0.001, warning=True),
    # Warnings, since whoever adds a source or changes how it is cleaned means the corpus to change.
    "lengths_stable": _between("length_psi", "drift", max_value=0.25, warning=True),
    "languages_stable": _between("language_psi", "drift", max_value=0.25, warning=True),
}
"""By name; a configuration can replace any, turn it off, and add its own."""
