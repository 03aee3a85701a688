"""What is found between documents, whatever the files they lie in and however many are looked at at a time."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.stage import StoredFile
from tasks.validate import kernel
from tasks.validate.identities import find_shared
from tasks.validate.measures import IDENTITY
from tasks.validate.nearness import CANDIDATES, MARGIN, Documents, Place, candidates

SPLITS = ("train", "valid", "test")


class Shard:
    """A file that is only named."""

    def __init__(self, name: str) -> None:
        self.stored = StoredFile(name, "", 0)
        self.path = Path(name)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(SPLITS), st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=6)),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 9),
)
def test_shared_identities_are_those_that_counting_finds(files: Any, at_a_time: int) -> None:
    arrays = []
    for _, rows in files:
        array = np.zeros(len(rows), dtype=IDENTITY)
        for place, (identity, cluster) in enumerate(rows):
            array[place] = ((identity, 0), (cluster, cluster))
        arrays.append(array)
    found = find_shared(arrays, [split for split, _ in files], at_a_time)
    flat = [(split, identity, cluster) for split, rows in files for identity, cluster in rows]
    counts = Counter(identity for _, identity, _ in flat if identity)
    sides = Counter(identity for _, identity in {(split, identity) for split, identity, _ in flat} if identity)
    clusters = Counter(cluster for _, cluster in {(split, cluster) for split, _, cluster in flat} if cluster)
    for row, (_, identity, cluster) in enumerate(flat):
        assert found.documents_of_id.get(row, 1) == max(1, counts[identity])
        assert found.splits_of_id.get(row, 1) == max(1, sides[identity])
        assert found.splits_of_cluster.get(row, 1) == max(1, clusters[cluster])


def sketch(values: list[int]) -> Any:
    found = np.full(kernel.SKETCH, kernel.EMPTY)
    chosen = np.unique(np.array(values, dtype=np.uint32))[: kernel.SKETCH]
    found[: len(chosen)] = chosen
    return found


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([0.6, 0.8, 0.95]), st.integers(1, 20))
def test_no_pair_is_missed_whose_sketches_agree_enough(source: Any, least: float, at_a_time: int) -> None:
    base = [source.randrange(2**32 - 1) for _ in range(120)]
    files = []
    for number, split in enumerate(["train", "train", "valid", "test", "valid"]):
        rows = []
        for _ in range(source.randrange(1, 6)):
            own = source.sample(base, source.choice([3, 20, 40, 100]))
            rows.append(sketch([value if source.random() < 0.9 else source.randrange(2**32 - 1) for value in own]))
        ranks = np.array([source.randrange(2**64) for _ in rows], dtype=np.uint64)
        arrays = (np.array(rows, dtype=np.uint32), ranks)
        files.append(Documents(split, Shard(f"{number}"), len(rows), partial(tuple, arrays)))
    found = candidates(files, least, at_a_time)
    for number, file in enumerate(files):
        for row, mine in enumerate(file.read()[0]):
            expected = {
                Place(other, place): kernel.resemblance(theirs, mine)
                for other, another in enumerate(files)
                for place, theirs in enumerate(another.read()[0])
                if another.split != file.split and kernel.resemblance(theirs, mine) >= least - MARGIN
            }
            near = found.get(Place(number, row), [])
            if file.split == "train":
                assert not near
            elif len(expected) <= CANDIDATES:
                assert set(near) == set(expected)
                assert [expected[place] for place in near] == sorted(expected.values(), reverse=True)
