"""The build of main whose tag is written back, as CodeBuild itself describes it.

A build chooses what it exports and what it prints. It does not choose its number, its commit, its
project or its status: CodeBuild writes those down, and only they are asked for here.
https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Build.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ci.aws.client import asking, client
from ci.errors import InputError
from ci.ship.build import tag_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetBuilds.html
_AT_ONCE = 100


class MainBuild(NamedTuple):
    """A build of main that succeeded: its identity, its number and the commit that it built."""

    identity: str
    number: str
    commit: str

    @property
    def tag(self) -> str:
        """The tag of its image that is deployed."""
        return tag_of(self.number, self.commit)


def find(identity: str, project: str, region: str) -> MainBuild:
    """Ask CodeBuild about a build of main.

    Args:
        identity: its ID or its ARN; empty: the newest build that succeeded.
        project: the build project of main.
        region: where it is.

    Raises:
        InputError: there is no such build, it is another project's, or it did not succeed.
        AwsError: AWS can't be asked, or refuses.
    """
    if not identity:
        return _newest(project, region)
    identity = identity.rpartition("build/")[2]  # an event has the ARN, and the API takes the ID
    if identity.partition(":")[0] != project:
        raise InputError(
            f"MAIN_BUILD is {identity}, which is not a build of {project}; nothing was written",
            hint=f"A valid one is MAIN_BUILD={project}:1f2e3d4c-5b6a-4798-881f-2e3d4c5b6a79.",
        )
    for record in _records([identity], region):
        return _checked(record, project)
    raise InputError(
        f"CodeBuild has no build {identity}; nothing was written",
        hint=f"aws codebuild list-builds-for-project --region {region} --project-name {project}",
    )


def _newest(project: str, region: str) -> MainBuild:
    with asking(f"the builds of {project}"):
        listed = client("codebuild", region).list_builds_for_project(
            projectName=project, sortOrder="DESCENDING"
        )
    records = {record["id"]: record for record in _records(listed["ids"][:_AT_ONCE], region)}
    for identity in listed["ids"]:  # an answer need not be in the order of the question
        if records.get(identity, {}).get("buildStatus") == "SUCCEEDED":
            return _checked(records[identity], project)
    raise InputError(
        f"no build of {project} has succeeded yet; nothing was written",
        hint=f"aws codebuild start-build --region {region} --project-name {project}",
    )


def _records(identities: list[str], region: str) -> Iterator[dict[str, Any]]:
    if identities:
        with asking("about a build"):
            answer = client("codebuild", region).batch_get_builds(ids=identities)
        yield from answer["builds"]


def _checked(record: dict[str, Any], project: str) -> MainBuild:
    identity, status = record["id"], record["buildStatus"]
    if record["projectName"] != project or status != "SUCCEEDED":
        raise InputError(
            f"{identity} of {record['projectName']} is {status}; only a build of {project} that"
            " SUCCEEDED is written back",
            hint="Name another MAIN_BUILD, or none for the newest.",
        )
    # For a source on GitHub it is the whole name of a commit, whatever the build was asked for.
    commit = record.get("resolvedSourceVersion", "")
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise InputError(
            f"CodeBuild says that {identity} built {commit!r}, which is not a commit",
            hint="Does the project still build from GitHub?",
        )
    return MainBuild(identity, str(record["buildNumber"]), commit)
