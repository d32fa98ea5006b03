"""The second half of a restore: waiting until the service answers from the restored data."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.argocd.application import FAILED, Application
from ci.argocd.client import ArgoError
from ci.argocd.environment import (
    SERVICE,
    application_name,
    is_rolled_out,
    live,
    live_deployment,
)
from ci.errors import CiError
from ci.tree.claim import claim_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.argocd.client import ArgoCD
    from ci.git.access import Access
    from ci.oncall.database_pod import DatabasePod
    from ci.tree.claim import Claim

POLL = 1.0  # seconds
SYNCED_WITHIN = 300.0  # seconds; Argo CD is asked to look into git
# As long as the largest database may take; what fill-claim says is shown meanwhile.
FILLED_WITHIN = 4 * 3600.0
SERVES_WITHIN = 300.0
VERIFIED_WITHIN = 420.0  # a migration's Job may take 300
# The kubelet starts a failed init container again; twice the same sentence is its answer.
FAILURES = 2
DIFFERS, OLDER = 1, 4  # statuses of `coworking verify`
STEPS = (
    "wait until Argo CD has synced it",
    "wait until the claim is filled, and PostgreSQL serves from it",
    "wait until `coworking verify` is clean, and the service answers",
    "wait until both Applications are Synced and Healthy",
)


class Restoring(NamedTuple):
    """A restore: of which environment, on which branch, and how commits get there."""

    api: ArgoCD
    access: Access
    environment: str
    branch: str
    push: bool
    pod: DatabasePod

    def back(self) -> str:
        """How to go back to the claim before."""
        path, kept = claim_file(self.environment), "The claim before still has its data."
        try:
            tip = self.access.tip(self.branch)
            (newest,) = self.access.repository.commits(tip, path, "--max-count=1")
        except CiError:  # git is away; the restore doesn't need it any more
            return f"{kept} Reverting the newest commit of {path} goes back to it."
        return f"{kept} This goes back to it:\ngit fetch && git revert {newest[:12]} && git push"

    def application(self, part: str, *, refresh: bool = False) -> Application:
        """A part's Application."""
        name = application_name(self.environment, part)
        return Application.parse(self.api.application(name, refresh=refresh))


def wait_until_it_serves(work: Restoring, claim: Claim) -> None:
    """Wait for each step of a restore that git names, and print its seconds.

    Raises:
        CiError: a step failed or took too long; the next call goes on there.
    """
    began = time.monotonic()
    _wait_until_synced(work, claim)
    _wait_until_filled(work, claim)
    _until(work, "PostgreSQL serves from it", SERVES_WITHIN, lambda: _is_ready(work, claim))
    _wait_until_verified(work)
    _until(work, "the service answers", SERVES_WITHIN, lambda: _is_served(work))
    _until(work, "both Applications are Synced and Healthy", SERVES_WITHIN, lambda: _is_well(work))
    seconds = time.monotonic() - began
    click.echo(
        f"{work.environment} serves {claim.to} from {claim.name} ({seconds:.0f} s).\n{work.back()}"
    )


def require_auto_sync(app: Application) -> None:
    """Make sure that what git says reaches the cluster.

    Raises:
        CiError: it doesn't.
    """
    if not app.auto_sync:
        raise CiError(
            f"auto-sync of {app.name} is off, so a restore would stay in git",
            hint="Turn it on again in Argo CD, then call this again.",
        )


def _until(work: Restoring, what: str, seconds: float, done: Callable[[], bool]) -> None:
    """Ask until it is done, and print after how many seconds; Argo CD may be away meanwhile."""
    began = time.monotonic()
    while True:
        away = ""
        try:
            if done():
                break
        except ArgoError as error:
            away = f" ({str(error).splitlines()[0]})"
        if time.monotonic() - began > seconds:
            raise CiError(
                f"{what}: not after {seconds:.0f} s{away}",
                hint=f"What is in the way:\npython -m ci status {work.environment}\n"
                "Called again, this goes on.",
            )
        time.sleep(POLL)
    click.echo(f"{what} ({time.monotonic() - began:.0f} s)")


def _wait_until_synced(work: Restoring, claim: Claim) -> None:
    commit = work.access.tip(work.branch)

    def synced() -> bool:
        app = work.application("postgres", refresh=True)
        found = live(work.api, app, "StatefulSet", "postgresql")
        volumes = (found.get("spec") or {}).get("template", {}).get("spec", {}).get("volumes") or []
        names = [(volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in volumes]
        if claim.name in names:
            return True
        require_auto_sync(app)
        done = app.operation
        if done and not app.busy and done.phase in FAILED and _has(work, commit, done.revision):
            raise CiError(
                f"the sync of {app.name} failed: {'; '.join(done.failures) or done.message}",
                hint=work.back(),
            )
        return False

    _until(work, f"Argo CD has synced {claim.name}", SYNCED_WITHIN, synced)


def _has(work: Restoring, commit: str, revision: str) -> bool:
    return revision == commit or work.access.has(work.branch, commit, before=revision)


def _wait_until_filled(work: Restoring, claim: Claim) -> None:
    """Show what fill-claim says until it has ended."""
    said: set[str] = set()

    def filled() -> bool:
        state = work.pod.read()
        if state is None or state.claim != claim.name:
            return False
        for line in work.pod.fill_lines():
            if line not in said:
                click.echo(f"  {line}")
            said.add(line)
        if not state.filled and state.failures >= FAILURES:
            raise CiError(
                f"{claim.name} can't be filled: {state.failure or 'its container failed'}",
                hint=work.back(),
            )
        return state.filled

    _until(work, f"{claim.name} is filled", FILLED_WITHIN, filled)


def _is_ready(work: Restoring, claim: Claim) -> bool:
    state = work.pod.read()
    return state is not None and state.claim == claim.name and state.ready


def _wait_until_verified(work: Restoring) -> None:
    """Let the service check the restored data; migrates a schema that is older than the service."""
    asked = False

    def verified() -> bool:
        nonlocal asked
        status, said = work.pod.verify()
        if status == DIFFERS and "differences" in said:
            raise CiError(
                f"the rollups differ from the restored tokens: {said}",
                hint=f"Compute them again:\nkubectl -n {work.pod.namespace} exec"
                f" deployment/{SERVICE} -c {SERVICE} -- coworking rebuild",
            )
        if status == OLDER and not asked:
            click.echo("  the restored schema is older than the service: syncing it migrates it")
            work.api.sync(application_name(work.environment))
            asked = True
        return status == 0

    _until(work, "`coworking verify` is clean", VERIFIED_WITHIN, verified)


def _is_served(work: Restoring) -> bool:
    deployment = live_deployment(work.api, work.application(SERVICE))
    return bool(deployment) and is_rolled_out(deployment)


def _is_well(work: Restoring) -> bool:
    apps = [work.application(part, refresh=True) for part in (SERVICE, "postgres")]
    return all(a.sync == "Synced" and a.health == "Healthy" and not a.busy for a in apps)
