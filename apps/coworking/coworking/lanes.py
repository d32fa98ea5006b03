"""How many requests may do what takes long, so that probes and short answers find a thread.

A request *enters* before it waits for a report that is being built, builds one itself, renders a
page or sends a long body; one that finds no place is refused at once. Of those inside only a few
*work* at a time: Python's threads share one core, and a probe waits behind each that computes.

    lanes = Lanes(threads=32, pool=8)
    with lanes.place(), lanes.work(time.monotonic()):
        ...
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from coworking.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_WORKERS = 3
PATIENCE = 0.7  # seconds that one inside waits for its turn to work
FULL = "too many reports are asked for at this moment"
SWITCH_SECONDS = 0.001  # a thread that computes lets the others go on after so long, not 5 ms


class Busy(ServiceError):  # noqa: N818 (a state, and it passes)
    """This process does as much at this moment as it allows; a second later it may do more."""


class Lanes:
    """The places and the turns of one process.

    Args:
        threads: of the server; a quarter of them always stays free for short answers.
        pool: connections for building reports; a quarter of them stays free for short reports.

    Attributes:
        most_of_one: how many places the requests for one address may have, so that those for
            others find some.
        working: how many work at this moment.
    """

    def __init__(self, *, threads: int, pool: int) -> None:
        self._places = self._free = max(1, threads * 3 // 4)
        self.most_of_one = max(1, threads // 2)
        self.working = 0
        self._counting = threading.Lock()
        self._turns = threading.Semaphore(max(1, min(MOST_WORKERS, pool * 3 // 4)))

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place during the block.

        Raises:
            Busy: none is free.
        """
        self.take_place(FULL)
        try:
            yield
        finally:
            self.give_place()

    @property
    def full(self) -> bool:
        """Whether no place is free."""
        return self._free == 0

    @property
    def busy(self) -> bool:
        """Whether half of the places are taken, or more."""
        return self._free <= self._places // 2

    def take_place(self, refusal: str) -> None:
        """Take a place, which the caller gives back by `give_place`.

        Raises:
            Busy: none is free; its text is `refusal`.
        """
        with self._counting:
            if self._free == 0:
                raise Busy(refusal)
            self._free -= 1

    def give_place(self) -> None:
        """Give back a place that `take_place` took."""
        with self._counting:
            self._free += 1

    @contextlib.contextmanager
    def work(self, arrived: float) -> Iterator[None]:
        """Take a turn to work; the caller has a place.

        Args:
            arrived: when the request came (monotonic seconds). Its patience counts from there, so
                that those who waited for a build that failed don't wait one after the other.

        Raises:
            Busy: those who work took longer than PATIENCE.
        """
        if not self._turns.acquire(timeout=max(0.0, arrived + PATIENCE - time.monotonic())):
            raise Busy("other reports are being built at this moment")
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)
            self._turns.release()

    def _count(self, change: int) -> None:
        with self._counting:
            self.working += change
