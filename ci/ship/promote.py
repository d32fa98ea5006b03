"""`python -m ci promote`: propose an environment's tag for the next, behind gates.

Which comes after which, settings.yaml says: `environments: [dev, staging, prod]`.

python -m ci promote --dry-run                   to the last environment, from the one before
python -m ci promote --to staging
python -m ci promote --image postgres
python -m ci promote --override soaked --reason "a fix that can't wait, see the incident"
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.argocd.client import connect
from ci.aws.ecr import Ecr
from ci.errors import CiError, InputError
from ci.git.access import open_remote, remote_url
from ci.git.github import PullRequest
from ci.git.proposal import propose
from ci.git.remote import branch_name, check_branch
from ci.options import Duration
from ci.ship.candidate import Candidate
from ci.ship.gates import GATES, State, ask
from ci.ship.which_image import (
    image_option,
    image_words,
    is_outside,
    not_deployed,
    repository_of,
)
from ci.tree import overlays, settings
from ci.version.image_file import ImageFile
from ci.version.land import Destination, Leave, land
from ci.version.message import Deployment, Message, one_line
from ci.version.tag import PLACEHOLDER, PipelineTag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci.aws.registry import EcrRepository
    from ci.git.access import Access
    from ci.tree.images import SourceImage
    from ci.version.land import Landing, Plan


class Wish(NamedTuple):
    """What was asked for: which image, from where to where, on which branch, and how."""

    image: SourceImage
    origin: str
    target: str
    branch: str
    soak: float
    overridden: frozenset[str]
    reason: str
    push: bool
    dry_run: bool


@click.command(
    epilog="Gates: " + "; ".join(f"{name}: {gate.asks}" for name, gate in GATES.items()) + "."
)
@image_option
@click.option("--from", "origin", show_default="the environment before that", help="Whose tag.")
@click.option("--to", "target", show_default="the last environment", help="Where to.")
@click.option("--soak", type=Duration(525_600), default=30, show_default=True, help="Minutes.")
@click.option("--override", multiple=True, type=click.Choice(list(GATES)), help="Pass this gate.")
@click.option("--reason", default="", help="Why a gate is passed; it is written into the commit.")
@click.option("--push", is_flag=True, help="Commit to the branch itself, where policy lets you.")
@click.option("--dry-run", is_flag=True, help="Ask the gates and change nothing.")
@click.option("--url", help="The git repository; by default settings.yaml's.")
@click.option("--branch", default="main", show_default=True)
def command(  # noqa: PLR0913  (one argument for each option)
    *,
    image: SourceImage,
    origin: str | None,
    target: str | None,
    soak: float,
    override: tuple[str, ...],
    reason: str,
    push: bool,
    dry_run: bool,
    url: str | None,
    branch: str,
) -> None:
    """Propose one environment's tag for another, behind gates.

    Prints each gate's state, and exits with 1 when one blocks. What passes becomes a pull request
    (on GitHub, with GIT_TOKEN), or a branch to merge, or with --push a commit.
    """
    if override:
        reason = one_line(reason, "reason")
    elif reason:
        raise InputError(
            "--reason explains an overridden gate, and no gate is overridden", hint="--override …"
        )
    check_branch(branch)
    origin, target = ends(image, origin, target)
    wish = Wish(image, origin, target, branch, soak, frozenset(override), reason, push, dry_run)
    place = remote_url(url, settings.read().git_url)
    with open_remote(place, os.environ) as access:
        promote(access, wish)


def ends(
    image: SourceImage, origin: str | None, target: str | None, root: Path = overlays.ROOT
) -> tuple[str, str]:
    """Where a promotion begins and ends: by default at the last environment, from the one before.

    Raises:
        InputError: there is no such environment, or nothing comes before the first.
    """
    target = target or overlays.last(root)
    for environment in filter(None, (origin, target)):
        overlays.overlay(environment, root)  # or an error that names those that there are
    before, words = overlays.before(target, root), image_words(image)
    if before is None:
        raise InputError(
            f"{target} is the first environment: the pipeline deploys to it",
            hint="Promote its version to the next one:\n"
            f"python -m ci promote --to {overlays.promotion_order(root)[1]}{words}",
        )
    if origin not in (None, before):
        raise InputError(
            f"{target} comes after {before} in settings.yaml, and not after {origin}. A version"
            " goes through every environment in between",
            hint=f"python -m ci promote --to {before}{words}\nIf it can't wait (docs/hotfix.md):\n"
            f"python -m ci hotfix --to {target}{words} --tag TAG --reason TEXT",
        )
    return before, target


def promote(access: Access, wish: Wish) -> None:
    """Ask the gates, and land the change when none blocks.

    Raises:
        CiError: a gate blocks it; or as `Access.tip` and `Lander.land`.
    """
    candidate = _candidate(access, wish)
    image, tag, old = wish.image, candidate.tag, candidate.there.entry.tag
    if is_outside(image, candidate.there):
        click.echo(not_deployed(image, wish.target, candidate.there))
        click.echo("Nothing to promote.")
        return
    if tag.startswith(PLACEHOLDER):
        raise CiError(
            f"{wish.origin} has no build's tag of {image.name} yet: {tag} is the one that the tree"
            " came with",
            hint=_how_it_gets_one(wish),
        )
    if tag == old:
        click.echo(f"{wish.target} has {tag} already; nothing to promote")
        return
    click.echo(f"{image.name}: {wish.target} {old} -> {tag}")
    states = ask(candidate, overridden=wish.overridden)
    _show(states)
    if waits := not_deployed(image, wish.target, candidate.there):
        click.echo(waits)
    _refuse_blocked(states)
    if wish.dry_run:
        click.echo("No gate blocks; nothing was changed (--dry-run).")
        return
    plan = plan_promotion(candidate, wish, repository_of(image), states)
    _land(access, wish, plan, candidate, states)


def _how_it_gets_one(wish: Wish) -> str:
    """How the environment that a promotion begins at gets a build's tag."""
    if wish.origin == overlays.first():
        return "Start its build, and promote when the build's tag is on main: docs/pipeline.md"
    words = image_words(wish.image)
    return f"Promote to it first:\npython -m ci promote --to {wish.origin}{words}"


def _candidate(access: Access, wish: Wish) -> Candidate:
    image = wish.image
    tip = access.tip(wish.branch)
    here, there = (
        ImageFile(access.repository, tip, image.overlay_folder(environment), image.name)
        for environment in (wish.origin, wish.target)
    )
    return Candidate(
        image,
        wish.origin,
        wish.target,
        here,
        there,
        access.repository,
        access.folder,
        timedelta(minutes=wish.soak),
        datetime.now(UTC),
        lambda: connect(os.environ),
        lambda: Ecr(repository_of(image)),
    )


def _refuse_blocked(states: Sequence[State]) -> None:
    blocking = [state.gate for state in states if state.word == "blocks"]
    if blocking:
        raise CiError(
            f"blocked by {', '.join(blocking)}",
            hint="Fix it as it says, or pass it with --override GATE --reason TEXT.",
        )


def plan_promotion(
    candidate: Candidate, wish: Wish, registry: EcrRepository, states: Sequence[State]
) -> Plan:
    """Plan the promotion of exactly the tag, and over the tag, that the gates were asked about."""
    tag, old = candidate.tag, candidate.there.entry.tag
    passed = ", ".join(state.gate for state in states if state.word == "overridden")

    def plan(overlay: ImageFile) -> Deployment | Leave:
        if overlay.entry.tag == tag:
            return Leave("noop")
        if overlay.entry.tag != old:
            raise CiError(
                f"{wish.target} has just moved on from {old} to {overlay.entry.tag}",
                hint="Call this again: the gates are asked about that one then.",
            )
        build = PipelineTag.match(tag)
        trailers = {
            "Source-Commit": (overlay.resolve(build.commit) if build else None) or "",
            "Build": str(build.build) if build else "",
            "Image": f"{registry.address}:{tag}",
            "Promoted-From": wish.origin,
            "Gate-Override": passed,
            "Reason": wish.reason if passed else "",
        }
        return Deployment(wish.target, overlay.image, overlay.entry.tag, tag, trailers)

    return plan


def _land(
    access: Access, wish: Wish, plan: Plan, candidate: Candidate, states: Sequence[State]
) -> None:
    there = candidate.there
    branch = branch_name("deploy", wish.target, f"{there.image}-{candidate.tag}")
    pull = None if wish.push else branch
    target = Destination(wish.branch, there.folder, there.image, pull, only_pull=not wish.push)
    landing = land(access, target, plan)
    if landing.result == "pushed":
        then = "" if candidate.waits else "; Argo CD deploys it now"
        click.echo(f"Pushed {landing.commit} to {wish.branch}{then}.")
    elif landing.result == "noop":
        click.echo(f"{wish.target} has {landing.current} already; nothing was changed")
    else:
        text = _table(states, wish.reason)
        click.echo(_propose(access, wish, landing, text))


def _propose(access: Access, wish: Wish, landing: Landing, table: str) -> str:
    """Open the pull request where the remote is GitHub and we have a token for it.

    Its title is the commit's subject, and its text has the commit's trailers: whatever a squash
    merge makes its message of, `history` and the order can read it.
    """
    message = Message.parse(access.repository.objects([landing.commit or ""])[0] or b"")
    trailers = "\n".join(f"{key}: {value}" for key, value in message.trailers.items())
    text = f"{table}\n\n```\n{trailers}\n```\n"
    wanted = PullRequest(landing.branch or "", wish.branch, message.subject, text)
    return propose(access, wanted)


def _show(states: Sequence[State]) -> None:
    said: set[str] = set()
    for state in states:
        click.echo(f"  {state.word:10}  {state.gate:14}  {state.detail}")
        if state.word == "blocks":
            for line in state.fix.splitlines():
                if line not in said:  # several gates may want the same login
                    click.echo(f"  {'':10}  {'':14}  {line}")
            said.update(state.fix.splitlines())


def _table(states: Sequence[State], reason: str) -> str:
    lines = ["| gate | state | found |", "| --- | --- | --- |"]
    lines += [f"| {s.gate} | {s.word} | {s.detail.replace('|', '/')} |" for s in states]
    return "\n".join([*lines, *(["", f"Reason: {reason}"] if reason else [])])
