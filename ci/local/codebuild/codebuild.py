"""`python -m ci codebuild`: run a buildspec here, and what its success starts on AWS.

    AWS_ACCOUNT_ID=123456789012 AWS_DEFAULT_REGION=us-east-1 IMAGE_REPO_NAME=coworking \\
    ARTIFACTS_BUCKET=… GIT_URL=/tmp/remote.git python -m ci codebuild ci/buildspec.yaml --number 57
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.argocd.client import connect
from ci.argocd.environment import is_rolled_out, live_deployment, read, tag_in, wait_until
from ci.aws.client import secret
from ci.errors import CiError, InputError
from ci.git.remote import check_url
from ci.local.codebuild.eventbridge import Template
from ci.local.codebuild.finished import Finished, codebuild
from ci.local.codebuild.runner import Outcome, Runner
from ci.local.codebuild.spec import parse
from ci.run import execute, run
from ci.tree.overlays import PIPELINE_TEMPLATE, ROOT, SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

# The webhook or a poll (60 s), the migration, and two pods one after the other.
ROLLED_OUT_WITHIN = 600.0


class Job(NamedTuple):
    """What to build: a buildspec, the source and its commit, the number, and whose pipeline."""

    buildspec: Path
    source: str
    commit: str
    number: int
    pipeline: str
    variables: Mapping[str, str] = {}


@click.command()
@click.argument("buildspec", type=click.Path(path_type=Path))
@click.option("--source", default=str(ROOT), show_default="this checkout", help="What to clone.")
@click.option("--commit", default="HEAD", show_default=True, help="Which commit to build.")
@click.option("--number", type=click.IntRange(1), default=1, help="The build's number.")
@click.option("--project", default=SERVICE, show_default=True, help="The pipeline's name.")
@click.option("--follow", metavar="ENV", help="Then wait until Argo CD runs the tag in ENV.")
def command(  # noqa: PLR0913  (one argument for each option)
    *, buildspec: Path, source: str, commit: str, number: int, project: str, follow: str | None
) -> None:
    """Run a buildspec's phases here as CodeBuild would, and show the seconds of each.

    BUILDSPEC is its path inside the source. The source is cloned to a folder of its own first.
    When it succeeds, what the pipeline's template starts by that event runs too: the write-back
    after the build of main, on the tip of GIT_BRANCH. AWS is asked for real, or at
    AWS_ENDPOINT_URL, except about the build that ran here; the engine behind `docker` builds and
    pushes.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="codebuild-source-") as folder:
        clone = Path(folder) / "src"
        job = Job(buildspec, source, commit, number, project)
        outcome, finished = build(clone, job)
        _report(outcome)
        template = Template.read(clone / PIPELINE_TEMPLATE, project)
        if template is not None:
            _follow_on(Path(folder), template, job, finished)
    if follow:
        _show("rollout", "succeeded", _roll_out(follow, outcome.exported.get("IMAGE_TAG", "")))
        _show("in all", "", time.monotonic() - began)


def _follow_on(folder: Path, template: Template, job: Job, finished: Finished) -> None:
    """Run the builds that the end of one starts, as EventBridge would."""
    branch = os.environ.get("GIT_BRANCH", "main")
    for start in template.starts(finished.event()):
        click.echo(f"its success starts {start.project}")
        with codebuild(finished) as address:
            variables = {
                **start.variables,
                "MAIN_PROJECT": job.pipeline,
                "AWS_ENDPOINT_URL_CODEBUILD": address,
            }
            next_job = Job(Path(start.buildspec), job.source, branch, 1, job.pipeline, variables)
            outcome, _ = build(folder / start.project, next_job)
        _report(outcome, start.project.removeprefix(f"{job.pipeline}-"))


def _report(outcome: Outcome, what: str = "") -> None:
    for result in outcome.phases:
        how = "succeeded" if result.succeeded else "failed"
        _show(f"{what} {result.phase}".strip(), how, result.seconds)
    for name, value in outcome.exported.items():
        click.echo(f"exported    {name}={value}")
    if not outcome.succeeded:
        raise CiError(
            f"the {what or 'build'} failed", hint="The log above names the command that did."
        )


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
        f"--commit {commit!r} is not a commit of the source",
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


def _variables(job: Job, identity: str, source: str, commit: str) -> dict[str, str]:
    """What CodeBuild sets, over the project's own variables."""
    return {
        **job.variables,
        "CODEBUILD_BUILD_ID": identity,
        "CODEBUILD_BUILD_NUMBER": str(job.number),
        "CODEBUILD_RESOLVED_SOURCE_VERSION": commit,
        "CODEBUILD_SOURCE_VERSION": commit,
        "CODEBUILD_SOURCE_REPO_URL": source,
        "CODEBUILD_START_TIME": str(int(time.time() * 1000)),
        "CODEBUILD_INITIATOR": "a person",
        "CODEBUILD_CI": "true",
        "CI": "true",
    }


def build(folder: Path, job: Job) -> tuple[Outcome, Finished]:
    """Clone the source into `folder` and run the buildspec there.

    Raises:
        InputError: the buildspec can't be used, or the source can't be cloned, or has no such
            commit.
    """
    source = check_url(job.source)
    _clone(source, folder)
    full = resolve(folder, job.commit)
    # CodeBuild builds a commit, not a branch.
    run(["git", "checkout", "--quiet", "--detach", full], cwd=folder)
    spec = parse(folder / job.buildspec)
    region = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    secrets = {name: secret(place, region) for name, place in spec.secrets.items()}
    template = Template.read(folder / PIPELINE_TEMPLATE, job.pipeline)
    project = (template and template.project_of(job.buildspec.as_posix())) or job.pipeline
    account = os.environ.get("AWS_ACCOUNT_ID", "123456789012")
    identity = str(uuid.uuid4())
    variables = os.environ | _variables(job, f"{project}:{identity}", source, full)
    outcome = Runner(spec, folder, variables, secrets=secrets, log=click.echo).run()
    return outcome, Finished(
        project,
        identity,
        job.number,
        full,
        outcome.succeeded,
        outcome.exported,
        account,
        region,
    )
