"""`python -m ci status`: what git says, what is synced, what runs, and what is wrong.

    python -m ci status                every environment that Argo CD has
    python -m ci status prod --format json

Exit status 1 when something needs a person: auto-sync that is off, a sync that failed, a resource
that is Degraded, pods that are not ready for a minute, a change that Argo CD doesn't pick up, a
controller that doesn't look any more, a node that is lost, backups that aren't taken, archived or
proven. The nodes are asked of the Kubernetes API, which may answer when Argo CD doesn't.

What it looks at is here and in `workloads`, `branch_tip`, `lost_nodes` and `backup_look`; `judging`
and `backup_state` judge it, `shown` shows it.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ci.argocd import pruning
from ci.argocd.application import Application
from ci.argocd.causes import causes
from ci.argocd.client import ArgoError, connect
from ci.argocd.environment import (
    DATABASE,
    PARTS,
    SERVICE,
    application_name,
    live_service,
    live_tag,
    tag_at,
)
from ci.errors import CiError, InputError
from ci.oncall import backup_look, lost_nodes
from ci.oncall.backup_look import ArgoSource, KubectlSource
from ci.oncall.branch_tip import WITHIN, BranchTip
from ci.oncall.judging import judge, unseen
from ci.oncall.reports import Backups, Environment, Git, PartStatus
from ci.oncall.shown import as_json, text
from ci.oncall.workloads import is_outside, readiness
from ci.tree import outside, reach
from ci.tree.overlays import in_order, unknown_environment

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ci.argocd.client import ArgoCD, Json

_AT_ONCE = 8  # environments and the nodes


def look_at(api: ArgoCD, environment: str, part: str, now: datetime) -> PartStatus:
    """Ask Argo CD about one Application."""
    name = application_name(environment, part)
    app = Application.parse(api.application(name))
    is_service = part == SERVICE
    newest = app.entries[-1] if app.entries else None
    ready = readiness(api, app, part, now)
    person, underway = judge(
        app, causes(api, app, short=bool(ready.problem)), environment, now, ready
    )
    return PartStatus(
        name,
        tag_at(api, app, newest.revision, within=WITHIN) if newest and is_service else "",
        live_tag(api, app) if is_service else "",
        newest.at if newest else None,
        newest.by if newest else "",
        app.sync,
        app.health,
        app.auto_sync,
        app.revision,
        ready.shown,
        person,
        underway,
    )


def environments(api: ArgoCD, named: tuple[str, ...]) -> list[str]:
    """Which environments to look at: those named, else all of Argo CD's, in the order of promotion.

    Raises:
        InputError: Argo CD has none, or not one that was named.
    """
    seen = [app["metadata"]["name"] for app in api.applications()]
    known = [n.removeprefix(f"{SERVICE}-") for n in seen if n.startswith(f"{SERVICE}-")]
    if not known:
        raise InputError(
            f"Argo CD at {api.url} has no Application {SERVICE}-…, or this account may see none",
            hint="argocd/bootstrap.md sets them up.",
        )
    for name in named:
        if name not in known:
            raise unknown_environment(name, in_order(known))
    return list(named) or in_order(known)


def report(
    api: ArgoCD, nodes: Future[lost_nodes.ClusterState], name: str, url: str | None, now: datetime
) -> Environment:
    """Look at an environment: its Applications, its branch, its nodes, all at once.

    Args:
        api: Argo CD.
        nodes: the nodes, which are being looked at.
        name: the environment.
        url: the git repository, if not the one that Argo CD follows.
        now: the time.
    """
    app = Application.parse(api.application(application_name(name)))
    tip = BranchTip(app, name, url)
    applications = api.applications()
    seen = {app["metadata"]["name"] for app in applications}
    there = [part for part in PARTS if application_name(name, part) in seen]
    with ThreadPoolExecutor(len(PARTS) + 1) as pool:
        backups = pool.submit(_backups, api, nodes, applications, name, now)
        parts = tuple(pool.map(lambda part: look_at(api, name, part, now), there))
    reached_by, wrong = reach.judge(live_service(api, app), app.namespace)
    git = tip.answer()
    person = [f"git can't be read: {git.error}"] if git.error and not git.late else []
    late, underway = unseen(git, app, now)
    if git.late:
        known = app.revision[:8] or "?"
        said = f"git was not asked in time: {git.error}. What it has beyond commit {known}"
        underway += (f"{said} is not known here",)
    person += late
    missing = [part for part in PARTS if application_name(name, part) not in seen]
    waits = pruning.waiting(applications, app.name)
    person += [sentence for sentence in (wrong, waits) if sentence]
    person += [f"there is no Application {application_name(name, part)}" for part in missing]
    person += lost_nodes.needs_person(nodes.result(), name, now)
    return Environment(name, git, parts, tuple(person), "", reached_by, underway, backups.result())


def _backups(
    api: ArgoCD,
    nodes: Future[lost_nodes.ClusterState],
    applications: list[Json],
    name: str,
    now: datetime,
) -> Backups | None:
    """How the backups are, by Argo CD, else by the cluster; None without a database."""
    database = application_name(name, DATABASE)
    found = [each for each in applications if each["metadata"]["name"] == database]
    if not found:
        return None
    app = Application.parse(found[0])
    if is_outside(app):
        return Backups(f"outside the cluster, with the database ({outside.PAGE})")
    known = backup_look.look(ArgoSource(api, app), name, now)
    if known.is_known or name not in nodes.result().environments:
        return known
    by_kubectl = backup_look.look(KubectlSource(name), name, now)
    return by_kubectl if by_kubectl.is_known else known


def without_argo_cd(
    cluster: lost_nodes.ClusterState, named: tuple[str, ...], error: CiError, now: datetime
) -> list[Environment]:
    """Report what the Kubernetes API knows while Argo CD gives no answer, or nobody is logged in.

    Raises:
        CiError: the Kubernetes API knows nothing of these environments either.
    """
    seen = in_order(cluster.environments)
    names = [name for name in seen if not named or name in named]
    refused = isinstance(error, ArgoError) and 0 < error.status < 500 and error.status != 401
    if refused or not names:  # it did answer
        raise error
    said = " ".join(str(error).split())

    def of(name: str) -> Environment:
        person = (
            said,
            *lost_nodes.needs_person(cluster, name, now),
            *lost_nodes.not_ready(cluster, name, now),
        )
        backups = backup_look.look(KubectlSource(name), name, now)
        pods = lost_nodes.serving(cluster, name)
        return Environment(name, Git(), (), person, pods, backups=backups)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(of, names))


def _look(
    pool: ThreadPoolExecutor,
    nodes: Future[lost_nodes.ClusterState],
    named: tuple[str, ...],
    url: str | None,
    now: datetime,
) -> tuple[list[Environment], str]:
    """Look at the environments; the hint goes with an Argo CD that gives no answer."""
    try:
        api = connect(os.environ)
    except InputError as error:  # nobody is logged in
        return without_argo_cd(nodes.result(), named, error, now), error.hint
    try:
        names = environments(api, named)
        return list(pool.map(lambda name: report(api, nodes, name, url, now), names)), ""
    except ArgoError as error:
        return without_argo_cd(nodes.result(), named, error, now), error.hint


@click.command()
@click.argument("environment", metavar="[ENV]...", nargs=-1)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option("--url", metavar="URL", help="The git repository, if not the one Argo CD follows.")
def command(environment: tuple[str, ...], form: str, url: str | None) -> None:
    """Show what git says, what Argo CD has synced, what runs, and what needs a person (exit 1)."""
    now = datetime.now(UTC)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        nodes = pool.submit(lost_nodes.look, os.environ)
        reports, hint = _look(pool, nodes, environment, url, now)
    if form == "json":
        click.echo(json.dumps([as_json(one) for one in reports], indent=2))
    else:
        click.echo("\n\n".join("\n".join(text(one)) for one in reports))
        if error := nodes.result().error:
            click.echo(f"\nThe nodes were not looked at: {error}")
        if hint:
            click.echo(f"\n{hint}")
    if not all(one.is_well for one in reports):
        sys.exit(1)
