"""What a person wants back: `latest`, a backup by its name, or a moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from ci.errors import InputError

LATEST = "latest"
_EXAMPLE = "2026-11-28 10:00 UTC"
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[ T](?P<time>\d\d:\d\d(?::\d\d(?:[.]\d{1,6})?)?)"
    r" ?(?P<zone>UTC|Z|[+-]\d\d(?::?\d\d)?)?"
)


class RestorePoint(NamedTuple):
    """What to restore.

    Attributes:
        to: `latest`, a backup's name, or a moment as PostgreSQL reads it: `RESTORE_TO`.
        at: the moment; None for `latest` and for a backup.
    """

    to: str
    at: datetime | None = None

    @property
    def is_backup(self) -> bool:
        """Whether it is a backup, by its name."""
        return self.at is None and self.to != LATEST


def target_of(to: str | None, backup: str | None, now: datetime) -> RestorePoint | None:
    """Read the two options; None without either.

    Raises:
        InputError: both are given, or the moment is not valid or still to come.
    """
    if to is not None and backup is not None:
        raise InputError(
            "--to and --backup are both given", hint=f'Give one of them:\n--to "{_EXAMPLE}"'
        )
    if backup is not None:
        return RestorePoint(backup)
    if to is None:
        return None
    if to == LATEST:
        return RestorePoint(LATEST)
    at = moment(to)
    if at >= now:
        raise InputError(
            f"--to {to!r} is not in the past: it is {written(now)[:19]} UTC now",
            hint="Everything up to now:\n--to latest",
        )
    return RestorePoint(written(at), at)


def moment(text: str) -> datetime:
    """Read a moment, whose zone must be written.

    >>> moment("2026-11-28 10:00 UTC").isoformat()
    '2026-11-28T10:00:00+00:00'

    Raises:
        InputError: it is not a valid one.
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"--to {text!r} is not a valid moment",
            hint=f'`latest`, or a date, a time and a zone, such as\n--to "{_EXAMPLE}"',
        )
    if found["zone"] is None:
        raise InputError(
            f"--to {text!r} has no time zone, so it could be one of many moments",
            hint=f'If it is UTC:\n--to "{text.strip()} UTC"',
        )
    zone = "+00:00" if found["zone"] in ("UTC", "Z") else found["zone"]
    # Python 3.11 reads a fraction of three or six digits.
    whole, _, fraction = found["time"].partition(".")
    try:
        day = datetime.fromisoformat(f"{found['day']}T{whole}{zone}")
    except ValueError as error:
        raise InputError(
            f"--to {text!r} is not a valid moment: {error}",
            hint=f'Such as\n--to "{_EXAMPLE}"',
        ) from error
    return day.replace(microsecond=int(fraction.ljust(6, "0"))).astimezone(UTC)


def written(at: datetime) -> str:
    """A moment as PostgreSQL and pgBackRest read it, in UTC.

    Without a colon in the zone: with one, or without minutes, YAML 1.1 takes it for a timestamp,
    and the ConfigMap would hold no text.

    >>> written(datetime(2026, 11, 28, 10, tzinfo=UTC))
    '2026-11-28 10:00:00+0000'
    """
    return at.astimezone(UTC).isoformat(" ").removesuffix("+00:00") + "+0000"
