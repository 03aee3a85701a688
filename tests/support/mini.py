"""A whole pipeline in miniature: a corpus made on the spot, a configuration, and the command as its own process."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from source_files import tar_archive, warc_record
from token_stages import chinese_texts, english_texts

from flows.lookup import find_artifact, find_run
from tasks.store.store import Store

ROOT = Path(__file__).parents[2]
DATE = "2026-01-01"

SETTINGS: dict[str, Any] = {
    "name": "mini",
    "store": "store",
    "execution": {"parallel": 2, "threads": 1, "workers": 1},
    "snapshot": {
        "sources": {
            "pages": {"path": "data/pages", "licence": "CC0-1.0"},
            "records": {"path": "data/records", "licence": "CC0-1.0", "max_bad_fraction": 0.2},
        }
    },
    "collect": {"part_bytes": 40000},
    "shard": {"valid_fraction": 0.1, "test_fraction": 0.15, "shard_bytes": 100000},
    "tokenizer": {"vocab_size": 700, "character_coverage": {"en": 0.99, "zh": 0.99}, "model_max_length": 64},
    "pretrain": {
        "model": {"hidden_size": 32, "layers": 1, "heads": 2, "kv_heads": 1, "intermediate_size": 64},
        "context_length": 64,
        "steps": 12,
        "batch_size": 4,
        "micro_batch_size": 2,
        "checkpoint_every": 2,
        "evaluate_every": 6,
        "valid_blocks": 8,
        "precision": "fp32",
    },
    "examples": {
        "titles": {"path": "data/tasks/titles.jsonl", "kind": "generation", "language_field": "language"},
        "scripts": {"path": "data/tasks/scripts.jsonl", "kind": "classification", "language_field": "language"},
    },
    "finetune": {
        "titles": {
            "kind": "generation",
            "examples": "titles",
            "steps": 6,
            "batch_size": 4,
            "micro_batch_size": 4,
            "max_input_tokens": 24,
            "max_target_tokens": 8,
            "checkpoint_every": 2,
            "precision": "fp32",
        },
        "scripts": {
            "kind": "classification",
            "examples": "scripts",
            "steps": 6,
            "batch_size": 4,
            "micro_batch_size": 4,
            "max_input_tokens": 24,
            "checkpoint_every": 2,
            "precision": "fp32",
        },
    },
    "evaluate": {"max_examples": 12, "bootstrap_samples": 50, "max_new_tokens": 6, "samples": 2, "sample_tokens": 8},
}


def write_corpus(folder: Path) -> None:
    """Writes about 500 documents in both languages and several formats, with duplicates and flaws among them."""
    pages, records, tasks = folder / "pages", folder / "records", folder / "tasks"
    for place in (pages, records, tasks):
        place.mkdir(parents=True)
    english, chinese = english_texts(242), chinese_texts(160)
    for number, text in enumerate(english[:80]):
        suffix = ("md", "txt", "rst")[number % 3]
        (pages / f"page-{number:03}.{suffix}").write_text(text, encoding="utf-8")
    body = "".join(f"<p>{text}</p>" for text in english[80:84])
    (pages / "page.html").write_text(f"<html><body><nav>menu</nav><main>{body}</main></body></html>", encoding="utf-8")
    (pages / "copy.txt").write_text(english[0], encoding="utf-8")
    captured = [
        warc_record(f"https://example.org/{number}", f"<p>{english[number]}</p>".encode()) for number in (240, 241)
    ]
    (pages / "captured.tar").write_bytes(tar_archive({"site.warc": b"".join(captured)}))
    with (records / "english.jsonl").open("w", encoding="utf-8") as file:
        for text in english[84:180]:
            file.write(json.dumps({"text": text, "licence": "MIT"}) + "\n")
        file.write("this line is no JSON\n")
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in chinese[:120]]
    (records / "chinese.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    table = pa.table({"text": english[180:240] + chinese[120:]})
    pq.write_table(table, records / "both.parquet")
    titles, scripts = [], []
    for number, text in enumerate(english[:150]):
        words = text.split()
        titles.append({"input": " ".join(words[:30]) + f" {number}", "target": " ".join(words[:4]), "language": "en"})
        scripts.append({"input": " ".join(words[:30]) + f" {number}", "target": "latin", "language": "en"})
    for number, text in enumerate(chinese[:150]):
        titles.append({"input": text[:40] + str(number), "target": text[:6], "language": "zh"})
        scripts.append({"input": text[:40] + str(number), "target": "han", "language": "zh"})
    for name, rows in (("titles", titles), ("scripts", scripts)):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (tasks / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


class Mini:
    """A folder with a corpus, a configuration and a store.

    `code` is the folder whose packages the command runs from: this checkout, or a copy that a test edits.
    """

    def __init__(self, folder: Path, code: Path = ROOT) -> None:
        self.folder = folder
        self.code = code
        self.config = folder / "pipeline.yaml"
        self.store = folder / "store"

    @property
    def store_folder(self) -> Path:
        """Where the configuration puts the store."""
        return self.folder / str(yaml.safe_load(self.config.read_text(encoding="utf-8"))["store"])

    def create(self) -> Mini:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_corpus(self.folder / "data")
        self.config.write_text(yaml.safe_dump(SETTINGS, sort_keys=False), encoding="utf-8")
        return self

    def copy(self, folder: Path) -> Mini:
        """A copy of everything; objects and views stay hard links of each other."""
        subprocess.run(["cp", "-a", str(self.folder), str(folder)], check=True)
        return Mini(folder, self.code)

    def with_own_code(self) -> Mini:
        """The same, run from a copy of the packages that may be edited."""
        code = self.folder.parent / (self.folder.name + "-code")
        for package in ("flows", "tasks", "schemas"):
            # What numba compiled goes along: it is found beside a file of the same time.
            shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("*.pyc"))
        return Mini(self.folder, code)

    def change(self, **settings: Any) -> None:
        """Sets values of the configuration file, given as `pretrain__learning_rate=…`."""
        data = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        for path, value in settings.items():
            *keys, last = path.split("__")
            target = data
            for key in keys:
                target = target.setdefault(key, {})
            target[last] = value
        self.config.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")

    def environment(self, **extra: str) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.code), "NO_COLOR": "1", "COLUMNS": "200", **extra}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts the command and returns its process."""
        return subprocess.Popen(
            [sys.executable, "-m", "flows.command", *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def nightmill(self, *arguments: str, code: int | None = 0, **environment: str) -> str:
        """Runs the command and returns what it printed; `code` is the exit code it must have (None for any)."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=280)
        assert "Traceback" not in out + err, out + err
        assert code is None or process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return out + err

    def run(self, *arguments: str, code: int | None = 0) -> dict[str, dict[str, Any]]:
        """Runs the pipeline without Prefect and returns the outcome of each stage."""
        self.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", DATE, *arguments, code=code)
        return self.outcomes()

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """The outcome of each stage in the latest run."""
        record = find_run(Store.open(self.store_folder), "latest")
        return {stage.node: stage.model_dump() for stage in record.stages}

    def statuses(self, *arguments: str) -> dict[str, str]:
        """What `plan` says of each stage."""
        said = self.nightmill("plan", "pipeline.yaml", "--json", "--date", DATE, *arguments, code=None)
        return {found["stage"]: found["status"] for found in json.loads(said)}

    def manifest(self, stage: str) -> dict[str, Any]:
        """The manifest of a stage's latest artifact."""
        return find_artifact(Store.open(self.store_folder), stage).model_dump()

    def digests(self) -> dict[str, dict[str, str]]:
        """Content digest of every output of every stage of the latest run."""
        return {
            stage: {name: output["digest"] for name, output in self.manifest(stage)["outputs"].items()}
            for stage in self.outcomes()
        }


STAGES = [
    "snapshot",
    "collect",
    "clean",
    "dedup",
    "shard",
    "examples.titles",
    "examples.scripts",
    "decontaminate",
    "validate",
    "tokenizer",
    "pack",
    "pretrain",
    "evaluate.pretrain",
    "finetune.titles",
    "finetune.scripts",
    "evaluate.titles",
    "evaluate.scripts",
]
