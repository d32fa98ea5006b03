"""How often and how long to try: full jitter inside a budget of attempts and seconds.

Full jitter (a wait drawn evenly from zero to a doubling limit) spreads many builds that lost the
same race better than a fixed or a partly random wait: "Exponential Backoff And Jitter", AWS
Architecture Blog, 2015.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Backoff:
    """A budget. The clock, the sleep and the random numbers are passed in by tests.

    Attributes:
        attempts: how many pushes may be tried.
        seconds: how long all of it may take.
        first: the limit of the first wait, in seconds; it doubles with every lost race.
        longest: the limit that it doubles up to.
    """

    attempts: int = 100
    seconds: float = 120.0
    first: float = 0.1
    longest: float = 5.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform
    used: int = field(default=0, init=False)
    started: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def spent(self) -> float:
        """The seconds since it began."""
        return self.clock() - self.started

    @property
    def left(self) -> float:
        """The seconds left of the budget; never negative."""
        return max(0.0, self.seconds - self.spent)

    def begin(self) -> None:
        """Count an attempt."""
        self.used += 1

    def wait(self) -> float | None:
        """Wait after a failed attempt, and return for how many seconds.

        None, without waiting, when no attempt is left or the wait would outlast the budget.
        """
        limit = min(self.longest, self.first * 2 ** min(self.used - 1, 16))
        pause = self.uniform(0.0, limit)
        if self.used >= self.attempts or pause >= self.left:
            return None
        self.sleep(pause)
        return pause
