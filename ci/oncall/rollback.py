"""`python -m ci rollback ENV`: the first half of an emergency, by the calls of Argo CD's web page.

    python -m ci rollback prod             back to the version before the one that git asks for
    python -m ci rollback prod --list      what there is to go back to
    python -m ci rollback prod --to 17     to that entry of the history

Only Argo CD is needed for it: neither git nor kubectl. While git is away Argo CD still has the
commits that it deployed; while its repo server is away, auto-sync is turned off, the rollback is
asked for again and again for a minute, and what is missing is said. Git still asks for the version
that was rolled back from, so auto-sync stays off until `python -m ci resume ENV`.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

import click

from ci.argocd.client import ArgoError, connect
from ci.argocd.environment import (
    SERVICE,
    application_name,
    is_rolled_out,
    live_deployment,
    live_tag,
    read,
    show_dry_run,
    tag_in,
    turn_auto_sync_off,
    wait_until,
)
from ci.errors import CiError
from ci.oncall.choice import choose
from ci.oncall.versions import name_versions, unwanted_tag

if TYPE_CHECKING:
    from ci.argocd.application import Application
    from ci.argocd.client import ArgoCD
    from ci.oncall.choice import Choice
    from ci.oncall.versions import Versions

END_WITHIN = 60.0  # seconds for a running operation to end; it takes about one
SERVE_WITHIN = 180.0  # seconds for the old version's pods; usually a few
# A repo server that was restarted serves again after 10 to 30 seconds.
RENDERED_WITHIN = 60.0
ASK_AGAIN_AFTER = 5.0  # seconds
# How an operation ends when its commit can't be rendered (argo-cd 3.4, controller/sync.go, and
# controller/state.go: "Failed to load target state", ErrCompareStateRepo).
UNRENDERED = ("ComparisonError", "Failed to load target state", "failed to get repo objects")


class NotRenderedError(CiError):
    """Argo CD took the rollback and could not render its commit: git or the repo server is away."""


def steps(app: Application, choice: Choice, live: str) -> list[str]:
    """List what a rollback will do, in order; empty when all of it is done already."""
    planned = []
    if app.auto_sync:
        planned.append("turn auto-sync off (automated.enabled: false), as the web page does")
    if app.busy:
        planned.append(f"end the running operation ({_operation_words(app)})")
    if planned or not is_there(app, choice, live):
        planned.append(
            f"roll {app.name} back from {live or 'nothing'} to {choice.tag or '?'} (entry"
            f" {choice.entry.id}, commit {choice.entry.revision[:8]})"
        )
    return planned


def is_there(app: Application, choice: Choice, live: str) -> bool:
    """Whether the newest sync brought just this entry, and its version is in the cluster."""
    succeeded = app.operation is not None and app.operation.phase == "Succeeded"
    return succeeded and live == choice.tag and app.entries[-1].revision == choice.entry.revision


def _operation_words(app: Application) -> str:
    if app.operation is None or app.queued:
        return "a sync that is about to begin"
    return app.operation.message or app.operation.phase


def roll_back(api: ArgoCD, environment: str, choice: Choice) -> float:
    """Do it, and return the seconds until only the old version's pods serve.

    Auto-sync goes off before the running operation is ended: otherwise it starts the next one.
    """
    began = time.monotonic()
    app, _ = read(api, environment)
    if app.auto_sync:
        turn_auto_sync_off(api, environment)
        click.echo("auto-sync is off")
    if app.busy:
        _end_operation(api, environment)
    if app.auto_sync or app.busy or not is_there(app, choice, live_tag(api, app)):
        _order(api, environment, choice)
        click.echo(f"rolling back to {choice.tag or '?'} (entry {choice.entry.id})")
    else:
        click.echo(f"{choice.tag} is what runs: nothing to roll back")
    _wait_until_it_serves(api, environment, choice)
    return time.monotonic() - began


def _wait_until_it_serves(api: ArgoCD, environment: str, choice: Choice) -> None:
    """Wait for the old version's pods; an order that could not be rendered is given again."""
    give_up = time.monotonic() + RENDERED_WITHIN
    said = False

    def serves() -> bool:
        nonlocal said
        try:
            return _serves(api, environment, choice)
        except NotRenderedError as error:
            if time.monotonic() > give_up:
                raise
            if not said:
                click.echo(f"{error}\nasking again for {RENDERED_WITHIN:.0f} s")
                said = True
            time.sleep(ASK_AGAIN_AFTER)
            _order(api, environment, choice)
            return False

    wait_until(
        f"{choice.tag or choice.entry.revision[:8]} is the only version that serves",
        SERVE_WITHIN,
        serves,
        hint=f"`python -m ci status {environment}` says what is in the way; go further back with"
        " `--to ID`.",
    )


def _end_operation(api: ArgoCD, environment: str) -> None:
    app, _ = read(api, environment)
    if not app.busy:
        return
    click.echo(f"ending the running operation: {_operation_words(app)}")

    def ended() -> bool:
        with contextlib.suppress(ArgoError):  # it ended by itself in between
            api.terminate(app.name)
        return not read(api, environment)[0].busy

    seconds = wait_until("the running operation has ended", END_WITHIN, ended)
    click.echo(f"it has ended ({seconds:.1f} s)")


def _order(api: ArgoCD, environment: str, choice: Choice) -> None:
    """Ask for the rollback; one that meets an operation again ends that and asks again."""
    name = application_name(environment)
    for attempt in range(3):
        try:
            api.rollback(name, choice.entry.id)
        except ArgoError as error:
            if "another operation" not in error.reason or attempt == 2:
                raise
            _end_operation(api, environment)
        else:
            break


def _serves(api: ArgoCD, environment: str, choice: Choice) -> bool:
    app, _ = read(api, environment)
    if app.operation and not app.busy and app.operation.phase in ("Failed", "Error"):
        if any(words in app.operation.message for words in UNRENDERED):
            raise _not_rendered(api, app, environment, choice)
        raise CiError(
            f"the rollback failed: {app.operation.message}",
            hint="\n".join(app.operation.failures) or f"See `python -m ci status {environment}`.",
        )
    deployment = live_deployment(api, app)
    if app.busy or not deployment or not is_rolled_out(deployment):
        return False
    return not choice.tag or tag_in(deployment) == choice.tag


def _not_rendered(
    api: ArgoCD, app: Application, environment: str, choice: Choice
) -> NotRenderedError:
    said = app.operation.message if app.operation else ""
    return NotRenderedError(
        f"Argo CD can't render commit {choice.entry.revision[:8]} ({choice.tag or '?'}): {said}\n"
        f"Auto-sync is off, and {live_tag(api, app) or 'nothing'} still runs.",
        hint="Is its repo server up, and git there?\n"
        "  kubectl -n argocd get pods -l app.kubernetes.io/name=argocd-repo-server\n"
        f"Then again:  python -m ci rollback {environment} --to {choice.entry.id}\n"
        "Without Argo CD, to the pods before, if their configuration is the same:\n"
        f"  kubectl -n {app.namespace} rollout undo deployment/{SERVICE}",
    )


def _list_entries(app: Application, versions: Versions) -> None:
    for entry in reversed(app.entries):
        at = f"{entry.at:%Y-%m-%d %H:%M} UTC" if entry.at else ""
        tag = versions.tag(entry.revision) or "?"
        click.echo(f"{entry.id:>4}  {at}  {tag:<24} commit {entry.revision[:8]}  {entry.by}")


@click.command()
@click.argument("environment", metavar="ENV")
@click.option("--to", metavar="ID", help="An entry of the history: its id, commit or tag.")
@click.option("--list", "only_list", is_flag=True, help="Show the history, newest first.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
def command(environment: str, to: str | None, *, only_list: bool, dry_run: bool) -> None:
    """Roll the service in ENV back to the version before, as Argo CD's web page does.

    Turns auto-sync off, ends a running sync, rolls back, and waits until the old version serves.
    Calling it twice does no harm. The database and its password are never touched.
    """
    api = connect(os.environ)
    app, _ = read(api, environment)
    if not app.entries:
        raise CiError(
            f"{app.name} has no history: nothing was ever synced, so there is nothing to go back to"
        )
    versions = name_versions(api, app, environment)
    if versions.remark:
        click.echo(f"{versions.remark}\n", err=True)
    if only_list:
        _list_entries(app, versions)
        return
    unwanted = unwanted_tag(app, versions)
    choice = choose(app, unwanted, versions.tag, to)
    if dry_run:
        planned = steps(app, choice, live_tag(api, app))
        show_dry_run(planned or [f"nothing: {choice.tag} runs, auto-sync is off"])
        return
    seconds = roll_back(api, environment, choice)
    click.echo(
        f"\n{environment} serves {choice.tag or choice.entry.revision[:8]} again"
        f" ({seconds:.1f} s). Auto-sync is off: nothing that is merged reaches {environment} now.\n"
        + what_comes_next(app, environment, unwanted, versions)
    )


def what_comes_next(app: Application, environment: str, unwanted: str, versions: Versions) -> str:
    """Say what `resume` will do with what git asks for, given the Application before the call.

    With auto-sync off it may be a version that was pushed since, and was never deployed here.
    """
    deployed = {versions.tag(entry.revision) for entry in app.entries}
    if unwanted and unwanted not in deployed and not app.auto_sync:
        return (
            f"Git asks for {unwanted}, which {environment} has not served: it may be the fix.\n"
            f"What resuming would do with it:  python -m ci resume {environment} --dry-run"
        )
    return (
        f"When it is calm:  python -m ci resume {environment}\n"
        f"It reverts {unwanted or 'the version'} in git and turns auto-sync on again."
    )
