"""The process in which one stage is built.

It reads its `BuildSpec`, builds, stores the files and leaves `result.json`; the supervisor publishes. Events go to the
supervisor as JSON lines through a pipe. Standard input is a lifeline: when its other end closes, the supervisor is dead
and so is this build. SIGTERM asks the stage to save a checkpoint and stop. A stage that trains may be built by several
such processes, of which the first alone tells and leaves anything; see `ranks`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from schemas.errors import ExitCode, Interrupted, NightmillError, StageFailed, StageKilled, StoreError
from tasks.engine import ranks
from tasks.engine.context import BuildContext, Tell, scratch_name
from tasks.engine.fingerprint import fingerprint
from tasks.engine.host import high_water_mark
from tasks.engine.spec import BuildResult, BuildSpec
from tasks.engine.stage import Stage
from tasks.store.local import store_errors
from tasks.store.store import Store

_RECORDED_LIBRARIES = {
    "numpy": "numpy",
    "pyarrow": "pyarrow",
    "polars": "polars",
    "numba": "numba",
    "scipy": "scipy",
    "sentencepiece": "sentencepiece",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "transformers": "transformers",
    "evaluate": "evaluate",
    "sacrebleu": "sacrebleu",
    "rouge_score": "rouge-score",
    "great_expectations": "great-expectations",
    "resiliparse": "resiliparse",
    "ftfy": "ftfy",
    "lingua": "lingua-language-detector",
}


def main(stages: Mapping[str, Stage], arguments: list[str]) -> int:
    """Builds what the spec file in `arguments[0]` asks for; events go to the descriptor in `arguments[1]`."""
    spec = BuildSpec.model_validate_json(Path(arguments[0]).read_bytes())
    stage = stages[spec.stage]
    return supervised(Path(spec.folder), int(arguments[1]), lambda tell, stop: build(spec, stage, tell=tell, stop=stop))


def supervised(folder: Path, descriptor: int, work: Callable[[Tell, threading.Event], BuildResult]) -> int:
    """Does the one work of this process under its supervisor's eyes, leaves `folder/result.json` and ends the process.

    Args:
        folder: Where the result goes.
        descriptor: The pipe for events.
        work: Is given where to tell events, and what is set once it is to stop.
    """
    events = os.fdopen(descriptor, "w", buffering=1, encoding="utf-8")
    lock = threading.Lock()

    def tell(event: dict[str, Any]) -> None:
        if ranks.rank():
            return  # the first process says it
        with lock:
            try:
                events.write(json.dumps(event) + "\n")
            except (BrokenPipeError, ValueError):
                return

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_supervisor, daemon=True).start()
    result = work(tell, stop)
    target = folder / ranks.result_name(ranks.rank())
    temporary = target.with_suffix(".tmp")
    try:
        with store_errors(target):
            temporary.write_text(result.model_dump_json())
            temporary.replace(target)
    except StoreError as error:
        # Nothing can be written, so the supervisor is told by the pipe.
        result = _failed(error) if result.error is None else result
        tell({"error": result.error})
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    code = ExitCode.DONE if result.error is None else NightmillError.from_json(result.error).exit_code
    # Threads of libraries may linger, and interpreter shutdown takes a second with torch loaded.
    os._exit(int(code))


def build(spec: BuildSpec, stage: Stage, *, tell: Any, stop: threading.Event) -> BuildResult:
    """Runs a stage's `build` and returns what it left, or its error."""
    try:
        store = Store.open(Path(spec.store))
        _refuse_other_code(spec, stage, store)
        context = BuildContext(spec, stage, store, tell=tell, stopping=stop.is_set)
        with store_errors(Path(spec.folder)), context:
            stage.build(context)
        if stop.is_set() and not any(context.result.outputs.values()):
            raise Interrupted("stopped")
        context.result.libraries = _libraries()
        context.result.peak_memory_bytes = high_water_mark()
        return context.result
    except ranks.PartDone:
        return BuildResult(outputs={})
    except NightmillError as error:
        return _failed(error)
    except MemoryError as error:
        return _failed(
            StageKilled(
                f"ran out of memory: {error or 'an allocation failed'}",
                where=spec.node,
                hint="give the machine more memory, or lower the stage's part or batch size",
            )
        )
    except OSError as error:
        _log_traceback()
        return _failed(
            StoreError(
                f"{error.strerror or error}",
                where=str(error.filename or spec.folder),
                hint="check the disk and its permissions, then run again: finished work is kept",
            )
        )
    except Exception as error:
        _log_traceback()
        place = traceback.extract_tb(error.__traceback__)[-1]
        return _failed(
            StageFailed(
                f"{type(error).__name__}: {error}",
                where=f"{spec.node} ({Path(place.filename).name}:{place.lineno})",
                hint="the whole traceback is in the stage's log",
            )
        )
    finally:
        shutil.rmtree(Path(spec.folder) / scratch_name(), ignore_errors=True)


def _refuse_other_code(spec: BuildSpec, stage: Stage, store: Store) -> None:
    """What is built now must not get a key that was made from the code of some minutes ago."""
    if spec.root and fingerprint(stage.build.__module__, Path(spec.root), store.cache).digest != spec.code:
        raise StageFailed("its code was edited since the run was planned", where=spec.node, hint="run again")


def _log_traceback() -> None:
    with contextlib.suppress(OSError):  # On a full disk the log cannot be written either.
        traceback.print_exc()


def _failed(error: NightmillError) -> BuildResult:
    return BuildResult(outputs={}, error=error.to_json())


def _die_with_supervisor() -> None:
    """Waits for the end of standard input, which only the supervisor's death or wish brings."""
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


def _libraries() -> dict[str, str]:
    loaded = {name: "" for name in _RECORDED_LIBRARIES if name in sys.modules}
    for module in loaded:
        try:
            loaded[module] = metadata.version(_RECORDED_LIBRARIES[module])
        except metadata.PackageNotFoundError:
            loaded[module] = "unknown"
    return dict(sorted(loaded.items())) | {"python": sys.version.split()[0]}
