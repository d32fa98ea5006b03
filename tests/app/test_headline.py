"""The sentence on top: it names what is larger than chance, and nothing else."""

from __future__ import annotations

import random

import pytest

from coworking.reports import HoursOfWeek, Metric, Overview
from coworking.web.headline import Headline, count_changed, headline, judged

SAME = Metric(100, 100)


def overview(**figures: tuple[float | None, float | None]) -> Overview:
    given = {name: Metric(*pair) for name, pair in figures.items()}
    return Overview(**{name: given.get(name, SAME) for name in Overview._fields})


def week(*counts: int, days: int = 4) -> HoursOfWeek:
    """Hours of a week with those sums for Monday to Sunday, all at 9 h, on so many days."""
    return HoursOfWeek(
        [[0] * 9 + [count] + [0] * 14 for count in counts], [[days] * 24 for _ in range(7)]
    )


EVEN = week(*[1000] * 7)


def said(figures: Overview, heat: HoursOfWeek, before: HoursOfWeek) -> Headline:
    return headline(figures, heat, before, verified=True, obstacle="")


@pytest.mark.parametrize(
    ("figures", "heat", "verdict", "sentence"),
    [
        (overview(), EVEN, "Steady", "Nothing changed by more than chance explains."),
        (
            overview(check_ins=(6880, 7000), members_not_seen=(127, 100)),
            week(1000, 1000, 1000, 1000, 880, 1000, 1000),
            "Worse",  # 12 % of 1,000 is 2.8 times what chance explains
            "27 more members have not come for 30 days.",
        ),
        (
            overview(check_ins=(6800, 7000), members_not_seen=(127, 100)),
            week(1000, 1000, 1000, 1000, 800, 1000, 1000),
            "Worse",
            "Fridays are down 20 %; 27 more members have not come for 30 days.",
        ),
        (
            overview(check_ins=(8400, 7000)),
            week(*[1200] * 7),
            "Better",
            "Check-ins are up 20 %.",
        ),
        (
            overview(check_ins=(8400, 7000), members_never_came=(110, 100)),
            week(*[1200] * 7),
            "Mixed",
            "Check-ins are up 20 %; 10 more members have never come.",
        ),
        (
            overview(check_ins=(7000, 7000), members_not_seen=(80, 100)),
            week(800, 1200, 1000, 1000, 1000, 1000, 1000),
            "Mixed",
            "Mondays are down 20 %; 20 fewer members have not come for 30 days.",
        ),
        (overview(members_not_seen=(109, 100)), EVEN, "Steady", "Nothing changed by more"),
        (overview(members_not_seen=(4, 0)), EVEN, "Steady", "Nothing changed by more"),
        (overview(check_ins=(7340, 7000)), EVEN, "Steady", "Nothing changed by more"),
    ],
)
def test_it_says_what_changed_and_for_whom_that_matters(
    figures: Overview, heat: HoursOfWeek, verdict: str, sentence: str
) -> None:
    found = said(figures, heat, EVEN)

    assert found.verdict == verdict
    assert found.sentence.replace("\N{NO-BREAK SPACE}", " ").startswith(sentence)


def test_it_concludes_nothing_where_nothing_can_be_compared_or_trusted() -> None:
    figures = overview(check_ins=(9000, 7000))

    unverified = headline(figures, EVEN, EVEN, verified=False, obstacle="")
    alone = headline(figures, EVEN, EVEN, verified=True, obstacle="the data begin later")

    assert unverified == Headline(
        "", "These figures are not verified, so nothing is concluded from them."
    )
    assert alone == Headline("", "Nothing to compare: the data begin later.")


def test_a_weekday_that_either_period_has_in_part_is_left_out() -> None:
    """Half a Friday would always be "down"."""
    cut = week(1000, 1000, 1000, 1000, 300, 1000, 1000)
    cut.days[4] = [4] * 12 + [3] * 12

    assert said(overview(), cut, EVEN).verdict == "Steady"


def test_chance_alone_is_seldom_called_a_change() -> None:
    """Of pairs of months from one and the same source, about 1 in 50 are said to differ."""
    source = random.Random(3)

    def month() -> HoursOfWeek:
        return week(*(sum(source.random() < 0.1 for _ in range(600)) for _ in range(7)))

    wrong = 0
    for _ in range(100):
        this, before = month(), month()
        sums = (sum(map(sum, each.counts)) for each in (this, before))
        wrong += (
            said(overview(check_ins=(next(sums), next(sums))), this, before).verdict != "Steady"
        )

    assert wrong <= 5


@pytest.mark.parametrize(
    ("name", "value", "previous", "good"),
    [
        ("check_ins", 1200, 1000, 1),
        ("check_ins", 800, 1000, -1),
        ("check_ins", 12, 10, 0),
        ("check_ins", 1000, None, 0),
        ("unique_members", 90, 100, -1),
        ("unique_members", 104, 100, 0),
        ("unused_share", 0.12, 0.10, -1),
        ("unused_share", 0.05, 0.10, 1),
        ("unused_share", 0.11, 0.10, 0),
        ("members_not_seen", 120, 100, -1),
        ("members_never_came", 80, 100, 1),
    ],
)
def test_a_figure_is_better_or_worse_only_if_it_changed_enough(
    name: str, value: float, previous: float | None, good: int
) -> None:
    assert judged(name, Metric(value, previous)) == good


def test_a_rate_is_compared_by_its_days() -> None:
    assert count_changed(3000, 3, 4000, 4) is None
    assert count_changed(2000, 2, 4000, 8) == pytest.approx(1.0)
    assert count_changed(5, 1, 0, 1) is None
