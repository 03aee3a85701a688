"""Validation bits per byte at equal CPU seconds: our default recipe beside GPT-2 with AdamW, of one size.

    python tests/benchmarks/bench_train_quality.py FOLDER [--seconds 180] [--seeds 3] [--json FILE]
    python tests/benchmarks/bench_train_quality.py FOLDER --short [--seconds 20]

FOLDER holds Parquet files with the columns `content` and `lang`. Both recipes run in our trainer, in our precision, on
the same blocks; what differs is architecture, optimiser, schedule and learning rate, the latter swept for both on the
first seed. How many steps the seconds buy is measured before, so that every schedule reaches its end. A run is a
process of its own and its figures are appended to `--json` when it ends: a benchmark that was stopped goes on there.
`--short` is a look in a few minutes, whose figures prove nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_data import prepare

if TYPE_CHECKING:
    from tasks.modeling.precision import Precision

HERE = Path(__file__).parent
RATES = {"ours": [0.0025, 0.005, 0.01], "gpt2": [0.001, 0.002, 0.004]}
SHORT_RATES = {"ours": [0.005], "gpt2": [0.001, 0.002, 0.004]}
VOCABULARY, CONTEXT, BATCH = 8192, 256, 8
CHARACTERS = 10_000_000
WARM_STEPS, TIMED_STEPS = 3, 8
SCORED_TOKENS = 100_000
"""Of each language of the held-out documents."""


def build(recipe: str, seed: int) -> Any:
    """Builds a recipe's model: 4.9 M parameters of our defaults, or a GPT-2 of their width and depth (5.3 M)."""
    from dataclasses import replace

    from schemas.config.pretrain import PretrainConfig
    from tasks.modeling.architectures.spec import spec_of
    from tasks.modeling.models import build_model

    ours = spec_of(PretrainConfig().model, VOCABULARY, CONTEXT)
    wide = 4 * ours.hidden_size
    gpt2 = replace(ours, architecture="gpt2", kv_heads=ours.heads, intermediate_size=wide)
    return build_model(ours if recipe == "ours" else gpt2, seed)


def train_recipe(recipe: str, rate: float, seed: int, seconds: float, data: Path, threads: int) -> dict[str, Any]:
    """Trains one recipe for so many CPU seconds and scores it."""
    from train_ours import training_samples

    from schemas.config.pretrain import PretrainConfig
    from tasks.engine.host import host_class
    from tasks.modeling.checkpoints import Checkpoints
    from tasks.modeling.objectives import language_modeling_loss
    from tasks.modeling.optimizers import OptimizerSettings
    from tasks.modeling.precision import prepare_process
    from tasks.modeling.schedules import ScheduleSettings
    from tasks.modeling.trainer import train
    from tasks.modeling.training_interface import Callbacks, TrainSettings

    prepare_process(threads)
    defaults = PretrainConfig().resolved(host_class())
    precision = defaults.precision
    assert precision != "auto", "resolved for this class of host"
    if recipe == "ours":
        optimizer = OptimizerSettings(learning_rate=rate, **defaults.optimizer.model_dump())
        schedule = ScheduleSettings(**defaults.schedule.model_dump())
    else:
        optimizer = OptimizerSettings(learning_rate=rate, kind="adamw", weight_decay=0.1)
        schedule = ScheduleSettings(shape="cosine", warmup_steps=10, final_factor=0.1)

    def run(steps: int, marks: list[float]) -> Any:
        model = build(recipe, seed)
        batches = training_samples(data, model, CONTEXT, seed)
        settings = TrainSettings(
            steps=steps,
            batch_size=BATCH,
            micro_batch_size=BATCH,
            seed=seed,
            precision=precision,
            optimizer=optimizer,
            schedule=schedule,
            checkpoint_every=0,
        )
        callbacks = Callbacks(on_step=lambda record, *rest: marks.append(time.process_time()))
        with tempfile.TemporaryDirectory() as folder:
            checkpoints = Checkpoints(Path(folder), lambda message: None)
            train(model, language_modeling_loss, batches, settings, checkpoints, callbacks)
        return model

    marks: list[float] = []
    run(WARM_STEPS + TIMED_STEPS, marks)
    pace = statistics.median(b - a for a, b in zip(marks[WARM_STEPS:], marks[WARM_STEPS + 1 :], strict=False))
    steps = round(seconds / pace)
    before = time.process_time()
    model = run(steps, [])
    used = time.process_time() - before
    return {"steps": steps, "cpu_s": used, "bits_per_byte": score(model, data, precision)}


def score(model: Any, data: Path, precision: Precision) -> dict[str, float]:
    """Returns bits per byte of held-out documents, each alone, in windows that begin where the last one ended."""
    import math

    import torch
    from train_ours import open_split

    from schemas.tokens import LANGUAGES
    from tasks.modeling.objectives import language_modeling_loss
    from tasks.modeling.precision import autocast

    tokens = open_split(data, "valid")
    nats, sizes, scored = dict.fromkeys(LANGUAGES, 0.0), dict.fromkeys(LANGUAGES, 0), dict.fromkeys(LANGUAGES, 0)
    model.eval()
    for number in range(tokens.n_documents):
        language = LANGUAGES[tokens.languages[number]]
        document = tokens.document(number)
        if scored[language] > SCORED_TOKENS or len(document) < 2:
            continue
        for start in range(0, len(document) - 1, CONTEXT):
            window = torch.from_numpy(document[start : start + CONTEXT + 1]).unsqueeze(0)
            batch = {"input_ids": window[:, :-1], "labels": window[:, 1:]}
            batch["position_ids"] = torch.arange(window.size(1) - 1).unsqueeze(0)
            with torch.no_grad(), autocast(precision):
                nats[language] += float(language_modeling_loss(model, batch).total)
        sizes[language] += int(tokens.text_bytes[number])
        scored[language] += len(document)
    found = {language: nats[language] / sizes[language] / math.log(2) for language in LANGUAGES if sizes[language]}
    return {"all": sum(nats.values()) / sum(sizes.values()) / math.log(2), **found}


def in_process(recipe: str, rate: float, seed: int, seconds: float, data: Path, threads: int) -> dict[str, Any]:
    """Runs one training in a process of its own."""
    one = {"recipe": recipe, "rate": rate, "seed": seed, "seconds": seconds, "threads": threads}
    command = [sys.executable, __file__, str(data), "--one", json.dumps(one)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(said.stderr)
    found = {**one, **json.loads(said.stdout.splitlines()[-1])}
    bits = found["bits_per_byte"]
    print(
        f"{recipe:<6} rate {rate:<7g} seed {seed}: {found['steps']} steps, {found['cpu_s']:.0f} CPU s, {bits}",
        flush=True,
    )
    return found


class Results:
    """What was measured, kept in a file so that a stopped benchmark goes on."""

    def __init__(self, path: Path | None, seconds: float) -> None:
        self._path, self._seconds = path, seconds
        self.runs: list[dict[str, Any]] = json.loads(path.read_text()) if path is not None and path.exists() else []

    def get(self, recipe: str, rate: float, seed: int, data: Path, threads: int) -> dict[str, Any]:
        """Returns a run, trained now unless it was before."""
        wanted = (recipe, rate, seed, self._seconds)
        for run in self.runs:
            if (run["recipe"], run["rate"], run["seed"], run["seconds"]) == wanted:
                return run
        self.runs.append(in_process(recipe, rate, seed, self._seconds, data, threads))
        if self._path is not None:
            self._path.write_text(json.dumps(self.runs, indent=1))
        return self.runs[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, help="CPU seconds of a training: 180, or 20 with --short")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="one seed, few rates")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(train_recipe(**arguments.one, data=arguments.folder)))
        return
    seconds, seeds = (
        arguments.seconds or (20.0 if arguments.short else 180.0),
        1 if arguments.short else arguments.seeds,
    )
    rates = SHORT_RATES if arguments.short else RATES
    results = Results(arguments.json, seconds)
    with tempfile.TemporaryDirectory() as data:
        prepare(arguments.folder, Path(data), VOCABULARY, CHARACTERS)

        def get(recipe: str, rate: float, seed: int) -> dict[str, Any]:
            return results.get(recipe, rate, seed, Path(data), arguments.threads)

        found = {}
        for recipe in ("ours", "gpt2"):
            best = min(rates[recipe], key=lambda rate: float(get(recipe, rate, 0)["bits_per_byte"]["all"]))
            found[recipe] = [get(recipe, best, seed)["bits_per_byte"] for seed in range(seeds)]
    for language in found["ours"][0]:
        ours, theirs = (statistics.mean(run[language] for run in found[recipe]) for recipe in ("ours", "gpt2"))
        print(f"{language:<4} ours {ours:.4f}  GPT-2 + AdamW {theirs:.4f}  ratio {ours / theirs:.4f}")
    print("goal: ratio ≤ 0.93 over all, below 1 in each language")


if __name__ == "__main__":
    main()
