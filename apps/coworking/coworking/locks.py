"""Locks on a table in use, taken in short attempts.

A statement that waits for a lock makes every later statement wait behind it. So an attempt waits
for a short time, gives up, and tries again later.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from psycopg2.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from coworking.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

ATTEMPT = "200ms"  # the longest that others wait behind an attempt
GIVE_UP_AFTER = 120.0  # seconds of attempts

BLOCKERS = text("""
    SELECT string_agg(DISTINCT format('pid %s (%s)', a.pid, a.state), ', ')
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.relation IN (to_regclass('public.tokens'), to_regclass('public.users')) AND l.granted
      AND l.pid <> pg_backend_pid()
""")


def in_short_attempts(connection: Connection, action: Callable[[], object]) -> None:
    """Run an action on a connection that locks `tokens` or `users`, until its locks are granted.

    Each attempt is a savepoint of the connection's transaction, which keeps the locks.

    Raises:
        ServiceError: it could not lock the tables within GIVE_UP_AFTER; the message names the
            sessions that hold it.
    """
    deadline = time.monotonic() + GIVE_UP_AFTER
    while True:
        try:
            with connection.begin_nested():
                connection.execute(text(f"SET LOCAL lock_timeout = '{ATTEMPT}'"))
                action()
                connection.execute(text("SET LOCAL lock_timeout = 0"))
        except OperationalError as error:
            if not isinstance(error.orig, (LockNotAvailable, DeadlockDetected)):
                raise
        else:
            return
        if time.monotonic() > deadline:
            holders = connection.execute(BLOCKERS).scalar() or "others, in turns"
            raise ServiceError(
                f"the tables users and tokens stayed locked for {GIVE_UP_AFTER:.0f} s by {holders}",
                hint="End those transactions, or wait for their end, and migrate again.",
            )
        time.sleep(random.uniform(0.1, 0.5))  # noqa: S311 (so that two don't meet again)
