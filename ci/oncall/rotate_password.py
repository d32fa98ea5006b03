"""The rotation of an environment's database password: what is done, what is next, and the waiting.

The stages, each of which a later call finds by itself:

1. git has one password, and so has the cluster: nothing is under way. The next one is announced.
2. git announces the next one: the cluster unseals it, each pod sees it, and the Job of this sync
   changes it in the database and proves that the old one is refused. Then git uses the new one.
3. git has the new one, and the cluster still both: it is waited for.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from ci.argocd.client import ArgoError
from ci.argocd.environment import SERVICE, live_tag, overlay_folder, read, show_dry_run
from ci.errors import CiError, InputError
from ci.hidden import remember
from ci.oncall.sealed_live import SealedLive, outcome_of
from ci.oncall.secret_commit import Rotating, SecretCommit, commit
from ci.tree import rotation
from ci.tree.rotation import NEXT, PASSWORD, ROTATED_AT
from ci.tree.seal import new_password
from ci.version.image_file import ImageFile
from ci.version.tag import PipelineTag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.argocd.application import Application
    from ci.tree.sealed_file import Contents

POLL = 2.0  # seconds
# Three attempts of the Job, each of which may wait for pods that see the Secret late.
CHANGED_WITHIN = 1200.0
USED_WITHIN = 300.0
RECENT = timedelta(hours=1)
# What a release must have to take part.
KNOWS = "apps/coworking/coworking/change_password.py"
GO_ON = "Called again, this goes on:\npython -m ci rotate {} password"


def rotate(work: Rotating, *, dry_run: bool, again: bool) -> None:
    """Bring a rotation to its end, from wherever an earlier call left it.

    Raises:
        CiError: a step failed or took too long; the next call goes on there.
        InputError: it can't begin.
    """
    live = SealedLive(work.api, work.environment)
    sealed = work.sealed_at(work.access.tip(work.branch))
    if NEXT not in sealed.entries:
        # An announcement over a Secret that still has the one before could be taken for it.
        if not live.has_unsealed(PASSWORD, sealed.entries[PASSWORD]) or NEXT in live.entries():
            _finish(work, live, sealed, dry_run=dry_run)
            return
        if not again and (ago := _since(sealed)) is not None and ago < RECENT:
            minutes = int(ago.total_seconds() // 60)
            click.echo(
                f"{work.environment}'s password was rotated {minutes} minutes ago, and nothing is"
                " left to do. --again rotates it once more."
            )
            return
        _refuse_older_release(work)
        if dry_run:
            show_dry_run([_ANNOUNCE, _CHANGE, _USE])
            return
        if not _commit(work, "announce", _announcing(work)):
            return
        sealed = work.sealed_at(work.access.tip(work.branch))
    if dry_run:
        show_dry_run([_CHANGE, _USE])
        return
    _wait_until_changed(work, live, sealed.entries[NEXT])
    if not _commit(work, "use", _using(work, sealed.entries[NEXT])):
        return
    _finish(work, live, work.sealed_at(work.access.tip(work.branch)), dry_run=False)


_ANNOUNCE = "seal a new password beside the present one, and commit it"
_CHANGE = "wait until every pod knows it and the Job has changed it in the database"
_USE = "commit the sealed secret without the old password, and wait until the cluster has it"


def _since(sealed: Contents) -> timedelta | None:
    at = sealed.notes.get(ROTATED_AT)
    return datetime.now(UTC) - datetime.fromisoformat(at) if at else None


def _refuse_older_release(work: Rotating) -> None:
    """Refuse to begin while a release runs, or is to run, that knows one password only."""
    app, _ = read(work.api, work.environment)
    tip = work.access.tip(work.branch)
    image = ImageFile(work.access.repository, tip, overlay_folder(work.environment), SERVICE)
    for tag in {image.entry.tag, live_tag(work.api, app)}:
        build = PipelineTag.match(tag)
        source = image.resolve(build.commit) if build else None
        if source is not None and not work.access.repository.read(source, [KNOWS]):
            raise InputError(
                f"{work.environment} runs {tag}, a release that knows one password only, so its"
                " logins would fail in between; nothing was done",
                hint=f"Deploy a newer one first:\npython -m ci promote --to {work.environment}",
            )


# --- the two commits -----------------------------------------------------------------------------


def _commit(work: Rotating, name: str, step: SecretCommit) -> bool:
    return commit(work, f"password-{name}", step)


def _announcing(work: Rotating) -> SecretCommit:
    password = remember(new_password())

    def make(root: Path) -> dict[str, str] | None:
        if NEXT in rotation.contents(work.environment, root).entries:
            return None  # somebody else's call was faster, or an answer to our push was lost
        return rotation.announce(work.environment, root, password)

    return SecretCommit(f"rotate({work.environment}): announce the next database password", make)


def _using(work: Rotating, value: str) -> SecretCommit:
    def make(root: Path) -> dict[str, str] | None:
        entries = rotation.contents(work.environment, root).entries
        if entries.get(NEXT) == value:
            return rotation.use(work.environment, root)
        if entries.get(PASSWORD) == value:
            return None
        raise CiError(
            f"{work.files.sealed} has just been changed: it has neither the old password nor the"
            " one that the database has now",
            hint="Revert that commit, then:\npython -m ci rotate ENV password",
        )

    return SecretCommit(f"rotate({work.environment}): use the announced database password", make)


# --- the waiting ---------------------------------------------------------------------------------


def _looks(work: Rotating, seconds: float, what: str) -> Iterator[float]:
    """Yield again and again, until it took too long; yields the seconds so far."""
    began = time.monotonic()
    while (spent := time.monotonic() - began) <= seconds:
        yield spent
        time.sleep(POLL)
    raise CiError(f"{what}: not after {seconds:.0f} s", hint=GO_ON.format(work.environment))


def _wait_until_changed(work: Rotating, live: SealedLive, value: str) -> None:
    """Return when the database has the announced password and refuses the old one."""
    what = f"{work.environment}'s password is changed in the database"
    asked = False
    said: set[str] = set()
    for spent in _looks(work, CHANGED_WITHIN, what):
        try:
            app, outcome = outcome_of(live.read(refresh=True))
            _say_once(said, live.steps(NEXT, value))
        except ArgoError as error:
            _say_once(said, [f"Argo CD gives no answer: {str(error).splitlines()[0]}"])
            continue
        if app.busy:
            continue
        if outcome is None or not work.announces(outcome.revision, value):
            _require_auto_sync(work, app)
        elif outcome.job == "Succeeded":
            click.echo(f"changed in the database ({spent:.0f} s)")
            return
        elif asked and outcome.failed:
            raise CiError(
                f"{app.name} can't change the password: {outcome.failure}",
                hint=f"The old password is still valid. {GO_ON.format(work.environment)}",
            )
        elif not asked:  # an earlier call's failed, or this sync had no reason to run the Job
            live.sync()
            asked = True


def _say_once(said: set[str], lines: list[str]) -> None:
    for line in lines:
        if line not in said:
            click.echo(f"  {line}")
    said.update(lines)


def _require_auto_sync(work: Rotating, app: Application) -> None:
    if not app.auto_sync:
        raise CiError(
            f"auto-sync of {app.name} is off, so the announced password stays where it is",
            hint=f"Turn it on again in Argo CD. {GO_ON.format(work.environment)}",
        )


def _finish(work: Rotating, live: SealedLive, sealed: Contents, *, dry_run: bool) -> None:
    """Wait until the cluster has what git has: the new password alone."""
    if dry_run:
        show_dry_run(["wait until the cluster has removed the old password"])
        return
    value = sealed.entries[PASSWORD]
    for spent in _looks(work, USED_WITHIN, "the cluster has removed the old password"):
        try:
            app, _ = outcome_of(live.read(refresh=True))
            if live.has_unsealed(PASSWORD, value) and NEXT not in live.entries() and not app.busy:
                click.echo(f"the old password is gone from the Secret ({spent:.0f} s)")
                break
        except ArgoError:
            continue
    click.echo(f"{work.environment}'s password is rotated; the old one is refused.")
