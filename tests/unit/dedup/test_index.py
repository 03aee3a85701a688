"""What is kept for the next night: it saves work, never changes what comes out, and datasketch can query it."""

from __future__ import annotations

import io
import random
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash, MinHashLSH
from source_stages import Bench, Built
from table_inputs import Row, document, table_input

from schemas.config.dedup import DedupConfig
from schemas.tables import CLEANED, CLUSTERS, DUPLICATES
from tasks.dedup import kernels
from tasks.dedup.bands import least_agreement, optimal
from tasks.dedup.signatures import Shingling, shingle_texts
from tasks.dedup.stage import STAGE
from tasks.shard.sides import Sides

WORDS = ["".join(letters) for letters in combinations("abcdefghijklm", 4)]
MANY_BANDS: dict[str, Any] = {"permutations": 112, "bands": 56}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def dedup(bench: Bench, parts: dict[str, list[Row]], earlier: Built | None = None, **config: Any) -> Built:
    return bench.build(
        STAGE, DedupConfig(**config), {"documents": table_input(bench.store, CLEANED, parts)}, earlier=earlier
    )


def window(start: int, **more: Any) -> Row:
    """Of windows of 150 words, those up to 16 words apart have a similarity of 0.8 and more."""
    return document(" ".join(WORDS[start : start + 150]), path=f"{start:03}", **more)


def various(seed: int, count: int, copies: float = 0.3) -> list[Row]:
    source = random.Random(seed)
    rows: list[Row] = []
    for number in range(count):
        words = source.choices(WORDS, k=60)
        rows.append(document(" ".join(words), path=f"{seed}-{number:04}"))
        if source.random() < copies:
            rows.append(document(" ".join([*words, "more"]), path=f"{seed}-{number:04}-copy", seen="2026-01-02"))
    return rows


def outcome(built: Built) -> list[Any]:
    return [built.digests()[name] for name in STAGE.outputs]


def diagnostic(built: Built, name: str) -> np.ndarray:
    (file,) = [file for file in built.result.diagnostics if file.name == name]
    return np.load(io.BytesIO(built.store.objects.path(file.digest).read_bytes()))


def test_a_night_costs_what_is_new_however_much_there_is(bench: Bench) -> None:
    tonight = various(99, 5)
    tonight.append(document(various(1, 1)[0]["text"] + " tonight", path="bridge", seen="2026-02-01"))
    counted = []
    for size in (1, 4):
        parts = {f"part-{seed}.parquet": various(seed, 60) for seed in range(1, size + 1)}
        before = dedup(bench, parts)
        night = dedup(bench, parts | {"part-new.parquet": tonight}, earlier=before)
        again = dedup(bench, parts | {"part-new.parquet": tonight})
        assert outcome(night) == outcome(again)
        assert again.metrics["fresh"] > 60 * size and again.metrics["shingled"] > 20 * size
        counted.append({name: night.metrics[name] for name in ("fresh", "shingled", "compared", "verified")})
    assert counted[0]["fresh"] == len(tonight)
    assert 0 < counted[0]["compared"] <= 3 * len(tonight)
    assert counted[1] == counted[0]


def test_an_added_document_leaves_the_others_of_its_file_known(bench: Bench) -> None:
    parts = {"a.parquet": various(1, 30), "b.parquet": various(2, 30), "c.parquet": various(3, 30)}
    before = dedup(bench, parts)
    parts["b.parquet"] = [document("one more document of tonight", path="0"), *parts["b.parquet"]]
    night = dedup(bench, parts, earlier=before)
    assert night.metrics["fresh"] == 1
    assert outcome(night) == outcome(dedup(bench, parts))


def test_a_document_that_leaves_takes_its_joints_with_it(bench: Bench) -> None:
    chain = {"a.parquet": [window(0), window(30)], "b.parquet": [window(15, seen="2026-01-02")]}
    others = {f"c{seed}.parquet": various(seed, 20) for seed in range(3)}
    before = dedup(bench, chain | others, **MANY_BANDS)
    assert {row["path"] for row in before.table("duplicates", DUPLICATES)} >= {"015"}
    del chain["b.parquet"]
    night = dedup(bench, chain | others, earlier=before, **MANY_BANDS)
    assert night.metrics["fresh"] == 2
    assert {"000", "030"} <= {row["path"] for row in night.table("documents", CLEANED)}
    assert outcome(night) == outcome(dedup(bench, chain | others, **MANY_BANDS))


def test_a_late_document_of_an_old_date_changes_what_earlier_nights_were(bench: Bench) -> None:
    parts = {"a.parquet": [window(0), window(30), window(15, seen="2026-01-03")]}
    before = dedup(bench, parts, **MANY_BANDS)
    assert before.metrics["merged"] == 1
    parts["b.parquet"] = [window(14)]
    night = dedup(bench, parts, earlier=before, **MANY_BANDS)
    assert night.metrics["merged"] == 0
    assert outcome(night) == outcome(dedup(bench, parts, **MANY_BANDS))


def test_two_that_were_found_apart_are_each_compared_with_what_comes_between_them(bench: Bench) -> None:
    apart, between = {"a.parquet": [window(0), window(30)]}, {"b.parquet": [window(15, seen="2026-01-02")]}
    table = pa.Table.from_pylist([*apart["a.parquet"], *between["b.parquet"]], schema=CLEANED)
    shingles, ends = shingle_texts(table, Shingling(5, 5))
    # One band: all three share the only bucket, or there is nothing to be found.
    signed = {seed: kernels.sign(shingles, ends, *kernels.permutations(8, seed)) for seed in range(400)}
    seeds = [seed for seed, signatures in signed.items() if len(np.unique(signatures, axis=0)) == 1]
    for seed in seeds[:2]:
        config: dict[str, Any] = {"permutations": 8, "bands": 1, "seed": seed}
        before = dedup(bench, apart, **config)
        assert before.metrics["rows_out"] == 2
        assert dedup(bench, apart | between, earlier=before, **config).metrics["rows_out"] == 1
    assert seeds


def test_a_damaged_index_costs_work_and_nothing_else(bench: Bench) -> None:
    parts = {"a.parquet": various(1, 20), "b.parquet": various(2, 20)}
    before = dedup(bench, parts)
    parts["c.parquet"] = various(3, 5)
    expected = outcome(dedup(bench, parts))
    assert outcome(dedup(bench, parts, earlier=before)) == expected
    for name in ("index/parts.json", "index/members.npy", "index/a.parquet/keys.npy"):
        damaged = before.result.model_copy(
            update={"diagnostics": [file for file in before.result.diagnostics if file.name != name]}
        )
        night = dedup(bench, parts, earlier=Built(damaged, bench.store))
        assert outcome(night) == expected
        assert night.metrics["fresh"] == night.metrics["rows_in"]


def test_little_memory_gives_the_same_tables(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {f"{seed}.parquet": various(seed, 40) for seed in range(3)}
    parts["chain.parquet"] = [window(start, seen="2026-01-02") for start in range(0, 90, 15)]
    before = dedup(bench, parts, memory_mib=16)
    monkeypatch.setattr("tasks.dedup.buckets.BYTES_PER_ENTRY", 1 << 20)
    monkeypatch.setattr("tasks.dedup.keeping.BYTES_PER_MEMBER", 1 << 22)
    monkeypatch.setattr("tasks.dedup.outcome.BYTES_PER_ROW", 1 << 20)
    monkeypatch.setattr("tasks.dedup.outcome.ROWS_AT_A_TIME", 7)
    monkeypatch.setattr("tasks.dedup.clusters.WINDOW_SHARE", 1e-5)
    assert outcome(dedup(bench, parts, memory_mib=16)) == outcome(before)
    parts["new.parquet"] = various(0, 40)[:9] + various(7, 9)
    night = dedup(bench, parts, earlier=before, memory_mib=16)
    monkeypatch.undo()
    assert outcome(night) == outcome(dedup(bench, parts))


def test_datasketch_finds_our_duplicates_in_our_index(bench: Bench) -> None:
    rows = various(5, 120, copies=0.5)
    built = dedup(bench, {"a.parquet": rows}, crossed=False)
    signatures = diagnostic(built, "index/a.parquet/signatures.npy")
    index = MinHashLSH(num_perm=112, params=(14, 8))
    sketches = {
        row["id"]: MinHash(num_perm=112, seed=1, scheme="affine32", hashvalues=values)
        for row, values in zip(rows, signatures, strict=True)
    }
    for name, sketch in sketches.items():
        index.insert(name, sketch, check_duplication=False)
    gone = built.table("duplicates", DUPLICATES)
    assert len(gone) > 40
    for row in gone:
        assert row["via"] in index.query(sketches[row["id"]])


def test_optimal_bands_are_those_of_datasketch() -> None:
    for threshold in (0.5, 0.65, 0.8, 0.9):
        for permutations in (64, 112, 128):
            theirs = MinHashLSH(threshold=threshold, num_perm=permutations)
            ours = optimal(threshold, permutations)
            assert ours == (theirs.b, theirs.r)
    assert optimal(0.8, 112) == (9, 12)


def test_crossed_bands_find_what_the_others_miss(bench: Bench) -> None:
    rows = [
        window(start + shift, seen=f"2026-01-0{1 + shift // 16}") for start in range(0, 540, 36) for shift in (0, 16)
    ]
    once = dedup(bench, {"a.parquet": rows}, crossed=False, bands=8)
    twice = dedup(bench, {"a.parquet": rows}, bands=8)
    assert diagnostic(twice, "index/a.parquet/bands.npy").shape == (16, len(rows))
    assert {row["path"] for row in once.table("duplicates", DUPLICATES)} < {
        row["path"] for row in twice.table("duplicates", DUPLICATES)
    }


def test_of_10_000_pairs_at_the_threshold_no_more_than_one_is_not_compared_for_its_signatures() -> None:
    source = np.random.default_rng(1)
    for threshold, permutations in ((0.5, 112), (0.8, 112), (0.8, 64), (0.9, 256)):
        least = least_agreement(threshold, permutations)
        agreeing = source.binomial(permutations, threshold, size=1_000_000)
        assert (agreeing < least).mean() < 1.5e-4
        assert (agreeing < least + 3).mean() > 1e-4
    assert least_agreement(1.0, 112) == 112


def test_optimal_bands_are_used(bench: Bench) -> None:
    rows = various(1, 20, copies=1)
    built = dedup(bench, {"a.parquet": rows}, bands="optimal", crossed=False)
    assert diagnostic(built, "index/a.parquet/bands.npy").shape == (9, len(rows))
    assert built.metrics["near"] > 10


SIDES = Sides(valid=0.25, test=0.25, seed=1)
HELD_OUT = ("test", "valid", "train")


def side(founders: list[str]) -> str:
    """The most held-out side of a cluster's founders."""
    return min((SIDES.of(founder) for founder in founders), key=HELD_OUT.index)


def sides(built: Built, rows: list[Row]) -> dict[str, str]:
    """The side of every document by its id."""
    founders: dict[str, list[str]] = {}
    for row in built.table("clusters", CLUSTERS):
        founders.setdefault(row["cluster"], []).append(row["founder"])
    cluster: dict[str, str] = {}
    for row in built.table("duplicates", DUPLICATES):
        cluster[row["id"]] = cluster[row["kept"]] = row["cluster"]
    return {row["id"]: side(founders.get(cluster.get(row["id"], row["id"]), [row["id"]])) for row in rows}


@pytest.mark.parametrize("seed", range(2))
def test_what_is_held_out_stays_so_when_clusters_merge_and_what_leaves_train_can_be_counted(
    bench: Bench, seed: int
) -> None:
    source = random.Random(seed)
    starts = source.sample(range(0, 300, 7), 30)
    rows = [window(start, seen=f"2026-01-0{1 + number % 3}") for number, start in enumerate(starts)]
    night: Built | None = None
    before: dict[str, str] = {}
    left = 0
    for day in (1, 2, 3):
        tonight = [row for row in rows if row["first_seen"] <= f"2026-01-0{day}"]
        night = dedup(bench, {"a.parquet": tonight}, earlier=night, **MANY_BANDS)
        assert outcome(night) == outcome(dedup(bench, {"a.parquet": tonight}, **MANY_BANDS))
        now = sides(night, tonight)
        for name, was in before.items():
            assert HELD_OUT.index(now[name]) <= HELD_OUT.index(was)
            left += was == "train" and now[name] != "train"
        for one, other in combinations(tonight, 2):
            if abs(int(one["path"]) - int(other["path"])) <= 14:
                assert now[one["id"]] == now[other["id"]]
        before = now
    assert night is not None and night.metrics["merged"] > 0
    assert left > 0
