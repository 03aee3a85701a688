"""The builder of `bench_data.py cores`: collect, clean, and of dedup what is done part by part, `signatures`.

Each reports `serial_s`: CPU seconds of its own process outside of parts, start and imports included, in which other
processes have nothing to do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from schemas.config.dedup import DedupConfig
from tasks.clean.stage import STAGE as CLEAN
from tasks.collect.stage import STAGE as COLLECT
from tasks.engine.child import main
from tasks.engine.stage import Context, Part, PartFunction, PartResult, Stage


def sign(context: Context) -> None:
    """Signs every file, as `dedup` does first."""
    from tasks.dedup.signatures import sign_part, signing

    parameters = signing(context.config)
    files = context.inputs["documents"].files
    for result in context.map_parts(sign_part, [Part(file.stored.name, (file,), parameters) for file in files]):
        for name, stored in result.files.items():
            context.add("signatures", f"{result.name}/{name}", stored)


class Watched:
    """A context that counts what parts take of this process's CPU seconds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.in_parts_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def map_parts(self, function: PartFunction, parts: Sequence[Part]) -> list[PartResult]:
        before = time.process_time()
        results = self._context.map_parts(function, parts)
        self.in_parts_s += time.process_time() - before
        return results


def watched(stage: Stage) -> Stage:
    """Returns the stage with `serial_s` among its metrics."""

    def build(context: Context) -> None:
        watch = Watched(context)
        stage.build(watch)
        context.report(serial_s=time.process_time() - watch.in_parts_s)

    return replace(stage, build=build)


SIGNATURES = Stage("signatures", 1, DedupConfig, ("signatures",), sign)
STAGES = {stage.name: watched(stage) for stage in (COLLECT, CLEAN, SIGNATURES)}

if __name__ == "__main__":
    sys.exit(main(STAGES, sys.argv[1:]))
