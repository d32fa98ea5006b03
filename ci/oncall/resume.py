"""`python -m ci resume ENV`: the second half of an emergency: git first, then auto-sync.

    python -m ci resume prod              revert in git the version that was rolled back from
    python -m ci resume prod --source     and the source commits that it was built from
    python -m ci resume prod --dry-run    say what would be done

Auto-sync is turned on only when git asks for exactly what runs, so no pod is touched.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.argocd.application import image_of, tag_of
from ci.argocd.client import connect
from ci.argocd.environment import (
    SERVICE,
    application_name,
    live_tag,
    overlay_folder,
    pods,
    read,
    show_dry_run,
    wait_until,
)
from ci.errors import CiError, InputError, PolicyError
from ci.git.access import Access, open_remote, remote_url
from ci.git.remote import branch_name
from ci.oncall.rolled_back import RolledBack, deployments_since
from ci.oncall.source_revert import commits_behind, revert_source
from ci.tree.difference import difference
from ci.version.image_file import ImageFile
from ci.version.land import Destination, Leave, Plan, land
from ci.version.message import Deployment

if TYPE_CHECKING:
    from ci.argocd.application import Application
    from ci.argocd.client import ArgoCD

SEEN_WITHIN = 120.0  # seconds for Argo CD to see the new commit: it is asked to look
SYNCED_WITHIN = 420.0  # seconds for the last sync: a migration's Job may take its 300
NO_AUTO_SYNC = {"spec": {"syncPolicy": {"automated": {"enabled": None}}}}


class Divergence(NamedTuple):
    """What runs, what git asks for, and what lies between.

    Attributes:
        app: the Application.
        running: the tag that runs.
        tip: the commit at the branch's tip.
        overlay: the tag's file there.
        undo: the deploying commits since the running version.
        other: how git differs from what runs, besides the tag.
    """

    app: Application
    running: str
    tip: str
    overlay: ImageFile
    undo: RolledBack
    other: list[str]

    @property
    def wanted(self) -> str:
        """The tag that git asks for."""
        return self.overlay.entry.tag


def look(api: ArgoCD, environment: str, access: Access) -> Divergence:
    """Find out what runs and what git asks for.

    Raises:
        CiError: what runs is not what Argo CD last deployed.
    """
    app, _ = read(api, environment, refresh=True)
    if not app.entries:
        raise CiError(f"{app.name} has no history: nothing was ever deployed")
    revision = app.entries[-1].revision
    deployed = api.manifests(app.name, revision)
    image = image_of(deployed)
    running, live = tag_of(image), live_tag(api, app)
    if live != running:
        raise CiError(
            f"{live or 'nothing'} runs, and Argo CD last deployed {running}: someone changed it by"
            " hand, or an older sync failed half-way",
            hint=f"Bring it to a known version first: python -m ci rollback {environment} --list,"
            " then --to ID.",
        )
    app = app._replace(branch=access.branch(app.branch))
    tip = _tip(access, app)
    overlay = ImageFile(access.repository, tip, overlay_folder(environment), SERVICE)
    if not access.repository.is_ancestor(revision, tip):
        raise CiError(
            f"commit {revision[:12]}, which runs, is not in the history of {app.branch}: was it"
            " rewritten?",
            hint=f"Write the tag {running} into {overlay.path} by hand, then call this again.",
        )
    revisions = [entry.revision for entry in app.entries]
    undo = deployments_since(
        overlay.versions_since(revision),
        running,
        lambda commit: any(access.repository.is_ancestor(commit, r) for r in revisions),
    )
    other = difference(deployed, api.manifests(app.name, tip), image.rpartition(":")[0])
    return Divergence(app, running, tip, overlay, undo, other)


def _tip(access: Access, app: Application) -> str:
    try:
        return access.tip(app.branch)
    except InputError as error:
        raise InputError(
            str(error),
            hint=f"Argo CD follows it: `targetRevision` in argocd/apps/{app.name}.yaml. It must be"
            " a branch, since resuming pushes to it.",
        ) from error


def refuse_surprises(divergence: Divergence, environment: str, *, accept: bool, stay: bool) -> None:
    """Show all that would go live besides, and stop, unless the person has agreed to it."""
    newer, other = divergence.undo.newer, divergence.other
    if accept or not (other or (newer and not stay)):
        return
    hints = []
    if newer and not stay:
        hints += [
            f"Is it the fix? Let it go live:   python -m ci resume {environment} --accept",
            f"Stay on {divergence.running}:   python -m ci resume {environment} --stay",
        ]
    if other and (stay or not newer):
        stays = " --stay" if newer else ""
        hints += [
            f"Agreed? python -m ci resume {environment}{stays} --accept   (pods may be replaced)",
        ]
    if other:
        hints += ["Otherwise revert the commits of the other changes first."]
    raise CiError("\n".join(besides(divergence, stay=stay)), hint="\n".join(hints))


def besides(divergence: Divergence, *, stay: bool) -> list[str]:
    """What git has besides the version that was rolled back from, in lines for a person."""
    lines = []
    if divergence.undo.newer and not stay:
        newest = divergence.undo.newer[0]
        lines.append(
            f"git has moved on: {newest.tag} was deployed to it after the version that was rolled"
            f" back from (commit {newest.commit[:8]})"
        )
    if divergence.other:
        also = "git also has" if lines else "git has moved on with"
        lines.append(f"{also} other changes, and they would go live with auto-sync:")
        lines += divergence.other
    return lines


def refuse_source(divergence: Divergence, behind: list[str] | None, *, forward: bool) -> None:
    """Stop where `--source` can't do what it is asked for, before anything is done.

    Raises:
        InputError: no commit is to be reverted, or which ones isn't known.
    """
    if forward:
        raise InputError(
            f"--accept lets {divergence.wanted} go live, and --source reverts its commits",
            hint="Name one of them; --stay --source reverts the newer versions too.",
        )
    if not divergence.undo.unwanted:
        raise InputError(
            f"git asks for {divergence.running} already, so --source doesn't know what was rolled"
            " back from. Nothing was done.",
            hint="Resume without --source, and revert the source's commits by hand.",
        )
    if behind is None:
        raise InputError(
            f"--source can't find the commits between {divergence.running} and {divergence.wanted}:"
            f" a tag's commit is not in the history of {divergence.app.branch}. Nothing was done.",
            hint="Resume without --source, and revert the source's commits by hand.",
        )


def steps(
    divergence: Divergence, behind: list[str] | None, *, forward: bool, source: bool
) -> list[str]:
    """List what resuming will do, in order."""
    app, undo = divergence.app, divergence.undo
    planned = []
    if (undo.unwanted or undo.newer) and not forward:
        commits = ", ".join(version.commit[:8] for version in (*undo.newer, *undo.unwanted))
        planned.append(
            f"set the tag in {divergence.overlay.path} from {divergence.wanted} back to"
            f" {divergence.running}, which reverts {commits}, and push to {app.branch}"
        )
        if source and behind:
            planned.append(
                f"revert the source commits {', '.join(c[:8] for c in behind)}, and push"
            )
    if forward:
        planned.append(f"let {divergence.wanted} go live, which git asks for")
    elif divergence.other:
        planned.append("let the other changes go live, which git has")
    else:
        planned.append("wait until Argo CD sees that git asks for what runs")
    if not app.auto_sync:
        planned.append("turn auto-sync on (remove automated.enabled)")
    return planned


def take_back(access: Access, divergence: Divergence, environment: str) -> str:
    """Write the running tag into git, and return the commit that has it.

    Raises:
        PolicyError: the branch takes no push; a branch with the change waits to be merged.
    """
    name = f"{SERVICE}-{divergence.wanted}-to-{divergence.running}"
    target = Destination(
        divergence.app.branch,
        divergence.overlay.folder,
        SERVICE,
        pull_branch=branch_name("rollback", environment, name),
    )
    landing = land(access, target, _plan(divergence, environment), say=click.echo)
    if landing.result == "pr":
        raise PolicyError(
            f"{divergence.app.branch} refuses the push: the change waits in branch"
            f" {landing.branch}",
            hint=f"Merge it, then call `python -m ci resume {environment}` again.",
        )
    return landing.tip


def _plan(divergence: Divergence, environment: str) -> Plan:
    """Plan the running tag, over the one that was looked at."""
    running, undo = divergence.running, divergence.undo
    reverts = "\n".join(f"This reverts commit {v.commit}." for v in (*undo.newer, *undo.unwanted))

    def plan(overlay: ImageFile) -> Deployment | Leave:
        if overlay.entry.tag == running:
            return Leave("noop")
        if overlay.entry.tag != divergence.wanted:
            raise CiError(
                f"git has just moved on to {overlay.entry.tag}", hint="Call this again to see how."
            )
        return Deployment(
            environment, SERVICE, overlay.entry.tag, running, {"Reason": "rolled back"}, reverts
        )

    return plan


def switch_on(
    api: ArgoCD, access: Access, divergence: Divergence, commit: str, *, accept: bool
) -> None:
    """Wait until Argo CD has seen a commit and git asks for what runs; then turn auto-sync on."""
    environment = divergence.app.name.removeprefix(f"{SERVICE}-")

    def seen() -> bool:
        app, _ = read(api, environment, refresh=True)
        is_new = app.revision == commit or access.has(
            divergence.app.branch, commit, before=app.revision
        )
        return is_new and not app.busy and (accept or not app.differing)

    seconds = wait_until(
        f"Argo CD sees commit {commit[:8]}, and that git asks for what runs",
        SEEN_WITHIN,
        seen,
        poll=1.0,
        hint=f"Auto-sync is still off. `python -m ci status {environment}` shows what differs.",
    )
    click.echo(f"Argo CD sees commit {commit[:8]} ({seconds:.1f} s)")
    app, _ = read(api, environment)
    before = pods(api, app)
    api.patch(app.name, NO_AUTO_SYNC)
    click.echo("auto-sync is on")

    def settled() -> bool:
        app, _ = read(api, environment)
        return app.sync == "Synced" and app.health == "Healthy" and not app.busy

    seconds = wait_until(
        f"{app.name} is Synced and Healthy",
        SYNCED_WITHIN,
        settled,
        hint=f"`python -m ci status {environment}` says why.",
    )
    kept = before & pods(api, app)
    click.echo(
        f"Synced and Healthy ({seconds:.1f} s); {len(kept)} of {len(before)} pods are the same"
    )


def _warn_of_source(divergence: Divergence, behind: list[str] | None, *, done: bool) -> None:
    if done or not divergence.undo.unwanted:
        return
    names = ", ".join(commit[:8] for commit in behind or []) or "the commits that it was built from"
    click.echo(
        f"\nThe source still has {names}: the next build of apps/coworking brings the fault back.\n"
        "Merge a fix or revert them before anything else is merged there"
        " (--source would have reverted them)."
    )


@click.command()
@click.argument("environment", metavar="ENV")
@click.option("--source", is_flag=True, help="Revert the source commits behind the version too.")
@click.option("--accept", is_flag=True, help="Show what else git has, and let it go live.")
@click.option("--stay", is_flag=True, help="Revert newer deployments too: stay on what runs.")
@click.option("--url", metavar="URL", help="The git repository, if not the one Argo CD follows.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
def command(  # noqa: PLR0913 - one argument for each option
    environment: str, url: str | None, *, source: bool, accept: bool, stay: bool, dry_run: bool
) -> None:
    """Revert in git the version that ENV was rolled back from, then turn auto-sync on again.

    It works the same when Argo CD's web page rolled back, or when somebody has reverted in git
    already. Stops, and shows why, when git has moved on otherwise. The running pods stay.
    """
    api = connect(os.environ)
    app, _ = read(api, environment)
    if app.auto_sync:
        click.echo(
            f"auto-sync of {application_name(environment)} is on: there is nothing to resume"
            f" ({app.sync}, {app.health})"
        )
        return
    with open_remote(remote_url(url, app.url), os.environ) as access:
        divergence = look(api, environment, access)
        forward = accept and not stay and bool(divergence.undo.newer)
        behind = commits_behind(access, divergence.overlay, divergence.running, divergence.wanted)
        if source:
            refuse_source(divergence, behind, forward=forward)
        refuse_surprises(divergence, environment, accept=accept, stay=stay)
        if accept:
            click.echo("\n".join(besides(divergence, stay=stay)) or "git has nothing else")
        if dry_run:
            show_dry_run(steps(divergence, behind, forward=forward, source=source))
            return
        commit = divergence.tip
        if divergence.undo.unwanted and not forward:
            commit = take_back(access, divergence, environment)
            click.echo(f"git asks for {divergence.running} again (commit {commit[:8]})")
            if source and behind:
                commit = revert_source(access, divergence.app.branch, behind)
                click.echo(f"the source is reverted (commit {commit[:8]})")
        switch_on(api, access, divergence, commit, accept=accept)
        if not forward:
            _warn_of_source(divergence, behind, done=source and bool(behind))
