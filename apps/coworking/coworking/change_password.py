"""`coworking change-password`: make the announced password the database's, once nobody is left out.

    change(config, say=print)

The role changes its own password, which needs no other right. It waits until every process of the
service that is connected knows the announced one (`Passwords.session_name`), so no login of theirs
fails at any moment. Called again it finds what was done, and goes on.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.extensions import encrypt_password, quote_ident

from coworking.database import Database
from coworking.errors import ConfigError, DatabaseAway, ServiceError
from coworking.passwords import APPLICATION, is_refusal, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as RawConnection  # noqa: N812 (a class)

    from coworking.config import Config

POLL = 1.0  # seconds
# A process that just started has no session for a moment: its probe comes every 5 s.
SETTLED = 10.0  # seconds for which nobody must be left out
# The services, by the name that they give their sessions, and what is announced to them.
SESSIONS = """
    SELECT substring(application_name FROM '^[^ ]+ ?[^ ]*') AS process,
           bool_or(application_name LIKE '%% next=' || %s) AS knows
    FROM pg_stat_activity
    WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
      AND (application_name = %s OR application_name LIKE %s)
    GROUP BY process ORDER BY process
"""


class Two(NamedTuple):
    """The password of the file, and the announced one."""

    present: str
    announced: str


def change(config: Config, *, within: float, say: Callable[[str], None]) -> None:
    """Change the password in the database, and prove that the old one is refused.

    Args:
        config: where the database is; DB_PASSWORD_FILE and the `_NEXT` beside it.
        within: seconds to wait until every process knows the announced password.
        say: takes one line of progress for a person.

    Raises:
        ConfigError: no password is announced, or it is the present one.
        DatabaseAway: the server can't be reached.
        ServiceError: a process is left out, or the database takes neither or any password.
    """
    two = _two(config)
    if _opens(config, two.announced):
        say("The database has the announced password already.")
    elif not _opens(config, two.present):
        raise ServiceError(
            "the database takes neither the present password nor the announced one",
            hint="The superuser sets one from inside of its pod; docs/secrets.md has the lines.",
        )
    else:
        _wait_for_everybody(config, two, within, say)
        with _session(config, two.present) as session:
            _alter(session, config, two.announced)
        say("The password was changed in the database.")
    if not _opens(config, two.announced):
        raise ServiceError("the database refuses the password that it was just given")
    if _opens(config, two.present):
        raise ServiceError(
            "the database takes the old password as well as the new one",
            hint="It asks for none from here: its pg_hba.conf says `trust`. Say scram-sha-256.",
        )
    say("The new password opens the database, and the old one is refused.")


def _two(config: Config) -> Two:
    present, announced = config.password(), config.next_password()
    if config.db_password_file is None or present is None or announced is None:
        raise ConfigError(
            "no password is announced; write it into the file beside DB_PASSWORD_FILE whose name"
            " ends in _NEXT"
        )
    if present == announced:
        raise ConfigError("the announced password is the present one; announce another")
    return Two(present, announced)


def _wait_for_everybody(
    config: Config, two: Two, within: float, say: Callable[[str], None]
) -> None:
    """Return when every process of the service knows the announced password."""
    began = settled = time.monotonic()
    said = ""
    with _session(config, two.present) as session:
        while True:
            without = _without(session, mark_of(two.announced))
            now = time.monotonic()
            if without:
                settled = now
                line = f"These don't know the announced password yet: {', '.join(without)}."
            else:
                line = "Every process of the service knows the announced password."
            if line != said:
                say(line)
            said = line
            if now - settled >= SETTLED:
                return
            if now - began > within:
                raise ServiceError(
                    f"after {within:.0f} s the announced password is not known to"
                    f" {', '.join(without) or 'a process that has just come'}; nothing was changed",
                    hint="A pod sees a changed Secret within two minutes. A name without a host is"
                    " an older release of the service, which can't take part: deploy this one.",
                )
            time.sleep(POLL)


def _without(session: RawConnection, mark: str) -> list[str]:
    with session.cursor() as cursor:
        cursor.execute(SESSIONS, (mark, APPLICATION, f"{APPLICATION} %"))
        return [process for process, knows in cursor.fetchall() if not knows]


def _alter(session: RawConnection, config: Config, password: str) -> None:
    # The server is sent what it keeps of a password, so none is in its log or its statistics.
    verifier = encrypt_password(password, config.db_username, session, "scram-sha-256")
    role = quote_ident(config.db_username, session)
    with session.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {role} PASSWORD %s", (verifier,))


def _opens(config: Config, password: str) -> bool:
    try:
        with _session(config, password):
            return True
    except psycopg2.OperationalError as error:
        if is_refusal(error):
            return False
        raise DatabaseAway(
            "the database can't be reached", hint=str(error).strip().partition("\n")[0]
        ) from None


@contextlib.contextmanager
def _session(config: Config, password: str) -> Iterator[RawConnection]:
    """A session with this password alone, in autocommit mode."""
    session = Database(config, patient=True).connect_with(password)
    session.autocommit = True
    try:
        yield session
    finally:
        session.close()
