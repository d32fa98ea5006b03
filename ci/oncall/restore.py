"""`python -m ci restore ENV`: a restore of the database that is a commit.

    python -m ci restore prod                                   what there is, and how old
    python -m ci restore prod --to "2026-11-28 10:00 UTC"       a moment
    python -m ci restore prod --to latest                       everything that was archived
    python -m ci restore prod --backup 20261128-030000F         a backup, as it was at its end

Git names a new claim, which is filled from the repository; the claim before stays, and
`git revert` goes back to it. What was done is read from git and the cluster, so a call after one
that was stopped goes on where that one was.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.argocd.application import Application
from ci.argocd.client import connect
from ci.argocd.environment import application_name, live, show_dry_run
from ci.errors import CiError, InputError
from ci.git.access import open_remote, remote_url
from ci.git.github import PullRequest
from ci.git.made_commit import Edit, File
from ci.git.proposal import land, propose
from ci.git.remote import branch_name, check_branch
from ci.oncall.database_pod import DatabasePod
from ci.oncall.moment import target_of
from ci.oncall.restore_plan import look, mark_the_end, next_claim, what_is_lost
from ci.oncall.restore_wait import (
    STEPS,
    Restoring,
    require_auto_sync,
    wait_until_it_serves,
)
from ci.tree import outside, settings
from ci.tree.claim import Claim, claim_file, is_used, parse
from ci.tree.overlays import overlay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.oncall.moment import RestorePoint

GIT_SECONDS = 3600.0  # for git in all, between whose steps the cluster is waited for
DONE_BEFORE = "which was done before"  # apps/postgres/bin/fill-claim


@click.command()
@click.argument("environment", metavar="ENV")
@click.option("--to", metavar="MOMENT", help='`latest`, or such as "2026-11-28 10:00 UTC".')
@click.option("--backup", metavar="ID", help="A backup by its name, as it was at its end.")
@click.option(
    "--timeline",
    type=click.IntRange(1),
    metavar="NUMBER",
    help="Another history than the one that is served, such as one that a restore left.",
)
@click.option("--again", is_flag=True, help="Restore once more what git names already.")
@click.option("--push", is_flag=True, help="Commit to the branch itself, where policy lets you.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and lost.")
@click.option("--url", metavar="URL", help="The git repository; by default settings.yaml's.")
@click.option("--branch", default="main", show_default=True)
def command(  # noqa: PLR0913  (one argument for each option)
    *,
    environment: str,
    to: str | None,
    backup: str | None,
    timeline: int | None,
    again: bool,
    push: bool,
    dry_run: bool,
    url: str | None,
    branch: str,
) -> None:
    """Restore ENV's database from its backups, by a commit.

    Without --to and --backup it lists what there is, and how old. Otherwise it says what is lost,
    asks for the environment's name, commits a new claim with the moment (or pushes a branch to
    merge), and waits until the service answers from the restored data. The claim before stays:
    reverting the commit goes back to it. Called again after it was stopped, it goes on.
    """
    point = target_of(to, backup, datetime.now(UTC))
    check_branch(branch)
    overlay(environment)  # or an error that names those that there are
    api = connect(os.environ)
    place = remote_url(url, settings.read().git_url)
    with open_remote(place, os.environ, seconds=GIT_SECONDS) as access:
        app = Application.parse(api.application(application_name(environment, "postgres")))
        work = Restoring(api, access, environment, branch, push, DatabasePod(app.namespace))
        require_same_cluster(work, app)
        restore(work, app, point, RestoreOptions(timeline, again, dry_run))


class RestoreOptions(NamedTuple):
    """The history to follow, if it is not the served one; and the two flags."""

    timeline: int | None
    again: bool
    dry_run: bool


def restore(
    work: Restoring, app: Application, point: RestorePoint | None, options: RestoreOptions
) -> None:
    """List, plan, ask, commit and wait, from wherever an earlier call left it.

    Raises:
        InputError: the point is not one that is kept, or the person doesn't agree.
        CiError: a step failed or took too long; the next call goes on there.
    """
    tip = work.access.tip(work.branch)
    refuse_outside(work, tip, point)
    claim = claim_at(work, tip)
    is_named = point is not None and claim.to == point.to and not options.again
    if is_named and not is_lost(work, claim):
        click.echo(f"Git names this restore already, into {claim.name}: going on with it.")
        if options.dry_run:
            show_dry_run(list(STEPS))
            return
    else:
        wanted = _plan(work, claim, point, options.timeline)
        if wanted is None:
            return
        if options.dry_run:
            show_dry_run([f"name {wanted.name} and its restore in git", *STEPS])
            return
        require_auto_sync(app)
        _ask_for_its_name(work.environment)
        mark_the_end(work.pod.ask)
        if not commit(work, claim, wanted):
            return
        claim = wanted
    wait_until_it_serves(work, claim)


def refuse_outside(work: Restoring, commit_: str, point: RestorePoint | None) -> None:
    """Refuse what is not ours to restore, and say who can.

    Raises:
        InputError: git has the environment's database outside the cluster.
    """
    overlay_path = f"overlays/{work.environment}/postgres/kustomization.yaml"
    found = work.access.repository.read(commit_, [overlay_path, settings.FILE])
    if overlay_path not in found or not outside.names_it(found[overlay_path].data.decode()):
        return
    host = outside.host_in(found[settings.FILE].data.decode() if settings.FILE in found else "")
    raise InputError(
        f"{work.environment}'s database is outside the cluster, so its backups are not here."
        " Nothing was done",
        hint=outside.how_to_restore(host, settings.read().region, point.at if point else None),
    )


def claim_at(work: Restoring, commit_: str) -> Claim:
    """The claim that a commit names.

    Raises:
        InputError: the environment's database has no backups.
    """
    path, part = claim_file(work.environment), f"overlays/{work.environment}/postgres"
    overlay_path = f"{part}/kustomization.yaml"
    found = work.access.repository.read(commit_, [path, overlay_path])
    text = found[overlay_path].data.decode() if overlay_path in found else ""
    if path not in found or not is_used(text):
        raise InputError(
            f"{work.environment}'s database has no backups in git: {overlay_path} does not have the"
            " component `claim`",
            hint="How to switch them on: docs/backups.md",
        )
    return parse(found[path].data.decode(), path)


def named_until_now(work: Restoring) -> Iterator[Claim]:
    """Every claim that the branch has named, the newest first; git is asked when the first is."""
    path, repository = claim_file(work.environment), work.access.repository
    for commits in repository.changes(work.access.tip(work.branch), path):
        for commit_ in commits:
            found = repository.read(commit_, [path])
            if path in found:
                yield parse(found[path].data.decode(), path)


def require_same_cluster(work: Restoring, app: Application) -> None:
    """Make sure that kubectl and Argo CD speak of one cluster.

    Raises:
        CiError: they don't.
    """
    state = work.pod.read()
    made_by = live(work.api, app, "StatefulSet", "postgresql").get("metadata", {}).get("uid", "")
    if state is not None and made_by and state.owner != made_by:
        raise CiError(
            f"kubectl leads to another cluster than Argo CD: {app.namespace} has another database"
            " there. Nothing was done.",
            hint="Point KUBECONFIG to the cluster of this Argo CD:\nkubectl config get-contexts",
        )


def is_lost(work: Restoring, claim: Claim) -> bool:
    """Whether a claim is empty again after its restore was done, and waits for a decision."""
    state = work.pod.read()
    if state is None or state.claim != claim.name or state.filled:
        return False
    return any(DONE_BEFORE in line for line in work.pod.fill_lines()[-1:])


def _plan(
    work: Restoring, claim: Claim, point: RestorePoint | None, timeline: int | None
) -> Claim | None:
    """Say what there is, and what a restore loses; returns the claim that git is to name."""
    now = datetime.now(UTC)
    found = look(work.pod.ask, claim, work.pod.namespace, timeline, named_until_now(work))
    click.echo(f"The backups of {work.environment}, newest first; {claim.name} is what git names:")
    click.echo("\n".join(f"  {line}" for line in found.holdings.lines(now)))
    if point is None:
        click.echo(
            f'Restore one:  python -m ci restore {work.environment} --to "2026-11-28 10:00 UTC"'
            " | --to latest | --backup ID"
        )
        return None
    begins = found.holdings.choose(point, found.lineage)
    wanted = next_claim(found, point, claim, work.pod.claims())
    click.echo(
        f"\nThis restores {wanted.to} into {wanted.name}, from backup {begins.label}"
        f" of {begins.stopped:%Y-%m-%d %H:%M} UTC, along timeline {found.lineage.timeline}."
    )
    click.echo("\n".join(what_is_lost(work.pod.ask, found, point, begins, now)))
    return wanted


def _ask_for_its_name(environment: str) -> None:
    answer = click.prompt(f"Type {environment} to restore it", default="", show_default=False)
    if answer.strip() != environment:
        raise InputError(
            f"{answer.strip()!r} is not {environment!r}, so nothing was done",
            hint="Call this again, and type the environment's name.",
        )


def commit(work: Restoring, before: Claim, wanted: Claim) -> bool:
    """Land the restore; returns whether the branch has it, or else it waits to be merged."""
    path = claim_file(work.environment)
    subject = f"restore({work.environment}): {wanted.to} into {wanted.name}"
    message = (
        f"{subject}\n\nThe claim before, {before.name}, stays with its data.\n"
        "Reverting this commit goes back to it.\n"
    )
    # One branch for what git names now: once that has changed, so has the branch's name.
    mark = hashlib.sha256(f"{before.text()}{wanted.to}".encode()).hexdigest()[:8]
    aside = branch_name("restore", work.environment, f"{wanted.name}-{mark}")

    def decide(tip: str) -> Edit | None:
        now = claim_at(work, tip)
        if now == wanted:
            return None
        if now != before:
            raise CiError(
                f"{path} has just been changed: it names {now.name} and {now.to or 'no restore'}",
                hint=f"Look at it, then call this again:\npython -m ci restore {work.environment}",
            )
        return Edit(path, File("100644", wanted.text().encode()), message)

    landed = land(work.access, work.branch, decide, aside=aside, push=work.push)
    if landed is not None and landed.waits:
        proposal = PullRequest(landed.waits, work.branch, subject, message)
        click.echo(f"{propose(work.access, proposal)}\nThen call this again.")
        return False
    if landed is not None:
        click.echo(f"committed {landed.commit[:8]}: {subject}")
    return True
