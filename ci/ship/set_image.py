"""`python -m ci set-image`: write a build's tag into an overlay, from any number of builds at once.

    GIT_TOKEN=… python -m ci set-image --url https://github.com/owner/repository.git \\
        --overlay overlays/dev/coworking/image --image coworking --tag 57-1f2e3d4c \\
        --registry 123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking
"""

from __future__ import annotations

import functools
import json
import os
import time
from pathlib import Path
from typing import Any

import click

from ci.aws.registry import EcrRepository
from ci.errors import CiError, InputError
from ci.git.remote import (
    Token,
    branch_name,
    check_branch,
    check_config,
    check_url,
    git_environment,
)
from ci.git.repository import Repository
from ci.git.retry import Backoff
from ci.git.scratch import scratch_folder
from ci.options import Duration
from ci.version.image_file import ImageFile, check_folder
from ci.version.land import Destination, Lander, Landing, Leave, Plan, Progress
from ci.version.message import Deployment, environment_of, short_name
from ci.version.order import REASONS, decide
from ci.version.tag import PipelineTag

# What `python -m ci set-image` ends with; docs/pipeline.md shows this table and a test compares.
EXIT_STATUS: dict[int, str] = {
    0: "pushed, noop, superseded or pr",
    2: "bad input: tag, registry, account, region, overlay, image, branch, kustomization",
    3: "refused by policy: a hook, a protected branch, a rule of the host",
    4: "the retry budget is spent",
    5: "network or authentication",
    6: "the order is unknown: history rewritten, diverged, or an unknown commit",
}


def plan_build(tag: str, registry: EcrRepository, *, again: bool) -> Plan:
    """Plan a pipeline's write-back: in order, or not at all.

    Returns:
        A plan for `Lander`: from an `ImageFile`, a `Deployment` or a `Leave`.
    """
    wanted = PipelineTag.parse(tag)

    def plan(overlay: ImageFile) -> Deployment | Leave:
        check_registry(overlay, registry)
        current = overlay.entry.tag
        if current == tag:
            return Leave("noop")
        decision = decide(overlay, current, wanted, again=again)
        if decision.reason is not None:
            return Leave("superseded", decision.reason, decision.because)
        return Deployment(
            environment_of(overlay.folder),
            short_name(overlay.image),
            current,
            tag,
            {
                "Source-Commit": decision.source,
                "Build": str(wanted.build),
                "Image": f"{registry.address}:{tag}",
            },
        )

    return plan


def check_registry(overlay: ImageFile, registry: EcrRepository) -> None:
    """Raise an InputError when the overlay's image comes from another registry, or from none."""
    named = overlay.entry.registry
    if named is None:
        raise InputError(
            f"the entry {overlay.image!r} in {overlay.path} has no newName, so it means an image of"
            " Docker Hub; nothing was written",
            hint=f"Add this line to the entry:\nnewName: {registry.address}",
        )
    if named != registry.address:
        raise InputError(
            f"{overlay.path} takes image {overlay.image!r} from {named!r}, not from"
            f" {registry.address!r}",
            hint="Give the registry that the overlay names, or change both with `make configure`.",
        )


def describe(landing: Landing) -> dict[str, Any]:
    """The verb's answer as JSON has it: what is unknown or doesn't apply is left out."""
    answer = {name: value for name, value in landing._asdict().items() if value not in (None, "")}
    if landing.reason:
        answer["detail"] = REASONS[landing.reason]
    return answer


@click.command()
@click.option("--url", required=True, help="The git repository; no user name or token in it.")
@click.option("--overlay", required=True, help="The folder whose kustomization.yaml has images:.")
@click.option("--image", required=True, help="The entry's name under images:.")
@click.option("--registry", required=True, help="The ECR repository's address, without a tag.")
@click.option("--tag", required=True, help="<build>-<commit>, such as 57-1f2e3d4c.")
@click.option("--branch", default="main", show_default=True, help="The branch to write to.")
@click.option("--account", help="Refuse a registry of another AWS account.")
@click.option("--region", help="Refuse a registry in another region.")
@click.option(
    "--attempts", type=click.IntRange(1), default=100, show_default=True, help="Pushes to try."
)
@click.option(
    "--budget", type=Duration(86_400), default=120, show_default=True, help="Seconds to try."
)
@click.option("--sign", is_flag=True, help="Sign the commit with the key of --git-config.")
@click.option(
    "--git-config",
    type=click.Path(path_type=Path),
    help="A git configuration to use (user, signing key, proxy); the user's own never is.",
)
@click.option(
    "--pr-branch",
    is_flag=True,
    help="Push deploy/<env>/<image>-<tag> where the branch is protected.",
)
@click.option("--again", is_flag=True, help="Deploy a commit whose deployment was reverted.")
def command(**options: Any) -> None:
    """Write a build's tag into an overlay and push it; prints one JSON line.

    The token comes in GIT_TOKEN, or in the file that GIT_TOKEN_FILE names. An older commit never
    replaces a newer one, and nothing is rebased or forced. The exit status is 0 for pushed, noop,
    superseded and pr; 2 bad input; 3 refused by policy; 4 budget spent; 5 network or
    authentication; 6 the order is unknown.
    """
    began = time.monotonic()
    progress = Progress()
    try:
        answer = describe(set_image(**options, progress=progress))
    except CiError as error:
        failure = {"result": "failed", **vars(progress)}
        failure |= {"code": error.exit_code, "error": str(error)}
        if remote := getattr(error, "remote", ""):
            failure["remote"] = remote
        click.echo(json.dumps(failure))
        raise
    click.echo(json.dumps({**answer, "seconds": round(time.monotonic() - began, 3)}))


def set_image(  # noqa: PLR0913  (one argument for each option of the verb)
    *,
    url: str,
    overlay: str,
    image: str,
    registry: str,
    tag: str,
    branch: str,
    account: str | None,
    region: str | None,
    attempts: int,
    budget: float,
    sign: bool,
    git_config: Path | None,
    pr_branch: bool,
    again: bool,
    progress: Progress,
) -> Landing:
    """Write a build's tag back; the arguments are the verb's options."""
    url = check_url(url)
    branch = check_branch(branch)
    ecr = EcrRepository.parse(registry)
    ecr.expect(account=account, region=region)
    folder = check_folder(overlay)
    plan = plan_build(tag, ecr, again=again)
    if git_config is not None:
        check_config(git_config)
    name = branch_name("deploy", environment_of(folder), f"{short_name(image)}-{tag}")
    target = Destination(branch, folder, image, pull_branch=name if pr_branch else None)
    token = Token.read(os.environ)
    backoff = Backoff(attempts=attempts, seconds=budget)
    with scratch_folder() as scratch:
        environment = git_environment(os.environ, scratch, url=url, token=token, config=git_config)
        repository = Repository(url, scratch, environment, left=lambda: backoff.left)
        say = functools.partial(click.echo, err=True)
        return Lander(
            repository, target, plan, backoff, sign=sign, say=say, progress=progress
        ).land()
