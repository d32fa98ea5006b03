"""Which build this is: the variables of CodeBuild and of the project, read once and strictly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ci.aws.registry import EcrRepository
from ci.errors import InputError
from ci.tree import overlays
from ci.tree.images import IMAGES, SERVICE_IMAGE
from ci.tree.overlays import SERVICE
from ci.tree.settings import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci.tree.images import SourceImage

# How many digits of the commit a tag has.
SHORT = 8


class BuildVariable(NamedTuple):
    """An environment variable of a build: what it is, and a valid one."""

    help: str
    pattern: str
    example: str
    default: str | None = None


# docs/pipeline.md shows this table, and a test compares.
VARIABLES: dict[str, BuildVariable] = {
    "AWS_ACCOUNT_ID": BuildVariable("the account that has the registry", r"\d{12}", "123456789012"),
    "AWS_DEFAULT_REGION": BuildVariable("its region", r"[a-z]{2}(-[a-z]+)+-\d+", "us-east-1"),
    "IMAGE_REPO_NAME": BuildVariable(
        "the service's ECR repository; the database's has `-postgres` after it",
        r"[a-z0-9][a-z0-9._/-]{1,255}",
        SERVICE,
    ),
    "IMAGE": BuildVariable(
        "which image it is: the service's, or `postgres`",
        "|".join(IMAGES),
        SERVICE_IMAGE.name,
        SERVICE_IMAGE.name,
    ),
    "CODEBUILD_BUILD_NUMBER": BuildVariable("the build's number", r"[1-9]\d{0,9}", "57"),
    "CODEBUILD_BUILD_ID": BuildVariable(
        "the project and the build", r"[^:]+:.+", "coworking:1f2e…"
    ),
    "CODEBUILD_RESOLVED_SOURCE_VERSION": BuildVariable(
        "the commit that is built", r"[0-9a-f]{40}", "1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c"
    ),
    "ARTIFACTS_BUCKET": BuildVariable(
        "the bucket for imagedefinitions.json", r"[a-z0-9][a-z0-9.-]{2,62}", "coworking-artifacts"
    ),
    "MAIN_BUILD": BuildVariable(
        "the build whose tag is written back; empty: the newest one of main that succeeded",
        r"((arn:aws[a-z-]*:codebuild:[a-z0-9-]+:\d{12}:build/)?[\w-]+:[\w-]+)?",
        "coworking:1f2e3d4c-5b6a-4798-881f-2e3d4c5b6a79",
        "",
    ),
    "MAIN_PROJECT": BuildVariable(
        "the build project of main; the database's has `-postgres` after it",
        r"[a-z0-9-]{2,255}",
        SERVICE,
    ),
    "GIT_TOKEN_SECRET": BuildVariable(
        "the secret with the token that may push the tag; empty: none is needed",
        r"[\w/+=.@:-]*",
        "coworking/git-token",
        "",
    ),
    "SIGNING_KEY_SECRET": BuildVariable(
        "the secret with the SSH key that signs the write-back; asked for where settings.yaml names"
        " a signer",
        r"[\w/+=.@:-]*",
        "coworking/signing-key",
        "",
    ),
    "COMMENT_TOKEN_SECRET": BuildVariable(
        "the secret with the token that may comment on pull requests; empty: the log has it",
        r"[\w/+=.@:-]+",
        "coworking/comment-token",
    ),
    "CODEBUILD_WEBHOOK_BASE_REF": BuildVariable(
        "the branch that a pull request is for", r"refs/heads/\S+", "refs/heads/main"
    ),
    "GIT_URL": BuildVariable(
        # Checked where it is used: an error here would show a password in it.
        "the repository to write the tag to; empty: settings.yaml's",
        r"(?s).*",
        "",
        "",
    ),
    "GIT_BRANCH": BuildVariable("its branch", r"\S+", "main", "main"),
    "DEPLOY_ENVIRONMENT": BuildVariable(
        "the environment to write to; empty: the first of settings.yaml",
        r"[a-z0-9-]*",
        "staging",
        "",
    ),
    "BASE_IMAGE": BuildVariable(
        "another base image than the Dockerfile's, for a run without Amazon's mirror",
        r"[\w./:@-]*",
        "python:3.11-slim-bookworm",
        "",
    ),
    "PUSH_REGISTRY": BuildVariable(
        "another registry to push to, for a run without AWS; empty: ECR",
        r"([\w.-]+(:\d+)?)?",
        "127.0.0.1:5000",
        "",
    ),
}


def tag_of(number: str, commit: str) -> str:
    """The tag that is deployed: `<build>-<first digits of the commit>`."""
    return f"{number}-{commit[:SHORT]}"


class Build:
    """A build: `build["AWS_ACCOUNT_ID"]` reads a variable when a step needs it.

    Raises:
        InputError: the variable is missing or can't be valid; names it and a valid one.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __getitem__(self, name: str) -> str:
        variable = VARIABLES[name]
        value = self._environment.get(name, variable.default)
        if value is None:
            raise InputError(
                f"{name} is not set: {variable.help}",
                hint=f"CodeBuild or its project sets it, such as {name}={variable.example}.",
            )
        if not re.fullmatch(variable.pattern, value, re.ASCII):
            raise InputError(
                f"{name} is {value!r}, which can't be {variable.help}",
                hint=f"A valid one is {name}={variable.example}.",
            )
        return value

    @property
    def image(self) -> SourceImage:
        """The image that is built."""
        return IMAGES[self["IMAGE"]]

    @property
    def repository(self) -> EcrRepository:
        """The ECR repository that the image belongs to."""
        return self.repository_of(self.image)

    def repository_of(self, image: SourceImage) -> EcrRepository:
        """The ECR repository of one of our images."""
        host = registry(self["AWS_ACCOUNT_ID"], self["AWS_DEFAULT_REGION"])
        return EcrRepository.parse(image.named_after(f"{host}/{self['IMAGE_REPO_NAME']}"))

    @property
    def written_back(self) -> tuple[SourceImage, str]:
        """The image whose tag is written back, and its build project.

        MAIN_BUILD names a build with its project; without one it is the newest build of IMAGE.
        """
        main = self["MAIN_PROJECT"]
        named = self["MAIN_BUILD"].rpartition("build/")[2].partition(":")[0]
        for image in IMAGES.values():
            if named == image.named_after(main):
                return image, named
        return self.image, self.image.named_after(main)

    @property
    def environment(self) -> str:
        """The environment whose tag the write-back writes."""
        return self["DEPLOY_ENVIRONMENT"] or overlays.first()

    @property
    def number(self) -> str:
        """The build's number."""
        return self["CODEBUILD_BUILD_NUMBER"]

    @property
    def commit(self) -> str:
        """The whole name of the commit that is built."""
        return self["CODEBUILD_RESOLVED_SOURCE_VERSION"]

    @property
    def tag(self) -> str:
        """The tag of this build's image that is deployed."""
        return tag_of(self.number, self.commit)

    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag of the image; `latest` last, so that it never names what isn't there."""
        return (self.tag, self.number, self.commit, "latest")

    @property
    def project(self) -> str:
        """The build project's name."""
        return self["CODEBUILD_BUILD_ID"].partition(":")[0]

    @property
    def push_address(self) -> str:
        """Where the image is pushed to: the ECR repository, or another registry's."""
        registry = self["PUSH_REGISTRY"]
        return f"{registry}/{self.repository.name}" if registry else self.repository.address
