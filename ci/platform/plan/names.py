"""The owner's own names, from settings.yaml and infra/eksctl/cluster.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.errors import InputError
from ci.platform.capacity.eksctl import load_cluster
from ci.platform.capacity.gather import CLUSTER, PRICES
from ci.platform.capacity.prices import load_prices
from ci.tree import settings

if TYPE_CHECKING:
    from pathlib import Path

    from ci.platform.capacity.eksctl import EksCluster
    from ci.platform.capacity.prices import Prices
    from ci.tree.settings import Settings

TOKEN_FILE = "git-token.txt"  # noqa: S105 - a name, which .gitignore has too
# The template's AllowedPattern refuses it, with a sentence, if it is left as it is.
UNKNOWN_CONNECTION = "PASTE-THE-CONNECTION-ARN"
UNKNOWN_ISSUER = "PASTE-THE-ISSUER"  # refused likewise
CONNECTION_NAME_LENGTH = 32  # AWS::CodeConnections::Connection, ConnectionName
_GITHUB = re.compile(r"https://github\.com/([A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(?:\.git)?")


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that a step fills in.

    Attributes:
        settings: the values of settings.yaml.
        cluster: the described cluster.
        prices: the table that knows its instance types.
        github: the repository as `owner/name`.
        connection: the ARN of the connection to GitHub, or a placeholder.
        bot: numeric GitHub account id of the account that writes tags back; 0 for none.
        email: who hears of failed builds; empty for nobody.
        issuer: the cluster's OIDC issuer without https://, or a placeholder.
    """

    settings: Settings
    cluster: EksCluster
    prices: Prices
    github: str
    connection: str = UNKNOWN_CONNECTION
    bot: str = "0"
    email: str = ""
    issuer: str = UNKNOWN_ISSUER

    @property
    def pipeline(self) -> str:
        """The name of projects, secrets and logs: the repository's last part, dashes only."""
        return pipeline_name(self.settings.repository)

    @property
    def stack(self) -> str:
        """The CloudFormation stack's name."""
        return f"{self.pipeline}-pipeline"

    @property
    def connection_name(self) -> str:
        """The name of the connection to GitHub."""
        return self.pipeline[:CONNECTION_NAME_LENGTH].rstrip("-")

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the pipeline's stack; an empty one keeps what the stack has."""
        return {
            "ImageRepoName": self.settings.repository,
            "PipelineName": self.pipeline,
            "GitUrl": self.settings.git_url,
            "ClusterName": self.cluster.name,
            "BotActorId": "" if self.bot == "0" else self.bot,
            "ConnectionArn": self.connection,
            "Signing": "ssh" if self.settings.signer else "none",
            "AlarmEmail": self.email,
        }

    def secret(self, name: str) -> str:
        """A secret's name in Secrets Manager: `git-token`, `comment-token` or `signing-key`."""
        return f"{self.pipeline}/{name}"


def pipeline_name(repository: str) -> str:
    """The name of projects, secrets and logs: the repository's last part, with dashes only."""
    return re.sub(r"[._]", "-", repository.rpartition("/")[2])


def read(root: Path, *, connection: str = "", bot: str = "0", email: str = "") -> Names:
    """Read the names of a checkout.

    Raises:
        InputError: the address of git is not on GitHub, which CodeBuild's webhooks need, or the
            cluster is described for another region than the settings say.
    """
    values = settings.read(root)
    cluster = load_cluster(root / CLUSTER)
    found = _GITHUB.fullmatch(values.git_url)
    if found is None:
        raise InputError(
            f"git_url is {values.git_url}, and CodeBuild's webhooks need a GitHub address",
            hint="make configure GIT_URL=https://github.com/your-org/coworking.git",
        )
    if cluster.region != values.region:
        raise InputError(
            f"{CLUSTER} says {cluster.region}, and {settings.FILE} says {values.region}",
            hint=f"make configure REGION={values.region}",
        )
    return Names(
        values,
        cluster,
        load_prices(root / PRICES),
        found[1],
        connection=connection or UNKNOWN_CONNECTION,
        bot=bot,
        email=email,
    )
