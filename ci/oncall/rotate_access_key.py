"""The rotation of an environment's access key: a new one beside the present one, then alone.

Between the two commits people give the new key to those who have the old one, so a person says when
the second is due. What was done is read from git and the cluster, as for the password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci.argocd.environment import show_dry_run
from ci.errors import InputError
from ci.hidden import remember
from ci.oncall.sealed_live import SealedLive
from ci.oncall.secret_commit import Rotating, SecretCommit, aside_of, commit, sealing, until
from ci.tree import access_key
from ci.tree.access_key import KEY, OLD, with_fresh, without_old
from ci.tree.sealed_file import Place

if TYPE_CHECKING:
    from pathlib import Path

    from ci.tree.sealed_file import Contents

NAME = "access-key"
UNSEALED_WITHIN = 300.0
# The kubelet shows a pod a changed Secret within its sync period and its cache's, a minute each:
# https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically
SEEN_WITHIN = "two minutes"


def rotate(work: Rotating, *, drop_old: bool, dry_run: bool, again: bool) -> None:
    """Seal a new key beside the present one, or remove the one before.

    Args:
        work: of which environment, and how commits get there.
        drop_old: remove the key before the present one: everybody has the new one.
        dry_run: say what would be done.
        again: where two are valid, replace the newer one, which nobody got.

    Raises:
        CiError: the cluster takes too long; the next call goes on there.
        InputError: there is no key to rotate, or none to drop.
    """
    live = SealedLive(work.api, work.environment)
    sealed = work.sealed_at(work.access.tip(work.branch))
    if KEY not in sealed.entries:
        raise InputError(
            f"the reports of {work.environment} ask for no key, so there is none to rotate",
            hint=f"To ask for one:\nmake seal ENV={work.environment} ARGS=--access-key",
        )
    if drop_old:
        _drop(work, live, sealed, dry_run=dry_run)
    elif OLD in sealed.entries and not again:
        if not dry_run:
            _wait(work, live, sealed)
        click.echo(f"{work.environment} has two valid keys, so no third was made.{_next(work)}")
    elif dry_run:
        show_dry_run(["seal a new access key beside the present one, commit it, and show it once"])
    else:
        _add(work, live, sealed)


def _next(work: Rotating) -> str:
    command = f"python -m ci rotate {work.environment} access-key"
    return (
        f" When everybody has the new one:\n{command} --drop-old\n"
        f"If nobody got the new one, this makes another in its place:\n{command} --again"
    )


def _add(work: Rotating, live: SealedLive, sealed: Contents) -> None:
    name = "access-key-add"
    if not work.push and work.access.repository.has_branch(aside := aside_of(work, name)):
        click.echo(f"Branch {aside} has a new key already: merge it, then call this again.")
        return
    fresh = access_key.new_key()
    # Before the commit: a key that nobody saw would be of no use afterwards.
    access_key.show(work.environment, fresh)
    remember(fresh)
    make = sealing(work, sealed, KEY, lambda place, kept: with_fresh(place, kept, fresh))
    subject = f"rotate({work.environment}): add an access key beside the present one"
    if not commit(work, name, SecretCommit(subject, make)):
        return
    _wait(work, live, work.sealed_at(work.access.tip(work.branch)))
    click.echo(f"Each pod takes both keys within {SEEN_WITHIN}, without a restart.{_next(work)}")


def _drop(work: Rotating, live: SealedLive, sealed: Contents, *, dry_run: bool) -> None:
    if OLD not in sealed.entries and OLD not in live.entries():
        raise InputError(
            f"{work.environment} has one valid access key, so there is nothing to drop",
            hint=f"A new one first:\npython -m ci rotate {work.environment} access-key",
        )
    if dry_run:
        show_dry_run(["remove the access key before the present one, and commit that"])
        return

    def make(root: Path) -> dict[str, str] | None:
        place = Place.of(work.environment, root)
        kept = place.kept()
        return {work.files.sealed: place.text(without_old(kept))} if OLD in kept.entries else None

    subject = f"rotate({work.environment}): end the access key before the present one"
    if not commit(work, "access-key-drop", SecretCommit(subject, make)):
        return
    _wait(work, live, work.sealed_at(work.access.tip(work.branch)))
    click.echo(f"Each pod refuses the key before within {SEEN_WITHIN}, without a restart.")


def _wait(work: Rotating, live: SealedLive, sealed: Contents) -> None:
    """Wait until the cluster has unsealed what git has."""

    def done() -> bool:
        live.read(refresh=True)
        has = live.entries()
        same = all(has.get(name) == sealed.entries.get(name) for name in (KEY, OLD))
        return same and live.has_unsealed(KEY, sealed.entries[KEY])

    what = "the cluster has unsealed it"
    click.echo(f"{what} ({until(work, NAME, what, done, within=UNSEALED_WITHIN):.0f} s)")
