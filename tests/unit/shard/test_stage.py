"""Which side documents fall on, and what one more document changes."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from source_stages import Bench, Built
from table_inputs import Row, document, table_input

from schemas.config.shard import ShardConfig
from schemas.errors import StageFailed
from schemas.tables import CLEANED, CLUSTERS, DUPLICATES, SHARDED, SPLITS
from tasks.shard.sides import Sides
from tasks.shard.stage import STAGE


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def rows_of(part: int, count: int = 60) -> list[Row]:
    return [
        document(f"text {part} {number}", path=f"{number:03}", language="zh" if number % 4 == 0 else "en")
        for number in range(count)
    ]


def shard(
    bench: Bench,
    parts: dict[str, list[Row]],
    duplicates: list[Row] | None = None,
    merged: dict[str, list[str]] | None = None,
    **settings: object,
) -> Built:
    rows = [{"cluster": name, "founder": founder} for name, found in (merged or {}).items() for founder in found]
    inputs = {
        "documents": table_input(bench.store, CLEANED, parts),
        "duplicates": table_input(bench.store, DUPLICATES, {"duplicates.parquet": duplicates or []}),
        "clusters": table_input(bench.store, CLUSTERS, {"clusters.parquet": rows}),
    }
    return bench.build(STAGE, ShardConfig(**{"valid_fraction": 0.2, "test_fraction": 0.2} | settings), inputs)


def sides(built: Built) -> dict[str, str]:
    return {row["id"]: split for split in SPLITS for row in built.table(split, SHARDED)}


@given(st.lists(st.text(max_size=8), unique=True, min_size=1), st.integers(0, 99))
def test_a_greater_share_only_takes_from_train(clusters: list[str], seed: int) -> None:
    for cluster in clusters:
        small, large = Sides(0.1, 0.1, seed).of(cluster), Sides(0.1, 0.3, seed).of(cluster)
        assert small != "test" or large == "test"
        assert large != "train" or small == "train"


@given(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=4), st.integers(0, 99))
def test_a_cluster_is_held_out_as_the_most_held_out_that_merged_into_it(
    cluster: str, founders: list[str], seed: int
) -> None:
    split = Sides(0.3, 0.3, seed)
    found = {split.of(founder) for founder in founders or [cluster]}
    expected = next(side for side in ("test", "valid", "train") if side in found)
    assert split.of(cluster, founders) == expected
    assert split.of(cluster, reversed(founders)) == expected
    for founder in founders:
        assert split.of(founder) == "train" or split.of(cluster, founders) != "train", "nothing goes back to train"


def test_shares_are_as_configured() -> None:
    found = [Sides(0.03, 0.05, 1).of(str(number)) for number in range(20_000)]
    assert found.count("test") / len(found) == pytest.approx(0.05, abs=0.006)
    assert found.count("valid") / len(found) == pytest.approx(0.03, abs=0.005)


def test_every_document_is_on_one_side_whole_and_in_an_order_that_hides_its_locator(bench: Bench) -> None:
    parts = {f"part-{number}.parquet": rows_of(number) for number in range(3)}
    built = shard(bench, parts)
    found = [row for split in SPLITS for row in built.table(split, SHARDED)]
    given_rows = [row | {"cluster": row["id"]} for rows in parts.values() for row in rows]
    assert sorted(found, key=lambda row: str(row["id"])) == sorted(given_rows, key=lambda row: str(row["id"]))
    paths = [row["path"] for row in built.table("train", SHARDED)]
    assert paths != sorted(paths)
    assert built.metrics["rows_in"] == built.metrics["rows_out"] == 180
    assert built.metrics["splits"]["train"]["zh"]["rows"] == sum(
        row["language"] == "zh" for row in built.table("train", SHARDED)
    )


def test_one_more_document_changes_the_shards_of_its_group_and_no_side(bench: Bench) -> None:
    parts = {f"part-{number:02}.parquet": rows_of(number) for number in range(12)}
    before = shard(bench, parts, shard_bytes=8_000)
    new = document("one more", path="999")
    after = shard(bench, {**parts, "part-05.parquet": [*parts["part-05.parquet"], new]}, shard_bytes=8_000)
    names = dict(before.digests()["train"]), dict(after.digests()["train"])
    assert len(names[0]) > 3
    assert sum(names[1].get(name) != digest for name, digest in names[0].items()) <= 2
    moved = sides(after)
    assert {identity: moved[identity] for identity in sides(before)} == sides(before)


def test_documents_of_one_cluster_fall_on_one_side(bench: Bench) -> None:
    rows = rows_of(0)
    earliest = "f" * 32
    gone = {"source": "docs", "path": "x", "offset": 0, "kind": "near", "jaccard": 0.9, "cluster": earliest}
    gone |= {"via": earliest, "via_jaccard": 0.9}
    duplicates = [gone | {"id": earliest, "kept": row["id"]} for row in rows[:8]]
    built = shard(bench, {"part-0.parquet": rows}, duplicates)
    found = sides(built)
    assert len({found[row["id"]] for row in rows[:8]}) == 1
    members = {row["id"] for split in SPLITS for row in built.table(split, SHARDED) if row["cluster"] == earliest}
    assert members == {row["id"] for row in rows[:8]}


def test_documents_leave_train_when_their_cluster_merges_with_one_held_out(bench: Bench) -> None:
    parts = {f"part-{number}.parquet": rows_of(number) for number in range(4)}
    before = sides(shard(bench, parts, shard_bytes=8_000))
    train = [identity for identity, side in before.items() if side == "train"][:3]
    test, valid = (
        next(identity for identity, side in before.items() if side == wanted) for wanted in ("test", "valid")
    )
    merged = {train[0]: [train[0], test], train[1]: [train[1], valid, train[2]], test: [train[2], test]}
    gone = {"id": "f" * 32, "source": "docs", "path": "x", "offset": 0, "kind": "near", "jaccard": 0.9, "via": "e" * 32}
    gone |= {"via_jaccard": 0.9}
    duplicates = [gone | {"cluster": train[0], "kept": train[2]}]
    first = shard(bench, parts, duplicates, shard_bytes=8_000)
    built = shard(bench, parts, duplicates, merged, shard_bytes=8_000)
    after = sides(built)
    moved = {identity: side for identity, side in after.items() if side != before[identity]}
    assert moved == {train[0]: "test", train[1]: "valid", train[2]: "test"}
    assert built.metrics["left_train"] == 3
    assert first.metrics["left_train"] == 0
    unconcerned = set(first.digests()["train"]) & set(built.digests()["train"])
    assert unconcerned, "a merge redoes the shards of its documents only"


def test_row_groups_have_the_rows_and_bytes_asked_for(bench: Bench) -> None:
    parts = {"part-0.parquet": rows_of(0, 100), "part-1.parquet": rows_of(1, 100)}
    sizes = []
    for settings in ({"row_group_rows": 16}, {"row_group_bytes": 40}, {}):
        built = shard(bench, parts, **settings)
        (path,) = built.paths("train")
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        sizes.append(groups)
    by_rows, by_bytes, whole = sizes
    assert by_rows == [16] * (sum(whole) // 16) + [sum(whole) % 16] * (sum(whole) % 16 > 0)
    assert set(by_bytes[:-1]) <= {4, 5}
    assert len(whole) == 1


def test_a_shard_is_the_same_whatever_pieces_it_is_gathered_in(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {f"part-{number}.parquet": rows_of(number) for number in range(3)}
    whole = shard(bench, parts)
    for size in (1, 100):
        monkeypatch.setattr("tasks.shard.shards.GATHERED_BYTES", size)
        other = Bench(bench.store.root.parent / f"other-{size}")
        assert shard(other, parts).digests() == whole.digests()


def test_the_seed_changes_the_sides(bench: Bench) -> None:
    parts = {"part-0.parquet": rows_of(0)}
    assert sides(shard(bench, parts, seed=1)) != sides(shard(bench, parts, seed=2))
    assert shard(bench, parts, seed=1).digests() == shard(bench, parts, seed=1).digests()


def test_an_empty_split_says_what_to_do(bench: Bench) -> None:
    with pytest.raises(StageFailed, match="no document of 1 falls into") as caught:
        shard(bench, {"part-0.parquet": rows_of(0, 1)})
    assert "shard.test_fraction" in caught.value.hint
    with pytest.raises(StageFailed):
        shard(bench, {})


def test_a_language_missing_from_the_test_split_is_warned_of(bench: Bench) -> None:
    rows = [*rows_of(0), document("唯一", path="zh", language="zh")]
    rows = [row for row in rows if row["language"] == "en" or row["path"] == "zh"]
    built = shard(bench, {"part-0.parquet": rows})
    missing = [split for split in ("valid", "test") if "zh" not in built.metrics["splits"][split]]
    expected = [split for split in missing if "zh" in built.metrics["splits"]["train"]]
    assert len(built.result.warnings) == len(expected) > 0


def test_fractions_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ValidationError, match="leave nothing to train on"):
        ShardConfig(valid_fraction=0.5, test_fraction=0.5)
