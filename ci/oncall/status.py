"""`python -m ci status`: what git says, what is synced, what runs, and what is wrong.

    python -m ci status                every environment that Argo CD has
    python -m ci status prod --format json

Exit status 1 when something needs a person: auto-sync that is off, a sync that failed, a resource
that is Degraded, a change that Argo CD doesn't pick up, a node that is lost. The last is asked of
the Kubernetes API, which may answer when Argo CD doesn't.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ci import reach
from ci.argocd import pruning
from ci.argocd.application import Application
from ci.argocd.causes import causes
from ci.argocd.client import ArgoError, connect
from ci.argocd.environment import (
    PARTS,
    SERVICE,
    application_name,
    live_service,
    live_tag,
    overlay_folder,
    tag_at,
)
from ci.errors import CiError, InputError
from ci.git.access import open_remote, remote_url
from ci.oncall import lost_nodes
from ci.version.image_file import ImageFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci.argocd.causes import Cause
    from ci.argocd.client import ArgoCD

# Argo CD asks git every 60 s (argocd/config); what it hasn't seen after this is an accident.
UNSEEN_AFTER = timedelta(minutes=5)


class Part(NamedTuple):
    """One Application of an environment.

    Attributes:
        application: its name.
        synced: the tag that Argo CD last deployed; empty for a part without one.
        runs: the tag in the cluster; empty for a part without one.
        since: when that was deployed.
        by: who deployed it.
        sync: Synced, OutOfSync or Unknown.
        health: Argo CD's word for it.
        auto_sync: whether it is on.
        revision: the git commit that Argo CD looks at.
        needs_person: what somebody must do something about, a sentence each.
        underway: what is going on by itself, a sentence each.
    """

    application: str
    synced: str
    runs: str
    since: datetime | None
    by: str
    sync: str
    health: str
    auto_sync: bool
    revision: str
    needs_person: tuple[str, ...]
    underway: tuple[str, ...]


class Git(NamedTuple):
    """What the branch's tip says: tag, commit, time and subject; or why it can't be read."""

    tag: str = ""
    commit: str = ""
    at: datetime | None = None
    subject: str = ""
    error: str = ""


class Environment(NamedTuple):
    """An environment: what git says, its parts, and how it can be reached.

    Without an answer of Argo CD it has no parts, and `pods` says what the Kubernetes API knows.
    """

    name: str
    git: Git
    parts: tuple[Part, ...]
    needs_person: tuple[str, ...]
    pods: str = ""
    reached_by: str = ""

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to do anything."""
        return not self.needs_person and not any(part.needs_person for part in self.parts)


def judge(app: Application, found: tuple[Cause, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Decide what of an Application needs a person, and what goes on by itself.

    Args:
        app: the Application.
        found: the causes that its resources and pods show.
    """
    person, underway = [], []
    environment = app.name.rpartition("-")[2]
    is_service = app.name == application_name(environment)
    if not app.auto_sync:
        how = f": python -m ci resume {environment}" if is_service else ""
        person.append(f"auto-sync is off: nothing that is merged gets here{how}")
    person += app.problems
    operation = app.operation
    if operation and operation.phase in ("Failed", "Error") and operation.revision == app.revision:
        person.append(f"the sync failed: {operation.message}")
    elif operation and operation.retries and app.busy:
        person.append(
            f"the sync fails and is tried again ({operation.retries}): {operation.message}"
        )
    elif app.busy:
        underway.append(f"a sync is running: {operation.message if operation else 'it begins'}")
    if operation and (operation.phase in ("Failed", "Error") or operation.retries):
        person += operation.failures
    if app.health in ("Degraded", "Missing"):
        person.append(f"it is {app.health}")
    elif app.health != "Healthy":
        underway.append(f"it is {app.health}")
    if app.sync == "OutOfSync" and app.auto_sync and not app.busy and not person and app.differing:
        names = ", ".join(f"{r.kind}/{r.name}" for r in app.differing)
        underway.append(f"it differs from git: {names}")
    is_broken = bool(person)
    for cause in found:
        (person if is_broken or cause.is_fault else underway).append(cause.sentence)
    return tuple(dict.fromkeys(person)), tuple(dict.fromkeys(underway))


def unseen(git: Git, app: Application, now: datetime) -> str:
    """Say that Argo CD has not picked up the branch's tip, once it should have; else empty."""
    if not git.commit or git.commit == app.revision or git.at is None:
        return ""
    if now - git.at < UNSEEN_AFTER:
        return ""
    return (
        f"Argo CD still looks at commit {app.revision[:8]}, and the branch has {git.commit[:8]}"
        f" since {_when(git.at)}: can it read the repository?"
    )


def look_at(api: ArgoCD, name: str) -> Part:
    """Ask Argo CD about one Application."""
    app = Application.parse(api.application(name))
    is_service = name.startswith(f"{SERVICE}-")
    newest = app.entries[-1] if app.entries else None
    person, underway = judge(app, causes(api, app))
    return Part(
        name,
        tag_at(api, app, newest.revision) if newest and is_service else "",
        live_tag(api, app) if is_service else "",
        newest.at if newest else None,
        newest.by if newest else "",
        app.sync,
        app.health,
        app.auto_sync,
        app.revision,
        person,
        underway,
    )


def read_git(app: Application, environment: str, url: str | None) -> Git:
    """Read the tag at the branch's tip."""
    try:
        with open_remote(remote_url(url, app.url), os.environ, seconds=20) as access:
            tip = access.tip(app.branch)
            overlay = ImageFile(access.repository, tip, overlay_folder(environment), SERVICE)
            shown = access.repository.git("show", "-s", "--format=%cI%n%s", tip).splitlines()
            at = datetime.fromisoformat(shown[0]).astimezone(UTC)
            return Git(overlay.entry.tag, tip, at, shown[1] if len(shown) > 1 else "")
    except CiError as error:
        return Git(error=str(error))


def environments(api: ArgoCD, named: tuple[str, ...]) -> list[str]:
    """Which environments to look at: those named, else all that Argo CD has.

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
            raise InputError(f"there is no environment {name!r}; there is {' or '.join(known)}")
    return list(named) or sorted(known)


def report(
    api: ArgoCD, cluster: lost_nodes.ClusterState, name: str, url: str | None, now: datetime
) -> Environment:
    """Look at an environment: its Applications, its branch, its nodes."""
    applications = api.applications()
    seen = {app["metadata"]["name"] for app in applications}
    parts = tuple(
        look_at(api, application_name(name, part))
        for part in PARTS
        if application_name(name, part) in seen
    )
    app = Application.parse(api.application(application_name(name)))
    git = read_git(app, name, url)
    person = [f"git can't be read: {git.error}"] if git.error else []
    late = unseen(git, app, now)
    missing = [part for part in PARTS if application_name(name, part) not in seen]
    reached_by, wrong = reach.judge(live_service(api, app), app.namespace)
    waits = pruning.waiting(applications, app.name)
    person += [sentence for sentence in (late, wrong, waits) if sentence]
    person += [f"there is no Application {application_name(name, part)}" for part in missing]
    person += lost_nodes.needs_person(cluster, name, now)
    return Environment(name, git, parts, tuple(person), reached_by=reached_by)


def without_argo_cd(
    cluster: lost_nodes.ClusterState, named: tuple[str, ...], error: ArgoError, now: datetime
) -> list[Environment]:
    """Report what the Kubernetes API knows while Argo CD gives no answer.

    Raises:
        ArgoError: the Kubernetes API knows nothing of these environments either.
    """
    names = [name for name in cluster.environments if not named or name in named]
    if 0 < error.status < 500 or not names:  # it did answer
        raise error
    said = " ".join(str(error).split())
    return [
        Environment(
            name,
            Git(),
            (),
            (said, *lost_nodes.needs_person(cluster, name, now)),
            lost_nodes.serving(cluster, name),
        )
        for name in names
    ]


# --- how it is shown ------------------------------------------------------------------------------


def text(environment: Environment) -> list[str]:
    """Write an environment for a terminal."""
    marks = {True: "well", False: "NEEDS A PERSON"}
    lines = [f"{environment.name}: {marks[environment.is_well]}"]
    if environment.parts:
        lines += _parts(environment)
    else:
        lines.append(f"  pods       {environment.pods}")
    return lines + [f"  ! {sentence}" for sentence in environment.needs_person]


def _parts(environment: Environment) -> list[str]:
    git, service = environment.git, environment.parts[0]
    lines = []
    lines.append(
        f"  git says   {git.tag or '?'}" + (f"  (commit {git.commit[:8]})" * bool(git.commit))
    )
    since = f"since {_when(service.since)}, by {service.by or '?'}"
    lines.append(f"  synced     {service.synced or '?'}  {since}")
    lines.append(f"  runs       {service.runs or 'nothing'}")
    lines.append(f"  reached by {environment.reached_by}")
    for part in environment.parts:
        switch = "auto-sync on" if part.auto_sync else "AUTO-SYNC OFF"
        lines.append(f"  {part.application:<16} {part.sync}, {part.health}, {switch}")
        lines += [f"    ! {sentence}" for sentence in part.needs_person]
        lines += [f"    - {sentence}" for sentence in part.underway]
    return lines


def as_json(environment: Environment) -> dict[str, Any]:
    """Write an environment for a program; times are RFC 3339, unknown ones null."""
    return {
        "environment": environment.name,
        "well": environment.is_well,
        "git": _plain(environment.git._asdict()),
        "applications": [_plain(part._asdict()) for part in environment.parts],
        "reached_by": environment.reached_by,
        "needs_person": list(environment.needs_person),
        "pods": environment.pods,
    }


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
    }


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "?"


@click.command()
@click.argument("environment", metavar="[ENV]...", nargs=-1)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option("--url", metavar="URL", help="The git repository, if not the one Argo CD follows.")
def command(environment: tuple[str, ...], form: str, url: str | None) -> None:
    """Show what git says, what Argo CD has synced, what runs, and what needs a person (exit 1)."""
    api = connect(os.environ)
    now = datetime.now(UTC)
    cluster = lost_nodes.look(os.environ)
    try:
        reports = [report(api, cluster, name, url, now) for name in environments(api, environment)]
    except ArgoError as error:
        reports = without_argo_cd(cluster, environment, error, now)
    if form == "json":
        click.echo(json.dumps([as_json(one) for one in reports], indent=2))
    else:
        click.echo("\n\n".join("\n".join(text(one)) for one in reports))
        if cluster.error:
            click.echo(f"\nThe nodes were not looked at: {cluster.error}")
    if not all(one.is_well for one in reports):
        sys.exit(1)
