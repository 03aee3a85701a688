"""Validation bits per byte at equal CPU seconds: our default recipe beside GPT-2 with AdamW, of one size.

    python tests/benchmarks/bench_train_quality.py FOLDER [--seconds 180] [--seeds 3] [--json FILE]
    python tests/benchmarks/bench_train_quality.py FOLDER --short [--seconds 20]

FOLDER holds Parquet files with the columns `content` and `lang`. Both recipes run in our trainer, in our precision, on
the same blocks; what differs is architecture, optimiser, schedule and learning rate, the latter swept for both on the
first seed, outward until the best lies between two worse ones. What a step costs is measured first, both recipes
taking turns, and the seconds become steps by it: so every schedule reaches its end, and what else the machine does
meanwhile changes no figure. A run is a process of its own and its figures are appended to `--json` when it ends: a
benchmark that was stopped goes on there. `--short` is a look in a few minutes, whose figures prove nothing.
"""

from __future__ import annotations

import argparse
import contextlib
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
"""Where a sweep begins; it doubles or halves on while the best rate is the outermost."""
SHORT_RATES = {"ours": [0.005], "gpt2": [0.002]}
VOCABULARY, CONTEXT, BATCH = 8192, 256, 8
CHARACTERS = 10_000_000
TURNS, TURN_STEPS = 9, 4
"""By which the cost of a step is measured: the median of so many turns, after one step that warms up."""
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


def start_training(recipe: str, rate: float, seed: int, steps: int, data: Path, threads: int, on_step: Any) -> Any:
    """Trains one recipe for so many steps; returns its model."""
    from train_ours import training_samples

    from schemas.config.pretrain import PretrainConfig
    from tasks.modeling.checkpoints import Checkpoints
    from tasks.modeling.objectives import language_modeling_loss
    from tasks.modeling.optimizers import OptimizerSettings
    from tasks.modeling.precision import prepare_process
    from tasks.modeling.schedules import ScheduleSettings
    from tasks.modeling.trainer import train
    from tasks.modeling.training_interface import Callbacks, TrainSettings

    prepare_process(threads)
    defaults = PretrainConfig()
    if recipe == "ours":
        optimizer = OptimizerSettings(learning_rate=rate, **defaults.optimizer.model_dump())
        schedule = ScheduleSettings(**defaults.schedule.model_dump())
    else:
        optimizer = OptimizerSettings(learning_rate=rate, kind="adamw", weight_decay=0.1)
        schedule = ScheduleSettings(shape="cosine", warmup_steps=10, final_factor=0.1)
    model = build(recipe, seed)
    settings = TrainSettings(
        steps=steps,
        batch_size=BATCH,
        micro_batch_size=BATCH,
        seed=seed,
        precision=precision(),
        optimizer=optimizer,
        schedule=schedule,
        checkpoint_every=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), lambda message: None)
        batches = training_samples(data, model, CONTEXT, seed)
        train(model, language_modeling_loss, batches, settings, checkpoints, Callbacks(on_step=on_step))
    return model


def precision() -> Precision:
    """Returns what `auto` is on this host."""
    from schemas.config.pretrain import PretrainConfig
    from tasks.engine.host import host_class

    found = PretrainConfig().resolved(host_class()).precision
    assert found != "auto", "resolved for this class of host"
    return found


def train_recipe(recipe: str, rate: float, seed: int, steps: int, data: Path, threads: int) -> dict[str, Any]:
    """Trains one recipe and scores it."""
    before = time.process_time()
    model = start_training(recipe, rate, seed, steps, data, threads, lambda *step: None)
    used = time.process_time() - before
    return {"cpu_s": used, "bits_per_byte": score(model, data, precision())}


def take_turns(recipe: str, data: Path, threads: int) -> None:
    """Makes steps when told to, and tells what they cost."""
    from train_turns import Finished, Turns

    turns = Turns({"steps": TURN_STEPS})
    steps = 1 + TURNS * TURN_STEPS
    with contextlib.suppress(Finished):
        start_training(recipe, RATES[recipe][0], 0, steps + 1, data, threads, lambda record, _: turns.step(record.loss))


def paces(data: Path, threads: int) -> dict[str, float]:
    """Returns the CPU seconds of a step of each recipe, both in turns."""
    sides = {}
    for recipe in RATES:
        command = [sys.executable, __file__, str(data), "--turns", recipe, "--threads", str(threads)]
        sides[recipe] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    told: dict[str, list[float]] = {recipe: [] for recipe in sides}
    for turn in range(TURNS + 1):
        for recipe, side in sides.items():
            assert side.stdin and side.stdout
            if turn:
                side.stdin.write("go\n")
                side.stdin.flush()
            line = side.stdout.readline()
            if not line:
                raise SystemExit(f"the side {recipe} ended early")
            if turn:
                told[recipe].append(json.loads(line)["cpu_s"] / TURN_STEPS)
    for side in sides.values():
        side.communicate()
    return {recipe: statistics.median(costs) for recipe, costs in told.items()}


def score(model: Any, data: Path, kind: Precision) -> dict[str, float]:
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
            with torch.no_grad(), autocast(kind):
                nats[language] += float(language_modeling_loss(model, batch).total)
        sizes[language] += int(tokens.text_bytes[number])
        scored[language] += len(document)
    found = {language: nats[language] / sizes[language] / math.log(2) for language in LANGUAGES if sizes[language]}
    return {"all": sum(nats.values()) / sum(sizes.values()) / math.log(2), **found}


def in_process(recipe: str, rate: float, seed: int, steps: int, data: Path, threads: int) -> dict[str, Any]:
    """Runs one training in a process of its own."""
    one = {"recipe": recipe, "rate": rate, "seed": seed, "steps": steps}
    command = [sys.executable, __file__, str(data), "--one", json.dumps(one), "--threads", str(threads)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(said.stderr)
    found = {**one, **json.loads(said.stdout.splitlines()[-1])}
    bits = ", ".join(f"{language} {value:.4f}" for language, value in found["bits_per_byte"].items())
    print(f"{recipe:<6} rate {rate:<9g} seed {seed}: {found['cpu_s']:.0f} CPU s, bits per byte {bits}", flush=True)
    return found


class Results:
    """What was measured, kept in a file so that a stopped benchmark goes on.

    Args:
        path: The file; None keeps nothing.
        data: Folder of the token files.
        seconds: CPU seconds of a training.
    """

    def __init__(self, path: Path | None, data: Path, seconds: float, threads: int) -> None:
        self._path, self._data, self._threads = path, data, threads
        kept = json.loads(path.read_text()) if path is not None and path.exists() else {}
        setup = {"seconds": seconds, "threads": threads}
        if kept.get("setup") != setup:
            kept = {"setup": setup, "cpu_s_per_step": paces(data, threads), "runs": []}
        self._kept: dict[str, Any] = kept
        self.steps = {recipe: round(seconds / pace) for recipe, pace in kept["cpu_s_per_step"].items()}

    def bits(self, recipe: str, rate: float, seed: int) -> dict[str, float]:
        """Returns the bits per byte of a run, trained now unless it was before."""
        runs = self._kept["runs"]
        wanted = (recipe, rate, seed)
        found = next((run for run in runs if (run["recipe"], run["rate"], run["seed"]) == wanted), None)
        if found is None:
            found = in_process(recipe, rate, seed, self.steps[recipe], self._data, self._threads)
            runs.append(found)
            if self._path is not None:
                self._path.write_text(json.dumps(self._kept, indent=1))
        bits: dict[str, float] = found["bits_per_byte"]
        return bits

    def best_rate(self, recipe: str, rates: list[float], *, outward: bool) -> float:
        """Sweeps the learning rate on the first seed."""
        rates = sorted(rates)
        while True:
            best = min(rates, key=lambda rate: self.bits(recipe, rate, 0)["all"])
            if not outward or best not in (rates[0], rates[-1]):
                return best
            rates = [best / 2, *rates] if best == rates[0] else [*rates, best * 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, help="CPU seconds of a training: 180, or 20 with --short")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="one seed, few rates")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--turns", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(train_recipe(**arguments.one, data=arguments.folder, threads=arguments.threads)))
        return
    if arguments.turns:
        take_turns(arguments.turns, arguments.folder, arguments.threads)
        return
    short = arguments.short
    seconds = arguments.seconds or (20.0 if short else 180.0)
    with tempfile.TemporaryDirectory() as data:
        prepare(arguments.folder, Path(data), VOCABULARY, CHARACTERS)
        results = Results(arguments.json, Path(data), seconds, arguments.threads)
        print(f"{seconds:g} CPU s are so many steps: {results.steps}", flush=True)
        found = {}
        for recipe, rates in (SHORT_RATES if short else RATES).items():
            best = results.best_rate(recipe, rates, outward=not short)
            found[recipe] = [results.bits(recipe, best, seed) for seed in range(1 if short else arguments.seeds)]
    for language in found["ours"][0]:
        ours, theirs = (statistics.mean(run[language] for run in found[recipe]) for recipe in ("ours", "gpt2"))
        print(f"{language:<4} ours {ours:.4f}  GPT-2 + AdamW {theirs:.4f}  ratio {ours / theirs:.4f}")
    print("goal: ratio ≤ 0.93 over all, below 1 in each language")


if __name__ == "__main__":
    main()
