"""How `status` judges what it found: what needs a person, and what goes on by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ci.argocd.causes import AUTOSCALER
from ci.argocd.environment import SERVICE, when
from ci.oncall.workloads import SHORT_FOR

if TYPE_CHECKING:
    from datetime import datetime

    from ci.argocd.application import Application
    from ci.argocd.causes import Cause
    from ci.oncall.reports import Git, Verdict
    from ci.oncall.workloads import Readiness

# Argo CD compares with git every 60 s (argocd/config); what it hasn't seen, or hasn't done, after
# this is an accident. For its first three minutes it keeps an error of the repository to itself
# (argo-cd 3.4, controller/state.go, repoErrorGracePeriod).
UNSEEN_AFTER = timedelta(minutes=5)


def judge(
    app: Application,
    found: tuple[Cause, ...],
    environment: str,
    now: datetime,
    ready: Readiness | None = None,
) -> Verdict:
    """Decide what of an Application needs a person, and what goes on by itself.

    Args:
        app: the Application.
        found: the causes that its resources and pods show.
        environment: its environment.
        now: the time.
        ready: its pods, where that is known.
    """
    person, underway = _of_its_sync(app, environment)
    if late := old_news(app, now):
        person.insert(0, late)
    if app.health in ("Degraded", "Missing") and not _waits_for_metrics(app, now):
        person.append(f"it is {app.health}")
    elif app.health != "Healthy":
        underway.append(f"it is {app.health}")
    if ready is not None and ready.problem:
        (person if ready.is_fault else underway).append(ready.problem)
    if app.sync == "OutOfSync" and app.auto_sync and not app.busy and not person and app.differing:
        names = ", ".join(f"{r.kind}/{r.name}" for r in app.differing)
        underway.append(f"it differs from git: {names}")
    is_broken = bool(person)
    for cause in found:
        (person if is_broken or cause.is_fault else underway).append(cause.sentence)
    return tuple(dict.fromkeys(person)), tuple(dict.fromkeys(underway))


def _of_its_sync(app: Application, environment: str) -> tuple[list[str], list[str]]:
    """What its auto-sync, its conditions and its newest operation say."""
    person, underway = [], []
    if not app.auto_sync:
        is_service = app.name == f"{SERVICE}-{environment}"
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
    return person, underway


def _waits_for_metrics(app: Application, now: datetime) -> bool:
    """Whether only its autoscaler is degraded, and since so short that its pods may be new."""
    unwell = {each.kind for each in app.resources if each.health in ("Degraded", "Missing")}
    return (
        app.health == "Degraded"
        and unwell == {AUTOSCALER}
        and app.health_since is not None
        and now - app.health_since < SHORT_FOR
    )


def old_news(app: Application, now: datetime) -> str:
    """Say that Argo CD's controller has not looked for minutes; else empty."""
    if app.reconciled is None or now - app.reconciled < UNSEEN_AFTER:
        return ""
    minutes = int((now - app.reconciled).total_seconds() // 60)
    return (
        f"Argo CD has not looked for {minutes} min (since {when(app.reconciled)}), and its words"
        " are as old: kubectl -n argocd get pods -l"
        " app.kubernetes.io/name=argocd-application-controller"
    )


def unseen(git: Git, app: Application, now: datetime) -> Verdict:
    """Say that git has a commit that Argo CD has not seen yet; after minutes a person must look."""
    if not git.commit or git.commit == app.revision or git.at is None:
        return (), ()
    if now - git.at < UNSEEN_AFTER:
        return (), (f"git has {git.tag} (commit {git.commit[:8]}); Argo CD has not seen it yet",)
    seen = f"commit {app.revision[:8]}" if app.revision else "no commit"
    late = (
        f"Argo CD still looks at {seen}, and the branch has {git.commit[:8]}"
        f" ({git.tag}) since {when(git.at)}: can it read the repository?"
    )
    return (late,), ()
