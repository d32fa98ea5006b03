"""Stretches of time that there are sets of members of, which a span is cut into.

pieces(since, until)            # of check-ins
joined_pieces(since, until)     # of joining times; what is before `since` may be read again
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

ALWAYS = datetime(1, 1, 1)  # noqa: DTZ001 (timestamps have no zone); nobody joins earlier, except at -infinity
HOUR = timedelta(hours=1)
LENGTHS = {"day": 24 * HOUR, "month": 30 * 24 * HOUR, "year": 365 * 24 * HOUR}
JOINED_UNITS = tuple(LENGTHS)
UNITS = ("hour", *JOINED_UNITS)
COST_OF_ROWS = 10  # rows of the table instead of sets of a unit: about as much as so many units


class Piece(NamedTuple):
    """A stretch of a span that sets of one unit cover, or rows of the table where unit is None."""

    unit: str | None
    since: datetime
    until: datetime


@lru_cache(maxsize=1_000)  # the same stretches are asked for until a quarter hour ends
def pieces(since: datetime, until: datetime, units: Sequence[str] = UNITS) -> Sequence[Piece]:
    """Cut since ≤ moment < until into the longest stretches that there are sets of.

    >>> [str(each.unit) for each in pieces(datetime(2024, 1, 31, 23, 30), datetime(2024, 3, 1))]
    ['None', 'month']
    """
    found: list[Piece] = []
    shorter: str | None = None
    for unit in units:
        first, end = _ceiling(since, unit), _floor(until, unit)
        if first >= end:
            break
        found += [Piece(shorter, since, first), Piece(shorter, end, until)]
        since, until, shorter = first, end, unit
    found.append(Piece(shorter, since, until))
    return tuple(each for each in found if each.since < each.until)


@lru_cache(maxsize=1_000)
def joined_pieces(since: datetime, until: datetime) -> Sequence[Piece]:
    """The pieces of a stretch of joining times, and of some time before it if these are fewer.

    A span counts all who joined before its end, so a stretch may begin earlier: from 3 December to
    2 January is a year and a day instead of thirty days.
    """
    beginnings = [since] if since == ALWAYS else [since, *(_floor(since, u) for u in JOINED_UNITS)]
    return min((pieces(each, until, JOINED_UNITS) for each in beginnings), key=_cost)


def _cost(found: Sequence[Piece]) -> float:
    """How much there is to read, in sets."""
    return sum(
        COST_OF_ROWS if each.unit is None else (each.until - each.since) / LENGTHS[each.unit]
        for each in found
    )


def _floor(moment: datetime, unit: str) -> datetime:
    moment = moment.replace(minute=0, second=0, microsecond=0)
    if unit == "hour":
        return moment
    if unit == "day":
        return moment.replace(hour=0)
    return moment.replace(hour=0, day=1, month=moment.month if unit == "month" else 1)


def _ceiling(moment: datetime, unit: str) -> datetime:
    floor = _floor(moment, unit)
    if floor == moment:
        return moment
    if unit in ("hour", "day"):
        return floor + (HOUR if unit == "hour" else 24 * HOUR)
    return _floor(floor + timedelta(days=31 if unit == "month" else 366), unit)
