"""One hour of the week: when it was in a period, also where clocks change."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from coworking.hours import HourOfWeek
from coworking.periods import ParameterError, Period, find_zone

BERLIN = find_zone("Europe/Berlin")


def times(at: str, first: str, end: str, most: int = 60) -> list[tuple[str, str]]:
    period = Period(date.fromisoformat(first), date.fromisoformat(end), BERLIN)
    buckets = HourOfWeek.read(at).buckets(period, most)
    assert all(this.end == later.start for this, later in pairwise(buckets))
    return [(f"{each.start:%d %H:%M}", f"{each.end:%H:%M}") for each in buckets[::2]]


@pytest.mark.parametrize(
    ("at", "first", "end", "found"),
    [
        ("fri-14", "2024-05-01", "2024-05-15", [("03 12:00", "13:00"), ("10 12:00", "13:00")]),
        ("sun-23", "2024-05-01", "2024-05-08", [("05 21:00", "22:00")]),
        ("mon-00", "2024-05-07", "2024-05-13", []),
        ("sun-02", "2024-03-31", "2024-04-01", []),  # the clocks skip it
        ("sun-02", "2024-10-27", "2024-10-28", [("27 00:00", "02:00")]),  # it comes twice
        ("sun-01", "2024-10-27", "2024-10-28", [("26 23:00", "00:00")]),
    ],
)
def test_it_finds_every_time_of_an_hour(
    at: str, first: str, end: str, found: list[tuple[str, str]]
) -> None:
    assert times(at, first, end) == found


def test_it_gives_the_newest_ones() -> None:
    assert times("fri-14", "2024-01-01", "2024-06-01", most=2) == [
        ("24 12:00", "13:00"),
        ("31 12:00", "13:00"),
    ]


@pytest.mark.parametrize("text", ["fri", "fri-24", "fri-7", "Fri-07", "fri-07-", "", "fri-0٣"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="is not an hour of the week"):
        HourOfWeek.read(text)


def test_it_is_written_as_it_is_read() -> None:
    assert str(HourOfWeek.read("thu-09")) == "thu-09"
