"""What each step does. A step that fails raises; CodeBuild then ends the build before the next."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.aws.client import AwsError, asking, client, secret
from ci.aws.ecr import Ecr, push
from ci.errors import CommandError, InputError
from ci.run import execute, run
from ci.ship import image as images
from ci.ship import main_build, signing
from ci.ship.set_image import describe, set_image
from ci.tree import settings
from ci.tree.overlays import ROOT
from ci.version.land import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.ship.build import Build

DEFINITIONS = "imagedefinitions.json"


class BuildStep(NamedTuple):
    """A step: what it does in a line, and the function that does it for a build."""

    help: str
    act: Callable[[Build], None]


def name_tag(build: Build) -> None:
    """Print the tag, for the build's exported variable IMAGE_TAG."""
    click.echo(build.tag)


def log_in(build: Build) -> None:
    """Log Docker in to the registry; a registry other than ECR needs no login."""
    if not build["PUSH_REGISTRY"]:
        Ecr(build.repository).log_in()


def build_image(build: Build) -> None:
    """Build the image, with the layers of `latest` as the cache where there are any."""
    latest = f"{build.push_address}:latest"
    cache = execute(["docker", "pull", "--quiet", latest], timeout=600)
    images.build(
        [f"{build.push_address}:{tag}" for tag in build.tags],
        number=build.number,
        commit=build.commit,
        source=build.image.source,
        base=build["BASE_IMAGE"],
        options=[
            *(["--cache-from", latest] if cache.status == 0 else []),
            # Without it the pushed image could not be the next build's cache.
            *("--build-arg", "BUILDKIT_INLINE_CACHE=1"),
        ],
    )
    click.echo(f"built {build.push_address}:{build.tag}")


def test_image(build: Build) -> None:
    """Run the image and ask it, as its own tests say."""
    done = execute(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rs",
            build.image.tests,
            "--junitxml=reports/image.xml",
        ],
        cwd=ROOT,
        env=os.environ | {build.image.tested: f"{build.push_address}:{build.tag}"},
        timeout=900,
    )
    click.echo(done.stdout)
    if done.status != 0:
        raise CommandError(done.shown, done.status, done.stderr.decode(errors="replace"))


def push_image(build: Build) -> None:
    """Push every tag. A commit's own tag stays at its first build: tags are immutable."""
    ecr = None if build["PUSH_REGISTRY"] else Ecr(build.repository)
    for tag in build.tags:
        if tag == build.commit and ecr is not None and ecr.digest(tag) is not None:
            click.echo(f"kept   {build.push_address}:{tag}, which an earlier build pushed")
            continue
        push(f"{build.push_address}:{tag}")
        click.echo(f"pushed {build.push_address}:{tag}")


def publish(build: Build) -> None:
    """Put imagedefinitions.json into the bucket, in the form that CodePipeline's deployments read.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/file-reference.html
    """
    key = f"{build.project}/{build.tag}/{DEFINITIONS}"
    body = json.dumps(
        [{"name": build.image.workload, "imageUri": f"{build.repository.address}:{build.tag}"}]
    )
    bucket = build["ARTIFACTS_BUCKET"]
    with asking(f"whether it stored s3://{bucket}/{key}"):
        client("s3", build.repository.region).put_object(
            Bucket=bucket, Key=key, Body=body.encode(), ContentType="application/json"
        )
    click.echo(f"stored s3://{bucket}/{key}")


def write_back(build: Build) -> None:
    """Write a build's tag to the environment's overlay; the token never leaves this process.

    Raises:
        InputError: the build can't be written back, or its image is not in the registry.
    """
    region = build["AWS_DEFAULT_REGION"]
    image, project = build.written_back
    repository = build.repository_of(image)
    built = main_build.find(build["MAIN_BUILD"], project, region)
    click.echo(f"{built.identity} is build {built.number} of {built.commit}")
    if not build["PUSH_REGISTRY"] and Ecr(repository).digest(built.tag) is None:
        raise InputError(
            f"{repository.address} has no tag {built.tag}: the pods could not start",
            hint="The build's log says what it pushed. Build the commit again.",
        )
    name = build["GIT_TOKEN_SECRET"]
    if name:
        os.environ["GIT_TOKEN"] = secret(name, region)
    configured = settings.read()
    signs = signing.configuration(configured.signer, build["SIGNING_KEY_SECRET"], region)
    with signs as git_config:
        landing = set_image(
            url=build["GIT_URL"] or configured.git_url,
            overlay=image.overlay_folder(build.environment),
            image=image.name,
            registry=repository.address,
            tag=built.tag,
            branch=build["GIT_BRANCH"],
            account=build["AWS_ACCOUNT_ID"],
            region=region,
            attempts=100,
            budget=300,
            sign=git_config is not None,
            git_config=git_config,
            pr_branch=True,
            again=False,
            progress=Progress(),
        )
    click.echo(json.dumps(describe(landing)))


def comment(build: Build) -> None:
    """Write on the pull request what it would change, with a token that can do nothing else.

    The token is an option of a first deploy: while its secret is empty, the comment is in the log.
    """
    base = f"origin/{build['CODEBUILD_WEBHOOK_BASE_REF'].removeprefix('refs/heads/')}"
    diff = [sys.executable, "-m", "ci", "diff", "--base", base]
    name = build["COMMENT_TOKEN_SECRET"]
    try:
        token = secret(name, build["AWS_DEFAULT_REGION"])
    except AwsError as error:
        # AWS answers alike for a secret without a value and for one that does not exist.
        if error.kind != "ResourceNotFoundException":
            raise
        click.echo(f"The secret {name} has no value, so this is on no pull request:\n")
        click.echo(run(diff, cwd=ROOT))
        return
    click.echo(run([*diff, "--post"], cwd=ROOT, env=os.environ | {"GITHUB_TOKEN": token}))


STEPS: dict[str, BuildStep] = {
    "tag": BuildStep("Print the tag that this build deploys.", name_tag),
    "login": BuildStep("Log Docker in to ECR, after checking the account.", log_in),
    "build": BuildStep("Build the image, with the last one's layers as the cache.", build_image),
    "test-image": BuildStep("Test the image with its own tests.", test_image),
    "push": BuildStep("Push all tags.", push_image),
    "publish": BuildStep("Put imagedefinitions.json into the bucket.", publish),
    "comment": BuildStep("Write on the pull request what it would change.", comment),
    "write-back": BuildStep(
        "Write the tag of a build of main to the environment's overlay.", write_back
    ),
}
