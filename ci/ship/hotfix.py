"""`python -m ci hotfix`: put an image into an environment by hand, with the reason in git.

    python -m ci hotfix --to prod --tag manual-v1.0.0 --reason "visits counted twice"
    python -m ci hotfix --to dev --tag manual-v1.0.1 --build --reason "try the fix"
    python -m ci hotfix --image postgres --to prod --tag 3-0a1b2c3d --reason "4 archives nothing"

What the older guide did with docker and `kubectl set image`, made safe: the image is in the
registry before git names it, and the pipeline's next write-back still knows the order.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ci.aws.ecr import Ecr, push
from ci.errors import CiError, InputError
from ci.git.access import open_remote, remote_url
from ci.git.remote import branch_name, check_branch, check_url
from ci.platform.capacity.eksctl import load_cluster
from ci.platform.capacity.gather import CLUSTER
from ci.run import run
from ci.ship.image import build as build_image
from ci.ship.set_image import check_registry
from ci.ship.which_image import image_option, not_deployed, repository_of
from ci.tree import settings
from ci.tree.overlays import ROOT, overlay
from ci.version.image_file import ImageFile
from ci.version.land import Destination, Leave, land
from ci.version.message import Deployment, one_line
from ci.version.tag import PipelineTag, check_tag

if TYPE_CHECKING:
    from ci.aws.registry import EcrRepository
    from ci.tree.images import SourceImage
    from ci.version.land import Landing, Plan


def plan_hotfix(
    environment: str, tag: str, registry: EcrRepository, reason: str, *, source: str | None
) -> Plan:
    """Plan a hotfix: no order is asked for, since a person decided.

    Args:
        environment: `dev`, `prod`.
        tag: the tag, of any form.
        registry: where its image is.
        reason: a line for the commit.
        source: the commit that the image was made from, if known; it is recorded only when the
            branch has it, because the next write-back reads the order from there.
    """

    def plan(overlay: ImageFile) -> Deployment | Leave:
        check_registry(overlay, registry)
        if overlay.entry.tag == tag:
            return Leave("noop")
        pipeline = PipelineTag.match(tag)
        name = source or (pipeline.commit if pipeline else "")
        trailers = {
            "Source-Commit": (overlay.resolve(name) if name else None) or "",
            "Build": str(pipeline.build) if pipeline else "",
            "Image": f"{registry.address}:{tag}",
            "Reason": reason,
        }
        return Deployment(environment, overlay.image, overlay.entry.tag, tag, trailers)

    return plan


def build_and_push(image: SourceImage, registry: EcrRepository, tag: str) -> str | None:
    """Build an image of this checkout for the nodes, push it, return its commit; None if dirty.

    Raises:
        InputError: the registry has the tag already, and tags are immutable.
    """
    ecr = Ecr(registry)
    if ecr.digest(tag) is not None:
        raise InputError(
            f"{registry.address}:{tag} exists already, and tags don't change",
            hint="Take another tag to build, or leave --build out to deploy the one that is there.",
        )
    commit = run(["git", "rev-parse", "HEAD"], cwd=ROOT).strip()
    is_clean = not run(["git", "status", "--porcelain", "--", image.source], cwd=ROOT).strip()
    label = commit if is_clean else "uncommitted"
    name = f"{registry.address}:{tag}"
    # A laptop may be of another kind than the nodes, whose pods would then not start.
    platform = f"linux/{load_cluster(ROOT / CLUSTER).architecture}"
    options = ["--platform", platform]
    build_image([name], number=tag, commit=label, source=image.source, options=options)
    ecr.log_in()
    push(name)
    return commit if is_clean else None


def _expect(registry: EcrRepository, tag: str) -> None:
    if Ecr(registry).digest(tag) is None:
        raise InputError(
            f"{registry.address} has no tag {tag!r}: the pods could not start",
            hint="Name a tag that is there (`aws ecr describe-images`), or --build it.",
        )


@click.command()
@image_option
@click.option("--to", "environment", required=True, help="The environment.")
@click.option("--tag", required=True, help="A tag of any form, such as manual-v1.0.0.")
@click.option("--reason", required=True, help="Why, in a sentence; it is written into the commit.")
@click.option(
    "--build",
    is_flag=True,
    help="Build this checkout for the nodes as that tag, and push it, first.",
)
@click.option("--unchecked", is_flag=True, help="Don't ask ECR whether it has the tag.")
@click.option("--url", help="The git repository; by default settings.yaml's.")
@click.option("--branch", default="main", show_default=True)
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
def command(  # noqa: PLR0913  (one argument for each option)
    *,
    image: SourceImage,
    environment: str,
    tag: str,
    reason: str,
    build: bool,
    unchecked: bool,
    url: str | None,
    branch: str,
    dry_run: bool,
) -> None:
    """Put an image into an environment by hand, with the reason in git.

    It goes to the branch itself, or to a branch to merge where that one is protected. Argo CD
    deploys it as any other commit, unless auto-sync is off after a rollback.
    """
    reason = one_line(reason, "reason")
    overlay(environment)  # or an error that names those that there are
    configured = settings.read()
    registry = repository_of(image)
    check_tag(tag)
    check_branch(branch)
    folder = image.overlay_folder(environment)
    place = check_url(remote_url(url, configured.git_url))
    if dry_run:
        click.echo("Would do, and does nothing now:")
        click.echo(f"  - {'build and push' if build else 'look for'} {registry.address}:{tag}")
        click.echo(f"  - write {tag} to {folder} on {branch} of {place}: {reason}")
        return
    source = build_and_push(image, registry, tag) if build else None
    if not build and not unchecked:
        _expect(registry, tag)
    plan = plan_hotfix(environment, tag, registry, reason, source=source)
    pull = branch_name("deploy", environment, f"{image.name}-{tag}")
    target = Destination(branch, folder, image.name, pull)
    with open_remote(place, os.environ) as access:
        landing = land(access, target, plan)
        there = ImageFile(access.repository, landing.tip, folder, image.name)
        _say(landing, environment, not_deployed(image, environment, there))


def _say(landing: Landing, environment: str, waits: str) -> None:
    if landing.result == "noop":
        click.echo(f"{environment} has {landing.current} already; nothing was changed")
    elif landing.result == "pushed":
        click.echo(f"{environment}: {landing.previous} -> {landing.current} in {landing.commit}")
    elif landing.result == "pr":
        click.echo(f"The branch is protected: merge {landing.branch} to deploy it.")
    else:
        raise CiError(f"the write-back ended as {landing.result}")
    if waits:
        click.echo(waits)
    elif landing.result == "pushed":
        click.echo("Argo CD deploys it now; `python -m ci status` shows it.")
