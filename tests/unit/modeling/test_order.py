"""The order of training is a permutation an epoch, and a function of its position."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.modeling.order import MixedOrder, Order


@given(samples=st.integers(1, 300), seed=st.integers(0, 2**63), epoch=st.integers(0, 5))
def test_every_sample_comes_once_an_epoch(samples: int, seed: int, epoch: int) -> None:
    order = Order(samples, seed)
    visited = [order.sample(epoch * samples + place) for place in range(samples)]
    assert sorted(visited) == list(range(samples))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {
        tuple(Order(100, seed).sample(epoch * 100 + i) for i in range(100)) for seed in (0, 1) for epoch in (0, 1)
    }
    assert len(orders) == 4
    assert tuple(range(100)) not in orders


def test_neighbours_are_not_kept_together() -> None:
    order = Order(1000, seed=5)
    visited = [order.sample(place) for place in range(1000)]
    assert sum(abs(a - b) == 1 for a, b in pairwise(visited)) < 15  # 2 expected by chance


def test_a_billion_samples_need_no_memory() -> None:
    assert 0 <= Order(10**9, seed=1).sample(10**9 - 1) < 10**9


mixtures = st.lists(
    st.tuples(st.integers(1, 12), st.fractions(Fraction(1, 50), 50, max_denominator=50)), min_size=1, max_size=5
)


def mixed(mixture: list[tuple[int, Fraction]]) -> MixedOrder:
    return MixedOrder(
        tuple(Order(samples, seed=group) for group, (samples, _) in enumerate(mixture)),
        tuple(share for _, share in mixture),
    )


@given(mixtures, st.integers(0, 10**9), st.integers(1, 200))
def test_every_group_has_its_share_of_any_stretch(mixture: list[tuple[int, Fraction]], start: int, length: int) -> None:
    order = mixed(mixture)
    taken = Counter(order.sample(position)[0] for position in range(start, start + length))
    whole = sum(share for _, share in mixture)
    for group, (_, share) in enumerate(mixture):
        assert abs(taken[group] - length * share / whole) < 2 * (group + 1)
    assert sum(order.taken(start)) == start


@given(mixtures)
def test_a_group_begins_anew_only_once_all_of_it_was_seen(mixture: list[tuple[int, Fraction]]) -> None:
    order = mixed(mixture)
    seen: dict[int, list[int]] = {}
    for position in range(300):
        group, sample = order.sample(position)
        seen.setdefault(group, []).append(sample)
    for group, samples in seen.items():
        size = mixture[group][0]
        for start in range(0, len(samples), size):
            once = samples[start : start + size]
            assert len(set(once)) == len(once)
            assert set(once) <= set(range(size))


def test_one_group_has_the_order_of_its_samples() -> None:
    order = Order(30, seed=3)
    alone = MixedOrder((order,), (Fraction(7, 3),))
    assert [alone.sample(place) for place in range(90)] == [(0, order.sample(place)) for place in range(90)]
