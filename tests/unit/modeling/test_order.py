"""The order of training is a permutation an epoch, and a function of its position."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.modeling.order import Order


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
