"""What is kept stays within its bounds, and the least recently used goes first."""

from __future__ import annotations

import random

from coworking.kept import Kept


def test_a_value_is_kept_until_the_bound_is_reached() -> None:
    kept: Kept[str, str] = Kept(most_bytes=10)
    kept.put("a", "first", 4)
    kept.put("b", "second", 6)
    assert (kept.get("a"), kept.get("b"), kept.nbytes) == ("first", "second", 10)


def test_the_least_recently_used_goes_first() -> None:
    kept: Kept[str, str] = Kept(most_bytes=10)
    kept.put("a", "first", 5)
    kept.put("b", "second", 5)
    kept.get("a")
    kept.put("c", "third", 5)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == ("first", None, "third")


def test_small_values_are_bounded_in_number() -> None:
    kept: Kept[int, int] = Kept(most_bytes=24_000_000, most_entries=100)
    for number in range(5_000):
        kept.put(number, number, 1)
    assert (len(kept), kept.nbytes) == (100, 100)
    assert (kept.get(4_899), kept.get(4_900)) == (None, 4_900)


def test_a_key_that_is_put_again_counts_once() -> None:
    kept: Kept[str, str] = Kept(most_bytes=10)
    kept.put("a", "first", 8)
    kept.put("a", "second", 3)
    assert (kept.get("a"), len(kept), kept.nbytes) == ("second", 1, 3)


def test_a_value_larger_than_the_bound_is_not_kept_and_drives_nothing_out() -> None:
    kept: Kept[str, str] = Kept(most_bytes=10)
    kept.put("a", "first", 4)
    kept.put("b", "large", 11)
    assert (kept.get("a"), kept.get("b"), kept.nbytes) == ("first", None, 4)


def test_nothing_is_kept_of_a_key_whose_newer_value_is_too_large() -> None:
    kept: Kept[str, str] = Kept(most_bytes=10)
    kept.put("a", "first", 4)
    kept.put("a", "large", 11)
    assert (kept.get("a"), len(kept), kept.nbytes) == (None, 0, 0)


def test_the_running_total_is_the_sum_of_what_is_there() -> None:
    drawn, sizes = random.Random(7), {}
    kept: Kept[int, int] = Kept(most_bytes=1_000, most_entries=20)
    for _ in range(2_000):
        key, size = drawn.randrange(60), drawn.randrange(400)
        sizes[key] = size
        kept.put(key, key, size)
        there = [each for each in range(60) if kept.get(each) is not None]
        assert kept.nbytes == sum(sizes[each] for each in there) <= 1_000
        assert len(kept) == len(there) <= 20
