"""`validate`: the shards in, the same shards out, once they meet the declared expectations.

Inputs and outputs: `train`, `valid` and `test` (SHARDED rows); a further input `card`, and a further output `dataset`:
all splits and the card in one folder that other tools open as it is. Later stages read these outputs, so a failed
expectation stops everything after it, and one that holds changes no bytes. Diagnostics: `expectations.json` with every
verdict, and Great Expectations' pages.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from schemas.config.validate import ValidateConfig
from tasks.engine.stage import Context, Stage

if TYPE_CHECKING:
    import polars as pl

    from tasks.validate.checks import Verdict

SPLITS = ("train", "valid", "test")


def build(context: Context) -> None:
    """Measures the texts, checks the expectations, and passes the shards on."""
    from schemas.errors import ExpectationFailed
    from tasks.validate.checks import check
    from tasks.validate.measures import measure
    from tasks.validate.pages import render

    config: ValidateConfig = context.config
    tables = measure({split: [file.path for file in context.inputs[split].files] for split in SPLITS})
    verdicts, results = check(config.in_force(), tables, config.examples)
    broken = [verdict for verdict in verdicts if not verdict.met]
    critical = [verdict for verdict in broken if verdict.expectation.severity == "critical"]
    if critical:
        raise ExpectationFailed(
            f"{len(critical)} of {len(verdicts)} expectations are not met",
            where="validate",
            hint="repair the sources or their cleaning; or change the limit under validate.expectations",
            details=[line for verdict in critical for line in _described(verdict, tables[verdict.expectation.table])],
        )
    for verdict in broken:
        context.warn("\n".join(_described(verdict, tables[verdict.expectation.table])))
    for split in SPLITS:
        for file in context.inputs[split].files:
            context.add(split, file.stored.name, file.stored)
            context.add("dataset", f"{split}/{file.stored.name}", file.stored)
    for file in context.inputs["card"].files if "card" in context.inputs else ():
        context.add("dataset", file.stored.name, file.stored)
    summary = context.folder / "expectations.json"
    summary.write_text(json.dumps([_record(verdict) for verdict in verdicts], indent=1, ensure_ascii=False))
    context.add_diagnostic(summary.name, summary)
    for result in results:
        page = context.folder / f"data_docs_{result.suite_name}.html"
        page.write_text(render(result), encoding="utf-8")
        context.add_diagnostic(page.name, page)
    rows = tables["documents"].height
    context.report(rows_in=rows, rows_out=rows, expectations=len(verdicts), unmet=len(broken))


def _described(verdict: Verdict, table: pl.DataFrame) -> list[str]:
    """Returns lines for a person: the expectation, what was observed, and which rows."""
    expectation = verdict.expectation
    arguments = ", ".join(f"{name}={value}" for name, value in expectation.arguments.items())
    lines = [f"{verdict.name}: {expectation.type}({expectation.column}, {arguments}): {verdict.observed}"]
    for row in table[verdict.rows].to_dicts() if verdict.rows else []:
        value = f"{expectation.column} = {row[expectation.column]!r}"
        if expectation.table == "documents":
            lines.append(f"  {row['split']} {row['id']} {row['source']}:{row['path']}#{row['offset']}: {value}")
        else:
            lines.append(f"  {row['split']}: {value}")
    return lines


def _record(verdict: Verdict) -> dict[str, object]:
    expectation = verdict.expectation
    return {
        "name": verdict.name,
        "met": verdict.met,
        "observed": verdict.observed,
        **expectation.model_dump(),
    }


STAGE = Stage(name="validate", version=1, config=ValidateConfig, outputs=(*SPLITS, "dataset"), build=build)
