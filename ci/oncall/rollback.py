"""`python -m ci rollback ENV`: the first half of an emergency, by the calls of Argo CD's web page.

    python -m ci rollback prod             back to the version before the one that git asks for
    python -m ci rollback prod --list      what there is to go back to
    python -m ci rollback prod --to 17     to that entry of the history

Only Argo CD is needed for it: neither git nor kubectl. Git still asks for the version that was
rolled back from, so auto-sync stays off until `python -m ci resume ENV`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.argocd.client import ArgoError, connect
from ci.argocd.environment import (
    application_name,
    is_rolled_out,
    live_deployment,
    live_tag,
    read,
    show_dry_run,
    tag_at,
    tag_in,
    turn_auto_sync_off,
    wait_until,
)
from ci.errors import CiError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci.argocd.application import Application, Entry
    from ci.argocd.client import ArgoCD

END_WITHIN = 60.0  # seconds for a running operation to end; it takes about one
SERVE_WITHIN = 180.0  # seconds for the old version's pods; usually a few


class Choice(NamedTuple):
    """Where a rollback goes: the entry, its tag, and the tag that git asks for."""

    entry: Entry
    tag: str
    unwanted: str


def choose(
    app: Application, unwanted: str, tag_of_revision: Callable[[str], str], to: str | None
) -> Choice:
    """Choose the entry of the history to go back to.

    Without `to` it is the version below the unwanted one in `ladder`; where a sync of the unwanted
    one is still stuck, or somebody has rolled back already, it isn't there, and the top is chosen.

    Args:
        app: the Application.
        unwanted: the tag that git asks for now; empty when it can't be told.
        tag_of_revision: the tag that a commit deploys; empty when it can't be told.
        to: an entry's id, a commit or its beginning, or a tag.

    Raises:
        InputError: there is no such entry, or nothing to choose by itself.
    """
    if to is not None:
        return _chosen_by_name(app, unwanted, tag_of_revision, to)
    rungs = ladder(app.entries, tag_of_revision)
    below = list(rungs)[: list(rungs).index(unwanted)] if unwanted in rungs else list(rungs)
    if below:
        return Choice(rungs[below[-1]], below[-1], unwanted)
    # They were rolled back from or reverted: a person may name one, we never choose one.
    left = {tag_of_revision(entry.revision): entry.id for entry in app.entries}
    others = sorted((number, tag) for tag, number in left.items() if tag not in ("", unwanted))
    shown = [f"{number} ({tag})" for number, tag in others]
    raise InputError(
        f"the history of {app.name} has no version before {unwanted or '?'}; or is the fault in a"
        " change of configuration?",
        hint="See all of it by --list, and name an entry by `--to ID`."
        + (f"\nVersions that were left since: {', '.join(shown[-3:])}." if shown else ""),
    )


def ladder(entries: Sequence[Entry], tag_of_revision: Callable[[str], str]) -> dict[str, Entry]:
    """Sort the history's versions into a ladder, newest on top: tag to newest entry.

    A version that came back ends the ones above it: they were rolled back or reverted, and nobody
    half asleep should be led to one of them again.

    >>> at = {"r1": "A", "r2": "B", "r3": "C"}.get
    >>> entries = [Entry(n, r, None, "") for n, r in enumerate(["r1", "r2", "r3", "r2"])]
    >>> {tag: entry.id for tag, entry in ladder(entries, at).items()}
    {'A': 0, 'B': 3}
    """
    rungs: dict[str, Entry] = {}
    for entry in entries:
        tag = tag_of_revision(entry.revision)
        if not tag:  # the commit is gone or can't be rendered, so we can't go back to it
            continue
        if tag in rungs:
            kept = list(rungs).index(tag)
            rungs = dict(list(rungs.items())[:kept])
        rungs[tag] = entry
    return rungs


def _chosen_by_name(
    app: Application, unwanted: str, tag_of_revision: Callable[[str], str], to: str
) -> Choice:
    for entry in reversed(app.entries):
        is_named = to == str(entry.id) or (len(to) >= 7 and entry.revision.startswith(to))
        tag = tag_of_revision(entry.revision)
        if is_named or to == tag:
            return Choice(entry, tag, unwanted)
    known = ", ".join(str(entry.id) for entry in app.entries[-10:]) or "none"
    raise InputError(
        f"{to!r} is not an entry in the history of {app.name}",
        hint=f"Name an entry's id ({known}), its commit, or its tag.",
    )


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
    else:
        click.echo(f"{choice.tag} is what runs: nothing to roll back")
    wait_until(
        f"{choice.tag or choice.entry.revision[:8]} is the only version that serves",
        SERVE_WITHIN,
        lambda: _serves(api, environment, choice),
        hint=f"`python -m ci status {environment}` says what is in the way; go further back with"
        " `--to ID`.",
    )
    return time.monotonic() - began


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
    click.echo(f"rolling back to {choice.tag} (entry {choice.entry.id})")


def _serves(api: ArgoCD, environment: str, choice: Choice) -> bool:
    app, _ = read(api, environment)
    if app.operation and app.operation.phase in ("Failed", "Error"):
        raise CiError(
            f"the rollback failed: {app.operation.message}",
            hint="\n".join(app.operation.failures) or f"See `python -m ci status {environment}`.",
        )
    deployment = live_deployment(api, app)
    if app.busy or not deployment or not is_rolled_out(deployment):
        return False
    return not choice.tag or tag_in(deployment) == choice.tag


def _list_entries(api: ArgoCD, app: Application) -> None:
    for entry in reversed(app.entries):
        at = f"{entry.at:%Y-%m-%d %H:%M} UTC" if entry.at else ""
        tag = tag_at(api, app, entry.revision) or "?"
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
    if only_list:
        _list_entries(api, app)
        return
    if not app.entries:
        raise CiError(
            f"{app.name} has no history: nothing was ever synced, so there is nothing to go back to"
        )
    tag_of_revision = functools.cache(lambda revision: tag_at(api, app, revision))
    unwanted = tag_of_revision(app.revision)
    choice = choose(app, unwanted, tag_of_revision, to)
    planned = steps(app, choice, live_tag(api, app))
    if dry_run:
        show_dry_run(planned or [f"nothing: {choice.tag} runs, auto-sync is off"])
        return
    seconds = roll_back(api, environment, choice)
    click.echo(
        f"\n{environment} serves {choice.tag or choice.entry.revision[:8]} again"
        f" ({seconds:.1f} s). Auto-sync is off: nothing that is merged reaches {environment} now.\n"
        f"When it is calm:  python -m ci resume {environment}\n"
        f"It reverts {unwanted or 'the version'} in git and turns auto-sync on again."
    )
