"""The rotation of the key of an environment's backups: a new key, and a new path that it opens.

What was written with one key opens with no other, and pgBackRest changes the key of no repository
(https://pgbackrest.org/configuration.html#section-repository/option-repo-cipher-pass), so a new key
begins a new path, with a full backup. The stages, each of which a later call finds by itself:

1. git has one key: the next one is sealed beside it.
2. git has both: the cluster unseals them. Then git names the next path and its key's entry.
3. the new path has no backup yet: it is waited for. The old path and its key stay.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from ci.argocd.application import Application
from ci.argocd.client import ArgoError
from ci.argocd.environment import application_name, show_dry_run
from ci.errors import CiError, InputError
from ci.hidden import remember
from ci.oncall import backup_look
from ci.oncall.backup_state import began
from ci.oncall.sealed_live import SealedLive
from ci.oncall.secret_commit import Rotating, SecretCommit, aside_of, commit, sealing, until
from ci.tree import backup_key, backup_place
from ci.tree.backup_place import following, key_entry, place_file
from ci.tree.sealed_file import Contents, Place

if TYPE_CHECKING:
    from pathlib import Path

    from ci.tree.backup_key import S3Key

NAME = "backup-key"
UNSEALED_WITHIN = 300.0
# As long as a full backup of the largest database may take; a later call goes on.
BACKED_UP_WITHIN = 4 * 3600.0
RECENT = timedelta(hours=1)
CLOCKS = timedelta(minutes=10)  # by which this machine's may differ from the cluster's
ROTATED_AT = "coworking/backup-key-rotated-at"  # when git named the newest path, RFC 3339
_STEPS = (
    "seal a new key for the backups beside the present one, commit it, and show it once",
    "wait until the cluster has unsealed it",
    "commit the next path and its key; PostgreSQL restarts once",
    "wait until the first full backup there has ended",
)


def rotate(work: Rotating, s3: S3Key | None, *, dry_run: bool, again: bool) -> None:
    """Bring a rotation to its end, from wherever an earlier call left it.

    Args:
        work: of which environment, and how commits get there.
        s3: the key of another S3 than AWS's, which is sealed together with the backups' key.
        dry_run: say what would be done.
        again: rotate although it was rotated within the hour.

    Raises:
        CiError: a step takes too long; the next call goes on there.
        InputError: it can't begin.
    """
    tip = work.access.tip(work.branch)
    text, sealed = _place(work, tip), work.sealed_at(tip)
    present = key_entry(text)
    if present not in sealed.entries:
        raise InputError(
            f"no key of {work.environment}'s backups is sealed, so there is none to rotate",
            hint=f"The first one:\nmake seal ENV={work.environment} ARGS=--backup-key",
        )
    live = SealedLive(work.api, work.environment)
    if following(present) not in sealed.entries:
        if not _is_backed_up(work, sealed):
            _finish(work, sealed, text, dry_run=dry_run)
            return
        if not _begins(work, sealed, dry_run=dry_run, again=again):
            return
        if not _announce(work, sealed, following(present), s3):
            return
        sealed = work.sealed_at(work.access.tip(work.branch))
    if dry_run:
        show_dry_run(list(_STEPS[1:]))
        return
    _wait_until_unsealed(work, live, following(present), sealed)
    if not commit(work, "backup-key-use", _using(work, following(present))):
        return
    tip = work.access.tip(work.branch)
    _finish(work, work.sealed_at(tip), _place(work, tip), dry_run=False)


def _begins(work: Rotating, sealed: Contents, *, dry_run: bool, again: bool) -> bool:
    if not again and _is_recent(sealed):
        click.echo(
            f"The key of {work.environment}'s backups was rotated within the hour, and nothing is"
            " left to do. --again rotates it once more."
        )
        return False
    if dry_run:
        show_dry_run(list(_STEPS))
    return not dry_run


def _place(work: Rotating, tip: str) -> str:
    path = place_file(work.environment)
    found = work.access.repository.read(tip, [path])
    if path not in found:
        raise InputError(
            f"the branch has no {path}: {work.environment}'s database is not backed up",
            hint="What backups need: docs/backups.md",
        )
    return found[path].data.decode()


def _is_recent(sealed: Contents) -> bool:
    at = _rotated_at(sealed)
    return at is not None and datetime.now(UTC) - at < RECENT


def _rotated_at(sealed: Contents) -> datetime | None:
    at = sealed.notes.get(ROTATED_AT)
    return datetime.fromisoformat(at) if at else None


# --- the two commits -----------------------------------------------------------------------------


def _announce(work: Rotating, sealed: Contents, entry: str, s3: S3Key | None) -> bool:
    name = "backup-key-announce"
    if not work.push and work.access.repository.has_branch(aside := aside_of(work, name)):
        click.echo(f"Branch {aside} has a new key already: merge it, then call this again.")
        return False
    fresh = backup_key.new_key()
    # Before the commit: a key that nobody saw would be in the cluster alone.
    backup_key.show(work.environment, fresh)
    remember(fresh)
    text = backup_key.as_settings(fresh, s3)
    make = sealing(
        work, sealed, entry, lambda at, kept: backup_key.with_next(at, kept, entry, text)
    )
    subject = f"rotate({work.environment}): seal the next key of the backups"
    return commit(work, name, SecretCommit(subject, make, (place_file(work.environment),)))


def _using(work: Rotating, entry: str) -> SecretCommit:
    path = place_file(work.environment)

    def make(root: Path) -> dict[str, str] | None:
        text = (root / path).read_text(encoding="utf-8")
        if key_entry(text) == entry:
            return None  # somebody else's call was faster, or an answer to our push was lost
        place = Place.of(work.environment, root)
        kept = place.kept()
        if entry not in kept.entries:
            raise CiError(
                f"{work.files.sealed} has just been changed: it lacks {entry} again",
                hint=f"Begin again:\npython -m ci rotate {work.environment} backup-key",
            )
        notes = {**kept.notes, ROTATED_AT: place.now.isoformat(timespec="seconds")}
        return {
            path: backup_place.moved(text, work.environment),
            work.files.sealed: place.text(Contents(kept.entries, notes)),
        }

    subject = f"rotate({work.environment}): back up to a new path, with the next key"
    return SecretCommit(subject, make, (path,))


# --- the waiting ---------------------------------------------------------------------------------


def _wait_until_unsealed(work: Rotating, live: SealedLive, entry: str, sealed: Contents) -> None:
    def done() -> bool:
        live.read(refresh=True)
        return live.has_unsealed(entry, sealed.entries[entry])

    what = "the cluster has unsealed the next key"
    spent = until(work, NAME, what, done, within=UNSEALED_WITHIN)
    click.echo(f"{what} ({spent:.0f} s)")


def _finish(work: Rotating, sealed: Contents, text: str, *, dry_run: bool) -> None:
    """Wait until the path that git names has a backup."""
    if dry_run:
        show_dry_run(list(_STEPS[-1:]))
        return
    what = f"the first backup in {backup_place.repository_path(text, work.environment)} has ended"
    click.echo(f"waiting: {what}")
    spent = until(work, NAME, what, lambda: _is_backed_up(work, sealed), within=BACKED_UP_WITHIN)
    click.echo(
        f"{what} ({spent:.0f} s)\n{work.environment}'s backups have a new key. Moments before"
        " are in the path before, with the key before: docs/backups.md"
    )


def _is_backed_up(work: Rotating, sealed: Contents) -> bool:
    """Whether the path that git names has a backup; also where the key was never rotated.

    The oldest backup of the path before was taken before git named another path.
    """
    at = _rotated_at(sealed)
    if at is None:
        return True
    name = application_name(work.environment, "postgres")
    try:
        app = Application.parse(work.api.application(name, refresh=True))
    except ArgoError:
        return False
    source = backup_look.ArgoSource(work.api, app)
    known = backup_look.look(source, work.environment, datetime.now(UTC)).known
    oldest = began(str(known.get("oldest") or ""))
    return known.get("repository") == "backups" and oldest is not None and oldest > at - CLOCKS
