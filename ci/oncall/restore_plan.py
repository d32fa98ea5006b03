"""Which restore brings back what a person wants: the history to follow, and the first backup.

A repository holds several histories after a restore: the one that was left, and the one that
began. A restore follows the one that the database serves now, or served last by what git says.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from ci.errors import CommandError, InputError
from ci.oncall.backups import Backup, Holdings, Lineage, age, newest_timeline
from ci.tree.claim import NAME, Claim, number_of
from ci.tree.overlays import DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from ci.oncall.moment import RestorePoint

    Ask = Callable[..., str]

_BACKREST = ("pgbackrest", "--stanza=main", "--log-level-console=off")
_LISTED = "^[0-9A-F]{8}[.]history$"
# Rows that say when they were made (apps/coworking/coworking/migrations), in the server's UTC.
_MADE_AT = {"tokens": "created_at", "users": "joined_at"}


class Found(NamedTuple):
    """What there is to restore.

    Attributes:
        holdings: what the repository holds.
        newest: its newest timeline.
        lineage: the history that a restore follows.
        serves: whether the database answers now.
    """

    holdings: Holdings
    newest: int
    lineage: Lineage
    serves: bool


def look(
    ask: Ask, claim: Claim, namespace: str, timeline: int | None, others: Iterable[Claim] = ()
) -> Found:
    """Ask the repository, and the server if it answers.

    Args:
        ask: runs a command beside the database, and returns what it prints.
        claim: the claim that git names.
        namespace: the environment's.
        timeline: the history that the person names; None to find it.
        others: the claims that git has named, with their restores.

    Raises:
        InputError: there is nothing to restore, or the timeline is unknown.
        CiError: the repository can't be asked.
    """
    holdings = Holdings.parse(_info(ask), namespace)
    folder = f"archive/main/{holdings.archive}"
    files = ask(*_BACKREST, f"--filter={_LISTED}", "repo-ls", folder).split()
    newest = newest_timeline(files)
    known = sorted({1, *(int(name[:8], 16) for name in files)})
    serving = _serving(ask)
    followed = timeline or serving or timeline_of(claim, known, others)
    if followed not in known:
        raise InputError(
            f"the repository of {namespace} holds no timeline {followed}; it holds"
            f" {', '.join(map(str, known))}",
            hint=f"The newest:\n--timeline {newest}",
        )
    lineage = Lineage(followed, {})
    if followed > 1:
        text = ask(*_BACKREST, "repo-get", f"{folder}/{followed:08X}.history")
        lineage = Lineage.parse(followed, text)
    return Found(holdings, newest, lineage, serving is not None)


def _info(ask: Ask) -> str:
    return ask(*_BACKREST, "--output=json", "info")


def _serving(ask: Ask) -> int | None:
    """The timeline of the server that runs; None when it doesn't answer."""
    try:
        answer = _sql(ask, "postgres", "SELECT timeline_id FROM pg_control_checkpoint()")
    except CommandError:
        return None
    return int(answer) if answer.isdigit() else None


def _sql(ask: Ask, database: str, statement: str) -> str:
    # Where it listens the image's own settings say, which are those of Debian's psql too.
    return ask("psql", "-XAtq", "-U", "postgres", "-d", database, "-c", statement).strip()


def timeline_of(claim: Claim, known: Sequence[int], others: Iterable[Claim] = ()) -> int:
    """The timeline of a claim's database, by what git says.

    A restore begins a new one, higher than any when it was written, and not higher than the newest
    when the next restore was: also where that one was reverted.

    Raises:
        InputError: it may be one of several.
    """
    if claim.after is None:
        return 1
    next_ones = [each.after for each in others if each.after and each.after > claim.after]
    newest = min(next_ones, default=max(known))
    later = [each for each in known if claim.after < each <= newest]
    if len(later) > 1:
        raise InputError(
            f"the database doesn't answer, and {claim.name} may have served timeline"
            f" {' or '.join(map(str, later))}",
            hint=f"Name the one that has the newest rows, mostly:\n--timeline {later[-1]}",
        )
    # Without one, that restore never ended: what it followed is still the newest history.
    return later[0] if later else int(claim.timeline or 1)


def next_claim(found: Found, point: RestorePoint, claim: Claim, live: Iterable[str]) -> Claim:
    """The claim that git is to name, and what fills it.

    Args:
        found: what there is.
        point: what the person wants.
        claim: what git names now.
        live: the names of the cluster's claims, which a new one must not have.

    Raises:
        InputError: the repository doesn't keep what is wanted.
    """
    backup = found.holdings.choose(point, found.lineage)
    number = 1 + max([claim.number, *(number_of(name) or 0 for name in live)])
    if point.is_backup:
        return Claim(f"{NAME}{number}", backup.label, after=found.newest)
    followed = str(found.lineage.timeline)
    return Claim(f"{NAME}{number}", point.to, backup.label, followed, found.newest)


def mark_the_end(ask: Ask) -> None:
    """Let the server that runs write a commit that changes nothing.

    PostgreSQL knows that it has replayed everything before a moment only when it sees a commit
    after it; on a database that nobody writes to, the moment would never be reached.
    """
    with contextlib.suppress(CommandError):
        _sql(ask, "postgres", "SELECT pg_current_xact_id()")


def what_is_lost(
    ask: Ask, found: Found, point: RestorePoint, begins: Backup, now: datetime
) -> list[str]:
    """What a restore loses, a line each."""
    at = begins.stopped if point.is_backup else point.at
    if at is None:
        unarchived = (
            "Lost: what has not reached the repository: nothing if PostgreSQL still runs and can"
            " archive its last segment, else about the last minute."
        )
        return [unarchived]
    return [
        f"Lost: what was written since, in the last {age(now - at)}.",
        *_rows(ask, found, at),
    ]


def _rows(ask: Ask, found: Found, at: datetime) -> list[str]:
    if not found.serves:
        return ["  The database doesn't answer, so the rows can't be counted."]
    lines = []
    for table, column in _MADE_AT.items():
        statement = f"SELECT count(*) FROM {table} WHERE {column} > '{at:%Y-%m-%d %H:%M:%S.%f}'"  # noqa: S608
        try:
            lines.append(f"  {table}: {_sql(ask, DATABASE, statement)} rows made since")
        except CommandError as error:
            said = error.output.strip().splitlines()
            lines.append(f"  {table}: can't be counted ({said[0] if said else 'no answer'})")
    return lines
