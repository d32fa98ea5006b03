"""One build at a time for each question: whoever asks the same waits, and has its body.

with TurnsByKey(within=11).turn("overview") as (shared, waited):
    shared.found = shared.found or build()
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coworking.errors import DatabaseAway

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator


@dataclass(slots=True)
class Turn:
    """One key's lock, who uses it, and what the newest of its builds made for all of them."""

    lock: threading.Lock
    users: int = 0
    found: Any = None


class TurnsByKey:
    """A lock for each key, there only while somebody holds it or waits for it."""

    def __init__(self, within: float) -> None:
        self._within = within
        self._guard = threading.Lock()
        self._turns: dict[Hashable, Turn] = {}

    @contextlib.contextmanager
    def turn(self, key: Hashable) -> Iterator[tuple[Turn, bool]]:
        """Hold the key's lock; yields its turn, and whether there was a wait for it.

        Raises:
            DatabaseAway: the wait took longer than `within` seconds.
        """
        with self._guard:
            turn = self._turns.setdefault(key, Turn(threading.Lock()))
            turn.users += 1
        try:
            waited = not turn.lock.acquire(blocking=False)
            if waited and not turn.lock.acquire(timeout=self._within):
                raise DatabaseAway("the report is still being built for an earlier request")
            try:
                yield turn, waited
            finally:
                turn.lock.release()
        finally:
            with self._guard:
                turn.users -= 1
                if turn.users == 0:
                    del self._turns[key]
