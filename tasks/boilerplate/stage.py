"""Stage `boilerplate`: for each source the lines that stand in many of its documents.

Reads `documents` (COLLECTED). Writes `lines`: a table `SOURCE.parquet` of each source (`tasks.text.boilerplate.LINES`)
and `tables.json`, when and with which settings each was made. The artifact continues its predecessor: a table that is
younger than `renew_after_days` and was made with the same settings is carried over as it is, so `clean`, which reads
it, has nothing to do anew.
"""

from __future__ import annotations

from schemas.config.boilerplate import BoilerplateConfig
from tasks.engine.stage import Context, Stage


def build(context: Context) -> None:
    """Carries tables over, and makes those that are missing, due, or were made with other settings."""
    from tasks.boilerplate.tables import renew

    renew(context)


STAGE = Stage(
    name="boilerplate",
    version=1,
    config=BoilerplateConfig,
    outputs=("lines",),
    build=build,
    keeps_ledger=True,
)
