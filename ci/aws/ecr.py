"""Amazon ECR: log in, and what a tag is there (its digest, and what its scan found)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from ci.aws.client import AwsError, asking, client
from ci.errors import InputError
from ci.hidden import remember
from ci.run import run

if TYPE_CHECKING:
    from ci.aws.registry import EcrRepository


class Scan(NamedTuple):
    """A scan on push: its status (`COMPLETE`, `IN_PROGRESS`, `FAILED`) and findings by severity."""

    status: str
    findings: dict[str, int]


class Ecr:
    """One ECR repository."""

    def __init__(self, repository: EcrRepository) -> None:
        self.repository = repository
        self._client = client("ecr", repository.region)

    def log_in(self) -> None:
        """Let this machine's Docker pull from and push to the repository's registry.

        Raises:
            InputError: these credentials are another account's.
            AwsError, CommandError: AWS or Docker refuses.
        """
        with asking("who we are"):
            account = client("sts", self.repository.region).get_caller_identity()["Account"]
        if account != self.repository.account:
            raise InputError(
                f"these AWS credentials are account {account}'s, not {self.repository.account}'s",
                hint="Log in to the account that has the registry, or correct AWS_ACCOUNT_ID.",
            )
        with asking("the password of the registry"):
            answer = self._client.get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
        remember(password)
        host = self.repository.address.partition("/")[0]
        run(["docker", "login", "--username", user, "--password-stdin", host], stdin=password)

    def digest(self, tag: str) -> str | None:
        """Return the digest of a tag's image, or None when there is no such tag."""
        name = self.repository.name
        try:
            with asking(f"about {self.repository.address}:{tag}"):
                answer = self._client.describe_images(
                    repositoryName=name, imageIds=[{"imageTag": tag}]
                )
        except AwsError as error:
            if error.kind == "ImageNotFoundException":
                return None
            raise
        digest: str = answer["imageDetails"][0]["imageDigest"]
        return digest

    def scan(self, tag: str) -> Scan | None:
        """Return what the scan of a tag's image says, or None when it was never scanned."""
        try:
            with asking(f"the scan of {self.repository.address}:{tag}"):
                answer = self._client.describe_image_scan_findings(
                    repositoryName=self.repository.name, imageId={"imageTag": tag}
                )
        except AwsError as error:
            if error.kind in ("ScanNotFoundException", "ImageNotFoundException"):
                return None
            raise
        findings = answer.get("imageScanFindings", {}).get("findingSeverityCounts", {})
        return Scan(answer["imageScanStatus"]["status"], dict(findings))


def push(image: str) -> None:
    """Push an image with Docker, which prints its progress for nobody here."""
    run(["docker", "push", "--quiet", image], timeout=900)
