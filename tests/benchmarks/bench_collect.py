"""How fast `collect` reads each format, on one core and two, and in how much memory:
`python tests/benchmarks/bench_collect.py CORPUS`.

CORPUS is a folder of Parquet files with the columns id, format, lang and content. A slice of it is written in every
format first, once and `COPIES` times over. Each run is a process of its own, runs of one and of two workers take turns,
and the best of `--rounds` counts. What the larger corpus took more than the smaller one is the figure, so that imports
and the start of processes are left out: CPU seconds as the operating system counts them; and seconds on the clock for
two workers against one, which mean something only on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import hashlib
import io
import json
import lzma
import multiprocessing
import os
import resource
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from schemas.config.collect import CollectConfig
from schemas.config.sources import FilesSource
from tasks.collect.part import collect_part
from tasks.collect.plan import plan_parts, read_files
from tasks.engine.inputs import StoredInputFile
from tasks.engine.parts import map_parts
from tasks.engine.workers import Workers
from tasks.readers.encodings import decode
from tasks.readers.formats import format_of
from tasks.readers.wikitext import plain_text
from tasks.snapshot.ledger import write_rows
from tasks.store.store import Store

FILES = ("descriptions", "poetry", "biographies", "office_help", "kernel_docs", "man_pages")
PIECES = 16
"""Files of records a format is written in, so that two workers have something to share."""

COPIES = 5

PART_BYTES = 4 * 1024**2
"""Small enough for two workers to share a small corpus, and the same for every size of it."""

Documents = list[tuple[str, str, str]]
"""(id, markup, text)"""


def main() -> None:
    """Prints a table, and writes it as JSON with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--rows", type=int, default=3000, help="documents taken of each file of the corpus")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", nargs="*", default=list(WRITERS))
    parser.add_argument("--memory", action="store_true", help="also measure peak memory at ten times the corpus")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    documents = _slice(arguments.corpus, arguments.rows)
    size = sum(len(text.encode()) for _, _, text in documents) / 1e6
    print(f"{len(documents)} documents, {size:.1f} MB of text, {_machine()}\n")
    print("Two workers against one: CPU seconds, speed on the clock. Peak memory at the corpus (→ at ten times it).")
    print(f"{'format':<12}{'documents/CPU s':>16}{'MB/CPU s':>10}{'CPU 2 : 1':>13}{'speed':>11}{'peak MiB':>10}")
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.formats:
            small, large = Path(folder) / name / "1", Path(folder) / name / "many"
            small.mkdir(parents=True)
            WRITERS[name](small, documents)
            _copy(small, large, COPIES)
            found = _measure(name, small, large, len(documents), size, arguments.rounds)
            if arguments.memory:
                _copy(small, Path(folder) / name / "10", 10)
                found["peak_mib_x10"] = _run(Path(folder) / name / "10", 1)["peak_mib"]
            figures.append(found)
            print(
                f"{name:<12}{found['documents_per_cpu_s']:>16.0f}{found['mb_per_cpu_s']:>10.1f}"
                f"{found['cpu_ratio']:>13.2f}{found['speedup']:>10.2f}x{found['peak_mib']:>10.0f}"
                + (f" → {found['peak_mib_x10']:.0f}" if arguments.memory else "")
            )
    rules = _linear()
    print("\nseconds for hostile text of 0.5, 1 and 2 MB:")
    for name, seconds in rules.items():
        print(f"  {name:<24}" + "".join(f"{value:8.3f}" for value in seconds))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": _machine(), "formats": figures, "hostile": rules}, indent=1))


def _measure(name: str, small: Path, large: Path, documents: int, size: float, rounds: int) -> dict[str, Any]:
    best: dict[tuple[Path, int], dict[str, Any]] = {}
    for _ in range(rounds):
        for place in (small, large):
            for workers in (1, 2):
                run = _run(place, workers)
                assert run["documents"] == documents * (COPIES if place == large else 1), f"{name}: {run}"
                before = best.setdefault((place, workers), run)
                best[place, workers] = {key: min(run[key], before[key]) for key in run}

    def more(key: str, workers: int) -> float:
        return float(best[large, workers][key] - best[small, workers][key]) / (COPIES - 1)

    return {
        "format": name,
        "documents": documents,
        "documents_per_cpu_s": documents / more("cpu_s", 1),
        "mb_per_cpu_s": size / more("cpu_s", 1),
        "cpu_s": more("cpu_s", 1),
        "cpu_ratio": more("cpu_s", 2) / more("cpu_s", 1),
        "seconds": [more("seconds", workers) for workers in (1, 2)],
        "speedup": more("seconds", 1) / more("seconds", 2),
        "peak_mib": best[small, 1]["peak_mib"],
    }


def _run(place: Path, workers: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_collect, args=(place, workers, sender))
    process.start()
    found: dict[str, Any] = receiver.recv()
    process.join()
    return found


def _collect(place: Path, workers: int, sender: Any) -> None:
    """Runs the parts of a folder and sends what it took."""
    sources = {"bench": FilesSource(path=place, licence="unknown")}
    rows = (
        {
            "source": "bench",
            "path": path.relative_to(place).as_posix(),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "size": path.stat().st_size,
            "licence": "unknown",
            "origin": "bench",
            "format": format_of(path.name),
            "first_seen": "2026-01-01",
            "last_changed": "2026-01-01",
            "language": "",
            "stored": False,
            "fault": "",
        }
        for path in sorted(place.rglob("*"))
        if path.is_file()
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store")
        config = CollectConfig(sources=sources, part_bytes=PART_BYTES)
        ledger = Path(folder) / "files.jsonl"
        write_rows(ledger, rows)
        parts = plan_parts(read_files(ledger), config, lambda file: StoredInputFile(file, str(store.root)))
        warm = Path(folder) / "warm"

        def run(chosen: list[Any], workers: int) -> list[Any]:
            pool = Workers(workers)
            found = map_parts(
                collect_part,
                chosen,
                store=store,
                code=str(workers),
                folder=warm,
                workers=pool,
                reuse=False,
                stopping=lambda: False,
                done=lambda done, total: None,
            )
            pool.close()
            return found

        decode(b"\xe9 warm")
        cpu = _cpu()
        started = time.perf_counter()
        results = run(parts, workers)
        seconds = time.perf_counter() - started
        cpu = _cpu() - cpu
    documents = sum(sum(result.figures["documents"].values()) for result in results)
    # Not what getrusage says: a process inherits that from the one that started it.
    status = Path("/proc/self/status").read_text().split("\n")
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    sender.send({"cpu_s": cpu, "seconds": seconds, "documents": documents, "peak_mib": peak})


def _cpu() -> float:
    own, below = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime


def _slice(corpus: Path, rows: int) -> Documents:
    import polars as pl

    found: Documents = []
    for name in FILES:
        frame = pl.read_parquet(corpus / f"{name}.parquet", columns=["id", "format", "content"])
        frame = frame.filter(pl.col("content").str.strip_chars() != "").sample(fraction=1, shuffle=True, seed=1)
        for id, format, text in frame.head(rows).iter_rows():
            found.append((f"{name}-{id}".replace("/", "_"), "html" if format == "html" else "text", text))
    return found


def _pieces(documents: Documents) -> list[Documents]:
    return [documents[start::PIECES] for start in range(PIECES)]


def _lines(documents: Documents) -> bytes:
    return b"".join(json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n" for _, _, text in documents)


def _jsonl(suffix: str, compress: Callable[[bytes], bytes]) -> Callable[[Path, Documents], None]:
    def write(folder: Path, documents: Documents) -> None:
        for number, piece in enumerate(_pieces(documents)):
            (folder / f"{number:02}.jsonl{suffix}").write_bytes(compress(_lines(piece)))

    return write


def _zstd(data: bytes) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def _write_csv(folder: Path, documents: Documents) -> None:
    for number, piece in enumerate(_pieces(documents)):
        with (folder / f"{number:02}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text"])
            writer.writerows([id, text] for id, _, text in piece)


def _write_parquet(folder: Path, documents: Documents) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for number, piece in enumerate(_pieces(documents)):
        table = pa.table({"text": [text for _, _, text in piece]})
        pq.write_table(table, folder / f"{number:02}.parquet", compression="zstd", row_group_size=2000)


def _write_texts(folder: Path, documents: Documents) -> None:
    for number, (id, format, text) in enumerate(documents):
        (folder / f"{number % 50:02}").mkdir(exist_ok=True)
        (folder / f"{number % 50:02}" / f"{number}-{id[:60]}.{'html' if format == 'html' else 'txt'}").write_text(text)


def _write_zip(folder: Path, documents: Documents) -> None:
    for number, piece in enumerate(_pieces(documents)):
        with zipfile.ZipFile(folder / f"{number:02}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for index, (_, _, text) in enumerate(piece):
                archive.writestr(f"{index}.txt", text)


def _write_tar(folder: Path, documents: Documents) -> None:
    for number, piece in enumerate(_pieces(documents)):
        with tarfile.open(folder / f"{number:02}.tar.gz", "w:gz", compresslevel=6) as archive:
            for index, (_, _, text) in enumerate(piece):
                header = tarfile.TarInfo(f"{index}.txt")
                header.size = len(text.encode())
                archive.addfile(header, io.BytesIO(text.encode()))


def _write_warc(folder: Path, documents: Documents) -> None:
    for number, piece in enumerate(_pieces(documents)):
        with (folder / f"{number:02}.warc.gz").open("wb") as file:
            for id, format, text in piece:
                kind = "text/html" if format == "html" else "text/plain"
                body = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\n\r\n{text}".encode()
                head = (
                    "WARC/1.1\r\nWARC-Type: response\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
                    f"WARC-Record-ID: <urn:uuid:{hashlib.md5(id.encode()).hexdigest()}>\r\n"
                    f"WARC-Target-URI: https://example.org/{number}\r\n"
                    f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                file.write(gzip.compress(head.encode() + body + b"\r\n\r\n"))


def _write_wiki(folder: Path, documents: Documents) -> None:
    for number, piece in enumerate(_pieces(documents)):
        pages = "".join(
            f"<page><title>{number}</title><ns>0</ns><id>1</id><revision><id>1</id><text>{escape(_wikitext(text))}</text>"
            "</revision></page>\n"
            for _, _, text in piece
        )
        head = '<mediawiki xml:lang="zh"><siteinfo><base>https://zh.example.org/wiki/Main</base></siteinfo>\n'
        (folder / f"x-pages-articles{number:02}.xml.bz2").write_bytes(
            bz2.compress((head + pages + "</mediawiki>").encode())
        )


def _wikitext(text: str) -> str:
    """Marks a text up about as much as articles are: links, references and templates in every paragraph."""
    text = "".join(character for character in text if character.isprintable() or character == "\n")
    lines = [
        f"'''{line[:9]}'''{line[9:30]}[[Target|{line[30:36]}]]{line[36:]}<ref name=\"a\">{{{{cite web|url=http://x.y|title=t}}}}</ref>"
        if len(line) > 40
        else line
        for line in text.replace("{", "(").replace("[", "(").replace("<", "(").replace("-", "_").split("\n")
    ]
    return "{{Infobox|name=x|image=[[File:a.jpg]]}}\nx " + "\n".join(lines)


def _copy(small: Path, large: Path, times: int) -> None:
    for path in [path for path in small.rglob("*") if path.is_file()]:
        for number in range(times):
            copy = large / str(number) / path.relative_to(small)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, copy)


def _linear() -> dict[str, list[float]]:
    """Times what looks at markup and encodings on text made to be slow, at doubling sizes."""
    units = {
        "wikitext {{": "{{",
        "wikitext [[a|": "[[a|",
        "wikitext <ref>": "<ref>",
        "wikitext <math>": "<math>",
        "wikitext <a": "<a",
        "wikitext -{zh:": "-{zh:",
        "wikitext table": "\n{|",
        "wikitext [http://a": "[http://a",
        "wikitext mixed": "{{[[<ref>-{[//",
    }
    found = {}
    for name, unit in units.items():
        found[name] = [_timed(plain_text, unit * (size // len(unit)), "zh-cn") for size in _SIZES]
    found["decode high bytes"] = [_timed(decode, b"\xb0\xa1a" * (size // 3)) for size in _SIZES]
    found["decode <meta"] = [_timed(decode, b"<meta \xff" * (size // 7)) for size in _SIZES]
    return found


_SIZES = (500_000, 1_000_000, 2_000_000)


def _timed(function: Callable[..., object], *arguments: object) -> float:
    started = time.process_time()
    function(*arguments)
    return time.process_time() - started


def _machine() -> str:
    name = next((line for line in Path("/proc/cpuinfo").read_text().split("\n") if line.startswith("model name")), "")
    return f"{os.cpu_count()} cores, {name.partition(': ')[2]}"


WRITERS: dict[str, Callable[[Path, Documents], None]] = {
    "jsonl": _jsonl("", bytes),
    "jsonl.gz": _jsonl(".gz", gzip.compress),
    "jsonl.zst": _jsonl(".zst", _zstd),
    "jsonl.xz": _jsonl(".xz", lambda data: lzma.compress(data, preset=1)),
    "csv": _write_csv,
    "parquet": _write_parquet,
    "texts": _write_texts,
    "zip": _write_zip,
    "tar.gz": _write_tar,
    "warc.gz": _write_warc,
    "wiki.bz2": _write_wiki,
}

if __name__ == "__main__":
    main()
