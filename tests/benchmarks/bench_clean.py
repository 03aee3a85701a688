"""How fast `clean` is with all published rules, beside datatrove, and where their decisions differ.

    python tests/benchmarks/bench_clean.py CORPUS [--rows 60] [--peer .venv-peers/bin/python] [--json FILE]

CORPUS is a folder of Parquet files with the columns id, format, lang and content. Both sides judge the same documents
in turns, so many of each file, as plain text; seconds are CPU seconds as the operating system counts them, imports and
tables loaded before. On our side everything is on: characters, language, Gopher, C4, FineWeb, personal data, and our
own rules; on the peer's side Gopher repetition and quality, C4, FineWeb and the PII formatter, each on every document,
without a language filter. Our decisions are compared group by group with that group alone.

Why decisions differ: datatrove's tokens count punctuation as words, so most technical text has fewer than 80 % of words
with a letter (with the same words Gopher quality agrees on all English documents); its thresholds for Chinese are those
for English, over jieba's words, while ours are for characters; an n-gram that stands once counts for it as the most
frequent one, which drops short texts; it asks for braces only in lines that C4 keeps, the paper for any on the page;
its C4 knows no Chinese mark as the end of a line, its FineWeb rule no quotation mark; sentences are spaCy's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
from clean_corpus import NO_KINDS, files, plain

from schemas.config.clean import CleanConfig
from schemas.config.quality import EnglishQuality
from tasks.clean.language import english_confidence
from tasks.clean.part import judge

GROUPS = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
CHUNK = 120
OWN = {name: None for name in EnglishQuality.model_fields if name not in GROUPS}


def settings(groups: tuple[str, ...], **more: Any) -> CleanConfig:
    """Returns a configuration with these groups on."""
    on = {group: {"enabled": True} for group in groups}
    return CleanConfig.model_validate({"quality": {"en": {**more, **on}, "zh": {**more, **on}}})


def main() -> None:
    """Prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--rows", type=int, default=60, help="documents of each file for both sides")
    parser.add_argument("--peer", default=".venv-peers/bin/python")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    everything = settings(GROUPS)
    documents = pl.concat(plain(table, name) for name, table in files(arguments.corpus, arguments.rows).items())
    documents = documents.filter(pl.col("text") != "").sample(fraction=1.0, shuffle=True, seed=2)
    warm = judge(documents.head(200), everything)
    english_confidence(["warm"])
    language = judge(documents, settings(()))["language"]
    documents = documents.filter(language != "")
    language = language.filter(language != "")
    print(f"{documents.height} documents, {documents['text'].str.len_bytes().sum() / 1e6:.1f} MB; warm {warm.height}")

    with Peer(arguments.peer) as peer:
        ours = theirs = 0.0
        verdicts: list[dict[str, str]] = []
        for start in range(0, documents.height, CHUNK):
            chunk = documents.slice(start, CHUNK)
            before = cpu_seconds()
            judge(chunk, everything)
            ours += cpu_seconds() - before
            answer = peer.judge(chunk["text"].to_list(), language.slice(start, CHUNK).to_list())
            theirs += answer["cpu_s"]
            verdicts += answer["verdicts"]
    speed = {"nightmill": documents.height / ours, "datatrove": documents.height / theirs}
    for name, value in speed.items():
        print(f"  {name:<12}{value:10.0f} documents per CPU second")
    print(f"  {speed['nightmill'] / speed['datatrove']:.1f} times")
    agreement = compared(documents, language, verdicts)
    result = {"documents": documents.height, "per_cpu_second": speed, "agreement": agreement}
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def compared(documents: pl.DataFrame, language: pl.Series, verdicts: list[dict[str, str]]) -> dict[str, Any]:
    """Prints and returns, group by group and language by language, where decisions agree and how they differ."""
    found: dict[str, Any] = {}
    for group in GROUPS:
        alone = CleanConfig.model_validate(
            {
                "personal": NO_KINDS,
                "quality": {"en": {**OWN, group: {"enabled": True}}, "zh": {**own_zh(), group: {"enabled": True}}},
            }
        )
        reasons = judge(documents, alone)["reason"].to_list()
        for name in ("en", "zh"):
            pairs = Counter(
                (verdict[group], reason or "")
                for verdict, reason, spoken in zip(verdicts, reasons, language, strict=True)
                if spoken == name
            )
            total = pairs.total()
            same = sum(count for (their, our), count in pairs.items() if bool(their) == bool(our))
            differences = [[*pair, count] for pair, count in pairs.most_common() if bool(pair[0]) != bool(pair[1])]
            with_same_words = sum(
                bool(verdict.get(f"same_words.{group}", verdict[group])) == bool(reason)
                for verdict, reason, spoken in zip(verdicts, reasons, language, strict=True)
                if spoken == name
            )
            dropped = [sum(count for pair, count in pairs.items() if pair[side]) / max(1, total) for side in (0, 1)]
            found[f"{group}/{name}"] = {
                "documents": total,
                "agreement": same / max(1, total),
                "agreement_with_same_words": with_same_words / max(1, total),
                "dropped_by_datatrove": dropped[0],
                "dropped_by_nightmill": dropped[1],
                "differences": differences,
            }
            print(
                f"  {group:<18}{name}  agree {same / max(1, total):6.1%} of {total}, with the"
                f" same words {with_same_words / max(1, total):.1%}; dropped: datatrove"
                f" {dropped[0]:.1%}, nightmill {dropped[1]:.1%}"
            )
            for their, our, count in differences[:8]:
                print(f"      {count:5}  datatrove: {their or 'keeps':<28} nightmill: {our or 'keeps'}")
    return found


def own_zh() -> dict[str, None]:
    """Chinese has rules of its own."""
    from schemas.config.quality import ChineseQuality

    return {name: None for name in ChineseQuality.model_fields if name not in GROUPS}


class Peer:
    """datatrove in a process of its own environment."""

    def __init__(self, python: str) -> None:
        script = Path(__file__).with_name("clean_peer.py")
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            encoding="utf-8",
        )
        self._answer()

    def judge(self, texts: list[str], languages: list[str]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(list(zip(texts, languages, strict=True))) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = ""
        while not line.startswith("{"):
            line = self._process.stdout.readline()
            if not line:
                self._log.seek(0)
                raise SystemExit("the peer stopped: " + self._log.read().decode()[-2000:])
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._log.close()


def cpu_seconds() -> float:
    """CPU seconds of this process and of the children it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
