"""What holds of deduplication whatever the documents, their dates, the nights and the cut into files."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from itertools import combinations, pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_stages import Bench, Built
from table_inputs import Row, document, table_input

from schemas.config.dedup import DedupConfig
from schemas.tables import CLEANED, CLUSTERS, DUPLICATES
from tasks.dedup import kernels
from tasks.dedup.bands import banding
from tasks.dedup.signatures import Shingling, shingle_texts
from tasks.dedup.stage import STAGE

WORDS = ["".join(letters) for letters in combinations("abcdefgh", 4)]
CHARACTERS = [chr(point) for point in range(0x4E00, 0x4E00 + len(WORDS))]
THRESHOLD = 0.6
SETTINGS: dict[str, Any] = {"permutations": 24, "bands": 6, "threshold": THRESHOLD, "memory_mib": 16}
LAWS = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEEPS = ("earliest", "longest", "best")


@st.composite
def corpora(draw: st.DrawFn) -> list[Row]:
    """Windows of one long text, whose neighbours resemble each other and form chains; copies, short ones, equal ids."""
    chosen = random.Random(draw(st.integers(0, 2**32)))
    rows = []
    for number in range(draw(st.integers(2, 24))):
        language = chosen.choice(["en", "en", "zh"])
        start, length = chosen.randrange(0, 24, 2), chosen.choice([3, 20, 21, 22, 24])
        words = (WORDS if language == "en" else CHARACTERS)[start : start + length]
        text = (" " if language == "en" else "").join(words) + chosen.choice(["", "", "!", " \n "])
        row = document(text, path=f"{number:02}", language=language, source=chosen.choice("ab"))
        row["first_seen"] = str(date(2026, 1, 1) + timedelta(chosen.randrange(5)))
        if rows and chosen.random() < 0.15:
            row["id"] = chosen.choice(rows)["id"]
        rows.append(row)
    return rows


def parts(rows: Sequence[Row], count: int = 3) -> dict[str, list[Row]]:
    """Cuts documents into files by a hash of their path, in locator order."""
    files: dict[str, list[Row]] = {f"part-{number}.parquet": [] for number in range(count)}
    for row in sorted(rows, key=lambda row: (row["source"], row["path"])):
        files[f"part-{(int(row['path']) * 7) % count}.parquet"].append(row)
    return files


def dedup(bench: Bench, rows: Sequence[Row], earlier: Built | None = None, count: int = 3, **more: Any) -> Built:
    given_files = {"documents": table_input(bench.store, CLEANED, parts(rows, count))}
    return bench.build(STAGE, DedupConfig(**SETTINGS | more), given_files, earlier=earlier)


def outcome(built: Built) -> tuple[Any, Any, Any]:
    digests = built.digests()
    return digests["documents"], digests["duplicates"], digests["clusters"]


def by_key(row: Row) -> tuple[str, str]:
    return row["id"], row["path"]


class Reference:
    """Deduplication in plain Python: all pairs that share a band are compared, on every night anew."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = sorted(rows, key=lambda row: (row["first_seen"], row["id"], row["source"], row["path"]))
        shingling = Shingling(5, 5)
        table = pa.Table.from_pylist(self.rows, schema=CLEANED)
        hashes, ends = shingle_texts(table, shingling)
        signatures = kernels.sign(hashes, ends, *kernels.permutations(SETTINGS["permutations"], 1))
        self.sets = [set(hashes[begin:end].tolist()) for begin, end in pairwise(ends)]
        columns = banding(DedupConfig(**SETTINGS)).columns()
        self.bands = [set(enumerate(map(bytes, row[columns]))) for row in signatures]

    def together(self, left: int, right: int) -> bool:
        one, other = self.rows[left], self.rows[right]
        if one["id"] == other["id"] or one["text"].split() == other["text"].split():
            return True
        if one["language"] != other["language"] or not self.sets[left] or not self.bands[left] & self.bands[right]:
            return False
        shared = len(self.sets[left] & self.sets[right])
        return shared / len(self.sets[left] | self.sets[right]) >= THRESHOLD

    def clusters(self, until: str) -> list[list[int]]:
        """The clusters of what was first seen by a day; each from its earliest document."""
        seen = [number for number, row in enumerate(self.rows) if row["first_seen"] <= until]
        cluster = {number: {number} for number in seen}
        for left, right in combinations(seen, 2):
            if cluster[left] is not cluster[right] and self.together(left, right):
                cluster[left] |= cluster[right]
                for number in cluster[right]:
                    cluster[number] = cluster[left]
        return [sorted(one) for one in {id(one): one for one in cluster.values()}.values()]

    def founders(self) -> set[tuple[str, str]]:
        """(cluster, founder) of all clusters of two or more."""
        days = sorted({row["first_seen"] for row in self.rows})
        ever_first = {one[0] for day in days for one in self.clusters(day)}
        return {
            (self.rows[one[0]]["id"], self.rows[number]["id"])
            for one in self.clusters(days[-1])
            if len(one) > 1
            for number in one
            if number in ever_first
        }

    def stay(self, score: Callable[[Row], Any]) -> list[tuple[str, str]]:
        def best(number: int) -> tuple[Any, ...]:
            row = self.rows[number]
            return score(row), row["id"], row["source"], row["path"]

        return sorted(by_key(self.rows[min(one, key=best)]) for one in self.clusters("9999"))


def squeezed(row: Row) -> str:
    return " ".join(row["text"].split())


def quality(row: Row) -> float:
    letters = len("".join(letter for letter in row["text"] if letter.isalnum()).encode())
    return letters / len(squeezed(row).encode()) * (min(letters, 4096) / 4096)


SCORES: dict[str, Callable[[Row], Any]] = {
    "earliest": lambda row: row["first_seen"],
    "longest": lambda row: -len(squeezed(row)),
    "best": lambda row: -quality(row),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("laws"))


@LAWS
@given(rows=corpora(), keep=st.sampled_from(KEEPS))
def test_survivors_and_founders_are_those_of_comparing_all_pairs_on_every_night(
    bench: Bench, rows: list[Row], keep: str
) -> None:
    built = dedup(bench, rows, keep=keep)
    reference = Reference(rows)
    assert sorted(map(by_key, built.table("documents", CLEANED))) == reference.stay(SCORES[keep])
    founders = {(row["cluster"], row["founder"]) for row in built.table("clusters", CLUSTERS)}
    assert founders == reference.founders()
    assert not built.result.warnings


@LAWS
@given(rows=corpora())
def test_nights_of_a_ledger_give_what_one_build_of_it_gives(bench: Bench, rows: list[Row]) -> None:
    night = None
    for day in sorted({row["first_seen"] for row in rows}):
        tonight = [row for row in rows if row["first_seen"] <= day]
        night = dedup(bench, tonight, earlier=night)
    assert night is not None and outcome(night) == outcome(dedup(bench, rows))


@LAWS
@given(rows=corpora(), data=st.data(), keep=st.sampled_from(KEEPS))
def test_whatever_came_and_went_on_earlier_nights_tonight_gives_what_one_build_gives(
    bench: Bench, rows: list[Row], data: st.DataObject, keep: str
) -> None:
    night = None
    for _ in range(3):
        count = data.draw(st.integers(1, 4), label="parts")
        there = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)), label="there")
        tonight = [row for row, inside in zip(rows, there, strict=True) if inside]
        night = dedup(bench, tonight, earlier=night, count=count, keep=keep)
    assert night is not None and outcome(night) == outcome(dedup(bench, tonight, count=count, keep=keep))


@LAWS
@given(rows=corpora(), data=st.data(), keep=st.sampled_from(KEEPS))
def test_any_split_into_nights_gives_the_same_whatever_the_dates(
    bench: Bench, rows: list[Row], data: st.DataObject, keep: str
) -> None:
    came = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)), label="night")
    night = None
    for now in range(3):
        tonight = [row for row, day in zip(rows, came, strict=True) if day <= now]
        night = dedup(bench, tonight, earlier=night, keep=keep)
    assert night is not None and outcome(night) == outcome(dedup(bench, rows, keep=keep))


@LAWS
@given(rows=corpora(), count=st.integers(1, 5), keep=st.sampled_from(KEEPS))
def test_the_cut_into_files_does_not_matter_and_what_stays_stays(
    bench: Bench, rows: list[Row], count: int, keep: str
) -> None:
    one, other = dedup(bench, rows, count=1, keep=keep), dedup(bench, rows, count=count, keep=keep)
    assert outcome(one)[1:] == outcome(other)[1:]
    stays = sorted(map(by_key, other.table("documents", CLEANED)))
    assert stays == sorted(map(by_key, one.table("documents", CLEANED)))
    again = dedup(bench, other.table("documents", CLEANED), keep=keep)
    assert again.metrics["exact"] == again.metrics["near"] == 0


@LAWS
@given(rows=corpora(), keep=st.sampled_from(KEEPS))
def test_every_removal_leads_to_what_stays_by_a_chain_of_similar_documents(
    bench: Bench, rows: list[Row], keep: str
) -> None:
    built = dedup(bench, rows, keep=keep)
    reference = Reference(rows)
    gone = built.table("duplicates", DUPLICATES)
    numbers: dict[str, list[int]] = {}
    for number, row in enumerate(reference.rows):
        numbers.setdefault(row["id"], []).append(number)
    stays = {row["id"] for row in built.table("documents", CLEANED)}
    for row in gone:
        assert row["kept"] in stays
        links = similarities(reference, numbers[row["id"]], numbers[row["via"]])
        assert row["via_jaccard"] == 1 or row["via_jaccard"] in links
        assert row["via_jaccard"] >= THRESHOLD
        reached = {row["id"]}  # several documents may have one id
        for _ in gone:
            reached |= {other["via"] for other in gone if other["id"] in reached}
        assert row["kept"] in reached


def similarities(reference: Reference, left: Iterable[int], right: Iterable[int]) -> list[float]:
    found = []
    for one in left:
        for other in right:
            union = reference.sets[one] | reference.sets[other]
            found.append(len(reference.sets[one] & reference.sets[other]) / len(union) if union else 0.0)
    return found
