"""What the dashboard says of its own data: where they end, what runs, what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coworking.extent import RHYTHM_WEEKS
from coworking.periods import ONE_DAY, Granularity
from coworking.web import words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from coworking.extent import Extent
    from coworking.periods import Period
    from coworking.reports import SoFar

RUNNING = {
    Granularity.HOUR: ("This hour", "the hour before"),
    Granularity.DAY: ("Today", "yesterday"),
    Granularity.WEEK: ("This week", "last week"),
    Granularity.MONTH: ("This month", "last month"),
}


class Notice(NamedTuple):
    """A sentence that a reader must not miss; `listed` if /api/v1/impossible shows more."""

    heading: str
    text: str
    listed: bool = False


def notices(extent: Extent, zone: ZoneInfo) -> list[Notice]:
    """What is wrong with the data, whatever the range."""
    found = []
    if extent.not_verified_since is not None:
        found.append(
            Notice(
                f"Not verified since {words.moment(extent.not_verified_since, zone)}",
                "Check-ins may have been written in a way that these figures do not see. Whoever "
                "runs the service makes them right with the command coworking rebuild.",
            )
        )
    if extent.silent_since is not None:
        found.append(
            Notice(
                f"No check-in since {words.moment(extent.silent_since, zone)}",
                f"No pause in the {RHYTHM_WEEKS} weeks before it was as long. If the place is "
                "open, its check-ins do not arrive here.",
            )
        )
    if extent.impossible:
        one = extent.impossible == 1
        found.append(
            Notice(
                f"{words.number(extent.impossible)} check-in{'' if one else 's'} with an "
                "impossible date",
                f"{'It is' if one else 'They are'} dated in the future, or before 1900, and left "
                "out of every figure.",
                listed=True,
            )
        )
    return found


def edges(extent: Extent, period: Period) -> str:
    """Where the data begin and end, if the range is wider than they are; else an empty string."""
    first, last = extent.first_day(period.zone), extent.last_day(period.zone)
    if first is None or extent.covered(period) is None:
        return ""
    begin = f"begin on {words.day(first)}" if period.first < first else ""
    end = "" if last >= period.end - ONE_DAY else f"end on {words.day(last)}"
    if end and extent.silent_since is None:
        end = "end today"
    said = " and ".join(filter(None, (begin, end)))
    return f"The data {said}; averages are of that part" if said else ""


def running(found: SoFar | None, zone: ZoneInfo) -> str:
    """What runs, beside the one before up to the same moment."""
    if found is None:
        return ""
    now, before = RUNNING[found.by]
    counted = f"{words.number(found.check_ins)} check-in{'' if found.check_ins == 1 else 's'}"
    until = found.previous_until.astimezone(zone)
    day = "" if found.by in (Granularity.HOUR, Granularity.DAY) else f"{words.day(until)}, "
    previous = words.number(found.previous)
    at = f"{until:%H:%M}"
    if found.by is Granularity.DAY and at == "00:00":
        at = "midnight"  # the end of yesterday
    return f"{now} so far: {counted}; {before} until {day}{at}: {previous}"


def summary(counts: Sequence[int], whole: Sequence[bool], by: Granularity) -> str:
    """How many check-ins a chart shows, and the average of what is whole in it."""
    total = sum(counts)
    said = f"{words.number(total)} check-in{'' if total == 1 else 's'}"
    complete = [count for count, each in zip(counts, whole, strict=True) if each]
    if complete:
        average = words.average(sum(complete) / len(complete))
        of = "" if all(whole) else f" of {words.number(len(complete))} whole {by}"
        of += "s" if of and len(complete) != 1 else ""
        return f"{said}, {average} per {by} on average{of}"
    return f"{said}, no average without a whole {by}"
