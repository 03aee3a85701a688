"""Expectations checked by Great Expectations: no project folder, no network, nothing in the user's home.

Importing it takes 3 to 5 CPU seconds and 200 MB. What it checks lies in an SQLite file, which computes for it.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.errors import ConfigError, StageFailed
from schemas.expectations import COLUMNS, Expectation, Table
from tasks.validate.database import ROW, Database

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when it is imported

import great_expectations as gx
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.exceptions.exceptions import GreatExpectationsError
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

gc.freeze()  # a million objects came with it, which no collection need look at again

logging.getLogger("great_expectations").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Verdict:
    """What came of one expectation.

    Attributes:
        name: Its name in the configuration.
        expectation: What was expected.
        met: Whether it holds.
        observed: What was found, in words.
        rows: Numbers of the first rows that break it, for expectations about single values.
    """

    name: str
    expectation: Expectation
    met: bool
    observed: str
    rows: list[int]


def check(
    expectations: Mapping[str, Expectation], database: Database, examples: int
) -> tuple[list[Verdict], list[Any]]:
    """Checks all expectations.

    Args:
        expectations: By name.
        database: Holds the tables that they name.
        examples: Rows to name at most.

    Returns:
        Verdicts by name, and Great Expectations' own result of each table, for its pages.

    Raises:
        ConfigError: Great Expectations does not know an expectation, or cannot apply it to its column.
    """
    project = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=project)
    verdicts: list[Verdict] = []
    results = []
    source = context.data_sources.add_sqlite("measures", connection_string=f"sqlite:///{database.path}")
    for table in COLUMNS:
        wanted = {name: expectation for name, expectation in expectations.items() if expectation.table == table}
        if wanted:
            result = _validated(source, table, wanted, examples)
            found = [_verdict(one, wanted) for one in result.results]
            missing = wanted.keys() - {verdict.name for verdict in found}
            if missing:
                raise StageFailed(
                    f"Great Expectations did not check {', '.join(sorted(missing))}",
                    where="validate",
                    hint="this is a defect: report it",
                )
            verdicts += found
            results.append(result)
    return sorted(verdicts, key=lambda verdict: verdict.name), results


def _validated(source: Any, table: Table, expectations: Mapping[str, Expectation], examples: int) -> Any:
    configurations = [
        ExpectationConfiguration(
            type=expectation.type,
            kwargs={"column": expectation.column} | expectation.arguments,
            meta={"name": name},
        )
        for name, expectation in expectations.items()
    ]
    for name, configuration in zip(expectations, configurations, strict=True):
        try:
            configuration.to_domain_obj()
        except (GreatExpectationsError, ValueError, TypeError) as error:
            raise _unusable(name, str(error)) from error
    # Given at once: added one by one, a second check of the same type and column would silently replace the first.
    suite = gx.ExpectationSuite(name=table, expectations=configurations)
    definition = source.add_table_asset(table, table_name=table).add_batch_definition_whole_table(table)
    # Checked as a batch, not as a validation definition: that would write suite and result to stores, as JSON.
    return definition.get_batch().validate(
        suite,
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": examples,
            "unexpected_index_column_names": [ROW],
            "return_unexpected_index_query": False,
        },
    )


def _verdict(result: Any, expectations: Mapping[str, Expectation]) -> Verdict:
    name = result.expectation_config.meta["name"]
    problem = _exception(result.exception_info)
    if problem:
        raise _unusable(name, problem)
    found = result.result
    if "unexpected_count" in found:
        count = found["unexpected_count"]
        observed = f"{count} of {found['element_count']} values are otherwise" if count else "all values are so"
    else:
        # Its pages cannot show numpy's numbers.
        found["observed_value"] = _plain(found.get("observed_value"))
        observed = f"{found['observed_value']}"
    rows = [int(place[ROW]) for place in found.get("partial_unexpected_index_list") or []]
    return Verdict(name, expectations[name], bool(result.success), observed, rows)


def _exception(info: Any) -> str:
    """Returns why an expectation could not be applied; the information is nested by metric when a metric failed."""
    if "raised_exception" in info:
        return str(info["exception_message"]) if info["raised_exception"] else ""
    return next((message for nested in info.values() if (message := _exception(nested))), "")


def _unusable(name: str, problem: str) -> ConfigError:
    return ConfigError(
        f"this expectation cannot be used: {problem.strip().splitlines()[0]}",
        where=f"validate.expectations.{name}",
        hint="its type and arguments must be ones of Great Expectations that suit the column",
    )


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
