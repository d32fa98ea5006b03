"""A time limit on anything that waits for the database, kept from outside the waiting thread.

PostgreSQL's own statement timeout doesn't help when the server hangs or the network swallows its
packets: libpq waits in recv() for ever. So each guarded block registers its connection, and one
thread shuts down the sockets of those that are late; recv() then returns, and psycopg2 raises what
it raises for a server that went away.

    with Deadlines().guard(connection, seconds=0.8):
        cursor.execute("SELECT 1")
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as RawConnection  # noqa: N812 (a class)

PRECISION = 0.05  # seconds between two looks, while anything is guarded
LONG = 0.25  # seconds of waiting after which somebody looks whether the database still answers


class Guarded(NamedTuple):
    """A wait: when it began, when it ends at the latest, and what is waited on."""

    began: float
    due: float
    connection: RawConnection


class Deadlines:
    """The deadlines of one process. The thread starts with the first guard and sleeps when idle.

    Attributes:
        meanwhile: is called by a thread of its own, every LONG seconds while a guarded block waits
            for longer than that.
    """

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] | None = None
        self._lock = threading.Lock()
        self._due: dict[int, Guarded] = {}
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def guard(self, connection: RawConnection, seconds: float) -> Iterator[None]:
        """Shut the connection's socket down if the block takes longer than `seconds`."""
        ticket = threading.get_ident()
        began = time.monotonic()
        with self._lock:
            outer = self._due.get(ticket)
            self._due[ticket] = Guarded(began, began + seconds, connection)
            if self._thread is None:
                self._start()
        if not self._wanted.is_set():
            self._wanted.set()
        try:
            yield
        finally:
            with self._lock:
                if outer is None:
                    del self._due[ticket]
                else:
                    self._due[ticket] = outer

    def expire(self, before: float) -> None:
        """Shut down what has been guarded since a moment before `before` (monotonic seconds)."""
        with self._lock:
            for guarded in self._due.values():
                if guarded.began < before:
                    _shut_down(guarded.connection)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        looked = 0.0
        while True:
            self._wanted.wait()
            time.sleep(PRECISION)
            # Under the lock, so that no guarded block can end, close its connection and let the
            # descriptor be used for something else between the look and the shutdown.
            with self._lock:
                now = time.monotonic()
                for guarded in self._due.values():
                    if guarded.due < now:
                        _shut_down(guarded.connection)
                if not self._due:
                    self._wanted.clear()
                long = any(guarded.began < now - LONG for guarded in self._due.values())
            if long and self.meanwhile is not None and now - looked >= LONG:
                looked = now
                threading.Thread(target=self.meanwhile, name="meanwhile", daemon=True).start()


def _shut_down(connection: RawConnection) -> None:
    # A duplicate of the descriptor: shutdown() reaches the connection, closing only the twin.
    # If the connection was closed meanwhile, there is nothing left to end.
    with (
        contextlib.suppress(OSError, psycopg2.Error),
        socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as twin,
    ):
        twin.shutdown(socket.SHUT_RDWR)
