"""How often and how long a push is tried: the budget's limits."""

from __future__ import annotations

import pytest

from ci.git.retry import Backoff


class Clock:
    """A time that goes on only while somebody sleeps; every wait is as long as it may be."""

    def __init__(self) -> None:
        self.now = 100.0
        self.limits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def longest(self, least: float, limit: float) -> float:
        assert least == 0
        self.limits.append(limit)
        return limit


def budget(clock: Clock, *, attempts: int = 100, seconds: float = 120.0) -> Backoff:
    return Backoff(
        attempts, seconds, clock=lambda: clock.now, sleep=clock.sleep, uniform=clock.longest
    )


def test_the_limit_of_a_wait_doubles_up_to_the_longest() -> None:
    clock = Clock()
    backoff = budget(clock)
    for _ in range(8):
        backoff.begin()
        backoff.wait()
    assert clock.limits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert backoff.spent == pytest.approx(16.3)
    assert backoff.left == pytest.approx(120 - 16.3)


def test_after_the_last_attempt_nobody_waits() -> None:
    clock = Clock()
    backoff = budget(clock, attempts=2)
    backoff.begin()
    assert backoff.wait() == 0.1
    backoff.begin()
    assert backoff.wait() is None
    assert clock.now == pytest.approx(100.1)


@pytest.mark.parametrize(("seconds", "waits"), [(0.1, False), (0.11, True)])
def test_a_wait_ends_within_the_budget_or_does_not_begin(seconds: float, waits: bool) -> None:
    clock = Clock()
    backoff = budget(clock, seconds=seconds)
    backoff.begin()
    assert (backoff.wait() is not None) is waits


def test_what_is_left_is_never_negative() -> None:
    clock = Clock()
    backoff = budget(clock, seconds=1)
    clock.sleep(2)
    assert (backoff.spent, backoff.left) == (2, 0)
