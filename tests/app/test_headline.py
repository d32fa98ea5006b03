"""The sentence on top: it names what is larger than chance, and nothing else."""

from __future__ import annotations

import random
import re
from datetime import date, timedelta

import pytest

from coworking.extent import Extent
from coworking.periods import Period, find_zone
from coworking.reports import HoursOfWeek, Metric, Overview
from coworking.web.dashboard import cards
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
UNCLEAR = "No figure changed clearly: each change is small or may be chance."


def said(figures: Overview, heat: HoursOfWeek, before: HoursOfWeek) -> Headline:
    return headline(figures, heat, before, verified=True, obstacle="")


@pytest.mark.parametrize(
    ("figures", "heat", "verdict", "sentence"),
    [
        (overview(), EVEN, "Steady", "No figure changed."),
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
        (
            overview(unique_members=(90, 100), unused_share=(0.12, 0.1)),
            EVEN,
            "Worse",
            "10 % fewer members came; the share of unused tokens is up 2.0 points.",
        ),
        (overview(check_ins=(50, 0)), EVEN, "Better", "50 check-ins came after none."),
        (overview(members_not_seen=(109, 100)), EVEN, "Steady", UNCLEAR),
        (overview(members_not_seen=(4, 0)), EVEN, "Steady", UNCLEAR),
        (overview(check_ins=(7340, 7000)), EVEN, "Steady", UNCLEAR),
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
    ("name", "value", "previous", "expected"),
    [
        ("check_ins", 1200, 1000, "better"),
        ("check_ins", 800, 1000, "worse"),
        ("check_ins", 12, 10, "may be chance"),
        ("check_ins", 100_000, 98_000, "small"),
        ("check_ins", 1000, None, ""),
        ("check_ins", 1000, 1000, ""),
        ("check_ins", 9, 0, "better"),
        ("check_ins", 8, 0, "may be chance"),
        ("unique_members", 90, 100, "worse"),
        ("unique_members", 104, 100, "small"),
        ("unique_members", 14, 10, "may be chance"),
        ("unused_share", 0.12, 0.10, "worse"),
        ("unused_share", 0.1196, 0.10, "worse"),  # both are shown as 2.0 points
        ("unused_share", 0.05, 0.10, "better"),
        ("unused_share", 0.11, 0.10, "small"),
        ("members_not_seen", 120, 100, "worse"),
        ("members_not_seen", 4, 0, "may be chance"),
        ("members_never_came", 80, 100, "better"),
    ],
)
def test_a_figure_is_better_or_worse_only_if_it_changed_enough(
    name: str, value: float, previous: float | None, expected: str
) -> None:
    found = judged(name, Metric(value, previous))

    assert found.words == expected
    assert found.good == {"better": 1, "worse": -1}.get(expected, 0)


def drawn(draw: random.Random) -> tuple[Overview, HoursOfWeek, HoursOfWeek]:
    """A period's figures beside another's, of any size, alike or not."""
    size = draw.choice((0, 3, 30, 900, 40_000))

    def pair() -> Metric:
        previous = draw.randint(0, size)
        spread = draw.choice((0, 1, size // 30, size))
        return Metric(max(0, previous + draw.randint(-spread, spread)), previous)

    def share() -> float | None:
        return draw.choice((None, draw.random(), draw.choice((0.1, 0.1004, 0.1196, 0.12))))

    figures = Overview(*(pair() for _ in Overview._fields))._replace(
        unused_share=Metric(share(), share())
    )
    return figures, *(week(*(draw.randint(0, size) for _ in range(7))) for _ in range(2))


AMOUNT = re.compile(r"[\d,.]+(?:\N{NO-BREAK SPACE}%| points)?")


@pytest.mark.parametrize("seed", range(4))
def test_the_sentence_and_the_figures_never_contradict_each_other(seed: int) -> None:
    """ "2 % fewer" stood beside "Steady", and "worse" beside "Nothing changed"."""
    draw = random.Random(seed)
    period = Period(date(2024, 3, 1), date(2024, 3, 31), find_zone("UTC"))
    horizon = period.end_at + timedelta(days=9)
    for _ in range(500):
        figures, heat, before = drawn(draw)
        verified, obstacle = draw.random() < 0.9, draw.choice((*[None] * 9, "there is none"))
        extent = Extent(None, None, horizon, not_verified_since=None if verified else horizon)
        shown = cards(figures, period, extent, obstacle)
        top = headline(figures, heat, before, verified=verified, obstacle=obstacle or "")
        said = {card.label: card.verdict for card in shown if card.verdict}

        for card in shown:
            moved = {"more": 1, "fewer": -1, "less": -1}.get(card.change.words.split()[-1], 0)
            assert (card.change.direction or 0) == moved, card
            if card.verdict in ("better", "worse"):
                amount = AMOUNT.match(card.change.words)
                assert amount is not None, card
                assert amount[0] in top.sentence, (top, card)
            elif verified and obstacle is None:
                assert bool(card.verdict) == bool(moved), card
        if not verified or obstacle:
            assert (said, top.verdict) == ({}, "")
        if top.verdict == "Steady":
            assert not {"better", "worse"} & set(said.values()), (top, said)
        if top.verdict in ("Better", "Worse"):
            assert {"Better": "worse", "Worse": "better"}[top.verdict] not in said.values()
        assert (top.sentence == "No figure changed.") <= (not said), (top, said)


def test_a_rate_is_compared_by_its_days() -> None:
    assert count_changed(3000, 3, 4000, 4) is None
    assert count_changed(2000, 2, 4000, 8) == pytest.approx(1.0)
    assert count_changed(5, 1, 0, 1) is None
