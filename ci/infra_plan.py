"""`make infra-plan`: the exact commands that make everything on AWS, in order. It runs none.

The commands are built from settings.yaml and infra/eksctl/cluster.yaml, so they are a fork's own.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

import click

from ci import overlays, settings
from ci.capacity.cluster import load_cluster
from ci.capacity.gather import CLUSTER, PRICES
from ci.capacity.offered import offered
from ci.capacity.prices import load_prices
from ci.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from ci.capacity.cluster import Cluster
    from ci.capacity.prices import Prices
    from ci.settings import Settings

TEMPLATE = "infra/cloudformation/pipeline.yaml"
BOOTSTRAP = "argocd/bootstrap.md"
LOOK_AT_NODES = (
    "kubectl get nodes --output custom-columns="
    "NAME:.metadata.name,MEMORY:.status.allocatable.memory,PODS:.status.allocatable.pods"
)
_GITHUB = re.compile(r"https://github\.com/[A-Za-z0-9-]+/[A-Za-z0-9._-]+")


class Step(NamedTuple):
    """A step: what it is for, its commands, and what you should then see."""

    title: str
    commands: tuple[str, ...]
    then: str


def plan(
    values: Settings, cluster: Cluster, prices: Prices, *, bot: str = "0", email: str = ""
) -> list[Step]:
    """The steps, in order.

    Args:
        values: account, region, repository and address of git.
        cluster: the described cluster.
        prices: the table that knows its instance types.
        bot: numeric GitHub account id of the account that writes tags back.
        email: who hears of failed builds, or nobody.

    Raises:
        InputError: CodeBuild's GitHub source can't read the address of git, or the cluster is
            described for another region than the settings say.
    """
    if not _GITHUB.fullmatch(values.git_url):
        raise InputError(
            f"git_url is {values.git_url}, and CodeBuild's webhooks need a GitHub address",
            hint="For example https://github.com/your-org/coworking.git",
        )
    if cluster.region != values.region:
        raise InputError(
            f"{CLUSTER} says {cluster.region}, and {settings.FILE} says {values.region}",
            hint=f"make configure REGION={values.region}",
        )
    pipeline = pipeline_name(values.repository)
    return [
        _account(values),
        _source(values),
        _stack(values, cluster, pipeline, bot, email),
        _secrets(values, pipeline),
        _cluster(cluster, prices),
        _first_sync(),
    ]


def pipeline_name(repository: str) -> str:
    """The name of projects, secrets and logs: the repository's last part, with dashes only."""
    return re.sub(r"[._]", "-", repository.rpartition("/")[2])


def stack_name(pipeline: str) -> str:
    """The CloudFormation stack's name."""
    return f"{pipeline}-pipeline"


def _aws(values: Settings, service: str, verb: str, *options: str) -> str:
    words = ("aws", service, verb, "--region", values.region, *options)
    return " ".join(shlex.quote(word) for word in words)


def _account(values: Settings) -> Step:
    return Step(
        "Be in the right account",
        ("aws sts get-caller-identity --query Account --output text",),
        values.account,
    )


def _source(values: Settings) -> Step:
    return Step(
        "Let CodeBuild read the repository and set its webhooks, once an account and region."
        ' source-token.json is {"serverType": "GITHUB", "authType": "PERSONAL_ACCESS_TOKEN",'
        ' "token": "..."}; from a file, the token is in no history and no list of processes',
        (
            _aws(
                values,
                "codebuild",
                "import-source-credentials",
                "--cli-input-json",
                "file://source-token.json",
            ),
            "rm source-token.json",
        ),
        "the credentials' arn",
    )


def _stack(values: Settings, cluster: Cluster, pipeline: str, bot: str, email: str) -> Step:
    parameters = {
        "ImageRepoName": values.repository,
        "PipelineName": pipeline,
        "GitUrl": values.git_url,
        "ClusterName": cluster.name,
        "BotActorId": bot,
        "AlarmEmail": email,
    }
    deploy = _aws(
        values,
        "cloudformation",
        "deploy",
        "--stack-name",
        stack_name(pipeline),
        "--template-file",
        TEMPLATE,
        "--capabilities",
        "CAPABILITY_IAM",
        "--no-fail-on-empty-changeset",
        "--parameter-overrides",
        *(f"{key}={value}" for key, value in parameters.items() if value),
    )
    return Step(
        "Make the registry, the builds, their roles and the logs; again after each change of the"
        " template. Before the cluster, so that its log groups have a retention",
        (deploy,),
        "Successfully created/updated stack, or: No changes to deploy",
    )


def _secrets(values: Settings, pipeline: str) -> Step:
    def put(name: str) -> str:
        return _aws(
            values,
            "secretsmanager",
            "put-secret-value",
            "--secret-id",
            f"{pipeline}/{name}",
            "--secret-string",
            f"file://{name}.txt",
        )

    return Step(
        "Fill the secrets: the bot's token (contents: write), and the one that comments on pull"
        " requests (pull requests: write) and can do nothing else",
        (put("git-token"), put("comment-token"), "rm git-token.txt comment-token.txt"),
        "a VersionId for each",
    )


def _cluster(cluster: Cluster, prices: Prices) -> Step:
    return Step(
        "Make the cluster, about 20 minutes, and look at what its nodes offer",
        (
            f"eksctl create cluster --config-file {CLUSTER}",
            LOOK_AT_NODES,
        ),
        "; ".join(one.text for one in offered(cluster, prices)),
    )


def _first_sync() -> Step:
    page = (overlays.ROOT / BOOTSTRAP).read_text(encoding="utf-8")
    lines = page.split("```")[1].strip().splitlines()
    return Step(
        "Install Argo CD, seal the passwords for this cluster, hand everything over to git",
        # The page is the one place for these; its first line is for who did not just run eksctl.
        tuple(line for line in lines if not line.startswith("aws ")),
        "each Application Synced and Healthy: .venv/bin/python -m ci status",
    )


def text(steps: list[Step]) -> str:
    """The plan as a shell script with comments."""
    lines = ["# Nothing here has been run. Read it, then run it line by line."]
    for number, step in enumerate(steps, 1):
        lines += ["", f"# {number}. {step.title}", *step.commands, f"# -> {step.then}"]
    return "\n".join(lines)


@click.command(help="Print the commands that make everything on AWS, in order; run none of them.")
@click.option("--bot", default="0", help="GitHub account id of the account that writes tags back.")
@click.option("--email", default="", help="Who hears of failed builds.")
@overlays.root_option
def command(bot: str, email: str, root: Path) -> None:
    cluster, prices = load_cluster(root / CLUSTER), load_prices(root / PRICES)
    click.echo(text(plan(settings.read(root), cluster, prices, bot=bot, email=email)))
