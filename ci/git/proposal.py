"""Land a change of files on a busy branch, or propose it: look, decide, commit, push, look again.

    landed = land(access, "main", plan, aside="rotate/prod/password-3f2a", push=True)

A tag of a version has rules of its own: `ci.version.land`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.git.attempts import Attempts
from ci.git.github import API, PullRequest, open_pull_request, repository_name
from ci.git.push import Verdict
from ci.git.remote import Token
from ci.git.repository import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.git.access import Access
    from ci.git.made_commit import Edit
    from ci.git.push import Refusal


class Landed(NamedTuple):
    """What became of it.

    Attributes:
        commit: the commit that has the change; of the branch itself, or of the one set aside.
        waits: the branch that waits to be merged, or an empty string.
    """

    commit: str
    waits: str = ""


def land(
    access: Access, branch: str, decide: Callable[[str], Edit | None], *, aside: str, push: bool
) -> Landed | None:
    """Push what `decide` makes of the branch's tip.

    Args:
        access: the remote.
        branch: where it belongs.
        decide: is asked again at every tip; None when the tip has the change, or wants none.
        aside: the branch to use without `push`, or where policy keeps us from `branch`.
        push: try `branch` itself.

    Returns:
        None if there is nothing to change.

    Raises:
        PolicyError, BudgetError, RemoteError: as `Attempts.recover`; and what `decide` raises.
    """
    attempts = Attempts(access.url, access.backoff, click.echo)
    while True:
        access.backoff.begin()
        target = branch if push else aside
        try:
            tip = access.repository.fetch(branch)
            change = decide(tip)
            if change is None:
                return None
            found = _push(access, tip, change, target, is_aside=not push)
        except ConnectionLost as lost:
            found = lost.refusal
        if isinstance(found, Landed):
            return found
        if found.verdict is Verdict.POLICY and push:
            click.echo(f"{branch} refuses the push ({found.reason}): using a branch")
            push = False
        else:
            attempts.recover(found, target)


def _push(
    access: Access, tip: str, change: Edit, target: str, *, is_aside: bool
) -> Landed | Refusal:
    if is_aside and access.repository.has_branch(target):  # an earlier call's: it still waits
        return Landed(access.repository.fetch(target), target)
    commit = access.repository.commit(tip, change, author=access.author, sign=access.sign)
    refusal = access.repository.push(commit, target)
    if refusal.verdict is not Verdict.PUSHED:
        return refusal
    return Landed(commit, target if is_aside else "")


def propose(access: Access, wanted: PullRequest) -> str:
    """Say what to do with a pushed branch; opens the pull request where that is possible.

    Raises:
        CiError: GitHub refuses or can't be reached.
    """
    name, token = repository_name(access.url, os.environ), Token.read(os.environ)
    if name is None or token is None:
        return f"Pushed branch {wanted.head}: merge it into {wanted.base} to deploy."
    api = os.environ.get("GITHUB_API_URL", API)
    return f"Proposed: {open_pull_request(name, token.secret, wanted, api=api)}"
