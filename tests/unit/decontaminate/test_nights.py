"""What a later build takes over of an earlier one, and that its results are none the other for it."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from decontaminated import build, example, row
from hypothesis import given, settings
from hypothesis import strategies as st
from source_stages import Bench, Built
from table_inputs import Row

from tasks.decontaminate.outcome import MADE

WORDS = st.sampled_from(["a", "b", "c", "d", "中", "文", "A.", ". ", "。", "\n", ", "])
TEXTS = st.lists(WORDS, min_size=2, max_size=40).map(" ".join)


def night(bench: Bench, shards: list[list[int]], questions: list[str], pool: list[str], **more: object) -> Built:
    """Builds over texts of a pool by number; a text that stands nowhere else keeps every shard from being empty."""
    train: dict[str, list[Row]] = {
        f"shard-{number}.parquet": [*(row(pool[at], f"{at:03}") for at in chosen), row(f"zz {number}", f"z{number}")]
        for number, chosen in enumerate(shards)
    }
    examples = [example(number, text, "y") for number, text in enumerate(questions)]
    held = [row("xx", "x")]
    return build(bench, train, examples, valid=held, test=held, **more)  # type: ignore[arg-type]


def same(left: Built, right: Built) -> bool:
    """Whether two builds left the same bytes and counted the same."""
    counts = [
        {name: built.metrics[name] for name in ("cut", "dropped", "rows_out", "sources", "evaluations", "ngrams")}
        for built in (left, right)
    ]
    return left.digests() == right.digests() and counts[0] == counts[1]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(TEXTS, min_size=3, max_size=8, unique=True).flatmap(
        lambda pool: st.tuples(
            st.just(pool),
            st.lists(
                st.tuples(
                    st.lists(st.lists(st.integers(0, len(pool) - 1), unique=True), min_size=1, max_size=2),
                    st.lists(st.one_of(TEXTS, st.sampled_from(pool)), min_size=1, max_size=3),
                ),
                min_size=2,
                max_size=3,
            ),
        )
    ),
    st.integers(2, 5),
    st.sampled_from([0.2, 0.5, 1.0]),
    st.integers(1, 3),
)
def test_every_night_gives_what_a_build_without_the_nights_before_gives(
    drawn: tuple[list[str], list[tuple[list[list[int]], list[str]]]], length: int, share: float, limit: int
) -> None:
    pool, nights = drawn
    chosen = {"ngram": length, "min_tokens": min(2, length), "max_share": share, "boilerplate_documents": limit}
    with tempfile.TemporaryDirectory() as folder:
        nightly = Bench(Path(folder) / "nightly")
        earlier: Built | None = None
        for number, (shards, questions) in enumerate(nights):
            earlier = night(nightly, shards, questions, pool, earlier=earlier, **chosen)
            alone = night(Bench(Path(folder) / f"alone-{number}"), shards, questions, pool, **chosen)
            assert same(earlier, alone)


def sentences(source: random.Random, count: int) -> str:
    return " ".join(
        " ".join(source.choices([f"w{number}" for number in range(400)], k=12)).capitalize() + "." for _ in range(count)
    )


def many_nights(source: random.Random) -> tuple[list[str], list[tuple[list[list[int]], list[str]]]]:
    """Texts with sentences of questions in them, so near each other that cutting one makes another."""
    halves = [[f"h{number}x{word}" for word in range(8)] for number in range(12)]
    pool = []
    for number in range(60):
        first, other, second = (halves[source.randrange(begin, begin + 4)] for begin in (0, 4, 8))
        inside = f"\n{' '.join(first)}\n{' '.join(other)} and what stands between\n{' '.join(second)}\n"
        pool.append(sentences(source, 9) + (inside if number % 3 else "") + sentences(source, 9))
    nights = []
    for number in range(4):
        left = [at for at in range(60) if (at + number) % 11]
        questions = [" ".join([*halves[at], "and what stands between"]) for at in range(4, 6 + number // 2)]
        joins = [" ".join([*halves[a], *halves[b]]) for a in range(4) for b in range(8, 12) if (a + b + number) % 3]
        nights.append(([left[:20], left[20:]], questions + joins))
    return pool, nights


def test_nights_of_many_documents_give_what_builds_alone_give(tmp_path: Path) -> None:
    pool, nights = many_nights(random.Random(3))
    nightly = Bench(tmp_path / "nightly")
    earlier: Built | None = None
    for number, (shards, questions) in enumerate(nights):
        earlier = night(nightly, shards, questions, pool, earlier=earlier, boilerplate_documents=30)
        alone = night(Bench(tmp_path / f"alone-{number}"), shards, questions, pool, boilerplate_documents=30)
        assert earlier.metrics["cut"] > 5
        assert same(earlier, alone)
        assert any(file.name.endswith(MADE) and file.size > 1000 for file in earlier.result.diagnostics)


@pytest.mark.parametrize("name", ["compared.json", "shared.npy", "documents.parquet", "deciding.npy"])
def test_what_an_earlier_build_left_is_not_needed(tmp_path: Path, name: str) -> None:
    pool, nights = many_nights(random.Random(4))
    bench = Bench(tmp_path / "nightly")
    before = night(bench, *nights[0], pool)
    damaged = [file for file in before.result.diagnostics if not file.name.endswith(name)]
    assert len(damaged) < len(before.result.diagnostics)
    left = Built(before.result.model_copy(update={"diagnostics": damaged}), before.store)
    after = night(bench, *nights[1], pool, earlier=left)
    assert same(after, night(Bench(tmp_path / "alone"), *nights[1], pool))
