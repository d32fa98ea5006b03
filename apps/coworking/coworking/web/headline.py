"""The one sentence on top of the dashboard: what changed, and whether that is better or worse.

A change is named only if it is larger than chance: check-ins come one by one, so a count of n moves
by about the square root of n by itself. What counts as a change is written here, and in
docs/dashboard.md:

- check-ins: at least 5 %, and three times what chance explains; a weekday at least 10 % of its
  average day, as many times what chance explains, and 10 points away from the whole's change;
- members who came: at least 5 %, and 5 members;
- members at a date (not seen, never came): at least 10 %, and 5 members;
- tokens left unused: at least 2 points.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from coworking.reports import NOT_SEEN_DAYS
from coworking.web import words
from coworking.web.charts import WEEKDAYS

if TYPE_CHECKING:
    from coworking.reports import HoursOfWeek, Metric, Overview

CHANCE = 3.0  # so many times the spread that chance explains
SHARE_OF_ALL = 0.05
SHARE_OF_A_WEEKDAY = 0.10
SHARE_AT_A_DATE = 0.10
FEWEST_MEMBERS = 5
POINTS = 0.02

VERDICTS = {-1: "Worse", 0: "Steady", 1: "Better"}
MIXED = "Mixed"


class Headline(NamedTuple):
    """The sentence; `verdict` is Better, Worse, Mixed, Steady, or empty if nothing is compared."""

    verdict: str
    sentence: str


class Clause(NamedTuple):
    """A change in words; `good` is 1 or -1."""

    good: int
    words: str


def count_changed(value: float, days: float, previous: float, days_before: float) -> float | None:
    """The change of a daily rate of events, 0.12 for 12 % more; None if chance explains it.

    The spread is that of a difference of two Poisson counts of the same rate.
    """
    if not previous or not days or not days_before:
        return None
    difference = value * days_before - previous * days
    spread = sqrt((value + previous) * days * days_before)
    return difference / (previous * days) if abs(difference) >= CHANCE * spread else None


def judged(name: str, metric: Metric) -> int:
    """Whether a figure of the overview became better (1), worse (-1), or neither (0).

    Args:
        name: the figure's field in `Overview`.
        metric: its value and the one it is compared with, over as many days.
    """
    if metric.value is None or metric.previous is None:
        return 0
    change = round(metric.value - metric.previous, 6)  # a share is a float
    if name == "check_ins":
        share = count_changed(metric.value, 1, metric.previous, 1)
        large = share is not None and abs(share) >= SHARE_OF_ALL
    elif name == "unused_share":
        large = abs(change) >= POINTS
    else:
        least = SHARE_OF_ALL if name == "unique_members" else SHARE_AT_A_DATE
        large = abs(change) >= max(FEWEST_MEMBERS, least * metric.previous)
    better = change > 0 if name in ("check_ins", "unique_members") else change < 0
    return (1 if better else -1) if large else 0


def headline(
    overview: Overview, heat: HoursOfWeek, before: HoursOfWeek, *, verified: bool, obstacle: str
) -> Headline:
    """The sentence of a period.

    Args:
        overview: its figures, each beside the one it is compared with.
        heat: its hours of the week.
        before: those of the period that it is compared with.
        verified: whether the figures are known to be right.
        obstacle: why there is nothing to compare, if that is so.
    """
    if not verified:
        return Headline("", "These figures are not verified, so nothing is concluded from them.")
    if obstacle:
        return Headline("", f"Nothing to compare: {obstacle}.")
    clauses = [*_check_ins(overview, heat, before), *_members(overview)]
    if not clauses:
        return Headline(VERDICTS[0], "Nothing changed by more than chance explains.")
    found = {clause.good for clause in clauses}
    verdict = VERDICTS[found.pop()] if len(found) == 1 else MIXED
    said = "; ".join(clause.words for clause in clauses)
    return Headline(verdict, f"{said[:1].upper()}{said[1:]}.")


def _check_ins(overview: Overview, heat: HoursOfWeek, before: HoursOfWeek) -> list[Clause]:
    """The change of all check-ins, and the weekday that differs most from it; a fall goes first."""
    clauses = []
    value, previous = overview.check_ins
    whole = 0.0
    if value is not None and previous:
        whole = value / previous - 1
        if judged("check_ins", overview.check_ins):
            clauses.append(_moved("check-ins", whole))
    days = [
        (change, name)
        for name, change in _weekdays(heat, before).items()
        if abs(change) >= SHARE_OF_A_WEEKDAY and abs(change - whole) >= SHARE_OF_A_WEEKDAY
    ]
    falls, rises = [day for day in days if day[0] < 0], [day for day in days if day[0] > 0]
    if falls or rises:
        change, name = min(falls) if falls else max(rises)
        clauses.append(_moved(f"{name}s", change))
    return clauses


def _moved(what: str, change: float) -> Clause:
    good = 1 if change > 0 else -1
    percent = f"{round(100 * abs(change))}\N{NO-BREAK SPACE}%"
    return Clause(good, f"{what} are {'up' if good > 0 else 'down'} {percent}")


def _weekdays(heat: HoursOfWeek, before: HoursOfWeek) -> dict[str, float]:
    """The change of each weekday's average day that chance does not explain.

    A weekday of which either period has not every hour is left out.
    """
    found = {}
    for number, name in enumerate(WEEKDAYS):
        days, days_before = heat.days[number], before.days[number]
        if len(set(days)) > 1 or len(set(days_before)) > 1:
            continue
        counts = sum(heat.counts[number]), sum(before.counts[number])
        change = count_changed(counts[0], days[0], counts[1], days_before[0])
        if change is not None:
            found[name] = change
    return found


def _members(overview: Overview) -> list[Clause]:
    clauses = []
    for name, of_one, of_many in (
        ("members_not_seen", "has not come", "have not come"),
        ("members_never_came", "has never come", "have never come"),
    ):
        metric: Metric = getattr(overview, name)
        good = judged(name, metric)
        if good:
            count = abs((metric.value or 0) - (metric.previous or 0))
            more = "more" if good < 0 else "fewer"
            verb = of_one if count == 1 else of_many
            since = f" for {NOT_SEEN_DAYS} days" if name == "members_not_seen" else ""
            said = f"{words.number(count)} {more} member{'' if count == 1 else 's'} {verb}{since}"
            clauses.append(Clause(good, said))
    return clauses
