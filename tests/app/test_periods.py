"""Calendars: what a range of dates covers when clocks change, skip a date or are odd."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coworking.periods import (
    LATEST,
    MAX_BUCKETS,
    MAX_DAYS,
    MOST_DAYS,
    Granularity,
    ParameterError,
    Period,
    choose,
    find_zone,
    parse_date,
    zone_names,
)

HOUR, DAY, WEEK, MONTH = Granularity


def period(zone: str, first: str, end: str) -> Period:
    return Period(date.fromisoformat(first), date.fromisoformat(end), find_zone(zone))


@pytest.mark.parametrize(
    ("zone", "day", "hours", "length"),
    [
        ("Europe/Berlin", "2024-03-31", 23, timedelta(hours=23)),
        ("Europe/Berlin", "2024-10-27", 25, timedelta(hours=25)),
        ("America/New_York", "2024-03-10", 23, timedelta(hours=23)),
        ("America/New_York", "2024-11-03", 25, timedelta(hours=25)),
        ("Australia/Lord_Howe", "2024-04-07", 25, timedelta(hours=24, minutes=30)),
        ("Australia/Lord_Howe", "2024-10-06", 24, timedelta(hours=23, minutes=30)),
        ("America/Sao_Paulo", "2018-11-04", 23, timedelta(hours=23)),  # there is no midnight
        ("America/Havana", "2024-11-03", 25, timedelta(hours=25)),  # midnight comes twice
        ("Asia/Kathmandu", "2024-05-01", 24, timedelta(hours=24)),
        ("Pacific/Apia", "2011-12-30", 0, timedelta(0)),  # this date did not happen
    ],
)
def test_a_day_has_the_hours_that_its_clocks_show(
    zone: str, day: str, hours: int, length: timedelta
) -> None:
    whole = period(zone, day, str(date.fromisoformat(day) + timedelta(days=1)))

    assert whole.end_at - whole.start_at == length
    assert len(whole.buckets(HOUR)) == hours


def test_the_hour_that_comes_twice_is_two_buckets() -> None:
    hours = period("Europe/Berlin", "2024-10-27", "2024-10-28").buckets(HOUR)

    berlin = find_zone("Europe/Berlin")
    assert [bucket.start.astimezone(berlin).isoformat() for bucket in hours[1:5]] == [
        "2024-10-27T01:00:00+02:00",
        "2024-10-27T02:00:00+02:00",
        "2024-10-27T02:00:00+01:00",
        "2024-10-27T03:00:00+01:00",
    ]


def test_a_change_of_half_an_hour_makes_a_bucket_of_half_an_hour() -> None:
    hours = period("Australia/Lord_Howe", "2024-04-07", "2024-04-08").buckets(HOUR)

    short = [bucket for bucket in hours if bucket.end - bucket.start != timedelta(hours=1)]
    assert [str(bucket.start.astimezone(find_zone("Australia/Lord_Howe"))) for bucket in short] == [
        "2024-04-07 01:30:00+10:30"
    ]


def test_a_skipped_date_has_no_bucket_and_is_no_weekday() -> None:
    around = period("Pacific/Apia", "2011-12-29", "2012-01-01")

    assert len(around.buckets(DAY)) == 2
    assert around.weekdays() == [0, 0, 0, 1, 0, 1, 0]  # no Friday


def test_kathmandu_begins_its_day_on_a_quarter_hour() -> None:
    day = period("Asia/Kathmandu", "2024-05-01", "2024-05-02")

    assert day.start_at == datetime(2024, 4, 30, 18, 15, tzinfo=UTC)
    assert day.keeps_quarter_hours()


@pytest.mark.parametrize(
    ("zone", "first", "end"),
    [
        ("Africa/Monrovia", "1971-12-01", "1971-12-02"),  # 44 minutes and 30 seconds behind
        ("America/St_Johns", "2005-10-30", "2005-10-31"),  # the change came at 00:01
    ],
)
def test_some_days_of_the_past_do_not_keep_to_quarter_hours(
    zone: str, first: str, end: str
) -> None:
    assert not period(zone, first, end).keeps_quarter_hours()


@pytest.mark.thorough
def test_every_zone_keeps_to_quarter_hours_today() -> None:
    odd = [
        name
        for name in zone_names()
        if not period(name, "2025-01-01", "2027-01-01").keeps_quarter_hours()
    ]

    assert odd == []


def test_weeks_begin_on_monday_and_the_edges_are_partial() -> None:
    weeks = period("UTC", "2024-05-01", "2024-05-15").buckets(WEEK)

    assert [(f"{week.start:%m-%d}", f"{week.end:%m-%d}", week.partial) for week in weeks] == [
        ("05-01", "05-06", True),
        ("05-06", "05-13", False),
        ("05-13", "05-15", True),
    ]


def test_months_begin_on_the_first_and_the_edges_are_partial() -> None:
    months = period("UTC", "2024-01-31", "2024-04-01").buckets(MONTH)

    assert [
        (str(month.start.date()), str(month.end.date()), month.partial) for month in months
    ] == [
        ("2024-01-31", "2024-02-01", True),
        ("2024-02-01", "2024-03-01", False),
        ("2024-03-01", "2024-04-01", False),
    ]


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(zone_names()),
    st.dates(date(1900, 1, 1), date(2060, 1, 1)),
    st.integers(1, 41),
    st.sampled_from(Granularity),
)
def test_buckets_cover_the_period_without_gap_or_overlap(
    zone: str, first: date, days: int, by: Granularity
) -> None:
    whole = Period(first, first + timedelta(days=days), find_zone(zone))

    buckets = whole.buckets(by)

    if whole.start_at < whole.end_at:
        assert (buckets[0].start, buckets[-1].end) == (whole.start_at, whole.end_at)
    assert all(bucket.start < bucket.end for bucket in buckets)
    assert all(one.end == next_.start for one, next_ in pairwise(buckets))


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(zone_names()), st.dates(date(1900, 1, 1), date(2060, 1, 1)))
def test_the_offset_stays_the_same_within_a_stretch(zone: str, first: date) -> None:
    whole = Period(first, first + timedelta(days=200), find_zone(zone))

    stretches = whole.stretches()

    assert (stretches[0].start, stretches[-1].end) == (whole.start_at, whole.end_at)
    assert all(one.end == next_.start for one, next_ in pairwise(stretches))
    for stretch in stretches:
        for instant in (stretch.start, stretch.end - timedelta(seconds=1)):
            assert instant.astimezone(whole.zone).utcoffset() == stretch.offset


@pytest.mark.parametrize(
    ("by", "days", "valid"), [(HOUR, 42, "day"), (DAY, 1001, "week"), (WEEK, 6995, "month")]
)
def test_it_refuses_more_buckets_than_the_limit(by: Granularity, days: int, valid: str) -> None:
    first = date(2000, 1, 1)
    longest = Period(first, first + timedelta(days=days - 1), find_zone("UTC"))
    too_long = Period(first, first + timedelta(days=days), find_zone("UTC"))

    assert len(longest.buckets(by)) <= MAX_BUCKETS
    with pytest.raises(ParameterError, match=f"at most {days - 1:,} days") as refused:
        too_long.buckets(by)
    assert (refused.value.parameter, refused.value.valid) == ("by", valid)


@pytest.mark.parametrize("by", Granularity)
def test_what_it_suggests_for_a_century_is_accepted(by: Granularity) -> None:
    """For a century of days it suggested months, and refused those, suggesting months."""
    century = period("UTC", "1900-01-31", "2000-01-31")

    if by is not MONTH:
        with pytest.raises(ParameterError) as refused:
            century.buckets(by)
        by = Granularity(refused.value.valid)

    assert len(century.buckets(by)) == 1201


@pytest.mark.parametrize("weekday", range(7))
def test_the_longest_range_of_weeks_fits_whatever_day_it_begins_on(weekday: int) -> None:
    first = date(2000, 1, 3) + timedelta(days=weekday)
    longest = Period(first, first + timedelta(days=MOST_DAYS[WEEK]), find_zone("UTC"))

    assert len(longest.buckets(WEEK)) == MAX_BUCKETS


def test_the_previous_period_has_the_same_days_and_ends_where_it_begins() -> None:
    march = period("Europe/Berlin", "2024-03-01", "2024-04-01")

    assert march.previous() == period("Europe/Berlin", "2024-01-30", "2024-03-01")


@pytest.mark.parametrize(
    ("first", "end", "expected"),
    [
        (None, None, ("2024-04-21", "2024-05-21")),
        (None, "2024-03-01", ("2024-01-31", "2024-03-01")),
        ("2024-05-01", None, ("2024-05-01", "2024-05-21")),
        ("2024-06-01", None, ("2024-06-01", "2024-07-01")),  # all of it after the newest data
        ("2024-01-01", "2024-01-02", ("2024-01-01", "2024-01-02")),
        # A date that was chosen can be asked for, as the dashboard's CSV links do.
        ("2199-12-31", None, ("2199-12-31", "2200-01-01")),
        (None, "1900-01-02", ("1900-01-01", "1900-01-02")),
    ],
)
def test_it_completes_a_range_from_the_newest_data(
    first: str | None, end: str | None, expected: tuple[str, str]
) -> None:
    given_first, given_end = (text and date.fromisoformat(text) for text in (first, end))

    chosen = choose(given_first or None, given_end or None, find_zone("UTC"), date(2024, 5, 20))

    assert (str(chosen.first), str(chosen.end)) == expected


@pytest.mark.parametrize("newest", [date(1899, 12, 31), date(2200, 1, 1)])
def test_the_newest_data_may_lie_at_the_edge_of_the_calendar(newest: date) -> None:
    chosen = choose(None, None, find_zone("UTC"), newest)

    assert parse_date("from", str(chosen.first)) < parse_date("to", str(chosen.end))


@pytest.mark.parametrize(("parameter", "text"), [("from", "2200-01-01"), ("to", "1900-01-01")])
def test_it_refuses_a_date_at_the_edge_that_leaves_no_range(parameter: str, text: str) -> None:
    with pytest.raises(ParameterError, match="is not within"):
        parse_date(parameter, text)


def test_it_refuses_a_range_that_ends_before_it_begins() -> None:
    with pytest.raises(ParameterError, match="to='2024-05-01' is not after") as refused:
        choose(date(2024, 5, 1), date(2024, 5, 1), find_zone("UTC"), date(2024, 5, 20))

    assert refused.value.valid == "2024-05-02"


def test_it_refuses_a_range_of_more_than_a_century() -> None:
    with pytest.raises(ParameterError, match=f"{MAX_DAYS:,} days"):
        choose(date(1900, 1, 1), LATEST, find_zone("UTC"), date(2024, 5, 20))


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2024-02-30", "20240501", "2024-W01-1", "2024-05-01T00:00:00Z"),
        *("1899-12-31", "2200-01-02", "2024-5-1", " 2024-05-01", "2024-05-01\n", "9" * 5000),
        "2024-05-0\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_it_refuses_what_is_no_date_and_says_what_is(text: str) -> None:
    with pytest.raises(ParameterError, match="from=2024-05-01") as refused:
        parse_date("from", text)

    assert refused.value.parameter == "from"
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("../../etc/passwd", "Europe/Berlin"),
        ("/etc/localtime", "Europe/Berlin"),
        ("UTC+1", "UTC"),
        ("\x00", "Europe/Berlin"),
        ("", "Europe/Berlin"),
        ("Etc/GMT 12", "Etc/GMT+12"),  # a plus that was not escaped; the nearest is its opposite
        ("Factory", "Europe/Berlin"),
    ],
)
def test_it_rejects_an_unknown_zone_and_suggests_one(text: str, valid: str) -> None:
    with pytest.raises(ParameterError, match="not an IANA time zone") as refused:
        find_zone(text)

    assert find_zone(refused.value.valid)
    if valid != "Europe/Berlin" or "erl" in text:
        assert refused.value.valid == valid


def walked(zone: str, first: date, days: int) -> list[int]:
    """Its weekdays, each date looked at; one that the zone skipped begins when it ends."""
    there, counts = ZoneInfo(zone), [0] * 7
    for number in range(days):
        day = first + timedelta(days=number)
        start, end = (
            datetime.combine(each, time(), there).astimezone(UTC)
            for each in (day, day + timedelta(days=1))
        )
        counts[day.weekday()] += start < end
    return counts


@pytest.mark.thorough
def test_weekdays_and_stretches_equal_a_walk_over_the_days() -> None:
    draw = random.Random(5)
    zones = [
        "Pacific/Apia",
        "Pacific/Kwajalein",
        "Africa/Casablanca",
        *draw.sample(zone_names(), 40),
    ]
    for zone in zones:
        first = date(1990, 1, 1) + timedelta(days=draw.randrange(9000))
        days = draw.choice([1, 30, 800, 9000])
        asked = period(zone, str(first), str(first + timedelta(days=days)))
        assert asked.weekdays() == walked(zone, first, days), (zone, asked)
        cut = asked.stretches()
        assert [cut[0].start, cut[-1].end] == [asked.start_at, asked.end_at]
        assert [each.end for each in cut[:-1]] == [each.start for each in cut[1:]]
        for each in cut:
            at = each.start
            while at < each.end:
                assert at.astimezone(asked.zone).utcoffset() == each.offset, (zone, at)
                at += timedelta(days=1)


def test_a_century_is_cut_without_walking_its_days_again() -> None:
    asked = period("Europe/Berlin", "1926-01-01", "2026-01-01")
    asked.stretches()
    began = perf_counter()
    asked.stretches()
    asked.weekdays()
    assert perf_counter() - began < 0.05  # a walk takes 0.1 s and more
