"""`aws` lines of the pages, run by the real command against moto, which answers in AWS's place.

The plan's own lines are walked step by step in the tests of the plan.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
import requests

from tests.ci.local.codebuild import stand_ins
from tests.docs.commands.aws import run
from tests.docs.commands.lines import lines_of_the_tree

if TYPE_CHECKING:
    from collections.abc import Iterator


MANIFEST = '{"mediaType": "application/vnd.oci.image.manifest.v1+json", "schemaVersion": 2}'


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """moto's address; what other tests of this process made there is gone."""
    with stand_ins.aws() as address:
        requests.post(f"{address}/moto-api/reset", timeout=10).raise_for_status()
        yield address


def line_of(page: str, beginning: str) -> tuple[str, ...]:
    """The one line of a page that begins so."""
    words = tuple(shlex.split(beginning))
    found = {
        line.words
        for line in lines_of_the_tree()
        if line.file == page and line.words[: len(words)] == words and len(line.words) > len(words)
    }
    (line,) = found
    return line


@pytest.mark.thorough
def test_the_page_on_aws_deletes_an_image_so_that_its_tag_is_free(moto: str) -> None:
    client = stand_ins.client("ecr", moto)
    client.create_repository(repositoryName="coworking")
    line = line_of("docs/aws.md", "aws ecr batch-delete-image")
    tag = line[-1].removeprefix("imageTag=")
    client.put_image(repositoryName="coworking", imageManifest=MANIFEST, imageTag=tag)

    done = run(line, moto)

    assert done.returncode == 0, done.stderr
    assert client.list_images(repositoryName="coworking")["imageIds"] == []


def test_the_page_on_aws_deletes_the_stack(moto: str) -> None:
    client = stand_ins.client("cloudformation", moto)
    line = line_of("docs/aws.md", "aws cloudformation delete-stack")
    name = line[line.index("--stack-name") + 1]
    client.create_stack(
        StackName=name,
        TemplateBody='{"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}',
    )

    done = run(line, moto)

    assert done.returncode == 0, done.stderr
    assert client.describe_stacks()["Stacks"] == []


@pytest.mark.thorough
def test_a_line_that_aws_refuses_is_refused_here_too(moto: str) -> None:
    done = run(("aws", "codebuild", "start-build", "--project-name", "none"), moto)

    assert done.returncode != 0
    assert "ResourceNotFoundException" in done.stderr
