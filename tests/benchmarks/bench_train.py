"""What our trainer costs beside nanoGPT's loop and Hugging Face's Trainer, on a GPT-2 of about 14 M parameters.

    python tests/benchmarks/bench_train.py FOLDER [--turns 9] [--steps 2] [--threads 1] [--json FILE]

FOLDER holds Parquet files with the columns `content` and `lang`. Every side is a process of its own; they take turns of
a few steps, so that what else the machine does meets all alike. A ratio is one of medians over the turns. Seconds are
CPU seconds; with one thread they are what a clock would show on an idle machine. Ours is the GPT-2 of a pipeline: as it
comes it has Muon, which the peers have not, so it is measured with their AdamW too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from train_data import prepare

from schemas.config.pretrain import PretrainConfig
from tasks.engine.host import host_class

HERE = Path(__file__).parent
PEERS = HERE.parents[1] / ".venv-peers" / "bin" / "python"
SHAPE = {"vocabulary": 8192, "width": 384, "layers": 6, "heads": 6, "context": 256, "batch": 8}
LARGE_VOCABULARY = 32_768
CHARACTERS = 10_000_000
"""Of each language, that is turned into tokens."""
OURS = {"loop": "trainer", "loss": "chunked", "optimizer": "adamw", "checkpoints": False}
AS_IT_COMES = {**OURS, "optimizer": "default", "checkpoints": True}
GELU = "gelu_pytorch_tanh"


@dataclass
class Side:
    """One program that trains, and what its turns cost."""

    name: str
    program: str
    settings: dict[str, Any]
    python: str = sys.executable
    turns: list[dict[str, float]] = field(default_factory=list)
    process: Any = None

    def start(self) -> None:
        """Starts the program and waits for its first step."""
        command = [self.python, str(HERE / self.program), json.dumps(self.settings)]
        root = str(HERE.parents[1])
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"},
        )
        self._read()

    def take_turn(self) -> None:
        """Lets the program do a turn."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.turns.append(self._read())

    def end(self) -> dict[str, float]:
        """Ends the program; returns what it said last, if anything."""
        said, _ = self.process.communicate()
        return dict(json.loads(said)) if said.strip() else {}

    def _read(self) -> dict[str, float]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}: run {self.program} by itself to see why")
        return dict(json.loads(line))

    @property
    def cpu_s(self) -> float:
        """Median CPU seconds of a step."""
        steps: int = self.settings["steps"]
        return statistics.median(turn["cpu_s"] for turn in self.turns) / steps

    @property
    def tokens_per_s(self) -> float:
        tokens: int = self.settings["batch"] * self.settings["context"]
        return tokens / self.cpu_s


def sides(common: dict[str, Any], precision: str) -> dict[str, Side]:
    """Returns everything that is measured: as it comes, and at our precision and optimiser."""
    plain = {**common, "precision": "fp32", "fused": False}
    same = {**common, "precision": precision, "fused": True}
    found = [
        Side("nanoGPT, as it comes (fp32)", "train_nanogpt.py", plain),
        Side(f"nanoGPT, {precision}, fused AdamW", "train_nanogpt.py", same),
        Side("nanoGPT, fp32, fused AdamW", "train_nanogpt.py", {**plain, "fused": True}),
        Side(f"ours, as it comes ({precision}, Muon)", "train_ours.py", {**same, **AS_IT_COMES}),
        Side(f"ours, {precision}, AdamW", "train_ours.py", {**same, **OURS}),
        Side("ours, fp32, AdamW", "train_ours.py", {**plain, **OURS}),
        Side("ours, bare loop", "train_ours.py", {**same, **OURS, "loop": "bare"}),
    ]
    if PEERS.exists():
        peer, peers = "train_hugging_face.py", str(PEERS)
        found += [
            Side("HF Trainer, as it comes (fp32)", peer, {**plain, "activation": "gelu_new"}, peers),
            Side(f"HF Trainer, {precision}, our model", peer, {**same, "activation": GELU}, peers),
        ]
    return {side.name: side for side in found}


def measure_memory(common: dict[str, Any], precision: str) -> dict[str, float]:
    """Peak MiB of whole processes at a vocabulary of 32k, four times the batch, with and without logits."""
    found = {}
    large = {**common, **OURS, "vocabulary": LARGE_VOCABULARY, "batch": 4 * common["batch"], "precision": precision}
    for loss in ("chunked", "materialised"):
        side = Side(f"{loss}, vocabulary 32k", "train_ours.py", {**large, "loss": loss, "steps": 1})
        side.start()
        side.take_turn()
        side.end()
        found[loss] = side.turns[0]["peak_mib"]
    return found


@dataclass(frozen=True)
class Row:
    """A figure beside its goal; `spread` is its lowest and highest where each turn is looked at by itself."""

    what: str
    found: float
    goal: str
    spread: tuple[float, float] | None = None

    def __str__(self) -> str:
        spread = "" if self.spread is None else f"{self.spread[0]:.3f} … {self.spread[1]:.3f}"
        return f"{self.what:<60}{self.found:>8.3f}  {self.goal:<8}{spread}"


def ratio(what: str, above: Side, below: Side, goal: str, less: float = 0.0) -> Row:
    """Compares the CPU seconds of two sides, less a number."""
    by_turn = [one["cpu_s"] / other["cpu_s"] - less for one, other in zip(above.turns, below.turns, strict=True)]
    return Row(what, above.cpu_s / below.cpu_s - less, goal, (min(by_turn), max(by_turn)))


def compare(found: dict[str, Side], precision: str, last: dict[str, float]) -> list[Row]:
    """Returns every comparison."""
    ours, default = found[f"ours, {precision}, AdamW"], found[f"ours, as it comes ({precision}, Muon)"]
    ours_fp32, bare = found["ours, fp32, AdamW"], found["ours, bare loop"]
    plain = found["nanoGPT, as it comes (fp32)"]
    same, same_fp32 = found[f"nanoGPT, {precision}, fused AdamW"], found["nanoGPT, fp32, fused AdamW"]
    share = last["checkpoint_cpu_s"] / (PretrainConfig().checkpoint_every * default.cpu_s)
    rows = [
        ratio("tokens/s against nanoGPT, each as it comes", plain, default, "≥ 1.7"),
        ratio("the same, but ours with AdamW", plain, ours, "≥ 1.7"),
        ratio(f"against nanoGPT, same precision ({precision}) and optimiser", same, ours, "≥ 1.0"),
        ratio("against nanoGPT, fp32, same optimiser", same_fp32, ours_fp32, "≥ 1.0"),
        ratio("trainer overhead over a bare loop", ours, bare, "≤ 0.03", less=1.0),
        Row("checkpoints, share of CPU time", share, "≤ 0.02"),
    ]
    if PEERS.exists():
        peer, peer_plain = found[f"HF Trainer, {precision}, our model"], found["HF Trainer, as it comes (fp32)"]
        rows += [
            ratio("against HF Trainer, same model, precision, optimiser", peer, ours, "≥ 1.15"),
            ratio("against HF Trainer, each as it comes", peer_plain, default, ""),
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    precision = PretrainConfig().resolved(host_class()).precision
    with tempfile.TemporaryDirectory() as data:
        prepare(arguments.folder, Path(data), SHAPE["vocabulary"], CHARACTERS)
        common = {**SHAPE, "data": data, "threads": arguments.threads, "steps": arguments.steps}
        common |= {"seed": 0, "learning_rate": 1e-3}
        found = sides(common, precision)
        for side in found.values():
            side.start()
        for _ in range(arguments.turns):
            for side in found.values():
                side.take_turn()
        last: dict[str, float] = {}
        for side in found.values():
            last |= side.end()
        memory = measure_memory(common, precision)
    rows = compare(found, precision, last)
    share = memory["chunked"] / memory["materialised"]
    rows.append(Row("peak memory at vocabulary 32k, of logits materialised", share, "≤ 0.6"))
    print(f"{'':<40}{'CPU s a step':>14}{'tokens/CPU s':>14}{'peak MiB':>10}")
    for side in found.values():
        print(f"{side.name:<40}{side.cpu_s:>14.3f}{side.tokens_per_s:>14.0f}{side.turns[-1]['peak_mib']:>10.0f}")
    print(f"\n{'':<60}{'found':>8}  goal    by turn")
    for row in rows:
        print(row)
    print(
        f"a checkpoint: {last['checkpoint_cpu_s']:.3f} CPU s, {last['checkpoint_wall_s']:.3f} s by the clock until it "
        f"is on disk, of which training stands {last['checkpoint_stall_s']:.3f}"
    )
    if arguments.json:
        figures = {
            "precision": precision,
            "threads": arguments.threads,
            "sides": {side.name: side.turns for side in found.values()},
            "rows": [asdict(row) for row in rows],
            "memory_mib": memory,
            **last,
        }
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
