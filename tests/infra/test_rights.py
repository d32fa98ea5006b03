"""The template's rights against AWS's own list of actions and what each applies to.

The list is the one of AWS's Service Authorization Reference that cfn-lint carries. cfn-lint itself
compares the names of actions with it, but not the resources of a template that names them by
reference; a right on the wrong kind of resource is one that AWS silently never grants.
"""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.infra.test_pipeline_template import as_list, resources_of, statements

# The ARNs that `!GetAtt x.Arn` and `!Ref x` give, by the kind of the resource.
ARNS = {
    "AWS::CodeBuild::Project": "arn:aws:codebuild:us-east-1:123456789012:project/x",
    "AWS::ECR::Repository": "arn:aws:ecr:us-east-1:123456789012:repository/x",
    "AWS::S3::Bucket": "arn:aws:s3:::x",
    "AWS::SQS::Queue": "arn:aws:sqs:us-east-1:123456789012:x",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-abcdef",
}
VALUES = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "PipelineName": "coworking",
    "ConnectionArn": "arn:aws:codeconnections:us-east-1:123456789012:connection/x",
}


@cache
def services() -> dict[str, Any]:
    """AWS's list: what each service has."""
    found = importlib.util.find_spec("cfnlint")  # importing it takes a second
    assert found is not None
    assert found.origin is not None
    specification = Path(found.origin).parent / "data/AdditionalSpecs/Policies.json"
    return dict(json.loads(specification.read_text(encoding="utf-8")))


def arn_of(pipeline: dict[str, Any], resource: Any) -> str:
    """The ARN of a statement's resource, as it would be deployed."""

    def named(name: str) -> str:
        logical = name.removesuffix(".Arn")
        return VALUES.get(logical) or ARNS[pipeline["Resources"][logical]["Type"]]

    if isinstance(resource, str):
        return resource
    if "Ref" in resource:
        return named(resource["Ref"])
    if "Fn::GetAtt" in resource:
        return named(resource["Fn::GetAtt"][0])
    return re.sub(r"\$\{([^}]+)\}", lambda found: named(found[1]), resource["Fn::Sub"])


def misfits(pipeline: dict[str, Any], statement: dict[str, Any]) -> list[str]:
    """The actions of a statement that don't exist or don't apply to one of its resources."""
    arns = [arn_of(pipeline, one) for one in as_list(statement["Resource"])]
    found = []
    for action in as_list(statement["Action"]):
        service, _, name = action.lower().partition(":")
        known = services()[service]["Actions"].get(name)
        starts = [] if known is None else _starts(service, known.get("Resources", []))
        if known is None or not all(
            any(arn.startswith(start) for start in starts) if starts else arn == "*" for arn in arns
        ):
            found.append(action)
    return found


def _starts(service: str, kinds: list[str]) -> list[str]:
    """What the ARN of one of a service's kinds of resources begins with."""
    formats = {kind.lower(): one for kind, one in services()[service]["Resources"].items()}
    starts = []
    for kind in kinds:
        for form in formats[kind.lower()]["ARNFormats"]:
            for name, value in (("Partition", "aws"), ("Region", "us-east-1")):
                form = form.replace(f"${{{name}}}", value)  # noqa: PLW2901
            starts.append(form.replace("${Account}", "123456789012").split(".*")[0])
    return starts


def test_every_right_exists_and_applies_to_its_resource(pipeline: dict[str, Any]) -> None:
    for role in resources_of(pipeline, "AWS::IAM::Role"):
        for statement in statements(pipeline, role):
            assert misfits(pipeline, statement) == [], f"{role}: {statement['Sid']}"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("codebuild:StartBuilds", {"Fn::GetAtt": ["BuildProject", "Arn"]}),
        ("codebuild:ListBuilds", {"Fn::GetAtt": ["BuildProject", "Arn"]}),
        ("codebuild:BatchGetBuilds", {"Fn::GetAtt": ["Repository", "Arn"]}),
        ("ecr:GetAuthorizationToken", {"Fn::GetAtt": ["Repository", "Arn"]}),
        ("s3:PutObject", "arn:aws:sqs:us-east-1:123456789012:x"),
        ("secretsmanager:GetSecretValue", "*"),
    ],
)
def test_a_right_that_aws_would_never_grant_is_seen(
    pipeline: dict[str, Any], action: str, resource: Any
) -> None:
    assert misfits(pipeline, {"Action": action, "Resource": resource}) == [action]
