"""What stays, what goes, and what is done again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from source_stages import Bench, Built
from table_inputs import Row, document, table_input

from schemas.config.dedup import DedupConfig
from schemas.tables import CLEANED, DUPLICATES
from tasks.dedup.stage import STAGE

WORDS = ["".join(letters) for letters in combinations("abcdefghij", 4)]
CHARACTERS = [chr(point) for point in range(0x4E00, 0x4E00 + 400)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def dedup(bench: Bench, *parts: Sequence[Row], **settings: object) -> Built:
    files = {f"part-{number:03}.parquet": rows for number, rows in enumerate(parts)}
    return bench.build(STAGE, DedupConfig(**settings), {"documents": table_input(bench.store, CLEANED, files)})


def stayed(built: Built) -> list[str]:
    return sorted(row["path"] for row in built.table("documents", CLEANED))


def went(built: Built) -> dict[str, tuple[str, str]]:
    return {row["path"]: (row["kind"], row["kept"]) for row in built.table("duplicates", DUPLICATES)}


def edited(source: random.Random, tokens: list[str], words: list[str], share: float) -> list[str]:
    return [source.choice(words) if source.random() < share else token for token in tokens]


def planted(seed: int, count: int = 60) -> list[Row]:
    """Originals in both languages with exact copies and copies of which 0.5 to 5 % is altered."""
    source = random.Random(seed)
    rows = []
    for number in range(count):
        language = "zh" if number % 3 == 0 else "en"
        words, glue = (CHARACTERS, "") if language == "zh" else (WORDS, " ")
        tokens = source.choices(words, k=source.randrange(30, 200))
        for copy in range(source.choice([1, 1, 2, 4])):
            text = glue.join(tokens if copy == 1 else edited(source, tokens, words, 0.0 if copy == 0 else 0.03))
            seen = f"2026-01-{source.randrange(1, 29):02}"
            rows.append(document(text, path=f"{number:03}-{copy}", language=language, seen=seen))
    source.shuffle(rows)
    return rows


def shingles(row: Row) -> set[tuple[str, ...]]:
    tokens = row["text"].split() if row["language"] == "en" else list(row["text"])
    return {tuple(tokens[start : start + 5]) for start in range(len(tokens) - 4)}


def similarity(left: Row, right: Row) -> float:
    one, other = shingles(left), shingles(right)
    return len(one & other) / len(one | other)


def test_candidates_are_decided_as_comparing_all_pairs_decides(bench: Bench) -> None:
    rows = planted(1, 150)
    by_locator = {row["path"]: row for row in rows}
    built = dedup(bench, rows)
    similar = [
        (left, right)
        for left, right in combinations(rows, 2)
        if left["language"] == right["language"] and similarity(left, right) >= 0.8
    ]
    stands_for = {row["path"]: row["cluster"] for row in built.table("duplicates", DUPLICATES)}
    together = sum(
        stands_for.get(left["path"], left["id"]) == stands_for.get(right["path"], right["id"])
        for left, right in similar
    )
    assert len(similar) > 100
    assert together / len(similar) >= 0.98
    for row in built.table("duplicates", DUPLICATES):
        gone = by_locator[row["path"]]
        kept = next(candidate for candidate in rows if candidate["id"] == row["kept"])
        assert row["jaccard"] == pytest.approx(similarity(gone, kept))
        alike = [other for left, right in similar for other in (left, right) if gone in (left, right)]
        assert any(other is not gone for other in alike), "something that went resembles nothing"
    assert built.metrics["verified"] <= built.metrics["compared"]


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_neither_the_cut_into_parts_nor_the_order_in_them_matters(bench: Bench, seed: int) -> None:
    rows = planted(seed)
    whole = dedup(bench, rows)
    source = random.Random(seed)
    source.shuffle(rows)
    cuts = sorted(source.sample(range(len(rows)), 3))
    cut = dedup(bench, *[rows[begin:end] for begin, end in pairwise([0, *cuts, len(rows)])])
    assert stayed(cut) == stayed(whole)
    assert cut.digests()["duplicates"] == whole.digests()["duplicates"]
    counted = ("rows_in", "rows_out", "exact", "near", "clusters", "merged", "candidates", "sources")
    assert {name: cut.metrics[name] for name in counted} == {name: whole.metrics[name] for name in counted}
    assert cut.digests()["clusters"] == whole.digests()["clusters"]
    again = dedup(bench, whole.table("documents", CLEANED))
    assert again.metrics["exact"] == again.metrics["near"] == 0
    assert stayed(again) == stayed(whole)


def test_the_earliest_stays_and_ties_fall_to_the_id_then_to_the_locator(bench: Bench) -> None:
    text = " ".join(WORDS[:40])
    ids = [f"{number:032x}" for number in range(4)]
    rows = [
        document(text, path="late", seen="2026-01-02", id=ids[0]),
        document(text, path="second id", id=ids[2]),
        document(text, path="b", id=ids[1]),
        document(text, path="a", id=ids[1]),
    ]
    built = dedup(bench, rows)
    assert stayed(built) == ["a"]
    assert went(built) == dict.fromkeys(("late", "second id", "b"), ("exact", ids[1]))


def test_short_texts_are_compared_exactly_only(bench: Bench) -> None:
    texts = ["see above", "See above", "see below", "----", "====", "C", "C++", "🙂", "one two three four"]
    rows = [document(text, path=f"{number}") for number, text in enumerate(texts)]
    rows += [document("目录", path="z1", language="zh"), document("目次", path="z2", language="zh")]
    rows += [document("see  above\n", path="spaced", seen="2026-01-05")]
    built = dedup(bench, rows)
    assert went(built) == {"spaced": ("exact", rows[0]["id"])}


def test_documents_of_two_languages_are_duplicates_only_if_equal(bench: Bench) -> None:
    text = "".join(CHARACTERS[:200])
    rows = [document(text, path="zh", language="zh"), document(text + "一", path="en", language="en")]
    assert went(dedup(bench, rows)) == went(dedup(bench, rows, ngram_words=1)) == {}
    rows.append(document(text, path="equal", language="en", seen="2026-02-01"))
    assert went(dedup(bench, rows)) == {"equal": ("exact", rows[0]["id"])}


def test_one_raw_text_cleaned_in_two_ways_is_one_document(bench: Bench) -> None:
    page = document("read as a page", path="a.html")
    plain = document("read as plain text", path="a.txt", id=page["id"])
    copy = document("read as  plain text", path="b.txt", seen="2026-02-01")
    assert went(dedup(bench, [copy, plain, page])) == dict.fromkeys(("a.txt", "b.txt"), ("exact", page["id"]))


def test_a_chain_of_similar_documents_is_one_cluster_and_says_how_far_its_ends_are(bench: Bench) -> None:
    rows = [
        document(" ".join(WORDS[start : start + 100]), path=f"{start:02}", seen=f"2026-01-{start + 1:02}")
        for start in range(0, 25, 5)
    ]
    built = dedup(bench, rows)
    assert stayed(built) == ["00"]
    far = max(built.table("duplicates", DUPLICATES), key=lambda row: row["path"])
    assert far["jaccard"] == pytest.approx(similarity(rows[0], rows[-1])) and far["jaccard"] < 0.8
    assert {row["cluster"] for row in built.table("duplicates", DUPLICATES)} == {rows[0]["id"]}


def test_an_added_document_redoes_the_parts_that_change_only(bench: Bench) -> None:
    parts = [planted(seed, 10) for seed in (5, 6, 7, 8)]
    before = dedup(bench, *parts)
    new = document(parts[0][0]["text"] + " and more", path="new", seen="2026-02-01", language=parts[0][0]["language"])
    after = dedup(bench, *parts[:3], [*parts[3], new])
    files = dict(before.digests()["documents"]), dict(after.digests()["documents"])
    assert sum(files[0][name] != files[1][name] for name in files[0]) <= 1
    done = after.metrics["parts"]
    assert done["total"] - done["reused"] <= 2


def test_a_part_that_loses_nothing_keeps_its_bytes(bench: Bench) -> None:
    files = {"part-0.parquet": [document(" ".join(WORDS[:30]))], "part-1.parquet": [document("x", path="b")] * 2}
    given = table_input(bench.store, CLEANED, files)
    built = bench.build(STAGE, DedupConfig(), {"documents": given})
    assert built.result.outputs["documents"][0] == given.files[0]
    assert built.result.outputs["documents"][1] != given.files[1]


def test_figures_add_up_by_source(bench: Bench) -> None:
    text = " ".join(WORDS[:200])
    rows = [document(text, path=f"{number}", source=f"s{number % 2}") for number in range(5)]
    rows.append(document(text + " once more", path="near", source="s1", seen="2026-03-01"))
    metrics = dedup(bench, rows).metrics
    assert (metrics["rows_in"], metrics["rows_out"], metrics["exact"], metrics["near"]) == (6, 1, 4, 1)
    assert metrics["sources"] == {
        "s0": {"rows_in": 3, "exact": 2, "near": 0},
        "s1": {"rows_in": 3, "exact": 2, "near": 1},
    }


def test_no_documents_give_no_documents(bench: Bench) -> None:
    built = dedup(bench, [])
    assert built.metrics["rows_out"] == 0
    assert dedup(bench).result.outputs["documents"] == []


def test_buckets_past_the_limit_are_reported_not_silently_skipped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.dedup.clusters.COMPARISONS_PER_DOCUMENT", 1)
    source = random.Random(9)
    half = source.choices(WORDS, k=60)
    rows = [document(" ".join(half + source.choices(WORDS, k=40)), path=f"{number}") for number in range(60)]
    built = dedup(bench, rows, bands=56, permutations=112)
    assert any("too many others to be compared with all" in warning for warning in built.result.warnings)
