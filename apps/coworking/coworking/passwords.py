"""The database's password while it changes: PostgreSQL knows one, and the files may hold two.

    passwords = Passwords(config)
    connection = passwords.log_in(lambda password: psycopg2.connect(password=password, …))
    passwords.session_name()     # "coworking web-7d9c5.7 next=3f2a"

The file beside DB_PASSWORD_FILE whose name ends in `_NEXT` announces the password to come. A login
that PostgreSQL refuses is tried once with the other password, and the one that it took last is
tried first. So it doesn't matter when the password changes in the database, once every process has
both.

Whether everybody has both, the database itself can say: each service names its sessions after
itself and the announced password (`change_password` reads that in pg_stat_activity).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import socket
import time
from typing import TYPE_CHECKING

import psycopg2

from coworking.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as RawConnection  # noqa: N812 (a class)

    from coworking.config import Config

APPLICATION = "coworking"
LOOK_EVERY = 1.0  # seconds
LONGEST_HOST = 30  # of the 63 characters that PostgreSQL keeps of a session's name
# What PostgreSQL says with SQLSTATE 28P01 (auth_failed in its auth.c); libpq gives a client no
# code for a connection that wasn't made.
REFUSED = "password authentication failed"
MARKING = b"coworking: which password is announced, version 1\n"


class Passwords:
    """The passwords of one process, as its files have them at each login."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._taken: str | None = None
        self._name = ""
        self._looked = -LOOK_EVERY

    def log_in(self, connect: Callable[[str | None], RawConnection]) -> RawConnection:
        """Connect with the password that PostgreSQL takes; `connect` is called at most twice.

        Raises:
            psycopg2.OperationalError: the first refusal, or what else kept it from connecting.
            ConfigError: the password's file can't be read.
        """
        first = self._to_try()[0]
        try:
            opened = connect(first)
        except psycopg2.OperationalError as error:
            if not is_refusal(error):
                raise
            # The files are read again: they may have changed since.
            others = [each for each in self._to_try() if each != first]
            if not others:
                raise
            try:
                opened = connect(others[0])
            except psycopg2.OperationalError:
                raise error from None
            first = others[0]
        self._taken = first
        return opened

    def session_name(self) -> str:
        """The name of this service's sessions now; the files are looked at once a second.

        Its processes read the same files at each login, so what one of them has seen all know.
        """
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            host = socket.gethostname()[-LONGEST_HOST:]
            announced = self._announced()
            mark = f" next={mark_of(announced)}" if announced else ""
            self._name = f"{APPLICATION} {host}.{_service()}{mark}"
        return self._name

    def _to_try(self) -> list[str | None]:
        found = [self._config.password()]
        announced = self._announced()
        if announced is not None:
            found.append(announced)
        if self._taken in found:
            found.sort(key=lambda each: each != self._taken)
        return found

    def _announced(self) -> str | None:
        """The password to come; a file of it that can't be used must not stop the service."""
        try:
            return self._config.next_password()
        except ConfigError:
            return None


def _service() -> int:
    """The process id of the service: of the parent, where this is a worker of it."""
    parent = multiprocessing.parent_process()
    return os.getpid() if parent is None or parent.pid is None else parent.pid


def is_refusal(error: psycopg2.OperationalError) -> bool:
    """Whether PostgreSQL answered that the password is wrong."""
    return REFUSED in str(error)


def mark_of(password: str) -> str:
    """Four hexadecimal digits: enough to see that two passwords differ, too few to find one by."""
    return hashlib.sha256(MARKING + password.encode()).hexdigest()[:4]
