"""The one sentence on top of the dashboard: what changed, and whether that is better or worse.

A change is named only if it is large, and larger than chance: check-ins come one by one, so a count
of n moves by about the square root of n by itself. What counts as a change is written here, and in
docs/dashboard.md; percent and points count as the page shows them, rounded:

- check-ins: at least 5 %, and three times what chance explains; a weekday at least 10 % of its
  average day, as many times what chance explains, and 10 points away from the whole's change;
- members who came: at least 5 %, and 5 members;
- members at a date (not seen, never came): at least 10 %, and 5 members;
- tokens left unused: at least 2 points.

Every figure that is called better or worse is in the sentence, and no other one.
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
POINTS = 2.0
LEAST_SHARES = {
    "check_ins": SHARE_OF_ALL,
    "unique_members": SHARE_OF_ALL,
    "members_not_seen": SHARE_AT_A_DATE,
    "members_never_came": SHARE_AT_A_DATE,
}
FIGURES = (*LEAST_SHARES, "unused_share")
MORE_IS_BETTER = ("check_ins", "unique_members")

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


class Weighed(NamedTuple):
    """1 for better, -1 for worse, else 0; and in words: better, worse, small or may be chance.

    No words if nothing changed, or if there is nothing to compare.
    """

    good: int
    words: str


def judged(name: str, metric: Metric) -> Weighed:
    """What the change of a figure of the overview means.

    Args:
        name: the figure's field in `Overview`.
        metric: its value and the one it is compared with, over as many days.
    """
    if metric.value is None or metric.previous is None:
        return Weighed(0, "")
    change = round(metric.value - metric.previous, 6)  # a share is a float
    if not change:
        return Weighed(0, "")
    if name == "unused_share":
        small, chance = abs(round(100 * change, 1)) < POINTS, False
    else:
        whole = 100 * abs(change) / metric.previous if metric.previous else 100
        small = round(whole) < 100 * LEAST_SHARES[name]
        spread = CHANCE * sqrt(metric.value + metric.previous)
        chance = abs(change) < (spread if name == "check_ins" else FEWEST_MEMBERS)
    if small or chance:
        return Weighed(0, "small" if small else "may be chance")
    good = (change > 0) == (name in MORE_IS_BETTER)
    return Weighed(1, "better") if good else Weighed(-1, "worse")


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
    clauses = [*_check_ins(overview, heat, before), *_others(overview)]
    if not clauses:
        moved = any(judged(name, getattr(overview, name)).words for name in FIGURES)
        doubt = " clearly: each change is small or may be chance" if moved else ""
        return Headline(VERDICTS[0], f"No figure changed{doubt}.")
    found = {clause.good for clause in clauses}
    verdict = VERDICTS[found.pop()] if len(found) == 1 else MIXED
    said = "; ".join(clause.words for clause in clauses)
    return Headline(verdict, f"{said[:1].upper()}{said[1:]}.")


def _check_ins(overview: Overview, heat: HoursOfWeek, before: HoursOfWeek) -> list[Clause]:
    """The change of all check-ins, and the weekday that differs most from it; a fall goes first."""
    clauses = []
    value, previous = overview.check_ins
    whole = value / previous - 1 if value is not None and previous else 0.0
    if judged("check_ins", overview.check_ins).good:
        after_none = Clause(1, f"{words.number(value or 0)} check-ins came after none")
        clauses.append(_moved("check-ins", whole) if previous else after_none)
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
    return Clause(good, f"{what} are {'up' if good > 0 else 'down'} {words.percent(change)}")


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


def _others(overview: Overview) -> list[Clause]:
    """The other four figures, as far as they changed."""
    clauses = []
    for name in FIGURES[1:]:
        metric: Metric = getattr(overview, name)
        good = judged(name, metric).good
        if good and metric.value is not None and metric.previous is not None:
            clauses.append(Clause(good, _in_words(name, metric.value, metric.previous)))
    return clauses


def _in_words(name: str, value: float, previous: float) -> str:
    """A clause with the amount that the figure's card has."""
    if name == "unique_members":
        return f"{words.relative(value, previous).words} members came"
    if name == "unused_share":
        amount, _, more = words.points(value, previous).words.rpartition(" ")
        return f"the share of unused tokens is {'up' if more == 'more' else 'down'} {amount}"
    how = "never come" if name == "members_never_came" else f"not come for {NOT_SEEN_DAYS} days"
    return f"{words.absolute(value, previous).words} members have {how}"
