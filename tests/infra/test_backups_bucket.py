"""The bucket of the backups and the role of the database's pod, from the template and on moto."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "infra/cloudformation/backups.yaml"
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/0A1B2C3D"
PARAMETERS = {
    "BucketName": "coworking-backups-prod",
    "RoleName": "coworking-prod-backups",
    "Namespace": "coworking-prod",
    "OidcIssuer": ISSUER,
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    from cfnlint.decode import decode  # noqa: PLC0415 - as in conftest.py

    found, problems = decode(str(TEMPLATE))
    assert not problems
    return found


# moto reads the bucket's policy and makes nothing of it.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stack, made by moto's CloudFormation."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("cloudformation")
        client.create_stack(
            StackName="coworking-backups-prod",
            TemplateBody=TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in PARAMETERS.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        yield client.describe_stacks()["Stacks"][0]


def rights(template: dict[str, Any]) -> list[dict[str, Any]]:
    (policy,) = template["Resources"]["Role"]["Properties"]["Policies"]
    statements: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return statements


def test_what_was_written_can_be_deleted_by_no_pod_before_the_lock_ends(
    template: dict[str, Any],
) -> None:
    bucket = template["Resources"]["Bucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rule = bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert (rule["Mode"], rule["Days"]) == ("GOVERNANCE", {"Ref": "LockDays"})
    granted = {
        action
        for statement in rights(template)
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }
    assert granted == {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"}


def test_a_version_outlives_its_lock_by_no_rule_and_goes_afterwards(
    template: dict[str, Any],
) -> None:
    rules = template["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (versions,) = [rule for rule in rules if "NoncurrentVersionExpiration" in rule]
    assert versions["NoncurrentVersionExpiration"] == {"NoncurrentDays": {"Ref": "LockDays"}}
    assert not any("ExpirationInDays" in rule for rule in rules)


def test_the_backups_outlive_the_stack_and_are_never_public(template: dict[str, Any]) -> None:
    bucket = template["Resources"]["Bucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    (statement,) = template["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def test_only_the_databases_service_account_of_the_environment_takes_the_role(stack: Any) -> None:
    role = boto3.client("iam").get_role(RoleName="coworking-prod-backups")["Role"]
    document = role["AssumeRolePolicyDocument"]
    document = json.loads(document) if isinstance(document, str) else document
    (statement,) = document["Statement"]
    account = yaml.safe_load((ROOT / "base/postgres/backups/serviceaccount.yaml").read_text())
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"]["StringEquals"] == {
        f"{ISSUER}:aud": "sts.amazonaws.com",
        f"{ISSUER}:sub": f"system:serviceaccount:coworking-prod:{account['metadata']['name']}",
    }
    assert statement["Principal"]["Federated"].endswith(f":oidc-provider/{ISSUER}")


def test_the_stack_is_made_and_says_what_git_has_to_name(stack: Any) -> None:
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert outputs["BucketName"] == "coworking-backups-prod"
    assert outputs["RoleArn"].endswith(":role/coworking-prod-backups")


@pytest.mark.parametrize(
    ("name", "value"),
    [("OidcIssuer", f"https://{ISSUER}"), ("BucketName", "Has.Dots"), ("Namespace", "*")],
)
def test_a_parameter_that_would_open_the_role_is_refused(
    template: dict[str, Any], name: str, value: str
) -> None:
    assert not re.fullmatch(template["Parameters"][name]["AllowedPattern"], value)
