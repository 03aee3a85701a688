"""Laws of content-defined boundaries."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.boundaries import MAXIMUM, MINIMUM, cut

Item = tuple[str, int]
TARGET = 1000


def groups_of(items: list[Item]) -> list[tuple[Item, ...]]:
    groups = cut(items, key=lambda item: item[0], weight=lambda item: item[1], target=TARGET)
    return [tuple(group) for group in groups]


def weight(group: tuple[Item, ...]) -> int:
    return sum(item[1] for item in group)


items_of_any_weight = st.lists(st.tuples(st.text(max_size=3), st.integers(0, 3 * TARGET)), max_size=60)


@given(items_of_any_weight)
def test_groups_put_together_are_the_sequence(items: list[Item]) -> None:
    groups = groups_of(items)
    assert [item for group in groups for item in group] == items
    assert all(groups)


@given(items_of_any_weight)
def test_groups_keep_to_their_bounds(items: list[Item]) -> None:
    groups = groups_of(items)
    for group in groups:
        assert weight(group) <= MAXIMUM * TARGET or group[-1][1] > TARGET
        assert all(item[1] <= TARGET for item in group[:-1])
    for group in groups[:-1]:
        assert weight(group) >= MINIMUM * TARGET


@st.composite
def edited(draw: st.DrawFn) -> tuple[list[Item], list[Item]]:
    """A long sequence and the same with one item added, removed or changed."""
    seed = draw(st.integers(0, 10**6))
    heaviest = draw(st.sampled_from([1, 40, 400, 1000, 4000]))
    rng = random.Random(seed)
    items = [(f"{seed}/{index}", rng.randint(0, heaviest)) for index in range(600)]
    place = draw(st.integers(0, len(items) - 1))
    other = list(items)
    match draw(st.sampled_from(["add", "remove", "change", "append"])):
        case "add":
            other.insert(place, ("new", draw(st.integers(0, 3 * TARGET))))
        case "remove":
            del other[place]
        case "change":
            other[place] = (items[place][0], draw(st.integers(0, 3 * TARGET)))
        case "append":
            other.append(("new", draw(st.integers(0, 3 * TARGET))))
    return items, other


@settings(max_examples=60, deadline=None, derandomize=True)
@given(edited())
def test_one_edit_changes_a_handful_of_groups(pair: tuple[list[Item], list[Item]]) -> None:
    before, after = map(groups_of, pair)
    assert len(set(after) - set(before)) <= 10
    assert len(set(before) - set(after)) <= 10


def test_an_edit_changes_two_groups_on_average_wherever_it_falls() -> None:
    changed = []
    items = [(f"file-{index}", 1 + index * 7919 % 200) for index in range(1000)]
    before = set(groups_of(items))
    for place in range(0, 1000, 25):
        after = groups_of([*items[:place], ("new", 100), *items[place:]])
        changed.append(len(set(after) - before))
    assert len(before) > 80
    assert sum(changed) / len(changed) <= 2.5


def test_equal_keys_still_give_groups_within_bounds() -> None:
    groups = groups_of([("same", 100)] * 200)
    assert [weight(group) for group in groups[:-1]] == [300] * (len(groups) - 1)


def test_heavy_items_end_their_groups() -> None:
    groups = groups_of([("a", 10), ("big", 5000), ("b", 10), ("c", 10), ("huge", 90000), ("d", 5)])
    assert [[key for key, _ in group] for group in groups] == [["a", "big"], ["b", "c", "huge"], ["d"]]


def test_nothing_is_no_group() -> None:
    assert groups_of([]) == []
