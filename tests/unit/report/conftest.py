"""A run as the quickstart leaves it, made by hand so that each figure is known."""

import json
import math
from dataclasses import dataclass, field

import pytest

from schemas.errors import DamagedArtifact, ExpectationFailed
from schemas.manifest import FileRecord, Manifest, OutputRecord, RunRecord, StageOutcome

NODES = {
    "snapshot": (None, 412, 2.1, 3.0, 90),
    "collect": (412, 21480, 4.8, 6.0, 260),
    "clean": (21480, 19312, 9.7, 15.2, 410),
    "dedup": (19312, 15940, 5.2, 7.4, 380),
    "shard": (15940, 15940, 2.2, 2.6, 240),
    "validate": (15940, 15940, 7.9, 8.4, 520),
    "tokenizer": (14346, 8192, 8.8, 9.0, 350),
    "pack": (15940, 15940, 4.4, 5.9, 210),
    "pretrain": (5210, 780000, 128.4, 251.9, 1180),
    "examples.summarise": (23600, 4000, 2.9, 3.4, 200),
    "examples.library": (23600, 3000, 2.7, 3.3, 200),
    "finetune.summarise": (4000, 3200, 44.1, 87.0, 990),
    "finetune.library": (3000, 2400, 38.0, 75.5, 940),
    "evaluate.pretrain": (797, 797, 15.3, 24.8, 830),
    "evaluate.summarise": (400, 150, 18.9, 31.0, 910),
    "evaluate.library": (300, 300, 9.9, 12.1, 880),
}


@dataclass
class Example:
    """A run, its manifests and the bytes of their files, all of which a test may spoil."""

    run: RunRecord
    manifests: dict[str, Manifest]
    objects: dict[str, bytes] = field(default_factory=dict)

    def read(self, file: FileRecord) -> bytes:
        if file.digest not in self.objects:
            raise DamagedArtifact(f"{file.name} is missing", where=file.digest)
        return self.objects[file.digest]

    def file(self, name: str, data: bytes) -> FileRecord:
        digest = f"{len(self.objects):064x}"
        self.objects[digest] = data
        return FileRecord(name=name, digest=digest, size=len(data))

    def scores(self, node: str, rows: list[dict]) -> None:
        record = self.file("scores.json", json.dumps(rows).encode())
        self.manifests[node].outputs["scores"] = OutputRecord(digest="5" * 64, files=[record])

    def record(self, node: str, name: str, value: object) -> None:
        """Adds a JSON file to the diagnostics of a node."""
        self.manifests[node].diagnostics.append(self.file(name, json.dumps(value).encode()))

    def diagnostic(self, node: str, name: str, rows: list[dict]) -> None:
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        self.manifests[node].diagnostics = [self.file(name, data)]


def score(task: str, metric: str, value: float, width: float, baselines: dict[str, float], **more) -> dict:
    return {
        "task": task,
        "metric": metric,
        "language": "all",
        "value": value,
        "low": value - width,
        "high": value + width,
        "n": 150,
        "better": "higher",
        "baselines": [{"name": name, "value": other} for name, other in baselines.items()],
    } | more


def steps(n: int, start: float, end: float) -> list[dict]:
    rows = []
    for step in range(1, n + 1):
        loss = end + (start - end) * math.exp(-5 * step / n) + 0.08 * math.sin(step * 2.7)
        row = {"step": step, "tokens": 2048 * step, "loss": loss, "learning_rate": 0.001, "gradient_norm": 1.0}
        rows.append(row | ({"valid_loss": loss + 0.12} if step % 25 == 0 or step == n else {}))
    return rows


@pytest.fixture
def example() -> Example:
    stages, manifests = [], {}
    for number, (node, (rows_in, rows_out, seconds, cpu, memory)) in enumerate(NODES.items()):
        version = f"20261122T0615{number:02}-3fa9c1d27b04-k7{number:02}"
        manifests[node] = Manifest(
            node=node,
            stage=node.partition(".")[0],
            version=version,
            key="a" * 64,
            settings={},
            stage_version=1,
            code="c" * 64,
            inputs=[],
            outputs={"documents": OutputRecord(digest=f"{number:02}c4" * 16, files=[])},
            started="2026-11-22T06:15:00+00:00",
            seconds=seconds,
            cpu_seconds=cpu,
            peak_memory_bytes=memory << 20,
            metrics={"rows_in": rows_in, "rows_out": rows_out},
            libraries={"python": "3.11.7", "pyarrow": "26.0.1", "torch": "2.13.0+cpu"},
            git_commit="e7b11528c0ffee00e7b11528c0ffee00e7b11528",
            host_class="x86_64-avx512-2",
        )
        cached = number < 2
        stages.append(
            StageOutcome(
                node=node,
                stage=node.partition(".")[0],
                outcome="cached" if cached else "resumed" if node == "pretrain" else "built",
                reason={
                    "clean": "code changed: tasks.clean.rules",
                    "pretrain": "input train changed; resumed from step 120",
                }.get(node, "nothing changed" if cached else "input documents changed"),
                version=version,
                rows_in=rows_in,
                rows_out=rows_out,
                seconds=0.0 if cached else seconds,
                cpu_seconds=0.0 if cached else cpu,
                peak_memory_bytes=0 if cached else memory << 20,
                warnings=["3 of 412 files could not be read"] if node == "collect" else [],
            )
        )
    manifests["snapshot"].metrics["files"] = {"docstrings": 300, "readmes": 112}
    manifests["collect"].metrics["quarantined"] = {"readmes": {"invalid_utf8": 2}, "chinese": {"not_json": 1}}
    manifests["clean"].metrics["dropped"] = {
        "docstrings": {"too_short": 1203, "mostly_symbols": 188, "other_language": 96},
        "readmes": {"too_short": 40, "repeated_lines": 311, "other_language": 12},
        "licences": {"too_short": 8, "repeated_lines": 310},
    }
    manifests["dedup"].metrics |= {
        "exact": 1240,
        "near": 2132,
        "sources": {
            "docstrings": {"rows_in": 18900, "exact": 1200, "near": 2000},
            "readmes": {"rows_in": 412, "exact": 40, "near": 132},
        },
    }
    manifests["pack"].metrics["tokens"] = 4_180_322
    run = RunRecord(
        run="20261122T061500-quickstart-9f2c",
        pipeline="quickstart",
        config_file="deployments/quickstart/pipeline.yaml",
        settings={"name": "quickstart", "pretrain": {"steps": 380, "learning_rate": 0.003}},
        date="2026-11-22",
        started="2026-11-22T06:15:00+00:00",
        finished="2026-11-22T06:20:06+00:00",
        outcome="done",
        command="nightmill run deployments/quickstart/pipeline.yaml",
        stages=stages,
        pins={"production": "20261121T021500-77aa01c2be90-0q2z"},
    )
    made = Example(run, manifests)
    made.diagnostic("pretrain", "steps.jsonl", steps(380, 9.0, 3.4))
    made.diagnostic("finetune.summarise", "steps.jsonl", steps(160, 4.6, 2.9))
    made.diagnostic("finetune.library", "steps.jsonl", steps(120, 1.8, 0.5))
    unigram = {"better": "lower", "n": 797}
    made.scores(
        "evaluate.pretrain",
        [
            score("pretrain", "bits_per_byte", 2.093, 0.041, {"unigram": 2.884}, learned=True, **unigram),
            score("pretrain", "perplexity", 171.2, 12.5, {"unigram": 1190.6}, **unigram),
            score("pretrain", "bits_per_byte", 2.011, 0.03, {"unigram": 2.790}, learned=True, **unigram)
            | {"language": "en", "n": 611},
            score("pretrain", "bits_per_byte", 2.604, 0.09, {"unigram": 2.951}, learned=False, **unigram)
            | {"language": "zh", "n": 186},
        ],
    )
    rouge = {"lead-9": 0.214, "unrelated target": 0.087}
    made.scores(
        "evaluate.summarise",
        [
            score("summarise", "bleu", 7.81, 1.9, {"lead-9": 4.02, "unrelated target": 0.61}, signature="nrefs:1|13a"),
            score("summarise", "chrf", 24.3, 0, {"lead-9": 22.9, "unrelated target": 11.4})
            | {"low": None, "high": None},
            score("summarise", "rouge1", 0.261, 0.02, rouge),
            score("summarise", "rougeL", 0.247, 0.021, rouge),
        ],
    )
    common = {"majority class": 0.31}
    made.scores(
        "evaluate.library",
        [
            score("library", "accuracy", 0.717, 0.05, common, learned=True, n=300),
            score("library", "f1_macro", 0.688, 0.055, {"majority class": 0.068}, n=300),
            *(score("library", f"f1 of {name}", 0.7, 0.08, common, n=43) for name in ("numpy", "polars", "torch")),
        ],
    )
    made.diagnostic(
        "evaluate.pretrain",
        "samples.jsonl",
        [
            {
                "task": "pretrain",
                "language": "en",
                "prompt": "Return the sorted list of",
                "output": " the array to the shape of the values.\n\nParameters",
                "reference": " names in the folder.",
            },
            {
                "task": "pretrain",
                "language": "zh",
                "prompt": "获取股票的历史行情",
                "output": "数据，返回数据的日期和收盘价",
                "reference": "数据，包括开盘价、收盘价和成交量",
            },
        ],
    )
    made.diagnostic(
        "evaluate.summarise",
        "samples.jsonl",
        [
            {
                "task": "summarise",
                "language": "en",
                "prompt": 'This attack comes as <script>alert(1)</script> and & "quotes".',
                "output": "Return the <b>script</b>.",
                "reference": "Alert once.",
            }
        ],
    )
    return made


@pytest.fixture
def checked(example: Example) -> Example:
    """The same run, with what cleaning, decontamination and validation tell of the data."""
    example.manifests["clean"].metrics["personal"] = {
        "docstrings": {"email": 210, "ip": 12},
        "chinese": {"phone": 41, "email": 9, "resident_id": 2},
    }
    samples = [
        {"reason": "too_short", "source": "docstrings", "id": f"{n:032x}", "sample": f"See also number {n}."}
        for n in range(20)
    ]
    samples += [
        {"reason": "too_short", "source": "chinese", "id": "c" * 32, "sample": "见上。"},
        {"reason": "repeated_lines", "source": "readmes", "id": "d" * 32, "sample": "菜单 菜单 菜单"},
    ]
    example.record("clean", "reject_samples.json", samples)
    decontaminate = example.manifests["shard"].model_copy(deep=True, update={"node": "decontaminate"})
    decontaminate.metrics = {
        "rows_in": 15940,
        "rows_out": 15931,
        "evaluations": {"faq": {"examples": 120, "hit": 7, "documents": 16}},
        "sources": {"docstrings": {"en": {"rows_in": 9000, "dropped": 8}, "zh": {"rows_in": 10, "dropped": 1}}},
    }
    example.manifests["decontaminate"] = decontaminate
    verdict = {"table": "documents", "column": "characters", "severity": "critical", "arguments": {}, "met": True}
    drift = {"table": "drift", "column": "length_psi", "severity": "warning", "arguments": {"max_value": 0.25}}
    example.record(
        "validate",
        "expectations.json",
        [
            verdict | {"name": "text_lengths", "observed": "all values are so"},
            drift | {"name": "lengths_stable", "met": False, "observed": "1 of 4 values are otherwise"},
        ],
    )
    rows = [
        ("*", "*", 15940, 14200, 0.02, 0.01),
        ("readmes", "*", 400, 380, 0.31, 0.0),
        ("readmes", "en", 400, 380, 0.31, None),
        ("new", "zh", 90, 0, None, None),
    ]
    names = ("source", "language", "documents", "baseline_documents", "length_psi", "language_psi")
    told = [dict(zip(names, row, strict=True)) for row in rows]
    example.record("validate", "drift.json", {"date": "2026-11-01", "why": "renewed", "rows": told})
    for table in ("documents", "drift"):
        example.manifests["validate"].diagnostics.append(example.file(f"data_docs_{table}.html", b"<html>"))
    return example


@pytest.fixture
def failed(example: Example) -> Example:
    """The same run, stopped by an expectation of `validate`."""
    nodes = list(NODES)
    at = nodes.index("validate")
    for stage in example.run.stages[at:]:
        stage.outcome, stage.version, stage.reason = "blocked", "", "validate failed"
        stage.rows_in = stage.rows_out = None
        stage.seconds = stage.cpu_seconds = 0.0
        stage.peak_memory_bytes = 0
        del example.manifests[stage.node]
    stage = example.run.stages[at]
    stage.outcome, stage.seconds, stage.reason = "failed", 6.1, "input documents changed"
    stage.error = ExpectationFailed(
        "2 of 9 expectations are not met",
        where="validate",
        hint="look at the rows, then correct the source or the expectation",
        details=[f"text is not empty: row {row} of shard-0003 (id 4f{row:030x})" for row in range(40)],
    ).to_json()
    example.run.outcome = "failed"
    return example
