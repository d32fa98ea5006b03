"""What the repository of the backups holds, and with which backup a restore begins.

    found = Holdings.parse(text_of_pgbackrest_info)
    found.choose(target, history)

The form is that of `pgbackrest info --output=json` (pgBackRest 2.45, src/command/info/info.c).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ci.errors import CiError, InputError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci.oncall.moment import RestorePoint

_OK, _UNUSED, _EMPTY = 0, 1, 2  # INFO_STANZA_STATUS_CODE_*
_SHOWN = 300  # characters of what pgBackRest says; it repeats whole answers of S3


class Lineage(NamedTuple):
    """A timeline, and those that it came from.

    Attributes:
        timeline: its number.
        ended: for each one before it, the position in the log at which it was left.
    """

    timeline: int
    ended: dict[int, int]

    @classmethod
    def parse(cls, timeline: int, text: str) -> Lineage:
        """Read a timeline's `.history` file: a number, a position and a reason in each line.

        The form is PostgreSQL's (src/backend/access/transam/timeline.c: readTimeLineHistory).
        """
        lines = [line.split("\t") for line in text.splitlines()]
        ended = {int(f[0]): position(f[1]) for f in lines if len(f) > 1 and f[0].isdigit()}
        return cls(timeline, ended)

    def has(self, backup: Backup) -> bool:
        """Whether a backup lies on the way to this timeline's end."""
        if backup.timeline == self.timeline:
            return True
        return backup.end <= self.ended.get(backup.timeline, -1)


def position(text: str) -> int:
    """A position in the write-ahead log, as a number of bytes.

    >>> position("1/3001B68") - position("1/3001B00")
    104
    """
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


class Backup(NamedTuple):
    """A backup.

    Attributes:
        label: its name.
        kind: full, diff or incr.
        stopped: when it ended; it can be restored to any later moment, and to no earlier one.
        timeline: the timeline that it was taken on.
        end: the position in the log at which it ended.
        size: bytes of the database.
        damaged: whether pages of it had wrong checksums.
        rows: how many rows each table had, such as `tokens 100; users 5`; empty if not counted.
        proven: when it was restored as a proof; None if it was not.
    """

    label: str
    kind: str
    stopped: datetime
    timeline: int
    end: int
    size: int
    damaged: bool
    rows: str
    proven: datetime | None

    @classmethod
    def parse(cls, found: dict[str, Any]) -> Backup:
        """Read an entry of the list."""
        notes = found.get("annotation") or {}
        proven = str(notes.get("proven", ""))
        return cls(
            found["label"],
            found["type"],
            datetime.fromtimestamp(found["timestamp"]["stop"], UTC),
            int(found["archive"]["stop"][:8], 16),
            position(found["lsn"]["stop"]),
            int(found["info"]["size"]),
            bool(found.get("error")),
            str(notes.get("rows", "")),
            datetime.fromtimestamp(int(proven), UTC) if proven.isdigit() else None,
        )

    def line(self, now: datetime) -> str:
        """One line about it, for a person."""
        proven = f"proven {age(now - self.proven)} ago" if self.proven else "not proven"
        parts = [
            f"{self.label:<33}  {self.kind:<4}  {self.stopped:%Y-%m-%d %H:%M:%S} UTC",
            f"{age(now - self.stopped):>10} old",
            f"{self.size / 1e6:.0f} MB",
            f"timeline {self.timeline}",
            "damaged pages" if self.damaged else proven,
            *([self.rows] if self.rows else []),
        ]
        return "  ".join(parts)


class Holdings(NamedTuple):
    """What a repository holds.

    Attributes:
        archive: the folder of its write-ahead log, such as `15-1`; empty if there is none.
        backups: the backups, oldest first.
    """

    archive: str
    backups: tuple[Backup, ...]

    @classmethod
    def parse(cls, text: str, namespace: str) -> Holdings:
        """Read the answer of `pgbackrest info` in a namespace.

        Raises:
            CiError: it could not ask the repository, or the repository holds nothing to restore.
        """
        try:
            (found,) = json.loads(
                text, strict=False
            )  # a wrong key's message has control characters
            code = int(found["status"]["code"])
        except (ValueError, LookupError, TypeError) as error:
            raise CiError(f"pgBackRest gave no usable answer: {text.strip()[:_SHOWN]}") from error
        if code in (_UNUSED, _EMPTY):
            raise InputError(
                f"the repository of {namespace} holds no backup, so there is nothing to restore",
                hint=f"What takes them: docs/backups.md. Its log:\n{_log(namespace)}",
            )
        if code != _OK:
            said = "; ".join(each["status"]["message"] for each in found.get("repo") or [])
            first = " ".join((said or found["status"]["message"]).split())[:_SHOWN]
            raise CiError(
                f"the repository of {namespace} can't be asked: {first}",
                hint=f"Is the bucket there, and BACKUP_KEY the right one?\n{_log(namespace)}",
            )
        backups = sorted((Backup.parse(b) for b in found["backup"]), key=lambda b: b.stopped)
        archives = [each["id"] for each in found["archive"]]
        return cls(archives[-1] if archives else "", tuple(backups))

    def lines(self, now: datetime) -> list[str]:
        """The backups, newest first, a line each."""
        return [backup.line(now) for backup in reversed(self.backups)]

    def choose(self, target: RestorePoint, history: Lineage) -> Backup:
        """Find the backup that a restore begins with.

        Raises:
            InputError: the target is not one that is kept; the sentence says what is.
        """
        if target.is_backup:
            return self._named(target.to)
        whole = [each for each in self.backups if history.has(each) and not each.damaged]
        if not whole:
            raise InputError(
                f"no whole backup is kept of timeline {history.timeline} and those before it",
                hint="Another history:\n--timeline "
                f"{max((each.timeline for each in self.backups), default=1)}",
            )
        if target.at is None:
            return whole[-1]
        # pgBackRest and PostgreSQL compare a moment with the second in which a backup ended.
        before = [each for each in whole if each.stopped + timedelta(seconds=1) <= target.at]
        if not before:
            first = f"{whole[0].stopped + timedelta(seconds=1):%Y-%m-%d %H:%M:%S}"
            raise InputError(
                f"--to {target.to!r} is before what is kept: the oldest backup ended at"
                f" {whole[0].stopped:%Y-%m-%d %H:%M:%S} UTC",
                hint=f'The oldest moment that can be restored:\n--to "{first} UTC"',
            )
        return before[-1]

    def _named(self, label: str) -> Backup:
        for each in self.backups:
            if each.label == label:
                return each
        labels = [each.label for each in self.backups]
        near = did_you_mean(label, labels)
        raise InputError(
            f"--backup {label!r} is not a backup that is kept",
            hint=f"{near} " * bool(near) + f"The newest:\n--backup {labels[-1]}",
        )


def newest_timeline(files: Iterable[str]) -> int:
    """The highest timeline of a repository, by the names of its `.history` files.

    >>> newest_timeline(["00000002.history", "0000000A.history"])
    10
    """
    return max((int(name.removesuffix(".history"), 16) for name in files), default=1)


def age(span: timedelta) -> str:
    """A span of time, as roughly as a person needs it.

    >>> age(timedelta(hours=30)), age(timedelta(minutes=90)), age(timedelta(seconds=90))
    ('30 hours', '90 minutes', '90 seconds')
    """
    seconds = int(span.total_seconds())
    for unit, length, most in (("seconds", 1, 120), ("minutes", 60, 120), ("hours", 3600, 48)):
        if seconds < length * most:
            return f"{seconds // length} {unit}"
    return f"{seconds // 86400} days"


def _log(namespace: str) -> str:
    return f"kubectl -n {namespace} logs postgresql-0 -c backups"
