"""`python -m ci codebuild`: run a buildspec here, on a clone of what is committed.

    AWS_ACCOUNT_ID=123456789012 AWS_DEFAULT_REGION=us-east-1 IMAGE_REPO_NAME=coworking \\
    ARTIFACTS_BUCKET=… GIT_URL=/tmp/remote.git python -m ci codebuild ci/buildspec.yaml --number 57
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from pathlib import Path

import click

from ci.argocd.client import connect
from ci.argocd.environment import is_rolled_out, live_deployment, read, tag_in, wait_until
from ci.aws.client import secret
from ci.codebuild.runner import Outcome, Runner
from ci.codebuild.spec import parse
from ci.errors import CiError, InputError
from ci.git.remote import check_url
from ci.overlays import ROOT
from ci.run import execute, run

# The webhook or a poll (60 s), the migration, and two pods one after the other.
ROLLED_OUT_WITHIN = 600.0


@click.command()
@click.argument("buildspec", type=click.Path(path_type=Path))
@click.option("--source", default=str(ROOT), show_default="this checkout", help="What to clone.")
@click.option("--commit", default="HEAD", show_default=True, help="Which commit to build.")
@click.option("--number", type=click.IntRange(1), default=1, help="The build's number.")
@click.option("--project", default="coworking", show_default=True, help="The project's name.")
@click.option("--follow", metavar="ENV", help="Then wait until Argo CD runs the tag in ENV.")
def command(  # noqa: PLR0913  (one argument for each option)
    *, buildspec: Path, source: str, commit: str, number: int, project: str, follow: str | None
) -> None:
    """Run a buildspec's phases here as CodeBuild would, and show the seconds of each.

    BUILDSPEC is its path inside the source. The source is cloned to a folder of its own first.
    AWS is asked for real, or at AWS_ENDPOINT_URL; the engine behind `docker` builds and pushes.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="codebuild-source-") as folder:
        outcome = build(
            Path(folder) / "src",
            buildspec,
            source=source,
            commit=commit,
            number=number,
            project=project,
        )
    for result in outcome.phases:
        _show(result.phase, "succeeded" if result.succeeded else "failed", result.seconds)
    for name, value in outcome.exported.items():
        click.echo(f"exported    {name}={value}")
    if not outcome.succeeded:
        raise CiError("the build failed", hint="The log above names the command that did.")
    if follow:
        _show("rollout", "succeeded", _roll_out(follow, outcome.exported.get("IMAGE_TAG", "")))
        _show("in all", "", time.monotonic() - began)


def _show(what: str, how: str, seconds: float) -> None:
    click.echo(f"{what:11} {how:9} {seconds:7.1f} s")


def _roll_out(environment: str, tag: str) -> float:
    """Wait until all of the environment's pods run a tag and are healthy; returns the seconds."""
    api = connect(os.environ)

    def is_there() -> bool:
        app, _ = read(api, environment, refresh=True)
        if (app.sync, app.health, app.busy) != ("Synced", "Healthy", False):
            return False
        deployment = live_deployment(api, app)
        return tag_in(deployment) == tag and is_rolled_out(deployment)

    return wait_until(f"{environment} runs {tag}", ROLLED_OUT_WITHIN, is_there)


def resolve(clone: Path, commit: str) -> str:
    """Return the whole name of a commit, by whatever name the repository that was cloned knows it.

    Raises:
        InputError: it has no such commit.
    """
    for name in (commit, f"origin/{commit}"):  # a branch of the source
        words = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options"]
        done = execute([*words, f"{name}^{{commit}}"], cwd=clone)
        if done.status == 0:
            return done.stdout.decode().strip()
    raise InputError(
        f"--commit {commit!r} is no commit of the source",
        hint="Name a branch, a tag or a commit of it, such as HEAD; only what is committed counts.",
    )


def _clone(source: str, folder: Path) -> None:
    words: list[str | Path] = ["git", "clone", "--quiet", "--no-checkout", "--", source, folder]
    done = execute(words)
    if done.status != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise InputError(
            f"--source {source!r} can't be cloned: {said}",
            hint="Name the URL or the folder of a git repository.",
        )


def build(  # noqa: PLR0913  (one argument for each option of the verb)
    folder: Path, buildspec: Path, *, source: str, commit: str, number: int, project: str
) -> Outcome:
    """Clone the source into `folder` and run the buildspec there.

    Raises:
        InputError: the buildspec can't be used, or the source can't be cloned, or has no such
            commit.
    """
    source = check_url(source)
    _clone(source, folder)
    full = resolve(folder, commit)
    # CodeBuild builds a commit, not a branch.
    run(["git", "checkout", "--quiet", "--detach", full], cwd=folder)
    spec = parse(folder / buildspec)
    region = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    secrets = {name: secret(place, region) for name, place in spec.secrets.items()}
    identity = str(uuid.uuid4())
    environment = {
        **os.environ,
        "CODEBUILD_BUILD_ID": f"{project}:{identity}",
        "CODEBUILD_BUILD_NUMBER": str(number),
        "CODEBUILD_RESOLVED_SOURCE_VERSION": full,
        "CODEBUILD_SOURCE_VERSION": full,
        "CODEBUILD_SOURCE_REPO_URL": source,
        "CODEBUILD_START_TIME": str(int(time.time() * 1000)),
        "CODEBUILD_INITIATOR": "a person",
        "CODEBUILD_CI": "true",
        "CI": "true",
    }
    return Runner(spec, folder, environment, secrets=secrets, log=click.echo).run()
